"""What a backup says of itself when it is done."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

BackupCheck = Literal["pages", "rows"]
"""How a copy is looked at before it gets its name: for what SQLite finds wrong, or for all that ``doctor`` does."""


@frozen(kw_only=True)
class BackupReport:
    """A finished copy, and the moment of the store that it shows."""

    path: str
    """The copy: one file, synced, with nothing beside it."""
    size_bytes: int
    seconds: float
    """How long it took in all, with looking at it."""
    store_id: str
    epoch: int
    """Higher than the store's own: by it, events and cursors of the two can be told apart."""
    incarnation: int
    """The one that served at that moment, or served last."""
    last_sequence: int
    """The last number given out: everything up to it is in the copy."""
    identities: int
    turns: int
    unfenced: int
    """Identities whose fencing token was at its end, so that it could not be raised."""
    findings: int
    """What ``doctor`` finds wrong with the copy, and so with the store; 0 for a ``pages`` check."""
