"""The store can't be relied on: what is wrong with it, and what to do."""

from __future__ import annotations

from meerkat_actors.errors.tree import MeerkatError


class StoreError(MeerkatError):
    """The store can't be relied on; nothing is repaired silently."""

    path: str
    problem: str

    def __init__(self, *, path: str, problem: str, **fields: object) -> None:
        super().__init__(path=path, problem=problem, **fields)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class NotOurStoreError(StoreError):
    """The file is not a database of this library; it was not touched."""


class StoreSchemaError(StoreError):
    """The file was written by another version of this library, whose schema differs; it was not touched."""


class StoreCorruptError(StoreError):
    """The store contradicts itself; restore it from a backup."""


class StoreBehindError(StoreError):
    """The file is older than what was acknowledged: its log is missing, or an older copy was put in its place."""


class StoreFullError(StoreError):
    """The disk is full; nothing was written."""


class StoreFailedError(StoreError):
    """The store failed while committing; the runtime ends, reopen it to recover."""


class StoreInterruptedError(StoreFailedError):
    """The store failed while committing, in a way that reopening may mend; a runtime does that once."""


class StoreBehindWarning(UserWarning):
    """A store that was opened with ``synchronous="normal"`` lost what its last power cut took."""


class UnsupportedPlatformWarning(UserWarning):
    """A store is opened on another platform than Linux; its promises were not tried there."""
