"""The opaque documents of the runtime-store facade: how they are found, put and dropped under a claim.

Its session snapshots are among them, and no rows of ``snapshot``: one of those is the version that it made,
and moves the head in a unit of its own. Here a boundary's snapshot is one of several effects of its unit,
and a snapshot that is no boundary must not move the version at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from meerkat_actors.errors import InvalidValueError, StoreCorruptError
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity import SNAPSHOT_BYTES_MAX
from meerkat_actors.records.documents import Document
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.runtime_effects import DropDocument, PutDocument
from meerkat_actors.records.transcripts import Transcript, parse_transcript
from meerkat_actors.store.port import Store

R = TypeVar("R")

SNAPSHOT: Final = "runtime.session"
LIFECYCLE: Final = "runtime.lifecycle"
OPERATIONS: Final = "runtime.operations"
RETIRED_EPOCH: Final = "runtime.retired-epoch"
LOGIN_FLOWS: Final = "auth.login-flows"
"""Kinds of documents."""
CURRENT: Final = "current"
"""The key of a kind of which a runtime has one."""
FORMER: Final = "former"
"""The key of the snapshot before the current one."""
LOGIN_AUTHORITY: Final = AgentIdentity("rt:login-flows")
"""Whose documents the login flows of a whole store are. No agent is named so."""


class Documents:
    """Documents of one store, each with what a write of it must compare."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, identity: AgentIdentity, kind: str, key: str = CURRENT) -> Document | None:
        """A document that was not dropped."""
        return self._store.find_document(identity, kind, key)

    def body(self, identity: AgentIdentity, kind: str, key: str = CURRENT) -> bytes | None:
        """Its bytes."""
        document = self.find(identity, kind, key)
        return None if document is None else document.body

    def transcript(self, document: Document | None) -> Transcript | None:
        """What a stored snapshot says.

        Raises:
            StoreCorruptError: it is none.
        """
        return None if document is None else self.legible(lambda: parse_transcript(document.body))

    def legible(self, read: Callable[[], R]) -> R:
        """Decode what the store holds.

        Raises:
            StoreCorruptError: it is of another version, or damaged: fail closed.
        """
        try:
            return read()
        except (InvalidValueError, ValueError) as error:
            raise StoreCorruptError(
                path=self._store.location, problem=f"holds what this version can't read ({error}); it was not changed"
            ) from error


def put(kind: str, body: bytes, replaces: Document | None, *, key: str = CURRENT) -> PutDocument:
    """Put a document in the place of what was found there.

    Raises:
        InvalidValueError: it is too big.
    """
    if len(body) > SNAPSHOT_BYTES_MAX:
        raise InvalidValueError(problem=f"a document of {len(body):,} bytes; the limit is {SNAPSHOT_BYTES_MAX:,}")
    expected = 0 if replaces is None else replaces.generation
    return PutDocument(kind, key, body, content_digest(body), expected)


def keep_former(found: Document | None) -> tuple[PutDocument, ...]:
    """Keep the snapshot that another takes the place of, or nothing does: the last two are there."""
    if found is None:
        return ()
    return (PutDocument(SNAPSHOT, FORMER, found.body, content_digest(found.body), None),)


def drop(kind: str, found: Document | None) -> tuple[DropDocument, ...]:
    """Drop what was found, if anything was."""
    return () if found is None else (DropDocument(kind, CURRENT, found.generation),)
