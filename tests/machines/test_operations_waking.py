"""Operations: what their ends wake, what a turn begins, and what ends though nobody asked for it."""

from __future__ import annotations

from itertools import product

import pytest

from meerkat_actors.machines.operation import WAKING
from meerkat_actors.machines.operations import SOURCE, unseen
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import (
    Govern,
    Look,
    WatchOperation,
)
from meerkat_actors.records.headers import Durability, Header
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.status import Desired, Verb
from tests.machines.operations import an_operation, asked, holding, move, oid, turn_over, wake_ups
from tests.machines.states import an_input, busy, idle, run_of

K, S, C = OperationKind, OperationStatus, OperationChange


# -- waking -------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "change"), list(product((K.BACKGROUND, K.MEMBER), (C.COMPLETE, C.FAIL, C.CANCEL))))
def test_an_end_of_a_background_operation_wakes_an_idle_agent(kind: OperationKind, change: OperationChange) -> None:
    decision = asked(holding(idle(), an_operation(1, kind)), move(1, change))
    assert len(wake_ups(decision)) == (kind in WAKING)
    assert (decision.starts is not None) is (kind in WAKING)


def test_what_wakes_is_a_derived_continuation_that_says_nothing() -> None:
    decision = asked(holding(idle(), an_operation(1)), move(1, C.COMPLETE))
    assert decision.starts is not None
    [member] = decision.starts.members
    header = member.header
    assert header is not None
    assert (member.kind, member.content, header.source) == (InputKind.CONTINUATION, b"null", SOURCE)
    assert (header.durability, header.in_transcript, header.for_operators) == (Durability.DERIVED, False, False)


def test_ends_of_one_lap_wake_once() -> None:
    state = holding(idle(), *map(an_operation, range(1, 6)))
    decision = asked(state, *(move(number, C.COMPLETE) for number in range(1, 6)))
    assert len(wake_ups(decision)) == 1
    assert decision.state.completions == 5


def test_ends_behind_a_turn_wake_once_and_no_checkpoint_takes_that_up() -> None:
    state = holding(busy(run_of(9)), an_operation(1), an_operation(2))
    first = asked(state, move(1, C.COMPLETE))
    [wake_up] = wake_ups(first)
    assert wake_up.run_id is None
    assert len(first.state.steer) == 0
    assert wake_ups(asked(first.state, move(2, C.COMPLETE))) == []


def test_a_wake_up_that_a_checkpoint_may_take_does_not_stand_for_an_end_that_the_turn_cannot_see() -> None:
    paused = asked(holding(idle(desired=Desired.PAUSED), an_operation(1), an_operation(2)), move(1, C.COMPLETE)).state
    assert len(paused.steer) == 1
    assert wake_ups(asked(paused, move(2, C.COMPLETE))) == []
    paused.run, paused.is_executing = run_of(9), True
    decision = asked(paused, move(2, C.COMPLETE))
    [wake_up] = wake_ups(decision)
    assert (len(decision.state.steer), [each.input_id for each in decision.state.lane]) == (0, [wake_up.input_id])


def test_a_staged_wake_up_does_not_stand_for_what_ends_later() -> None:
    wake_up = an_input(9, InputKind.CONTINUATION, Header(source=SOURCE, supersession_key=SOURCE))
    state = holding(busy(run_of(wake_up)), an_operation(1))
    assert len(wake_ups(asked(state, move(1, C.COMPLETE)))) == 1


@pytest.mark.parametrize("desired", [Desired.RETIRED, Desired.STOPPED])
def test_an_agent_that_admits_nothing_is_not_woken_and_the_end_is_recorded(desired: Desired) -> None:
    decision = asked(holding(idle(desired=desired), an_operation(1)), move(1, C.COMPLETE))
    assert wake_ups(decision) == []
    assert decision.state.operations[oid(1)].sequence == 1


def test_a_full_backlog_is_not_added_to_and_the_end_is_recorded() -> None:
    state = holding(busy(run_of(9), lane=(10,)), an_operation(1))
    decision = asked(state, move(1, C.COMPLETE), limits=Limits(backlog_max=2))
    assert wake_ups(decision) == []
    assert decision.state.operations[oid(1)].sequence == 1


# -- turns --------------------------------------------------------------------------------


def test_a_turn_begins_operations_and_takes_up_ends() -> None:
    ended = [an_operation(n, status=S.FAILED, sequence=n) for n in (1, 2, 3)]
    state = holding(busy(run_of(9)), *ended)
    started = (an_operation(4), an_operation(5, K.BARRIER, members=(4, 1)))
    after = asked(state, turn_over(operations=started, seen_completions=2)).state
    assert [each.operation_id for each in unseen(after)] == [oid(3)]
    assert [after.operations[oid(n)].status for n in (4, 5)] == [S.RUNNING, S.RUNNING]


def test_what_a_turn_can_not_begin_is_aborted_and_says_why() -> None:
    state = holding(busy(run_of(9)), an_operation(1))
    decision = asked(state, turn_over(operations=(an_operation(2), an_operation(3))), limits=Limits(operations_max=2))
    aborted = decision.state.operations[oid(3)]
    assert aborted.status is S.ABORTED
    assert aborted.content is not None
    assert b"2 operations in progress, and 2 may be" in aborted.content
    assert len(wake_ups(decision)) == 1


def test_a_barrier_of_a_turn_whose_members_ended_under_it_ends_with_the_turn() -> None:
    state = holding(busy(run_of(9)), an_operation(1))
    decision = asked(state, move(1, C.COMPLETE), turn_over(operations=(an_operation(2, K.BARRIER, members=(1,)),)))
    assert decision.state.operations[oid(2)].status is S.COMPLETED
    assert len(wake_ups(decision)) == 1


# -- ends that nobody asked for -----------------------------------------------------------


def orphaned(*operations: Operation) -> IdentityState:
    """An identity whose owner has just begun, under incarnation 0: what says 1 is of another process."""
    state = holding(idle(), *operations)
    state.has_orphans = True
    return state


def of_another_process(operation: Operation) -> Operation:
    return Operation(
        operation.operation_id, operation.name, operation.kind, operation.status, operation.is_external, 1,
        operation.members,
    )  # fmt: skip


def test_what_died_with_its_process_is_terminated_and_wakes_once() -> None:
    lost = [of_another_process(an_operation(n)) for n in (1, 2)]
    external = of_another_process(an_operation(3, is_external=True))
    decision = asked(orphaned(*lost, external, an_operation(4)), WatchOperation(oid(1)), Look())
    statuses = [decision.state.operations[oid(n)].status for n in (1, 2, 3, 4)]
    assert statuses == [S.TERMINATED, S.TERMINATED, S.RUNNING, S.RUNNING]
    assert dict(decision.told)[oid(1)] == decision.state.operations[oid(1)]
    assert len(wake_ups(decision)) == 1
    assert asked(decision.state, Look()).unit is None


def test_a_barrier_outlives_its_process_and_ends_with_what_did_not() -> None:
    lost, external = of_another_process(an_operation(1)), of_another_process(an_operation(2, is_external=True))
    waits = asked(orphaned(lost, external, of_another_process(an_operation(3, K.BARRIER, members=(1, 2)))), Look())
    assert waits.state.operations[oid(3)].status is S.RUNNING
    assert wake_ups(waits) == []
    ends = asked(orphaned(lost, of_another_process(an_operation(3, K.BARRIER, members=(1,)))), Look())
    assert ends.state.operations[oid(3)].content == b'["terminated"]'
    assert len(wake_ups(ends)) == 1


def test_what_goes_on_is_left_alone() -> None:
    decision = asked(orphaned(of_another_process(an_operation(1, is_external=True)), an_operation(2)), Look())
    assert decision.unit is None


@pytest.mark.parametrize("verb", [Verb.RESET, Verb.DESTROY])
def test_a_generation_ends_with_its_operations_each_once(verb: Verb) -> None:
    barrier, ended = an_operation(4, K.BARRIER, members=(1, 2, 3)), an_operation(5, status=S.FAILED, sequence=1)
    external, member = an_operation(2, is_external=True), an_operation(3, K.MEMBER)
    state = holding(idle(), an_operation(1), external, member, barrier, ended)
    decision = asked(state, Govern(verb))
    after = decision.state.operations
    assert [after[oid(n)].status for n in (1, 2, 3, 4)] == [S.TERMINATED] * 4
    assert sorted(each.sequence for each in after.values()) == [1, 2, 3, 4, 5]
    assert after[oid(5)] == state.operations[oid(5)]
    assert {key for key, told in decision.told if isinstance(told, Operation)} == {oid(n) for n in (1, 2, 3, 4)}
    assert wake_ups(decision) == []


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.RETIRE, Verb.PAUSE, Verb.RECYCLE])
def test_other_verbs_leave_operations_alone(verb: Verb) -> None:
    decision = asked(holding(idle(), an_operation(1)), Govern(verb))
    assert decision.state.operations[oid(1)].status is S.RUNNING
