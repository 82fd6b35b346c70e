"""Documents of the runtime facade: compared and swapped by a generation that never repeats."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.documents import Document
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.runtime_effects import DropDocument
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import created, put, reason

ALICE: Final = AgentIdentity("alice")


@check
def a_document_is_compared_and_swapped(store: Store) -> None:
    """A put with a generation commits iff that is the current one (0: none); a put without one always does."""
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


@check
def a_dropped_document_never_becomes_current_again(store: Store) -> None:
    """After a drop the numbers go on, so that no writer from before it can match."""
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


@check
def documents_are_apart_by_identity_kind_and_key(store: Store) -> None:
    """Another identity, another kind or another key makes it another document."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for writer, kind, key in ((alice, "a", "b"), (alice, "a", "c"), (alice, "b", "b"), (bob, "a", "b")):
        writer.must_commit(put(f"{writer.fence.identity} {kind} {key}".encode(), 0, kind=kind, key=key))
    found = store.find_document(ALICE, "b", "b")
    assert found == Document(b"alice b b", 1, 1)
    assert store.find_document(AgentIdentity("bob"), "b", "b") is None
    assert store.find_document(AgentIdentity("carol"), "a", "b") is None
