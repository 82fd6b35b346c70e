"""Operations: every cell of the table, who may begin, what an end wakes, and what is remembered."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from immutables import Map

from meerkat_actors.errors import MeerkatError, TooManyOperationsError, UnknownOperationError, UsageError
from meerkat_actors.machines.decision import Decision, Later
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.operation import ASKED_OF, OPERATIONS, WAKING
from meerkat_actors.machines.operations import SOURCE, remembered, unseen
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import decode_operation
from meerkat_actors.records.agenda_effects import DropOperation, PutOperation
from meerkat_actors.records.commands import (
    ChangeOperation,
    CollectOperations,
    Command,
    EndTurn,
    Govern,
    ListOperations,
    Look,
    StartOperation,
    WatchOperation,
)
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.headers import Durability, Header
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.operation_listing import OperationListing
from meerkat_actors.records.runs import TurnCompleted, TurnExtras
from meerkat_actors.records.status import Desired, Verb
from tests.machines.states import IDENTITY, LIMITS, OLD_RUN, all_of, an_input, busy, idle, run_of, stamp

K, S, C = OperationKind, OperationStatus, OperationChange

CELLS: Final = {
    "provisioning": "provisioned:running fail:failed cancel:cancelled terminate:terminated abort:aborted",
    "running": "complete:completed fail:failed cancel:cancelled terminate:terminated retire:retiring retired:retired"
    " progress:running peer_ready:running",
    "retiring": "complete:completed fail:failed cancel:cancelled terminate:terminated retired:retired"
    " progress:retiring peer_ready:retiring",
    "completed": "",
    "failed": "",
    "cancelled": "",
    "terminated": "",
    "aborted": "",
    "retired": "",
}
"""``reference/runtime.md`` section 10.2: per status, each change that may happen and the status after it."""

EXPECTED: Final = {
    (S(status), C(change)): S(then)
    for status, cells in CELLS.items()
    for change, then in (cell.split(":") for cell in cells.split())
}


def oid(number: int) -> OperationId:
    return OperationId(f"09000000-0000-7000-8000-{number:012d}")


def an_operation(
    number: int,
    kind: OperationKind = K.BACKGROUND,
    status: OperationStatus = S.RUNNING,
    *,
    members: tuple[int, ...] = (),
    sequence: int = 0,
    is_external: bool = False,
    is_seen: bool = False,
    is_ready: bool = False,
) -> Operation:
    """An operation, begun under incarnation 0, as hand-made states are served under."""
    return Operation(
        oid(number), f"work {number}", kind, status, is_external, 0, tuple(map(oid, members)), None, is_ready,
        sequence, is_seen,
    )  # fmt: skip


def holding(state: IdentityState, *operations: Operation) -> IdentityState:
    """The identity with those operations."""
    state.operations = Map((each.operation_id, each) for each in operations)
    state.completions = max((each.sequence for each in operations), default=0)
    return state


def asked(state: IdentityState, *commands: Command, limits: Limits = LIMITS) -> Decision:
    """Decide, and hold the decision to what is true of all: what is durable is what the owner holds."""
    decision = decide(state, [*commands], stamp(), limits)
    rows = dict(state.operations)
    puts, drops = all_of(PutOperation, decision), all_of(DropOperation, decision)
    effects: list[PutOperation | DropOperation] = [*puts, *drops]
    assert len({effect.operation_id for effect in effects}) == len(effects), "a unit touches a row once"
    for effect in effects:
        rows.pop(effect.operation_id, None)
        if isinstance(effect, PutOperation):
            rows[effect.operation_id] = decode_operation(effect.body)
    assert rows == dict(decision.state.operations)
    return decision


def wake_ups(decision: Decision) -> list[InsertInput]:
    return [each for each in all_of(InsertInput, decision) if each.kind is InputKind.CONTINUATION]


def begin(number: int, kind: OperationKind = K.BACKGROUND, members: tuple[int, ...] = ()) -> StartOperation:
    return StartOperation(an_operation(number, kind, members=members))


def turn_over(**extras: object) -> EndTurn:
    """The turn returned, and left that behind."""
    return EndTurn(OLD_RUN, TurnCompleted(None, (), None, (), 0, TurnExtras(**extras)))  # type: ignore[arg-type]


def move(number: int, change: OperationChange, content: bytes | None = None) -> ChangeOperation:
    return ChangeOperation(oid(number), change, content)


# -- the table ----------------------------------------------------------------------------


def test_the_table_is_the_reference() -> None:
    assert dict(OPERATIONS) == EXPECTED
    assert set(CELLS) == {status.value for status in S}
    assert {status for status in S if not CELLS[status.value]} == {status for status in S if status.is_terminal}


@pytest.mark.parametrize(("kind", "status", "change"), list(product(K, S, C)))
def test_a_change_does_what_the_table_says_or_nothing(
    kind: OperationKind, status: OperationStatus, change: OperationChange
) -> None:
    sequence = 1 if status.is_terminal else 0
    other = an_operation(2)
    members = (2,) if kind is K.BARRIER else ()
    before = an_operation(1, kind, status, sequence=sequence, members=members)
    decision = asked(holding(idle(), before, other), move(1, change, b'{"at":3}'))
    [reply] = decision.replies
    then = EXPECTED.get((status, change))
    if then is None or change not in ASKED_OF[kind]:
        assert isinstance(reply, UsageError)
        assert IDENTITY in reply.problem
        assert oid(1) in reply.problem
        assert decision.unit is None
        return
    assert isinstance(reply, Operation)
    assert (reply.status, reply.content, reply.name) == (then, b'{"at":3}', before.name)
    assert reply.is_ready is (change is C.PEER_READY)
    assert (reply.sequence > 0) is then.is_terminal
    assert decision.state.operations[oid(1)] == reply
    told = dict(decision.told)
    assert told.get(oid(1)) == (reply if then.is_terminal else None)


def test_what_may_be_asked_of_a_kind() -> None:
    assert ASKED_OF[K.MEMBER] == frozenset(C)
    assert ASKED_OF[K.BACKGROUND] == frozenset(C) - {C.PEER_READY}
    assert ASKED_OF[K.BARRIER] == {C.CANCEL}


def test_a_peer_is_ready_once() -> None:
    state = holding(idle(), an_operation(1, K.MEMBER, is_ready=True))
    [reply] = asked(state, move(1, C.PEER_READY)).replies
    assert isinstance(reply, UsageError)
    assert "said once" in reply.problem


def test_a_change_without_content_keeps_what_there_was() -> None:
    decision = asked(holding(idle(), an_operation(1)), move(1, C.PROGRESS, b"7"), move(1, C.COMPLETE))
    progress, ended = decision.replies
    assert isinstance(progress, Operation)
    assert isinstance(ended, Operation)
    assert (progress.content, ended.content) == (b"7", b"7")


# -- beginning ----------------------------------------------------------------------------


def test_an_operation_begins_under_the_process_that_it_runs_in() -> None:
    decision = decide(idle(), [begin(1)], stamp(), LIMITS)
    assert decision.state.operations[oid(1)] == an_operation(1)
    served = stamp()
    served = type(served)(served.now_ms, served.run_id, served.session_id, 0.5, False, incarnation=9)
    assert decide(idle(), [begin(1)], served, LIMITS).state.operations[oid(1)].owner == 9


@pytest.mark.parametrize("sequence", [0, 1])
def test_an_id_is_registered_once_for_as_long_as_it_is_remembered(sequence: int) -> None:
    status = S.COMPLETED if sequence else S.RUNNING
    [reply] = asked(holding(idle(), an_operation(1, status=status, sequence=sequence)), begin(1)).replies
    assert isinstance(reply, UsageError)
    assert "another id" in reply.problem


def test_the_id_of_the_newest_end_is_not_free_after_it_was_collected() -> None:
    decision = asked(holding(idle(), an_operation(1, status=S.FAILED, sequence=4)), CollectOperations(), begin(1))
    assert isinstance(decision.replies[1], UsageError)
    assert decision.state.completions == 4


@pytest.mark.parametrize("status", [each for each in S if each not in {S.PROVISIONING, S.RUNNING}])
def test_nothing_begins_at_its_end(status: OperationStatus) -> None:
    decision = asked(idle(), StartOperation(an_operation(1, status=status)))
    assert isinstance(decision.replies[0], UsageError)
    assert not decision.state.operations


def test_so_many_are_in_progress_at_most() -> None:
    limits = Limits(operations_max=2)
    state = holding(idle(), *(an_operation(n, status=S.FAILED, sequence=n) for n in (1, 2, 3)))
    decision = asked(state, begin(4), begin(5), begin(6), limits=limits)
    refused = decision.replies[2]
    assert isinstance(refused, TooManyOperationsError)
    assert (refused.identity, refused.limit, refused.active) == (IDENTITY, 2, 2)
    decision = asked(decision.state, move(4, C.FAIL), begin(6), limits=limits)
    assert isinstance(decision.replies[1], Operation)


@pytest.mark.parametrize(("members", "error"), [((1, 1), UsageError), ((1, 7), UnknownOperationError)])
def test_a_barrier_names_each_known_operation_once(members: tuple[int, ...], error: type[MeerkatError]) -> None:
    decision = asked(holding(idle(), an_operation(1)), begin(2, K.BARRIER, members))
    assert type(decision.replies[0]) is error
    assert decision.unit is None


def test_one_barrier_waits_at_a_time() -> None:
    state = holding(idle(), an_operation(1), an_operation(2))
    first, second = asked(state, begin(3, K.BARRIER, (1,)), begin(4, K.BARRIER, (2,))).replies
    assert isinstance(first, Operation)
    assert isinstance(second, UsageError)
    assert oid(3) in second.problem
    decision = asked(state, begin(3, K.BARRIER, (1,)), move(3, C.CANCEL), begin(4, K.BARRIER, (2,)))
    assert isinstance(decision.replies[2], Operation)


# -- barriers -----------------------------------------------------------------------------


def test_a_barrier_ends_in_the_unit_of_its_last_member_and_wakes_once() -> None:
    members = (an_operation(1), an_operation(2, K.MEMBER))
    state = holding(idle(), *members, an_operation(3, K.BARRIER, members=(2, 1)))
    first = asked(state, move(1, C.COMPLETE, b"1"))
    assert wake_ups(first) == []
    assert first.state.operations[oid(3)].status is S.RUNNING
    second = asked(first.state, move(2, C.FAIL))
    barrier = second.state.operations[oid(3)]
    assert (barrier.status, barrier.sequence, barrier.content) == (S.COMPLETED, 3, b'["failed","completed"]')
    assert len(wake_ups(second)) == 1
    assert dict(second.told)[oid(3)] == barrier


def test_an_end_beside_a_barrier_wakes() -> None:
    state = holding(idle(), an_operation(1), an_operation(2), an_operation(3, K.BARRIER, members=(1,)))
    assert len(wake_ups(asked(state, move(2, C.COMPLETE)))) == 1


def test_a_barrier_whose_members_have_ended_ends_at_once() -> None:
    state = holding(idle(), an_operation(1, status=S.FAILED, sequence=1))
    [reply] = asked(state, begin(2, K.BARRIER, (1,))).replies
    assert isinstance(reply, Operation)
    assert (reply.status, reply.sequence) == (S.COMPLETED, 2)


def test_a_cancelled_barrier_wakes_for_what_ended_under_it_and_its_members_go_on() -> None:
    state = holding(idle(), an_operation(1), an_operation(2), an_operation(3, K.BARRIER, members=(1, 2)))
    decision = asked(state, move(1, C.COMPLETE), move(3, C.CANCEL))
    assert len(wake_ups(decision)) == 1
    assert decision.state.operations[oid(2)].status is S.RUNNING


def test_what_a_barrier_waits_for_is_not_forgotten_before_it_ends() -> None:
    limits = Limits(operations_kept=1)
    state = holding(idle(), *map(an_operation, range(1, 5)), an_operation(5, K.BARRIER, members=(1, 2, 3, 4)))
    decision = asked(state, *(move(number, C.COMPLETE) for number in (1, 2, 3)), limits=limits)
    assert len(decision.state.operations) == 5
    ended = asked(decision.state, move(4, C.CANCEL), limits=limits)
    assert [each.content for each in ended.state.operations.values()] == [
        b'["completed","completed","completed","cancelled"]'
    ]


def test_a_barrier_counts_what_was_collected_as_ended() -> None:
    state = holding(idle(), *map(an_operation, (1, 2, 3)), an_operation(4, K.BARRIER, members=(1, 2, 3)))
    decision = asked(state, move(1, C.COMPLETE), move(2, C.COMPLETE), CollectOperations(), move(3, C.COMPLETE))
    assert decision.state.operations[oid(4)].content == b'[null,null,"completed"]'


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


# -- watching, listing, collecting --------------------------------------------------------


def test_who_watches_is_told_at_the_end_or_at_once() -> None:
    state = holding(idle(), an_operation(1), an_operation(2, status=S.FAILED, sequence=1))
    waits, told, unknown = asked(state, *(WatchOperation(oid(number)) for number in (1, 2, 3))).replies
    assert waits == Later(oid(1), is_input=False)
    assert told == state.operations[oid(2)]
    assert isinstance(unknown, UnknownOperationError)
    assert (unknown.identity, unknown.operation) == (IDENTITY, oid(3))


def test_listing_writes_nothing_and_is_in_the_order_of_starts() -> None:
    state = holding(idle(), *map(an_operation, (3, 1, 2)))
    decision = asked(state, ListOperations())
    assert decision.unit is None
    [listing] = decision.replies
    assert isinstance(listing, OperationListing)
    assert [each.operation_id for each in listing.operations] == [oid(1), oid(2), oid(3)]


def test_what_is_collected_is_told_once_and_its_number_is_never_used_again() -> None:
    state = holding(idle(), an_operation(1), an_operation(2, status=S.FAILED, sequence=2),
                    an_operation(3, status=S.COMPLETED, sequence=1))  # fmt: skip
    decision = asked(state, CollectOperations())
    assert decision.replies == [(state.operations[oid(3)], state.operations[oid(2)])]
    after = decision.state
    assert remembered(after) == (state.operations[oid(1)],)
    assert unseen(after) == ()
    assert max(each.sequence for each in after.operations.values()) == 2
    again = asked(after, CollectOperations(), WatchOperation(oid(2)), move(2, C.FAIL))
    assert again.unit is None
    assert again.replies[0] == ()
    assert [type(each) for each in again.replies[1:]] == [UnknownOperationError, UnknownOperationError]
    assert asked(after, move(1, C.COMPLETE)).state.operations[oid(1)].sequence == 3


def test_what_began_and_was_collected_in_one_lap_leaves_its_number_only() -> None:
    commands: list[Command] = [begin(1), move(1, C.COMPLETE), begin(2), move(2, C.COMPLETE), CollectOperations()]
    decision = asked(idle(), *commands)
    assert [(each.name, each.sequence) for each in decision.state.operations.values()] == [("", 2)]


def test_the_oldest_ends_are_forgotten_first() -> None:
    state = holding(idle(), *map(an_operation, range(1, 7)))
    decision = asked(state, *(move(n, C.COMPLETE) for n in (3, 1, 2, 5)), limits=Limits(operations_kept=2))
    assert [each.operation_id for each in remembered(decision.state)] == [oid(2), oid(4), oid(5), oid(6)]
    assert decision.state.completions == 4


def test_cursors_follow_what_ended_what_wakes_and_what_was_taken_up() -> None:
    def cursors(state: IdentityState) -> tuple[int, int, int]:
        [listing] = asked(state, ListOperations()).replies
        assert isinstance(listing, OperationListing)
        return listing.cursors.applied, listing.cursors.injected, listing.cursors.observed

    seen = an_operation(1, status=S.FAILED, sequence=1, is_seen=True)
    member = an_operation(2, K.MEMBER, status=S.FAILED, sequence=2)
    state = holding(idle(), seen, member, an_operation(3))
    assert cursors(state) == (1, 1, 2)
    assert cursors(asked(state, move(3, C.COMPLETE)).state) == (1, 3, 3)
    assert cursors(asked(state, CollectOperations()).state) == (2, 2, 2)


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
