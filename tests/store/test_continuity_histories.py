"""Random callers of the continuity facade: both stores answer alike, and what must never fall never does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.errors import OwnershipLostError, RejectedError, UsageError
from meerkat_actors.records.continuity import Broken, ContinuityFailureKind, Ready
from meerkat_actors.store import ContinuityStore, MemoryStore, Store, open_sqlite
from tests.store.conftest import MEMORY_FOLDER
from tests.store.continuity_calling import ANN, Caller, record, said, session

HOLDERS: Final = ("one", "other")
SESSIONS: Final = 4


@frozen
class Call:
    """One call, relative to what is stored: mostly right, so that histories get somewhere."""

    verb: str
    holder: str
    token: int
    generation: int
    session: int
    """-1 is the current one."""
    version: int


CALLS: Final = st.builds(
    Call,
    st.sampled_from(("upsert", "upsert", "save", "save", "save", "reset", "delete", "drop", "roll back", "advance")),
    st.sampled_from(HOLDERS),
    st.sampled_from((0, 0, 0, 0, 1, 2, -1)),
    st.sampled_from((0, 0, 0, 0, 1, -1)),
    st.sampled_from((-1, -1, -1, 0, 1, 2, 3)),
    st.sampled_from((1, 1, 1, 3, 0)),
)
Fence: TypeAlias = tuple[int, int, int, int]


def fence_of(a: Caller) -> Fence:
    """Token, floor, generation and version; zeros where there is none."""
    state = a.state()
    if isinstance(state, Ready):
        now = state.record
    elif isinstance(state, Broken):
        assert state.failure.kind is ContinuityFailureKind.SNAPSHOT_MISSING, state
        assert state.failure.record is not None
        now = state.failure.record
    else:
        return state.fencing_token or 0, state.generation_floor or 0, -1, 0
    assert state.fencing_token is not None
    assert state.generation_floor is not None
    return state.fencing_token, state.generation_floor, now.generation, now.checkpoint_version


def answer(call: Call, callers: dict[str, ContinuityStore]) -> object:
    """What the call came to: a value, or an error and its words."""
    facade = callers[call.holder]
    token, floor, generation, version = fence_of(Caller(facade, 1))
    state = Caller(facade, 1).state()
    current = state.record.session_id if isinstance(state, Ready) else session(0)
    a = Caller(facade, max(token + call.token, 1))
    number = next((n for n in range(SESSIONS) if session(n) == current), 0) if call.session < 0 else call.session
    life = max((floor + 1 if generation < 0 else generation) + call.generation, 0)
    named = record(life, number=number)
    try:
        match call.verb:
            case "upsert":
                return a.upsert(named)
            case "reset":
                return a.upsert(record(floor + 1, number=number))
            case "save":
                a.save(version + call.version, named)
            case "delete":
                a.delete()
            case "drop":
                return a.drop(named, said(f"v{version}").revision)
            case "roll back":
                a.roll_back(named, record(max(life - 1, 0), number=(number + 1) % SESSIONS))
            case _:
                return facade.advance_fence(identity=ANN)
    except (UsageError, RejectedError, OwnershipLostError) as error:
        return type(error), str(error)
    return None


@settings(max_examples=80)
@given(st.lists(CALLS, min_size=1, max_size=25))
def test_both_stores_answer_alike_and_nothing_falls(calls: Sequence[Call]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        stores: tuple[Store, ...] = (MemoryStore(), open_sqlite(Path(folder, "a.db"), synchronous="normal"))
        try:
            follow(calls, stores)
        finally:
            for store in stores:
                store.close()


def follow(calls: Sequence[Call], stores: Sequence[Store]) -> None:
    for store in stores:
        store.begin()
    sides = [{holder: ContinuityStore(store, holder=holder) for holder in HOLDERS} for store in stores]
    before = (0, 0, -1, 0)
    for call in (Call("upsert", "one", 1, 0, 0, 1), *calls):
        answers = [answer(call, side) for side in sides]
        assert answers[1:] == answers[:1]
        after = fence_of(Caller(sides[0]["one"], 1))
        assert [fence_of(Caller(side["one"], 1)) for side in sides] == [after] * len(sides)
        require_progress(before, after, call)
        before = after
    for number in range(SESSIONS):
        told = [store.read_snapshots(session(number), limit=9) for store in stores]
        assert len({len(rows) for rows in told}) == 1
        assert len(told[0]) <= 2
        assert all(row.is_sound for rows in told for row in rows)


def require_progress(before: Fence, after: Fence, call: Call) -> None:
    token, floor, generation, version = after
    assert token >= before[0]
    assert floor >= before[1]
    assert generation <= floor
    if generation == before[2]:
        assert version >= before[3]
    elif generation >= 0 and call.verb != "roll back":
        assert (generation, version) == (floor, 0)
