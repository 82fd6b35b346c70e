"""Receipts: the boundaries that a runtime's run is proven by."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, RunId, SessionId
from meerkat_actors.records.runtime_effects import BindSession, RecordReceipt
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import created, insert, new_run_id, put, reason, uuid_of

ALICE: Final = AgentIdentity("alice")


@check
def receipts_are_dense_per_run_and_found_by_run_and_sequence(store: Store) -> None:
    """Receipts of a run count from 1, without a gap and never twice; the last one is found without its number."""
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


@check
def a_receipt_is_of_the_boundary_beside_it(store: Store) -> None:
    """A receipt has a boundary of its own run in its unit, and is its only one."""
    alice = created(store, "alice")
    run, other = new_run_id(), new_run_id()
    for effects in (
        (RecordReceipt(run, 1), alice.boundary(other)),
        (RecordReceipt(run, 1), RecordReceipt(run, 2), alice.boundary(run)),
        (RecordReceipt(run, 0), alice.boundary(run)),
    ):
        assert reason(alice.commit(*effects)) is RefusalReason.OUT_OF_RANGE


@check
def a_unit_with_one_impossible_effect_leaves_nothing_of_the_others(store: Store) -> None:
    """A facade's unit is all or nothing, too."""
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
