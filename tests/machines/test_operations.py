"""Operations: every cell of the table, who may begin, barriers, and what is remembered."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest

from meerkat_actors.errors import MeerkatError, TooManyOperationsError, UnknownOperationError, UsageError
from meerkat_actors.machines.decision import Later
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.operation import ASKED_OF, OPERATIONS
from meerkat_actors.machines.operations import remembered, unseen
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import (
    CollectOperations,
    Command,
    ListOperations,
    StartOperation,
    WatchOperation,
)
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.operation_listing import OperationListing
from tests.machines.operations import an_operation, asked, begin, holding, move, oid, wake_ups
from tests.machines.states import IDENTITY, LIMITS, idle, stamp

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
