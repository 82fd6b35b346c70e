"""The effects of the runtime-store facade, on every store: what each does, refuses, and leaves alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.machines.input_moves import MOVES
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import AppendTurn, Effect
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity, RunId, SessionId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.store.conftest import MEMORY_FOLDER
from tests.store.writing import Writer, changed, created, insert, new_run_id, reason, stage, uuid_of

S = InputState
ALICE: Final = AgentIdentity("alice")


def put(body: bytes, expected: int | None, *, kind: str = "kind", key: str = "key") -> PutDocument:
    return PutDocument(kind, key, body, content_digest(body), expected)


def moved(
    was: InputState, state: InputState, *, was_run: RunId | None = None, run: RunId | None = None, admission: int = 1
) -> MoveInput:
    ending = b"{}" if state.is_terminal else None
    return MoveInput(AdmissionSequence(admission), was, was_run, state, run, 1, 2, 3, ending)


# -- documents ----------------------------------------------------------------------------


def test_a_document_is_compared_and_swapped(store: Store) -> None:
    alice = created(store, "alice")
    assert store.find_document(ALICE, "kind", "key") is None
    assert reason(alice.commit(put(b"1", 1))) is RefusalReason.GENERATION_CONFLICT
    alice.must_commit(put(b"1", 0))
    assert store.find_document(ALICE, "kind", "key") == Document(b"1", 1, 1)
    for stale in (0, 2, 7):
        outcome = alice.commit(put(b"2", stale))
        assert outcome == Refused(reason=RefusalReason.GENERATION_CONFLICT, effect=0, current="generation 1")
    alice.must_commit(put(b"2", 1))
    alice.must_commit(put(b"", None))
    assert store.find_document(ALICE, "kind", "key") == Document(b"", 1, 3)


def test_a_dropped_document_never_becomes_current_again(store: Store) -> None:
    alice = created(store, "alice")
    for nothing in (1, None):
        assert reason(alice.commit(DropDocument("kind", "key", nothing))) is RefusalReason.GENERATION_CONFLICT
    alice.must_commit(put(b"1", 0))
    assert reason(alice.commit(DropDocument("kind", "key", 2))) is RefusalReason.GENERATION_CONFLICT
    alice.must_commit(DropDocument("kind", "key", 1))
    assert store.find_document(ALICE, "kind", "key") is None
    for stale in (1, 2):
        outcome = alice.commit(put(b"2", stale))
        assert outcome == Refused(reason=RefusalReason.GENERATION_CONFLICT, effect=0, current="generation 0")
        assert reason(alice.commit(DropDocument("kind", "key", stale))) is RefusalReason.GENERATION_CONFLICT
    alice.must_commit(put(b"2", 0))
    assert store.find_document(ALICE, "kind", "key") == Document(b"2", 2, 3)
    alice.must_commit(DropDocument("kind", "key", None))
    assert store.find_document(ALICE, "kind", "key") is None


def test_documents_are_apart_by_identity_kind_and_key(store: Store) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    for writer, kind, key in ((alice, "a", "b"), (alice, "a", "c"), (alice, "b", "b"), (bob, "a", "b")):
        writer.must_commit(put(f"{writer.fence.identity} {kind} {key}".encode(), 0, kind=kind, key=key))
    found = store.find_document(ALICE, "b", "b")
    assert found == Document(b"alice b b", 1, 1)
    assert store.find_document(AgentIdentity("bob"), "b", "b") is None
    assert store.find_document(AgentIdentity("carol"), "a", "b") is None


@pytest.mark.parametrize(
    "effect",
    [
        put(b"1", -1),
        put(b"1", COUNTER_MAX + 1),
        put(b"1", True),
        put(b"1", 0, kind=""),
        put(b"1", 0, key="a\0b"),
        put(b"1", 0, key="\ud800"),
        put(b"1", 0, key="k" * 513),
        changed(put(b"1", 0), body="text"),
        changed(put(b"1", 0), digest=b"short"),
        DropDocument("kind", "key", 0),
        DropDocument("kind", "", 1),
        BindSession(SessionId("no uuid")),
        RecordReceipt(RunId(uuid_of(1)), 1),
        moved(S.QUEUED, S.CONSUMED),
        moved(S.SENT, S.QUEUED),
        moved(S.QUEUED, S.STAGED),
        moved(S.STAGED, S.QUEUED),
        changed(moved(S.QUEUED, S.QUEUED), ending=b"{}"),
        changed(moved(S.QUEUED, S.ABANDONED), ending=None),
        changed(moved(S.QUEUED, S.QUEUED), attempts=-1),
        changed(moved(S.QUEUED, S.QUEUED), not_before_ms=2**63),
        changed(moved(S.QUEUED, S.QUEUED), admission=0),
    ],
    ids=lambda effect: ascii(effect)[:60],
)
def test_what_can_not_be_meant_is_out_of_range(store: Store, effect: Effect) -> None:
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    assert reason(alice.commit(effect)) is RefusalReason.OUT_OF_RANGE


# -- receipts -----------------------------------------------------------------------------


def test_receipts_are_dense_per_run_and_found_by_run_and_sequence(store: Store) -> None:
    alice = created(store, "alice")
    run, other = new_run_id(), new_run_id()
    for which, sequence in ((run, 1), (other, 1), (run, 2)):
        alice.must_commit(RecordReceipt(which, sequence), alice.boundary(which))
    found = store.find_receipt(ALICE, run, sequence=2)
    assert found is not None
    assert (found.version, found.run_id) == (3, run)
    assert store.find_receipt(ALICE, run, sequence=None) == found
    for sequence, why in (
        (1, RefusalReason.DUPLICATE_RECEIPT),
        (2, RefusalReason.DUPLICATE_RECEIPT),
        (4, RefusalReason.RECEIPT_GAP),
        (COUNTER_MAX, RefusalReason.RECEIPT_GAP),
    ):
        outcome = alice.commit(RecordReceipt(run, sequence), alice.boundary(run))
        assert outcome == Refused(reason=why, effect=0, current="receipt 2")
    assert alice.fence.version == 3
    for nothing in (0, 3, COUNTER_MAX + 1):
        assert store.find_receipt(ALICE, run, sequence=nothing) is None
    assert store.find_receipt(AgentIdentity("bob"), run, sequence=None) is None
    assert store.find_receipt(ALICE, RunId("no uuid"), sequence=None) is None


def test_a_receipt_is_of_the_boundary_beside_it(store: Store) -> None:
    alice = created(store, "alice")
    run, other = new_run_id(), new_run_id()
    for effects in (
        (RecordReceipt(run, 1), alice.boundary(other)),
        (RecordReceipt(run, 1), RecordReceipt(run, 2), alice.boundary(run)),
        (RecordReceipt(run, 0), alice.boundary(run)),
    ):
        assert reason(alice.commit(*effects)) is RefusalReason.OUT_OF_RANGE


def test_a_unit_with_one_impossible_effect_leaves_nothing_of_the_others(store: Store) -> None:
    alice = created(store, "alice")
    run = new_run_id()
    session = SessionId(uuid_of(0x5E))
    whole = (insert(1), BindSession(session), put(b"1", 0), RecordReceipt(run, 1), alice.boundary(run))
    outcome = alice.commit(*whole, put(b"1", 5, key="other"))
    assert reason(outcome) is RefusalReason.GENERATION_CONFLICT
    assert store.find_document(ALICE, "kind", "key") is None
    assert store.find_receipt(ALICE, run, sequence=None) is None
    assert store.page_inputs(ALICE, after=None, limit=9, newest_first=False) == ()
    bob = created(store, "bob")
    bob.must_commit(BindSession(session))
    assert reason(alice.commit(*whole)) is RefusalReason.SESSION_BOUND


# -- sessions and moves -------------------------------------------------------------------


def test_a_session_is_bound_once_and_for_ever(store: Store) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    session = SessionId(uuid_of(0x5E))
    alice.must_commit(BindSession(session))
    alice.must_commit(BindSession(session))
    alice.must_commit(BindSession(alice.session_id))
    for taken in (session, alice.session_id):
        outcome = bob.commit(BindSession(taken))
        assert outcome == Refused(reason=RefusalReason.SESSION_BOUND, effect=0, current="alice (generation 0)")


@pytest.mark.parametrize(("was", "state"), sorted(MOVES))
def test_an_input_moves_iff_it_is_where_its_writer_believes(store: Store, was: InputState, state: InputState) -> None:
    alice = created(store, "alice")
    run, other = new_run_id(), new_run_id()
    held = run if was is S.STAGED else None
    alice.must_commit(insert(1, run=held))
    target = other if state is S.STAGED else None
    for wrong in (moved(S.STAGED, S.QUEUED, was_run=other), moved(was, state, was_run=held, run=target, admission=2)):
        assert reason(alice.commit(wrong)) is RefusalReason.INPUT_STATE_CONFLICT
    alice.must_commit(moved(was, state, was_run=held, run=target))
    (row,) = store.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    assert (row.state, row.run_id, row.attempts, row.interruptions, row.not_before_ms) == (state, target, 1, 2, 3)
    assert (store.identities_with_work() == ()) is state.is_terminal
    if state.is_terminal:
        assert reason(alice.commit(stage(1, run))) is RefusalReason.INPUT_STATE_CONFLICT


# -- every store does what the memory store does ------------------------------------------


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
