"""Pruning of events: what units told goes by its age, and the floor says from where on everything is told."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.agenda_effects import RecordEvents
from meerkat_actors.records.effects import SetDesired
from meerkat_actors.records.facts import DesiredChanged
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.pruning import Forgotten, PrunePolicy
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.pruning import EVERYTHING, NOW_MS, minted, prune
from meerkat_actors.testing.conformance.writing import Writer, created, insert, new_input_id, new_run_id

FACTS: Final = encode_facts((DesiredChanged(Desired.PAUSED),))
OLD: Final = PrunePolicy(events_older_than_seconds=60)


def tell(writer: Writer) -> None:
    writer.must_commit(SetDesired(Desired.PAUSED), RecordEvents(FACTS))


def admit(writer: Writer, admission: int, age_seconds: int, input_id: InputId | None = None) -> None:
    """An input that was made so long before the pruning."""
    one = minted(NOW_MS - 1_000 * age_seconds) if input_id is None else input_id
    writer.must_commit(insert(admission, input_id=one))


def facts(store: Store) -> list[StoredEvent]:
    return [event for event in everything(store) if event.kind is StoredEventKind.FACTS]


def everything(store: Store) -> list[StoredEvent]:
    return [*store.page_events(after=0, limit=1_000)]


def lived(store: Store) -> Writer:
    """Two old facts, and two young ones; each is as old as the input behind it."""
    alice = created(store, "alice")
    for admission, age_seconds in enumerate((120, 61, 60, 1), 1):
        tell(alice)
        admit(alice, admission, age_seconds)
    return alice


@check_each({"one row": 1, "two rows": 2, "all": 100})
def facts_of_an_age_go_and_the_floor_rises(store: Store, limit: int) -> None:
    """Inputs and boundaries tell of themselves for ever, so nothing else goes."""
    alice, run = lived(store), new_run_id()
    alice.must_commit(alice.boundary(run))
    before, bounds = everything(store), store.event_bounds()
    gone = facts(store)[:2]
    assert prune(store, OLD, limit=limit).events == Forgotten(rows=2, size_bytes=2 * len(FACTS))
    assert everything(store) == [event for event in before if event not in gone]
    now = store.event_bounds()
    assert gone[-1].sequence <= now.floor < facts(store)[0].sequence
    assert (now.epoch, now.last) == (bounds.epoch, bounds.last)
    assert prune(store, OLD, limit=limit).rows == 0
    assert store.event_bounds() == now


@check
def unless_it_is_asked_for_no_fact_goes(store: Store) -> None:
    """Whatever else does."""
    lived(store)
    before = everything(store)
    assert prune(store, EVERYTHING).events == Forgotten()
    assert prune(store, PrunePolicy(older_than_seconds=0)).events == Forgotten()
    assert (everything(store), store.event_bounds().floor) == (before, 0)


@check
def facts_whose_age_nothing_tells_are_kept(store: Store) -> None:
    """The last ones, and those before an input whose id tells no time."""
    alice = created(store, "alice")
    tell(alice)
    admit(alice, 1, 0, new_input_id())
    admit(alice, 2, 120)
    tell(alice)
    before = everything(store)
    assert prune(store, OLD).rows == 0
    assert (everything(store), store.event_bounds().floor) == (before, 0)


@check
def a_dry_run_tells_of_facts_and_keeps_them(store: Store) -> None:
    """The same as the pruning after it."""
    lived(store)
    before, bounds = everything(store), store.event_bounds()
    told = prune(store, OLD, is_dry_run=True)
    assert (everything(store), store.event_bounds()) == (before, bounds)
    assert prune(store, OLD).events == told.events == Forgotten(rows=2, size_bytes=2 * len(FACTS))


@check_restarting
def the_floor_of_events_outlives_its_process(store: Store, restart: Restart) -> None:
    """Who reads from below it is to be told so for ever; it does not sink, and no sequence comes again."""
    alice = lived(store)
    prune(store, PrunePolicy(events_older_than_seconds=0))
    bounds = store.event_bounds()
    assert bounds.floor > 0
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert store.event_bounds().floor == bounds.floor
        assert store.event_bounds().last >= everything(store)[-1].sequence
    again = Writer(store, alice.fence, alice.session_id)
    tell(again)
    assert facts(store)[-1].sequence > bounds.last
    prune(store, OLD)
    assert store.event_bounds().floor == bounds.floor
