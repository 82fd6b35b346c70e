"""Who looks for each invariant, and the one door to all of them.

Reference for I1 to I28: ``reference/runtime.md`` section 9.5, as our design amends it. I29 to I34 are our own.
"""

from __future__ import annotations

from typing import Final

from meerkat_actors.simulation.checks import admission, agenda, authority, callers, receipts, timers
from meerkat_actors.simulation.checks.evidence import Check, Evidence

CHECKS: Final[tuple[Check, ...]] = (
    admission.check_i01_ack_implies_a_durable_row,
    admission.check_i02_a_failed_admission_leaves_no_trace,
    admission.check_i03_a_key_is_one_input_for_ever,
    admission.check_i04_what_is_open_is_in_one_place,
    admission.check_i05_lanes_are_a_function_of_rows,
    admission.check_i06_order_is_the_admission_sequence,
    admission.check_i07_terminal_is_final_and_one,
    receipts.check_i08_applied_implies_a_receipt,
    receipts.check_i09_contributors_are_what_was_consumed,
    receipts.check_i10_receipts_are_dense_per_run,
    receipts.check_i11_a_boundary_is_one_transaction,
    receipts.check_i12_what_has_a_receipt_is_never_replayed,
    authority.check_i13_at_most_one_run,
    authority.check_i14_failures_are_counted_and_bounded,
    callers.check_i16_waiters_hear_what_is_committed,
    callers.check_i17_every_waiter_is_answered,
    authority.check_i18_a_lifecycle_is_what_was_committed,
    receipts.check_i22_cancelled_work_is_never_requeued,
    receipts.check_i23_snapshots_only_move_forward,
    authority.check_i24_who_is_stopped_has_nothing_queued,
    authority.check_i25_stale_holders_are_refused,
    authority.check_i26_counters_are_behind_what_they_stand_for,
    receipts.check_i27_a_batch_ends_as_one,
    callers.check_i28_who_goes_away_cancels_nothing,
    agenda.check_i29_every_request_that_ended_has_one_answer,
    agenda.check_i30_nothing_is_taken_below_the_mail_floor,
    timers.check_i31_timers_belong_to_the_living,
    agenda.check_i32_what_was_told_is_so,
    agenda.check_i33_what_was_sent_is_counted_and_taken_in_order,
    agenda.check_i34_operations_begin_and_end_once,
)

OF_ANY_WRITER: Final = frozenset({"i03", "i04", "i05", "i07", "i25"})
"""Those that a store keeps by itself, whatever units it is given, and whatever their bodies say."""


def violations(seen: Evidence, *, is_by_hand: bool = False) -> list[str]:
    """Everything that is wrong, each with the invariant that it breaks: ``i07 ...``.

    Args:
        seen: what one store holds, and what the callers of its runtimes were told.
        is_by_hand: no runtime wrote it, so only what a store keeps by itself can hold.

    Returns:
        One line for each, in the order of the invariants; empty where all of them hold.

    Raises:
        LookupError, ValueError: a row is of an identity that is not there, or a body is not JSON that says what every
            boundary's does. Nothing was found out then: ``doctor`` says what is wrong with such rows.
    """
    checks = [(check.__name__[6:9], check) for check in CHECKS]
    return [
        f"{name} {problem}"
        for name, check in checks
        if not is_by_hand or name in OF_ANY_WRITER
        for problem in check(seen)
    ]
