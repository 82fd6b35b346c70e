"""What units tell that none of their other rows says, and between which sequences everything is told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.agenda_codec import decode_facts, encode_facts
from meerkat_actors.records.agenda_effects import RecordEvents, SetTimer
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, Bury, Effect, SetDesired
from meerkat_actors.records.facts import Configured, DesiredChanged, Destroyed, Emitted, Fact, TimerSet
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    Writer,
    body_of,
    created,
    identity,
    insert,
    new_run_id,
    new_session_id,
    reason,
    send,
)

STOPPED: Final = DesiredChanged(Desired.STOPPED)


def telling(*facts: Fact) -> RecordEvents:
    return RecordEvents(encode_facts(facts))


def everything(store: Store) -> tuple[StoredEvent, ...]:
    return store.page_events(after=0, limit=1_000)


def told(store: Store) -> list[tuple[str, tuple[Fact, ...]]]:
    """Whose facts, and which."""
    return [
        (event.identity, decode_facts(event.body))
        for event in everything(store)
        if event.kind is StoredEventKind.FACTS and event.body is not None
    ]


@check
def what_a_unit_tells_is_one_event(store: Store) -> None:
    """With its identity and its facts byte for byte, in the order of the units."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(insert(1))
    bob.must_commit(SetDesired(Desired.STOPPED), telling(STOPPED, Emitted("said", b'{"a":[1,null]}')))
    alice.must_commit(SetTimer("t", 7, b"{}"), telling(TimerSet("t", 7)))
    first, second, third = everything(store)
    assert second == StoredEvent(
        sequence=second.sequence,
        kind=StoredEventKind.FACTS,
        identity=identity("bob"),
        input_id=None,
        sender=None,
        run_id=None,
        version=None,
        body=encode_facts((STOPPED, Emitted("said", b'{"a":[1,null]}'))),
    )
    assert first.sequence < second.sequence < third.sequence
    assert told(store)[1:] == [("alice", (TimerSet("t", 7),))]


@check
def a_unit_may_tell_beside_its_inputs_and_mail(store: Store) -> None:
    """Each of them is an event of its own."""
    alice = created(store, "alice")
    alice.must_commit(insert(1), telling(Configured(1)), send("bob", 1))
    kinds = [event.kind for event in everything(store)]
    assert sorted(kinds) == [StoredEventKind.ADMITTED, StoredEventKind.FACTS, StoredEventKind.SENT]


@check
def a_boundary_tells_its_body(store: Store) -> None:
    """Which says what else its unit did."""
    alice, run = created(store, "alice"), new_run_id()
    alice.must_commit(alice.boundary(run, state=7))
    (event,) = everything(store)
    assert (event.kind, event.body, event.run_id, event.input_kind) == (
        StoredEventKind.TURN,
        body_of(1, 7),
        run,
        None,
    )


_ENDS: Final[Mapping[str, Effect | None]] = MappingProxyType({"reset": None, "burial": Bury()})


@check_each(_ENDS)
def the_last_unit_of_a_life_tells_too(store: Store, effect: Effect | None) -> None:
    """And what was told before stays told."""
    alice = created(store, "alice")
    alice.must_commit(SetDesired(Desired.PAUSED), telling(STOPPED))
    alice.must_commit(telling(Destroyed()), BeginGeneration(new_session_id()) if effect is None else effect)
    assert told(store) == [("alice", (STOPPED,)), ("alice", (Destroyed(),))]


@check
def nobody_tells_what_it_does_not_do(store: Store) -> None:
    """Facts alone are no unit, and a unit has one list of them."""
    alice = created(store, "alice")
    assert reason(alice.commit(telling(STOPPED))) is RefusalReason.OUT_OF_RANGE
    assert reason(alice.commit(insert(1), telling(STOPPED), telling(STOPPED))) is RefusalReason.OUT_OF_RANGE
    assert everything(store) == ()


@check
def a_refused_unit_tells_nothing(store: Store) -> None:
    """And its neighbours in the batch do."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    stale = bob.forged(version=7).unit(SetDesired(Desired.STOPPED), telling(STOPPED))
    outcomes = store.commit(
        [
            alice.unit(SetDesired(Desired.STOPPED), telling(STOPPED)),
            stale,
            carol.unit(SetTimer("t", 7, b"{}"), telling(TimerSet("t", 7))),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
    assert told(store) == [("alice", (STOPPED,)), ("carol", (TimerSet("t", 7),))]
    carol.must_commit(insert(1))
    assert reason(carol.commit(telling(STOPPED), insert(1))) is RefusalReason.INPUT_STATE_CONFLICT
    assert isinstance(carol.commit(telling(STOPPED), BeginGeneration(carol.session_id)), Refused)
    assert len(told(store)) == 2


@check
def pages_of_any_size_merge_all_kinds(store: Store) -> None:
    """From beyond the last sequence seen, each event is met once."""
    alice = created(store, "alice")
    for number in range(1, 6):
        alice.must_commit(insert(number), telling(Configured(number)))
        alice.must_commit(send("bob", number), alice.boundary(sends=number))
    events = everything(store)
    assert len(events) == 20
    for limit in (1, 3, 7, 20):
        seen: list[StoredEvent] = []
        while page := store.page_events(after=seen[-1].sequence if seen else 0, limit=limit):
            assert len(page) <= limit
            seen.extend(page)
            assert len(seen) <= len(events)
        assert seen == [*events]


# -- bounds -------------------------------------------------------------------------------


@check
def the_bounds_hold_every_event(store: Store) -> None:
    """Nothing that was told is beyond the last sequence, and whatever comes is; nothing was pruned yet."""
    empty = store.event_bounds()
    assert (empty.floor, empty.last >= 0, empty.epoch >= 1) == (0, True, True)
    alice = created(store, "alice")
    for effects in ((insert(1),), (SetDesired(Desired.PAUSED), telling(STOPPED)), (send("bob", 1),)):
        before = store.event_bounds()
        alice.must_commit(*effects)
        (event,) = store.page_events(after=before.last, limit=9)
        bounds = store.event_bounds()
        assert before.last < event.sequence <= bounds.last
        assert (bounds.epoch, bounds.floor) == (before.epoch, 0)


@check_restarting
def facts_outlive_their_process_and_no_sequence_comes_again(store: Store, restart: Restart) -> None:
    """Also where facts were the last that was written."""
    alice = created(store, "alice")
    alice.must_commit(SetDesired(Desired.PAUSED), telling(STOPPED))
    for is_clean in (False, True):
        before, bounds = everything(store), store.event_bounds()
        store = restart(clean=is_clean)
        store.begin()
        assert everything(store) == before
        now = store.event_bounds()
        assert (now.epoch, now.floor) == (bounds.epoch, bounds.floor)
        assert now.last >= before[-1].sequence
        again = Writer(store, alice.fence, alice.session_id)
        again.must_commit(SetDesired(Desired.STOPPED), telling(STOPPED))
        *same, event = everything(store)
        assert (tuple(same), event.sequence > before[-1].sequence) == (before, True)
