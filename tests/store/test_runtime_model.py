"""Whatever is asked of the runtime store, it answers the same over every store, and two facades take turns the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.input_states import InputStateRecord
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.store import MemoryStore, RuntimeStore, Store, open_sqlite
from tests.store.conftest import MEMORY_FOLDER
from tests.store.runtime_writing import (
    OTHER_RUN,
    OTHER_SESSION,
    RUN,
    SESSION,
    delta,
    input_id,
    queued,
    receipt,
    said,
    seen,
    session,
    staged,
)
from tests.store.writing import uuid_of

Act = Callable[[RuntimeStore], object]
NAMES: Final = ("one", "two")
RUNS: Final = (RUN, OTHER_RUN)


def record(number: int, state: InputState, run: int, attempts: int) -> InputStateRecord:
    match state:
        case InputState.STAGED:
            return staged(number, RUNS[run], attempts=attempts)
        case InputState.ABANDONED:
            return queued(number, state=state, abandoned=Abandoned(AbandonReason.RESET, ""), attempts=attempts)
        case InputState.SUPERSEDED | InputState.COALESCED:
            return queued(number, state=state, successor=input_id(9), attempts=attempts)
        case _:
            return queued(number, state=state, attempts=attempts)


TEXTS: Final = st.sampled_from((("a",), ("a", "b"), ("b",), ()))
SESSIONS: Final = st.sampled_from((SESSION, SESSION, OTHER_SESSION))
STATES: Final = st.sampled_from([state for state in InputState if state is not InputState.SENT])
RECORDS: Final = st.lists(
    st.builds(record, st.integers(1, 3), STATES, st.integers(0, 1), st.integers(0, 1)), max_size=2
)
CONTRIBUTORS: Final = st.lists(st.integers(1, 3).map(input_id), max_size=2, unique=True)


def apply(
    name: str,
    texts: Sequence[str] | None,
    key: str,
    place: tuple[int, int],
    ids: list[InputId],
    states: list[InputStateRecord],
) -> Act:
    sequence, run = place
    given_delta = None if texts is None else delta(*said(*texts), session_id=key)
    proof = receipt(sequence, *ids, run_id=RUNS[run], count=len(texts or ()))
    return lambda runtime: runtime.atomic_apply(name, given_delta, proof, states, None)


def boundary(
    name: str, texts: Sequence[str], key: str, run: int, ids: list[InputId], states: list[InputStateRecord]
) -> Act:
    snapshot = delta(*said(*texts), session_id=key)
    return lambda runtime: runtime.commit_session_boundary(
        name, snapshot, RUNS[run], RunApplyBoundary.RUN_CHECKPOINT, ids, states
    )


def plain(name: str, texts: Sequence[str], key: str) -> Act:
    return lambda runtime: runtime.commit_session_snapshot(name, delta(*said(*texts), session_id=key))


def swap(name: str, texts: Sequence[str], others: Sequence[str] | None) -> Act:
    expected = session(*said(*texts))
    if others is None:
        return lambda runtime: runtime.clear_session_snapshot_if_current(name, expected)
    return lambda runtime: runtime.replace_session_snapshot_if_current(name, expected, session(*said(*others)))


def lifecycle(name: str, state: RuntimeState, states: list[InputStateRecord]) -> Act:
    return lambda runtime: runtime.atomic_lifecycle_commit(name, state, states)


def operations(name: str, epoch: int | None) -> Act:
    if epoch is None:
        return lambda runtime: runtime.delete_ops_lifecycle(name)
    return lambda runtime: runtime.persist_ops_lifecycle(name, OpsSnapshot(epoch_id=uuid_of(epoch), body=b"1"))


PLACES: Final = st.tuples(st.integers(1, 3), st.integers(0, 1))
NAME: Final = st.sampled_from(NAMES)
ACTS: Final = st.one_of(
    st.builds(apply, NAME, st.none() | TEXTS, SESSIONS, PLACES, CONTRIBUTORS, RECORDS),
    st.builds(boundary, NAME, TEXTS, SESSIONS, st.integers(0, 1), CONTRIBUTORS, RECORDS),
    st.builds(plain, NAME, TEXTS, SESSIONS),
    st.builds(swap, NAME, TEXTS, st.none() | TEXTS),
    st.builds(lifecycle, NAME, st.sampled_from(RuntimeState), RECORDS),
    st.builds(operations, NAME, st.none() | st.integers(1, 2)),
)
HISTORIES: Final = st.lists(st.tuples(st.integers(0, 1), ACTS), min_size=1, max_size=12)


class Side:
    """A store under two facades, of which the later to write holds a runtime."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.begin()
        self.facades = [RuntimeStore(store), RuntimeStore(store)]

    def ask(self, facade: int, act: Act) -> object:
        before = self.picture()
        try:
            return act(self.facades[facade])
        except MeerkatError as error:
            assert self.picture() == before  # all of a write, or nothing
            return type(error), str(error)

    def picture(self) -> list[object]:
        return [seen(self.facades[0], name) for name in NAMES]


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_every_store_answers_the_facade_as_the_memory_store_does(history: Sequence[tuple[int, Act]]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        model = Side(MemoryStore())
        other = Side(open_sqlite(Path(folder, "team.db"), synchronous="normal"))
        try:
            for facade, act in history:
                assert other.ask(facade, act) == model.ask(facade, act)
                assert other.picture() == model.picture()
        finally:
            other.store.close()
