"""Where each promise is looked for: a function, or a test that holds it. A test holds this table to the tree."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SIMULATION: Final = "meerkat_actors/simulation"
_ROWS: Final = f"{_SIMULATION}/checks"
_HISTORY: Final = f"{_SIMULATION}/history"

Places = tuple[str, ...]

SECTION_FOUR: Final[Mapping[int, Places]] = MappingProxyType(
    {
        1: (
            f"{_HISTORY}/answers.py::check_what_was_acknowledged_is_there",
            f"{_HISTORY}/answers.py::check_contents_are_those_that_were_asked",
            f"{_ROWS}/admission.py::check_i01_ack_implies_a_durable_row",
        ),
        2: (f"{_HISTORY}/answers.py::check_boundaries_are_those_that_were_told",),
        3: (
            f"{_ROWS}/admission.py::check_i03_a_key_is_one_input_for_ever",
            f"{_ROWS}/receipts.py::check_i12_what_has_a_receipt_is_never_replayed",
            f"{_HISTORY}/answers.py::check_every_call_was_answered_once",
        ),
        4: (
            f"{_ROWS}/receipts.py::check_i08_applied_implies_a_receipt",
            f"{_ROWS}/receipts.py::check_i09_contributors_are_what_was_consumed",
        ),
        5: (
            f"{_ROWS}/receipts.py::check_i10_receipts_are_dense_per_run",
            f"{_ROWS}/receipts.py::check_i11_a_boundary_is_one_transaction",
            f"{_ROWS}/receipts.py::check_i23_snapshots_only_move_forward",
        ),
        6: (f"{_ROWS}/chain.py::unchained", f"{_HISTORY}/damage.py::check_the_file_is_sound"),
        7: (f"{_ROWS}/authority.py::check_i25_stale_holders_are_refused",),
        8: (f"{_HISTORY}/order.py::check_no_former_owner_answers",),
        9: (
            f"{_HISTORY}/answers.py::check_boundaries_are_those_that_were_told",
            f"{_ROWS}/receipts.py::check_i23_snapshots_only_move_forward",
        ),
        10: (
            f"{_HISTORY}/order.py::check_later_calls_have_later_versions",
            f"{_HISTORY}/order.py::check_later_calls_have_later_places",
            f"{_HISTORY}/answers.py::check_texts_are_those_of_the_turns",
        ),
        11: (
            f"{_HISTORY}/order.py::check_nothing_went_back",
            f"{_HISTORY}/order.py::check_later_calls_have_later_versions",
            f"{_ROWS}/authority.py::check_i26_counters_are_behind_what_they_stand_for",
        ),
        12: (
            f"{_HISTORY}/answers.py::check_nothing_is_there_that_nobody_asked_for",
            f"{_ROWS}/agenda.py::check_i32_what_was_told_is_so",
            f"{_ROWS}/agenda.py::check_i33_what_was_sent_is_counted_and_taken_in_order",
        ),
        13: (
            f"{_HISTORY}/answers.py::check_what_was_refused_left_nothing",
            f"{_ROWS}/admission.py::check_i02_a_failed_admission_leaves_no_trace",
        ),
        14: (
            f"{_HISTORY}/answers.py::check_texts_are_those_of_the_turns",
            f"{_ROWS}/admission.py::check_i07_terminal_is_final_and_one",
            f"{_ROWS}/callers.py::check_i16_waiters_hear_what_is_committed",
        ),
        15: (f"{_HISTORY}/damage.py::check_the_file_is_sound",),
        16: (
            f"{_SIMULATION}/workloads/steps.py::check_what_was_recorded_is_of_its_run",
            "tests/simulation/mutants_checks.py::check_of",
        ),
        17: (f"{_SIMULATION}/subscriber.py::compare",),
        18: (
            "tests/actors/test_groups_given_up.py::test_one_poisoned_agent_disturbs_no_sibling",
            "tests/actors/test_storage.py::test_a_unit_that_is_refused_does_not_disturb_its_neighbours",
            f"{_ROWS}/receipts.py::check_i11_a_boundary_is_one_transaction",
        ),
        19: (
            "tests/simulation/test_history_restored.py::test_a_restored_backup_holds_all_that_clients_were_told",
            "tests/simulation/test_history_restored.py"
            "::test_who_owned_the_store_is_refused_by_the_restored_one_which_goes_on",
        ),
        20: (f"{_HISTORY}/ends.py::check_everything_ended", f"{_SIMULATION}/settling.py::settle"),
        21: (
            f"{_SIMULATION}/running.py::_stuck",
            f"{_ROWS}/callers.py::check_i17_every_waiter_is_answered",
            "tests/actors/test_storage_failures.py::test_a_commit_that_raises_ends_storage_and_answers_everyone",
        ),
        22: (
            f"{_HISTORY}/ends.py::check_backlogs_stay_within_their_bound",
            "tests/simulation/test_history_resources.py::test_no_task_outlives_the_processes",
            "tests/simulation/test_history_resources.py::test_no_file_and_no_thread_outlives_a_simulation",
            "tests/simulation/test_history_resources.py::test_no_log_is_left_beside_a_store_that_ended",
            "tests/simulation/test_determinism.py::test_many_runs_leave_nothing_behind",
        ),
        23: ("tests/simulation/test_determinism.py::test_the_same_seed_is_the_same_history_in_any_process",),
        24: (
            "tests/simulation/mutants.py::hunt",
            "tests/simulation/test_mutants.py::test_planted_faults_are_found_out_and_nothing_is_without_them",
            "tests/simulation/test_plan.py::test_every_choice_of_every_kind_is_drawn",
        ),
    }
)
"""The numbers of ``reference/reliability.md``, section 4."""

PROMISES: Final[Mapping[str, Places]] = MappingProxyType(
    {
        "P1": (*SECTION_FOUR[1], *SECTION_FOUR[2], *SECTION_FOUR[13]),
        "P2": (*SECTION_FOUR[3], *SECTION_FOUR[4], *SECTION_FOUR[9]),
        "P3": (
            f"{_ROWS}/admission.py::check_i04_what_is_open_is_in_one_place",
            f"{_ROWS}/authority.py::check_i13_at_most_one_run",
            *SECTION_FOUR[20],
        ),
        "P4": (*SECTION_FOUR[14], *SECTION_FOUR[21], f"{_HISTORY}/answers.py::check_every_call_was_answered_once"),
        "P5": (
            f"{_ROWS}/callers.py::check_i16_waiters_hear_what_is_committed",
            f"{_ROWS}/authority.py::check_i18_a_lifecycle_is_what_was_committed",
            *SECTION_FOUR[11],
            *SECTION_FOUR[17],
        ),
    }
)
"""The five of DESIGN.md, section 1."""

HELD_BY: Final = MappingProxyType(
    {
        15: ("test_r10_", "test_mail_that_is_committed_while_its_recipient_comes_back_is_taken"),
        16: ("test_i16_",),
        18: ("test_i18_",),
        19: ("test_rt08_", "test_rt13_", "test_r08_", "test_r09_"),
        20: ("test_rt09_", "test_rt18_", "test_r03_"),
        21: ("test_rt11_",),
        26: ("test_w07_",),
        28: ("test_i28_",),
    }
)
"""Of I1 to I34, those that no store shows, or not when they became true: the beginnings of the names of their tests.

The others are looked for by the ``check_iNN_`` of ``simulation/checks`` with their number.
"""
