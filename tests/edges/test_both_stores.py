"""What an owner decides is done by SQLite as it is by the memory store: whole lives, unit by unit.

Edge 54 (every kind of change has a durable path in every store), in the form that it has here: the two stores agree
about each unit that a life makes, also in folds that no caller would ask for on purpose.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve
from hypothesis import given, settings

from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.inputs import InputRow
from meerkat_actors.store import Store, open_sqlite
from tests.machines.test_identity_histories import LAPS, Laps
from tests.machines.world import LEAD, World


class Twice(World):
    """A world whose every unit is committed to a second store."""

    def __init__(self, other: Store) -> None:
        self.other = other
        self.known: list[AgentIdentity] = []
        super().__init__()

    def _commit(self, unit: Unit) -> None:
        super()._commit(unit)
        identity = unit.fence.identity
        if identity not in self.known:
            self.other.activate(identity)  # draws the key that the other store's reader drew
            self.known.append(identity)
        [outcome] = self.other.commit([unit])
        assert isinstance(outcome, Committed), (outcome, unit)
        for each in self.known:
            assert self.other.activate(each) == self.store.activate(each)


@contextmanager
def _sqlite() -> Generator[Store]:
    with TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder) / "other.db", synchronous="normal")
        store.begin()
        try:
            yield store
        finally:
            store.close()


@settings(max_examples=15)
@given(LAPS)
def test_sqlite_does_with_each_unit_of_a_life_what_the_memory_store_does(laps: Laps) -> None:
    with _sqlite() as other:
        world = Twice(other)
        for asks, happening, passed_ms, may_suspect in laps:
            world.lap(asks, happening, passed_ms, may_suspect=may_suspect)
        assert _listed(other) == _listed(world.store)


def _listed(store: Store) -> list[InputRow]:
    """Every input, without the numbers that rows of one unit share out among them: which has which is the store's."""
    rows = store.page_inputs(LEAD, after=None, limit=1_000, newest_first=False)
    return [
        evolve(row, sequence=0, turn=None if row.turn is None else evolve(row.turn, sequence=0, previous=0))
        for row in rows
    ]
