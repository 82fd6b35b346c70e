"""What a store tells of the past: inputs and boundaries of everybody, in the order in which they became durable."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.commits import Committed, Refused
from meerkat_actors.records.effects import DropJournal
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    body_of,
    charge,
    created,
    end,
    identity,
    insert,
    new_run_id,
    read,
    send,
    stage,
    step,
    take,
)

ALICE: Final = identity("alice")
BOB: Final = identity("bob")


def everything(store: Store) -> tuple[StoredEvent, ...]:
    return store.page_events(after=0, limit=1_000)


@check
def an_input_from_outside_mail_and_a_boundary_are_told_in_the_order_of_their_units(store: Store) -> None:
    """Each admission from outside, each mail sent and each boundary is one event, in order; nothing else is."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run, given, message = new_run_id(), insert(1), send("alice", 1)
    bob.must_commit(given)
    bob.must_commit(stage(1, run))
    bob.must_commit(end(1, run), bob.boundary(run))
    bob.must_commit(message)
    alice.must_commit(insert(1))
    events = everything(store)
    assert events[:3] == (
        StoredEvent(
            sequence=events[0].sequence,
            kind=StoredEventKind.ADMITTED,
            identity=BOB,
            input_id=given.input_id,
            sender=None,
            run_id=None,
            version=None,
            input_kind=InputKind.PROMPT,
        ),
        StoredEvent(
            sequence=events[1].sequence,
            kind=StoredEventKind.TURN,
            identity=BOB,
            input_id=None,
            sender=None,
            run_id=run,
            version=CheckpointVersion(1),
            body=body_of(1),
        ),
        StoredEvent(
            sequence=events[2].sequence,
            kind=StoredEventKind.SENT,
            identity=ALICE,
            input_id=message.input_id,
            sender=BOB,
            run_id=None,
            version=None,
            input_kind=InputKind.PEER_MESSAGE,
        ),
    )
    assert [event.identity for event in events[3:]] == [ALICE]
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert sequences[0] > 0


@check
def mail_to_somebody_who_is_not_there_yet_is_told_too(store: Store) -> None:
    """Mail is an event when it is sent, and not when somebody can take it."""
    created(store, "alice").must_commit(send("later", 1))
    (event,) = everything(store)
    assert (event.kind, event.identity, event.sender) == (StoredEventKind.SENT, "later", ALICE)


@check
def what_became_of_an_input_later_changes_no_event(store: Store) -> None:
    """Taking, staging, charging, journaling and ending rewrite no event and add none."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    alice.must_commit(insert(1))
    before = everything(store)
    run = new_run_id()
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    alice.must_commit(take(mail, 2, run), stage(1, run))
    alice.must_commit(step(1, run), charge(1, run))
    alice.must_commit(DropJournal(run))
    assert everything(store) == before
    alice.must_commit(end(1, run), end(2, run), alice.boundary(run))
    *same, turn = everything(store)
    assert (tuple(same), turn.kind) == (before, StoredEventKind.TURN)


@check
def a_reader_who_goes_on_from_the_last_event_meets_each_once(store: Store) -> None:
    """Pages of any size, each from beyond the last sequence seen, make up the whole."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for number in range(1, 6):
        alice.must_commit(insert(number), send("bob", number), alice.boundary(sends=number))
        bob.must_commit(insert(number))
    events = everything(store)
    assert len(events) == 20
    for limit in (1, 2, 3, 7, 20, 21):
        seen: list[StoredEvent] = []
        while page := store.page_events(after=seen[-1].sequence if seen else 0, limit=limit):
            assert len(page) <= limit
            seen.extend(page)
            assert len(seen) <= len(events)  # a store that goes round in circles ends here, too
        assert seen == [*events]


@check_each({"0": 0, "-1": -1})
def a_page_of_no_events_is_empty(store: Store, limit: int) -> None:
    """A limit below 1 is no error."""
    created(store, "alice").must_commit(insert(1))
    assert store.page_events(after=0, limit=limit) == ()


@check
def beyond_the_last_event_is_nothing_and_before_the_first_is_everything(store: Store) -> None:
    """Any number is a cursor, also one that no event has or can have."""
    created(store, "alice").must_commit(insert(1))
    (event,) = everything(store)
    for after in (event.sequence, event.sequence + 1, COUNTER_MAX - 1, COUNTER_MAX, COUNTER_MAX + 1):
        assert store.page_events(after=after, limit=9) == ()
    for after in (event.sequence - 1, 0, -1, -COUNTER_MAX - 9):
        assert store.page_events(after=after, limit=9) == (event,)


@check
def a_refused_unit_is_no_event_and_its_neighbours_are(store: Store) -> None:
    """What was refused in a batch is not told."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    first = insert(1)
    alice.must_commit(first)
    stale = bob.forged(version=7).unit(insert(1), send("alice", 1), bob.boundary())
    outcomes = store.commit([alice.unit(insert(2)), stale, carol.unit(insert(1))])
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
    assert [event.identity for event in everything(store)] == ["alice", "alice", "carol"]


@check_restarting
def events_outlive_their_process_and_later_ones_follow(store: Store, restart: Restart) -> None:
    """Sequences go on rising in the next process, after a clean end and after none."""
    created(store, "alice").must_commit(insert(1))
    before = everything(store)
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert everything(store) == before
        name = f"bob-{is_clean}"
        created(store, name).must_commit(send("alice", 1))
        *same, last = everything(store)
        assert (tuple(same), last.sender) == (before, name)
        assert last.sequence > before[-1].sequence
        before = everything(store)
    assert read(store, "alice").has_mail
