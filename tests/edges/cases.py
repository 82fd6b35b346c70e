"""The edge cases that the systems before this one paid for, and what proves each here.

The numbers are those of ``reference/runtime.md`` section 12.2; the lessons are in our words. Section 12.3 is in
``defects``. A check of the conformance suite counts as a test: each runs over each store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.edges.proofs import (
    ACTORS,
    BOTH_STORES,
    DESTROYED,
    FULL_DISK,
    LEAVING,
    LOST_BOUNDARY,
    MACHINES,
    NOT_ADOPTED,
    NOT_SPINNING,
    QUIET,
    RECYCLING,
    RESTARTS,
    RULES,
    SQLITE,
    STORE,
    STUCK,
    SUSPECTS,
    TURNS,
    WAKING,
    Case,
    impossible,
    proved,
)

EDGES: Final[Mapping[int, Case]] = {
    1: proved(
        "Who merely waits is woken by what a peer says, and by whoever wants it to reach its checkpoint.",
        f"{WAKING}edge_1_an_agent_that_merely_waits_is_woken_by_the_mail_of_another",
        f"{WAKING}edge_1_a_soft_interruption_ends_a_rest_on_the_way_to_its_checkpoint",
        f"{WAKING}edge_1_only_an_interruption_that_waits_for_a_checkpoint_ends_a_rest",
    ),
    2: proved(
        "To be queued is no reason to wake.",
        QUIET,
        f"{MACHINES}identity_lanes.py::test_what_does_not_wake_waits_for_whatever_wakes_next",
    ),
    3: proved(
        "What is batched does not depend on the way it came.",
        f"{TURNS}edge_3_a_batch_is_the_same_whatever_way_its_members_came",
        f"{MACHINES}identity_lanes.py::test_inputs_that_were_admitted_before_a_turn_ended_are_one_turn_with_those_after",
    ),
    4: proved("To admit and to wake are two things.", QUIET),
    5: proved(
        "A batch is staged in one step.",
        f"{MACHINES}identity_admission.py::test_mail_to_an_idle_identity_is_taken_in_order_and_staged_at_once_for_one_turn",
        f"{RULES}runs.py::a_run_keeps_its_members_in_admission_order",
    ),
    6: proved(
        "What each member of a batch says of itself reaches the turn.",
        f"{TURNS}edge_6_each_member_of_a_batch_says_of_itself_what_its_sender_said",
    ),
    7: proved(
        "An admission that failed leaves nothing.",
        f"{ACTORS}input_path.py::test_a_refused_admission_leaves_no_trace",
        f"{ACTORS}input_path.py::test_memory_never_runs_ahead_of_a_store_that_fails",
        f"{RULES}all_or_nothing.py::a_unit_that_creates_and_is_refused_creates_nothing",
    ),
    8: proved(
        "Who waits is known before the work begins, and a hint is cleared before what it hints at is read.",
        f"{ACTORS}found_by_attack.py::test_mail_that_is_sent_while_its_recipient_is_read_is_not_forgotten",
        f"{ACTORS}storage.py::test_an_outcome_is_heard_in_the_step_that_gives_it",
    ),
    9: proved(
        "A wake that gets nobody further is not repeated at once.",
        NOT_SPINNING,
        f"{RESTARTS}edge_11_attempts_are_counted_over_kills",
    ),
    10: proved(
        "A restart tells and does nothing again.",
        f"{RESTARTS}edge_10_a_restart_repeats_nothing_that_is_over",
        f"{RULES}events.py::a_reader_who_goes_on_from_the_last_event_meets_each_once",
        f"{STORE}sharing_work.py::test_the_first_look_tells_everything_and_the_next_one_nothing",
    ),
    11: proved(
        "Attempts are durable.",
        f"{RESTARTS}edge_11_attempts_are_counted_over_kills",
        f"{ACTORS}turn_endings.py::test_a_failed_run_waits_on_after_a_restart",
    ),
    12: proved(
        "What was not taken is still there, and of two takers one wins. Here that is mail.",
        f"{ACTORS}mail.py::test_a_unit_refused_because_of_its_mail_is_committed_without_it",
        f"{RULES}mail.py::mail_is_taken_once",
        f"{RULES}mail.py::only_the_head_of_a_pair_is_taken",
    ),
    13: proved(
        "Operations belong to an epoch.",
        f"{STORE}runtime_lifecycles.py::test_st26_a_late_write_to_a_retired_epoch_is_refused",
        f"{STORE}runtime_lifecycles.py::test_st26_the_next_epoch_retires_the_one_before",
    ),
    14: proved(
        "What ends a rest begins a run where nobody rests.",
        f"{WAKING}edge_14_what_ends_a_rest_also_begins_a_run_of_an_agent_at_rest",
        f"{MACHINES}policy.py::test_an_idle_agent_begins_a_run_and_a_busy_one_may_stop_waiting",
    ),
    15: proved(
        "What comes between a look and a wait ends the wait.",
        f"{ACTORS}checkpoints_of_turns.py::test_what_arrives_before_a_rest_ends_it_at_once_unless_a_checkpoint_took_it_up",
        f"{ACTORS}mailbox.py::test_whatever_comes_wakes_a_parked_owner",
    ),
    16: proved(
        "Signals have an order and a type.",
        f"{MACHINES}policy.py::test_the_strongest_of_several_wakes_is_enough",
        f"{MACHINES}policy.py::test_no_idle_agent_is_interrupted",
    ),
    17: proved(
        "A final response is one piece of work.",
        f"{TURNS}edge_17_a_final_response_is_one_piece_of_work",
    ),
    18: proved(
        "Results that are recorded already are work to go on with.",
        f"{RESTARTS}edge_45_a_turn_that_had_ended_but_was_not_committed_runs_again_and_its_steps_do_not",
        f"{ACTORS}journal.py::test_a_step_is_not_run_again_after_a_kill",
    ),
    19: proved(
        "What is given up leaves its lane, in the unit that gives it up.",
        f"{RESTARTS}edges_19_25_what_recovery_gives_up_ends_whatever_is_asked_first",
        f"{MACHINES}identity_lanes.py::test_what_was_displaced_or_cancelled_makes_room_and_frees_its_key",
        f"{MACHINES}identity_histories.py::test_whatever_happened_before_an_identity_that_is_left_alone_ends_all_its_inputs",
    ),
    20: proved(
        "Whoever has work has an owner, or is told to be broken.",
        f"{RESTARTS}edges_44_20_work_that_a_kill_left_begins_though_nobody_asks",
        f"{ACTORS}supervision.py::test_an_identity_of_an_unknown_kind_is_broken_and_the_others_run",
    ),
    21: proved(
        "What is refused changes nothing in memory, and its waiters hear of it.",
        f"{ACTORS}input_path.py::test_a_boundary_that_is_refused_changes_nothing_in_memory",
        NOT_ADOPTED,
        LOST_BOUNDARY,
    ),
    22: proved(
        "One failed run stops nobody for ever.",
        f"{TURNS}edge_22_one_bad_input_holds_up_nobody_for_ever",
    ),
    23: proved(
        "Who retires works off its queue.",
        f"{RESTARTS}edge_23_who_retires_works_off_its_queue_also_after_a_kill",
        f"{MACHINES}identity_verbs.py::test_a_retired_identity_works_off_what_it_has",
    ),
    24: proved(
        "An admission begins no run: the commit that settles does.",
        f"{ACTORS}input_path.py::test_nothing_is_acknowledged_before_its_commit",
        f"{MACHINES}identity_admission.py::test_while_the_runtime_closes_an_input_is_admitted_but_nothing_is_staged",
        "tests/test_governing.py::test_a_paused_agent_admits_and_begins_nothing",
    ),
    25: proved(
        "Destroyed is durable, whatever the process was at.",
        DESTROYED,
        f"{RULES}burials.py::the_dead_are_not_there_and_not_forgotten",
    ),
    26: proved(
        "Nothing is cleaned up before the end is certain.",
        LEAVING,
        f"{MACHINES}identity_verbs.py::test_destroying_under_a_turn_is_wanted_at_once_and_done_when_it_ends",
    ),
    27: proved("To destroy is one unit, and memory follows it.", DESTROYED, NOT_ADOPTED),
    28: proved("Events from outside may be queued in silence.", QUIET),
    29: proved(
        "Control reaches an agent that works.",
        f"{TURNS}edges_31_29_a_turn_is_steered_and_interrupted_while_it_works",
        "tests/test_steering.py::test_what_is_asked_of_an_agent_does_not_wait_behind_its_mail",
    ),
    30: proved(
        "A lost boundary is no failed turn.",
        LOST_BOUNDARY,
        f"{ACTORS}reopening.py::test_a_turn_whose_end_was_lost_runs_again_by_itself",
    ),
    31: proved(
        "To steer is to join at the next checkpoint, and cancels nothing.",
        f"{TURNS}edges_31_29_a_turn_is_steered_and_interrupted_while_it_works",
        "tests/test_steering.py::test_stirring_ends_a_rest_and_nothing_else",
    ),
    32: proved(
        "Each turn has words for a model.",
        f"{TURNS}edge_32_a_turn_always_has_something_to_say_to_a_model",
    ),
    33: proved(
        "Every wait at an end has a bound, and an end may be asked for twice.",
        STUCK,
        "tests/test_runtime_closing.py::test_a_turn_that_takes_too_long_is_cancelled_and_goes_on_from_its_journal",
        "tests/test_runtime_closing.py::test_closing_twice_at_once_is_closing_once",
    ),
    34: proved(
        "Who is to be replaced has ended before its successor begins.",
        f"{ACTORS}newer_owners.py::test_a_stuck_turn_that_goes_on_is_told_that_it_is_over",
        "tests/test_generations.py::test_a_reset_interrupts_the_turn_and_admits_nothing_until_it_is_done",
        f"{ACTORS}plain_functions.py::test_a_plain_function_that_is_left_behind_changes_nothing_any_more",
    ),
    35: proved(
        "An end by force is told as that, and nobody is steered meanwhile.",
        STUCK,
        f"{MACHINES}identity_verbs.py::test_while_it_resets_nothing_is_admitted_or_wanted_but_its_end",
    ),
    36: proved(
        "Rows that an older version wrote are read, and gone on with.",
        f"{SQLITE}kept.py::test_agents_go_on_with_what_they_had",
        f"{SQLITE}kept.py::test_inputs_are_in_the_states_they_were_in",
    ),
    37: proved(
        "One rotten row is one identity's trouble; to cancel again tells the same.",
        f"{SQLITE}rotten_rows.py::test_a_rotten_row_breaks_its_identity_only",
        f"{RESTARTS}edge_37_cancelling_again_tells_the_same",
    ),
    38: impossible(
        "Nothing is cleaned up under a lock that cleaning up needs.",
        "No task holds a lock: state is one task's, and the only lock is the one that the writer thread ends its"
        " commit with.",
    ),
    39: proved(
        "Who was stopped can be revived; a snapshot that does not follow is told so.",
        f"{RESTARTS}defect_15_a_stopped_agent_is_revived",
        f"{STORE}runtime_snapshots.py::test_st11_a_snapshot_that_does_not_follow_is_refused",
    ),
    40: proved(
        "A batch is put off though members of it ended, and whoever does not use its turn leaves it to the next.",
        BOTH_STORES,
        f"{MACHINES}identity_halting.py::test_a_batch_that_waits_is_taken_apart_also_beside_a_turn_in_progress",
        SUSPECTS,
    ),
    41: proved(
        "What a dead process held is nobody's.",
        f"{RESTARTS}edge_41_what_a_dead_process_held_is_claimed_above_it",
        f"{RULES}fences.py::a_claim_fences_out_the_previous_owner",
    ),
    42: proved(
        "An identity whose owner died gets another one, which keeps what was queued.",
        f"{ACTORS}supervision.py::test_an_owner_that_crashes_starts_again",
        f"{RECYCLING}keeps_what_is_queued_what_is_ephemeral_and_what_waits_for_its_time",
        f"{RECYCLING}in_a_shared_store_is_no_unclean_end",
        f"{RECYCLING}does_not_clear_a_suspect",
    ),
    43: proved("What an attempt projected is gone with it.", LOST_BOUNDARY),
    44: proved(
        "Recovery looks at what there is to do.",
        f"{RESTARTS}edges_44_20_work_that_a_kill_left_begins_though_nobody_asks",
    ),
    45: proved(
        "What is finished is not done twice. Only steps are finished before their turn is.",
        f"{RESTARTS}edge_45_a_turn_that_had_ended_but_was_not_committed_runs_again_and_its_steps_do_not",
        f"{ACTORS}steps_once.py::test_a_step_that_was_cut_off_is_never_run_again_unasked",
    ),
    46: proved(
        "Each version is tried on what the ones before it left.",
        f"{SQLITE}kept.py::test_a_database_of_every_schema_is_kept",
        f"{SQLITE}migrating.py::test_a_migrated_file_holds_what_it_held_under_the_schema_of_a_new_one",
    ),
    47: proved(
        "Who is held back waits, and a record is compared with what it is of.",
        NOT_SPINNING,
        f"{ACTORS}storage_failures.py::test_a_full_disk_refuses_what_is_new_and_holds_what_is_finished",
        f"{ACTORS}journal.py::test_other_arguments_on_a_replay_are_a_mismatch",
    ),
    48: proved(
        "Receipts are dense.",
        f"{STORE}runtime_boundaries.py::test_st21_receipts_are_dense_per_run_from_1_and_versions_over_all_runs",
        f"{RULES}ranges.py::a_boundary_makes_the_next_version_and_no_other",
    ),
    49: proved(
        "What a turn did not take up is worked on after it.",
        f"{MACHINES}identity_checkpoints.py::test_what_the_last_attempt_never_saw_goes_back",
        f"{MACHINES}identity_checkpoints.py::test_a_turn_that_ends_without_hearing_its_checkpoint_gives_back_what_that_would_have_bound",
        f"{TURNS}edges_31_29_a_turn_is_steered_and_interrupted_while_it_works",
    ),
    50: proved(
        "After a commit nothing makes a failure of it.",
        f"{ACTORS}supervision.py::test_an_observer_that_raises_disturbs_nobody",
        f"{ACTORS}input_path.py::test_who_was_told_of_a_failed_admission_can_ask_again",
    ),
    51: proved(
        "What was taken from a mailbox is not lost with who took it.",
        f"{ACTORS}mailbox.py::test_a_cancelled_owner_loses_no_mail",
        f"{ACTORS}supervision.py::test_whoever_waits_for_an_owner_that_crashes_hears_of_it_or_of_the_outcome",
    ),
    52: proved(
        "A lane is where an input waits, and not how it is worked on.",
        f"{TURNS}edge_52_what_is_steered_to_an_agent_at_rest_is_part_of_the_conversation",
    ),
    53: proved(
        "Who lost its authority writes nothing more, and what it did is read anew.",
        LOST_BOUNDARY,
        f"{ACTORS}newer_owners.py::test_a_turn_whose_owner_lost_its_fence_changes_nothing",
    ),
    54: proved("Each kind of change has its way into each store.", BOTH_STORES),
    55: proved(
        "Who can't be staged holds up nobody behind it.",
        SUSPECTS,
        f"{MACHINES}identity_apart.py::test_a_suspect_that_waits_to_be_watched_holds_up_its_lane_only",
    ),
    56: proved(
        "Who parks has nothing to begin. Every decision that these histories make is held to that.",
        f"{MACHINES}identity_histories.py::test_every_admitted_input_is_in_one_place_and_ends_once",
        NOT_SPINNING,
    ),
    57: proved(
        "What is staged begins within a bound, or ends as never begun.",
        f"{ACTORS}beginnings.py::test_a_turn_that_waits_for_a_thread_is_told_of_and_given_up",
        f"{ACTORS}turn_endings.py::test_a_plain_turn_that_gets_no_thread_is_given_up_and_another_is_not",
    ),
    58: proved(
        "An incarnation is made where serving begins.",
        f"{RULES}restarts.py::each_beginning_is_a_new_incarnation_of_the_same_store",
    ),
    59: proved(
        "All of a unit is right, or none of it is done.",
        f"{RULES}all_or_nothing.py::a_refused_unit_leaves_nothing",
        f"{RULES}interruptions.py::an_ending_of_a_batch_is_all_or_nothing",
    ),
    60: proved(
        "That a turn is over and not durable is a state like others.",
        LOST_BOUNDARY,
        f"{FULL_DISK}who_would_end_a_turn_that_is_over_comes_too_late",
        f"{FULL_DISK}who_waits_with_it_is_told_when_the_store_fails_meanwhile",
        f"{FULL_DISK}what_is_queued_behind_it_is_refused_at_once",
        f"{FULL_DISK}a_turn_that_still_works_is_interrupted_on_a_full_disk_too",
    ),
    61: proved(
        "Who waits for one run is not confused with who waits for the next.",
        f"{TURNS}edge_61_who_interrupts_one_run_and_who_interrupts_the_next_each_hear_of_their_own",
    ),
    62: proved(
        "A run begins before the end, or after the next beginning.",
        f"{TURNS}edge_62_what_was_admitted_before_the_end_may_still_be_committed",
        LEAVING,
    ),
}
"""By number: 1 to 62."""
