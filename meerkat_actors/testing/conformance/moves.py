"""What the runtime facade sets from outside a turn: where inputs are, and which sessions an identity has."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meerkat_actors.machines.input_moves import MOVES
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity, RunId, SessionId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, RecordReceipt
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    changed,
    created,
    insert,
    new_run_id,
    put,
    reason,
    stage,
    uuid_of,
)

S = InputState
ALICE: Final = AgentIdentity("alice")


def moved(
    was: InputState, state: InputState, *, was_run: RunId | None = None, run: RunId | None = None, admission: int = 1
) -> MoveInput:
    ending = b"{}" if state.is_terminal else None
    return MoveInput(AdmissionSequence(admission), was, was_run, state, run, 1, 2, 3, ending)


IMPOSSIBLE: Final = MappingProxyType[str, Effect](
    {
        "a document before the first": put(b"1", -1),
        "a document beyond the last": put(b"1", COUNTER_MAX + 1),
        "a document at a bool": put(b"1", True),
        "a document of no kind": put(b"1", 0, kind=""),
        "a document's key with NUL": put(b"1", 0, key="a\0b"),
        "a document's key that is no text": put(b"1", 0, key="\ud800"),
        "a document's key that is too long": put(b"1", 0, key="k" * 513),
        "a document that is text": changed(put(b"1", 0), body="text"),
        "a document's digest of another length": changed(put(b"1", 0), digest=b"short"),
        "a drop of what was never put": DropDocument("kind", "key", 0),
        "a drop without a key": DropDocument("kind", "", 1),
        "no session": BindSession(SessionId("no uuid")),
        "a receipt without a boundary": RecordReceipt(RunId(uuid_of(1)), 1),
        "consumed without a boundary": moved(S.QUEUED, S.CONSUMED),
        "taken by no take": moved(S.SENT, S.QUEUED),
        "staged for no run": moved(S.QUEUED, S.STAGED),
        "staged by no run": moved(S.STAGED, S.QUEUED),
        "an ending of what is open": changed(moved(S.QUEUED, S.QUEUED), ending=b"{}"),
        "an end without an ending": changed(moved(S.QUEUED, S.ABANDONED), ending=None),
        "attempts below 0": changed(moved(S.QUEUED, S.QUEUED), attempts=-1),
        "a time beyond the last": changed(moved(S.QUEUED, S.QUEUED), not_before_ms=2**63),
        "an admission before the first": changed(moved(S.QUEUED, S.QUEUED), admission=0),
    }
)


@check
def a_session_is_bound_once_and_for_ever(store: Store) -> None:
    """Binding a session to its identity again is no change; to another one it is refused."""
    alice, bob = created(store, "alice"), created(store, "bob")
    session = SessionId(uuid_of(0x5E))
    alice.must_commit(BindSession(session))
    alice.must_commit(BindSession(session))
    alice.must_commit(BindSession(alice.session_id))
    for taken in (session, alice.session_id):
        outcome = bob.commit(BindSession(taken))
        assert outcome == Refused(reason=RefusalReason.SESSION_BOUND, effect=0, current="alice (generation 0)")


@check_each({f"{was} to {state}": (was, state) for was, state in sorted(MOVES)})
def an_input_moves_iff_it_is_where_its_writer_believes(store: Store, move: tuple[InputState, InputState]) -> None:
    """State and run must be those that the move names; a terminal state is final."""
    was, state = move
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


@check_each(IMPOSSIBLE)
def what_can_not_be_meant_is_out_of_range(store: Store, effect: Effect) -> None:
    """Effects of the runtime facade with impossible fields are refused before anything is tried."""
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    assert reason(alice.commit(effect)) is RefusalReason.OUT_OF_RANGE
