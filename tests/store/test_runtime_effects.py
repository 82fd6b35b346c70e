"""The effects of the runtime-store facade: every store does with any of them what the memory store does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.records.commits import CommitOutcome, Committed, Refused
from meerkat_actors.records.effects import AppendTurn, Effect
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, RunId, SessionId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, RecordReceipt
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.store.conftest import MEMORY_FOLDER
from tests.store.writing import Writer, created, insert, put, stage, uuid_of

S: Final = InputState


@frozen
class Plan:
    """What one writer tries in one unit, perhaps under a token that is not its own."""

    name: str
    moves: tuple[Effect, ...]
    boundary: RunId | None
    token_off: int


RUNS: Final = tuple(RunId(uuid_of(number)) for number in (0xA1, 0xA2))
NAMES: Final = ("alice", "bob")
ADMISSIONS: Final = st.sampled_from((1, 2, 3)).map(AdmissionSequence)
TERMINAL: Final = (None, b"{}")
PIECES: Final = st.one_of(
    st.builds(insert, ADMISSIONS, run=st.sampled_from((None, *RUNS))),
    st.builds(
        MoveInput,
        ADMISSIONS,
        st.sampled_from((S.QUEUED, S.STAGED)),
        st.sampled_from((None, *RUNS)),
        st.sampled_from(tuple(InputState)),
        st.sampled_from((None, *RUNS)),
        st.integers(0, 2),
        st.just(0),
        st.just(0),
        st.sampled_from(TERMINAL),
    ),
    st.builds(stage, ADMISSIONS, st.sampled_from(RUNS)),
    st.builds(BindSession, st.sampled_from((SessionId(uuid_of(0x51)), SessionId(uuid_of(0x52))))),
    st.builds(put, st.binary(max_size=2), st.none() | st.integers(0, 4), key=st.sampled_from(("a", "b"))),
    st.builds(DropDocument, st.just("kind"), st.sampled_from(("a", "b")), st.none() | st.integers(1, 4)),
    st.builds(RecordReceipt, st.sampled_from(RUNS), st.integers(1, 3)),
)
PLANS: Final = st.builds(
    Plan,
    st.sampled_from(NAMES),
    st.lists(PIECES, min_size=1, max_size=4).map(tuple),
    st.none() | st.sampled_from(RUNS),
    st.sampled_from((0, 0, 0, 0, 1)),
)


class Side:
    """One of the stores that are compared, with a writer for each name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.begin()
        self.writers = {name: created(store, name) for name in NAMES}

    def commit(self, batch: Sequence[Plan]) -> list[CommitOutcome]:
        units = [self.writer(plan).unit(*plan.moves, *self.boundary(plan)) for plan in batch]
        outcomes = self.store.commit(units)
        for plan, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Committed):
                writer = self.writers[plan.name]
                writer.fence = evolve(writer.fence, version=outcome.version)
        # What is current is said for people; keys and sequences are a store's own.
        return [evolve(each, current="") if isinstance(each, Refused) else each for each in outcomes]

    def writer(self, plan: Plan) -> Writer:
        writer = self.writers[plan.name]
        return writer.forged(token=writer.fence.token + plan.token_off) if plan.token_off else writer

    def boundary(self, plan: Plan) -> tuple[AppendTurn, ...]:
        return () if plan.boundary is None else (self.writers[plan.name].boundary(plan.boundary),)

    def picture(self) -> list[object]:
        seen: list[object] = []
        for name in map(AgentIdentity, NAMES):
            seen += [self.store.find_document(name, "kind", key) for key in ("a", "b")]
            rows = self.store.page_inputs(name, after=None, limit=9, newest_first=False)
            seen += [(row.admission, row.state, row.run_id, row.attempts, row.ending) for row in rows]
            for run in RUNS:
                found = self.store.find_receipt(name, run, sequence=None)
                seen.append(None if found is None else (found.version, found.run_id))
        return [*seen, self.store.identities_with_work()]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(PLANS, min_size=1, max_size=4), max_size=8))
def test_every_store_does_with_the_facades_effects_what_the_memory_store_does(
    history: Sequence[Sequence[Plan]],
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        model = Side(MemoryStore())
        other = Side(open_sqlite(Path(folder, "team.db"), synchronous="normal"))
        try:
            for batch in history:
                assert other.commit(batch) == model.commit(batch)
                assert other.picture() == model.picture()
        finally:
            other.store.close()
