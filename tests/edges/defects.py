"""The defects of the first system that were not to be copied, and what proves that they were not.

The numbers are those of ``reference/runtime.md`` section 12.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.edges.proofs import ACTORS, MACHINES, NOT_ADOPTED, RESTARTS, RULES, STORE, TURNS, WAKING, Case, proved

DEFECTS: Final[Mapping[int, Case]] = {
    1: proved(
        "What failed keeps its place.",
        f"{ACTORS}turn_endings.py::test_a_waiting_run_keeps_its_place_and_others_wait_behind_it",
        f"{MACHINES}identity_apart.py::test_the_others_follow_one_by_one_with_their_attempt_charged",
    ),
    2: proved(
        "What is displaced is displaced at admission, and everybody hears of it.",
        f"{TURNS}defect_2_what_is_displaced_has_its_outcome_and_everybody_hears_it",
        f"{MACHINES}identity_lanes.py::test_progress_of_one_request_coalesces_and_names_what_it_stands_for",
    ),
    3: proved("Attempts are bounded.", f"{RESTARTS}edge_11_attempts_are_counted_over_kills"),
    4: proved(
        "A waiter is told the outcome, and nothing before it.",
        f"{TURNS}defect_4_who_waits_through_a_failure_hears_the_one_outcome",
    ),
    5: proved(
        "A duplicate receipt is refused by every store.",
        f"{STORE}runtime_boundaries.py::test_st04_a_duplicate_receipt_leaves_nothing_of_its_unit",
    ),
    6: proved(
        "What is undone is one admission, and no wake of anybody else.",
        NOT_ADOPTED,
        f"{ACTORS}idempotency.py::test_a_duplicate_among_twenty_new_inputs_disturbs_none",
    ),
    7: proved(
        "The order of recovery is the order of admission.",
        f"{RESTARTS}defect_7_recovery_goes_by_admission_and_not_by_id",
    ),
    8: proved(
        "That a run is staged is durable.",
        f"{MACHINES}identity_admission.py::test_a_send_to_an_idle_identity_is_staged_by_its_own_insertion",
        f"{RULES}runs.py::an_admission_may_stage_its_run_at_once",
    ),
    9: proved(
        "What is stopped is said to be stopped.",
        "tests/test_governing.py::test_a_stopped_agent_gives_up_what_is_queued_and_ends_its_turn",
        f"{RESTARTS}edges_19_25_what_recovery_gives_up_ends_whatever_is_asked_first",
    ),
    10: proved(
        "A run ends in one commit.",
        f"{ACTORS}input_path.py::test_a_turn_costs_two_commits_its_admission_and_its_boundary",
        f"{ACTORS}kills.py::test_a_turn_is_one_transaction",
    ),
    11: proved(
        "What is to end a rest ends it.",
        f"{WAKING}edge_1_an_agent_that_merely_waits_is_woken_by_the_mail_of_another",
    ),
    12: proved(
        "Control goes ahead of any backlog.",
        "tests/test_steering.py::test_what_is_asked_of_an_agent_does_not_wait_behind_its_mail",
        f"{ACTORS}mailbox.py::test_mail_is_drained_in_order_and_control_before_it",
    ),
    13: proved(
        "A failure parks nobody who has work.",
        f"{TURNS}edge_22_one_bad_input_holds_up_nobody_for_ever",
    ),
    14: proved(
        "Nothing from outside is derived, of whatever kind it is.",
        f"{MACHINES}admission_rules.py::test_every_cell_of_the_durability_matrix",
    ),
    15: proved("Stopped is not final.", f"{RESTARTS}defect_15_a_stopped_agent_is_revived"),
    16: proved(
        "A counter ends in an error, and never stands still.",
        f"{STORE}runtime_boundaries.py::test_st20_a_sequence_beyond_63_bits_is_refused_and_never_wrapped",
        f"{RULES}ranges.py::the_largest_counters_are_stored",
        f"{ACTORS}input_path.py::test_a_number_that_the_store_can_not_count_is_the_senders_to_hear",
    ),
    17: proved(
        "What was not committed is no event.",
        f"{RULES}events.py::a_refused_unit_is_no_event_and_its_neighbours_are",
    ),
}
"""By number: 1 to 17."""
