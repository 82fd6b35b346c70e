"""What an input says of itself, which rule and lane admission gave it, and what is consumed by being admitted."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meerkat_actors.records.activation import Broken
from meerkat_actors.records.codec import decode_header, encode_header
from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.headers import Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane, Letter
from meerkat_actors.records.stored_events import StoredEventKind
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    HELLO,
    Writer,
    changed,
    charge,
    created,
    duplicate,
    end,
    identity,
    insert,
    new_run_id,
    noted,
    read,
    reason,
    send,
    settle,
    stage,
    step,
    supersede,
    take,
    unstage,
    uuid_of,
)

ALICE: Final = identity("alice")
STEERED: Final = Header(mode=Mode.STEER, supersession_key="weather", correlation_id="7", wakes=False)
OTHERS: Final = (InputId(uuid_of(0xA5C)), InputId(uuid_of(0xA5D)))
SAID: Final = MappingProxyType(
    {
        InputKind.PROMPT: (8, STEERED),
        InputKind.PEER_REQUEST: (7, Header(origin=Origin.PEER, intent="help", for_operators=False)),
        InputKind.PEER_RESPONSE_TERMINAL: (
            3,
            Header(origin=Origin.PEER, request_id=OTHERS[0], status=ResponseStatus.COMPLETED),
        ),
        InputKind.FLOW_STEP: (12, Header(origin=Origin.FLOW, source="step é", redrives=OTHERS[1])),
        InputKind.EXTERNAL_EVENT: (12, Header(origin=Origin.EXTERNAL, in_transcript=False, coalesces=OTHERS)),
    }
)
"""The number of a rule, see ``machines.policy``, and a header."""


def row_of(store: Store, admission: int, name: AgentIdentity = ALICE) -> InputRow:
    """One input as it is listed, and as it is found."""
    (row,) = store.page_inputs(name, after=admission - 1, limit=1, newest_first=False)
    assert store.find_input(name, row.input_id) == row
    return row


# -- what is said and what is concluded ---------------------------------------------------


@check_each({kind.value: kind for kind in InputKind})
def every_kind_comes_back_as_itself(store: Store, kind: InputKind) -> None:
    """An input of each kind is admitted, sent, taken, listed and held as what it is, with its kind's header."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(insert(1, kind=kind), send("bob", 1, kind=kind))
    (held,) = read(store, "alice").queued
    assert (held.kind, held.header, held.policy, held.lane, held.position) == (kind, None, 0, Lane.QUEUE, 0)
    (mail,) = store.pending_mail(bob.fence.key, limit=9)
    assert (mail.kind, mail.header) == (kind, None)
    bob.must_commit(take(mail, 1))
    (taken,) = read(store, "bob").queued
    assert (taken.kind, taken.header, taken.sender) == (kind, None, "alice")
    row = row_of(store, 1)
    assert (row.kind, row.header, row.letter) == (kind, None, Letter.NONE)


@check_each({kind.value: (kind, *said) for kind, said in SAID.items()})
def what_an_input_says_of_itself_comes_back(store: Store, said: tuple[InputKind, int, Header]) -> None:
    """A header is read as it was written, by owners and in listings, whatever becomes of the input."""
    kind, policy, header = said
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, kind=kind, header=header, policy=policy), insert(2, kind=kind, header=header, run=run))
    now = read(store, "alice")
    assert now.run is not None
    for held in (*now.queued, *now.run.members):
        assert held.header == header
    assert [held.policy for held in (*now.queued, *now.run.members)] == [policy, 0]
    alice.must_commit(end(2, run), alice.boundary(run), supersede(1, InputId(uuid_of(9))))
    for admission in (1, 2):
        assert row_of(store, admission).header == encode_header(header, kind)
        assert decode_header(row_of(store, admission).header, kind) == header
    assert (row_of(store, 1).policy, row_of(store, 1).state) == (policy, InputState.SUPERSEDED)


@check
def mail_says_of_itself_what_its_sender_said(store: Store) -> None:
    """A sender's header waits with the mail; rule and lane are the recipient's to give, when it takes it."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, header=STEERED), send("alice", 2))
    first, second = store.pending_mail(alice.fence.key, limit=9)
    assert (first.header, second.header) == (STEERED, None)
    alice.must_commit(take(first, 1, policy=8, lane=Lane.STEER))
    alice.must_commit(take(second, 2, policy=12))
    one, two = read(store, "alice").queued
    assert (one.header, one.policy, one.lane) == (STEERED, 8, Lane.STEER)
    assert (two.header, two.policy, two.lane) == (None, 12, Lane.QUEUE)
    assert row_of(store, 1).header == encode_header(STEERED, InputKind.PEER_MESSAGE)


@check
def both_lanes_come_back_in_the_order_of_their_admission(store: Store) -> None:
    """An owner gets the steer lane and the queue as one list, each input with its lane, which stays its own."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1), insert(2, lane=Lane.STEER, policy=8), insert(3), insert(4, lane=Lane.STEER))
    queued = read(store, "alice").queued
    assert [(held.admission, held.lane, held.policy) for held in queued] == [
        (1, Lane.QUEUE, 0),
        (2, Lane.STEER, 8),
        (3, Lane.QUEUE, 0),
        (4, Lane.STEER, 0),
    ]
    alice.must_commit(stage(2, run))
    assert row_of(store, 2).lane is Lane.STEER
    alice.must_commit(unstage(2, run))
    assert read(store, "alice").queued == queued
    alice.must_commit(stage(2, run))
    alice.must_commit(end(2, run), alice.boundary(run))
    assert (row_of(store, 2).lane, row_of(store, 2).policy) == (Lane.STEER, 8)


@check
def a_steered_input_may_begin_a_run_as_it_is_admitted(store: Store) -> None:
    """A lane is no obstacle to being staged at once, from outside or from mail."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, header=STEERED))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    run = new_run_id()
    alice.must_commit(insert(1, run=run, lane=Lane.STEER, policy=8), take(mail, 2, run, policy=12, lane=Lane.STEER))
    now = read(store, "alice").run
    assert now is not None
    assert [(each.admission, each.policy, each.lane) for each in now.members] == [
        (1, 8, Lane.STEER),
        (2, 12, Lane.STEER),
    ]
    assert now.base == now.members


@check
def each_lane_may_have_a_run_of_its_own(store: Store) -> None:
    """Of two staged runs each has its members and its journal; two runs of one lane break their identity."""
    alice, bob = created(store, "alice"), created(store, "bob")
    first, second = new_run_id(), new_run_id()
    alice.must_commit(insert(1, run=first), insert(2, run=second, lane=Lane.STEER), insert(3, lane=Lane.STEER))
    alice.must_commit(stage(3, first, 1), step(1, first), step(2, second, "ask"), charge(2, second, 2, 1, 9))
    now = read(store, "alice")
    assert now.run is not None
    assert now.parked is not None
    runs = {run.run_id: run for run in (now.run, now.parked)}
    assert [member.admission for member in runs[first].members] == [1, 3]
    assert [member.admission for member in runs[second].members] == [2]
    assert (list(runs[first].journal), list(runs[second].journal)) == ([("fetch", 1)], [("ask", 1)])
    assert (runs[second].attempts, runs[second].interruptions, runs[second].not_before_ms) == (2, 1, 9)
    assert runs[first].attempts == 0
    alice.must_commit(end(1, first), end(3, first), alice.boundary(first))
    left = read(store, "alice")
    assert (left.run, left.parked) == (runs[second], None)
    bob.must_commit(insert(1, run=first), insert(2, run=second))
    broken = store.activate(identity("bob"))
    assert isinstance(broken, Broken)
    assert broken.reason == "rows_contradict"
    assert read(store, "alice") == left


@check_each({"header": b"[]", "policy": 10_000})
def what_no_owner_can_read_breaks_its_identity_only(store: Store, odd: object) -> None:
    """An input with the header or the rule of a later version of this library: nobody else is kept from work."""
    alice, bob = created(store, "alice"), created(store, "bob")
    field = "header" if isinstance(odd, bytes) else "policy"
    alice.must_commit(changed(insert(1), **{field: odd}))
    bob.must_commit(insert(1))
    broken = store.activate(ALICE)
    assert isinstance(broken, Broken)
    assert broken.reason == "row_unreadable"
    assert getattr(row_of(store, 1), field) == odd
    assert [held.admission for held in read(store, "bob").queued] == [1]
    assert store.identities_with_work() == ("alice", "bob")


# -- consumed by being admitted -----------------------------------------------------------


@check
def what_needs_no_turn_is_consumed_as_it_is_admitted(store: Store) -> None:
    """It has its outcome at once, with no run and no boundary; it is no work, and its owner never sees it open."""
    alice = created(store, "alice")
    alice.must_commit(noted(1))
    row = row_of(store, 1)
    assert (row.state, row.lane, row.run_id, row.turn, row.ending) == (InputState.CONSUMED, Lane.NONE, None, None, None)
    assert (row.content, row.kind, row.letter) == (HELLO, InputKind.OPERATION, Letter.NONE)
    now = read(store, "alice")
    assert (now.run, now.queued, now.admissions) == (None, (), 1)
    assert store.identities_with_work() == ()
    (event,) = store.page_events(after=0, limit=9)
    assert (event.kind, event.input_id) == (StoredEventKind.ADMITTED, row.input_id)


@check
def mail_that_needs_no_turn_is_consumed_as_it_is_taken(store: Store) -> None:
    """Taken into no lane, it waits no more and has its outcome."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, kind=InputKind.OPERATION), send("alice", 2))
    first, second = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(first, 1, lane=Lane.NONE, policy=1))
    row = row_of(store, 1)
    assert (row.state, row.policy, row.sender, row.turn) == (InputState.CONSUMED, 1, "bob", None)
    assert read(store, "alice").queued == ()
    assert store.pending_mail(alice.fence.key, limit=9) == (second,)
    alice.must_commit(take(second, 2))
    assert store.identities_with_work() == ("alice",)


@check
def what_was_consumed_at_once_is_over(store: Store) -> None:
    """It is never staged, moved, ended, or a letter; and it is the first of its key for ever."""
    alice = created(store, "alice")
    run = new_run_id()
    first = noted(1, key="job")
    alice.must_commit(first, insert(2, run=run))
    for effects in (
        (stage(1, run),),
        (unstage(1, run),),
        (supersede(1, InputId(uuid_of(9))),),
        (end(1, run, GIVEN_UP),),
        (end(1, run), alice.boundary(run)),
        (settle(1),),
        (step(1, run),),
    ):
        assert reason(alice.commit(*effects)) is RefusalReason.INPUT_STATE_CONFLICT, effects
    again = duplicate(alice.commit(noted(3, key="job")))
    assert (again.first, again.admission, again.same_content) == (first.input_id, 1, True)
    assert duplicate(alice.commit(insert(3, key="job"))).first == first.input_id
    assert reason(alice.commit(noted(2))) is RefusalReason.INPUT_STATE_CONFLICT


@check
def it_is_admitted_beside_the_work_of_others(store: Store) -> None:
    """One unit may note, queue, stage and end; a batch of units that do goes through as one of any."""
    writers = [created(store, f"agent-{number}") for number in range(8)]
    runs = [new_run_id() for _ in writers]

    def begun(writer: Writer, number: int) -> Committed:
        (outcome,) = store.commit([writer.unit(insert(1, run=runs[number]))])
        assert isinstance(outcome, Committed)
        return outcome

    for number, writer in enumerate(writers):
        begun(writer, number)
    outcomes = store.commit(
        [
            writer.unit(
                noted(2),
                insert(3, lane=Lane.STEER, header=STEERED),
                insert(4),
                end(1, run),
                writer.boundary(run),
            )
            for writer, run in zip(writers, runs, strict=True)
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed] * 8
    for number in range(8):
        now = read(store, f"agent-{number}")
        assert [(held.admission, held.lane, held.header) for held in now.queued] == [
            (3, Lane.STEER, STEERED),
            (4, Lane.QUEUE, None),
        ]
        assert row_of(store, 2, identity(f"agent-{number}")).state is InputState.CONSUMED
