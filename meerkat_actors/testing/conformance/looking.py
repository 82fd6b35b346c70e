"""Everything that a store's readers can see, in a form that two stores, or two moments, can be compared by."""

from __future__ import annotations

from typing import TypeAlias

from attrs import astuple, evolve

from meerkat_actors.records.activation import Activation, Broken, IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, SessionId
from meerkat_actors.records.inputs import InputRow, Letterhead, Mail
from meerkat_actors.records.standing import SnapshotRow, Standing
from meerkat_actors.records.timers import Timer
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.writing import identity

EVERYTHING = 10_000

Seen: TypeAlias = tuple[
    Activation | Broken,
    tuple[Mail, ...],
    tuple[InputRow, ...],
    tuple[TurnRow, ...],
    tuple[Timer, ...],
]


Picture: TypeAlias = tuple[
    dict[str, Seen],
    tuple[AgentIdentity, ...],
    tuple[IdentityRow, ...],
    list[tuple[object, ...]],
    tuple[Standing | Broken, ...],
    tuple[Letterhead, ...],
]


def picture(store: Store, *names: str) -> Picture:
    """What a store tells about these names. Keys and sequences, which are a store's own, are blanked."""
    return (
        {name: _seen(store, identity(name)) for name in names},
        store.identities_with_work(),
        store.page_identities(after=None, limit=EVERYTHING),
        _events(store),
        tuple(map(_standing, store.read_standings([identity(name) for name in names], snapshots="loaded"))),
        tuple(_letter(found) for found in store.page_letters(None, after=0, limit=EVERYTHING)),
    )


def documents(store: Store, session_id: SessionId) -> tuple[SnapshotRow, ...]:
    """Every document of a session, newest first."""
    return tuple(evolve(row, identity=IdentityKey(1)) for row in store.read_snapshots(session_id, limit=EVERYTHING))


def _standing(found: Standing | Broken) -> Standing | Broken:
    if isinstance(found, Broken):
        return found
    row = found.snapshot
    return evolve(found, key=IdentityKey(1), snapshot=None if row is None else evolve(row, identity=IdentityKey(1)))


def _seen(store: Store, name: AgentIdentity) -> Seen:
    found = store.activate(name)
    mail: tuple[Mail, ...] = ()
    if isinstance(found, Activation):
        mail = store.pending_mail(found.key, limit=EVERYTHING)
        found = evolve(found, key=IdentityKey(1))
    return (
        found,
        tuple(evolve(one, sequence=0, sender_key=IdentityKey(1)) for one in mail),
        tuple(map(_input, store.page_inputs(name, after=None, limit=EVERYTHING, newest_first=False))),
        tuple(_blanked(row) for row in store.page_turns(name, before=None, limit=EVERYTHING)),
        store.page_timers(name, after=None, limit=EVERYTHING),
    )


def _letter(found: Letterhead) -> Letterhead:
    # The content is told by the inputs of its identity, and may be forgotten.
    return evolve(found, row=evolve(_input(found.row), content=b""))


def _input(row: InputRow) -> InputRow:
    return evolve(row, sequence=0, turn=None if row.turn is None else _blanked(row.turn))


def _blanked(row: TurnRow) -> TurnRow:
    return evolve(row, sequence=0, previous=0)


def _events(store: Store) -> list[tuple[object, ...]]:
    # Sorted by what they say: the order among one unit's own is the store's.
    events = store.page_events(after=0, limit=EVERYTHING)
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert [event for first in sequences for event in store.page_events(after=first - 1, limit=1)] == [*events]
    return sorted((astuple(evolve(event, sequence=0)) for event in events), key=repr)
