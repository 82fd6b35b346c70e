"""Random lives of two stores on one file whose disk fills up: no number becomes another's, and both recover."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.errors import StoreFullError
from meerkat_actors.store.sqlite import naming
from tests.store.conftest import MEMORY_FOLDER
from tests.store.sharers import Clock, SqliteSharers
from tests.store.sqlite.faults import full, nothing, open_disk
from tests.store.test_sharing_histories import MOVES, Move, World
from tests.store.writing import created

WRITES: Final = st.sampled_from((0, 1, 2, 3, 5, 8, 1_000, 1_000))
"""How many writes of a page there is room for, from then on."""


def room_for(writes: int) -> Callable[[], None]:
    """A disk that is full after so many writes."""
    left = writes

    def write() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            full()

    return write


def step(world: World, move: Move) -> None:
    """One step, which the disk may refuse; whoever can't even begin waits for its next beginning."""
    if world.incarnations[move.side] is None and move.what != "begin":
        return
    try:
        world.step(move)
    except StoreFullError:
        if move.what == "leave":  # as a runtime does: who can't end in good order closes
            world.stores[move.side].close()
            world.stores[move.side] = world.sharers.open(serves=False)
            world.incarnations[move.side] = None
    serving = [incarnation for incarnation in world.incarnations if incarnation is not None]
    assert len(set(serving)) == len(serving)


@given(moves=st.lists(st.one_of(MOVES, MOVES, MOVES, WRITES), max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_disk_that_fills_up_takes_nothing_from_sharers(moves: Sequence[Move | int]) -> None:
    folder = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=folder) as parent,
        pytest.MonkeyPatch.context() as patch,
        open_disk() as disk,
    ):
        patch.setattr(naming, "RESERVED", 2)
        sharers = SqliteSharers(Clock(), Path(parent, "team.db"), disk.vfs)
        world = World(sharers)
        try:
            for move in moves:
                if isinstance(move, int):
                    disk.before_write = room_for(move)
                elif move.what != "die":  # what needs room to open is for the tests of opening
                    step(world, move)
            disk.before_write = nothing
            for side, store in enumerate(world.stores):
                if world.incarnations[side] is None or store.look_around().is_lost:
                    store.begin()
                created(store, f"last-{side}")
            world.end()
        finally:
            disk.before_write = nothing
            sharers.close()
