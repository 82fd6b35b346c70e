"""A run: one or more inputs bound to one execution, across its attempts."""

from __future__ import annotations

from collections.abc import Mapping

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, InputId, RunId
from meerkat_actors.records.inputs import OpenInput


@hot
class JournalEntry:
    """The recorded result of one step."""

    arguments: bytes
    """Digest of the arguments it was called with."""
    result: bytes
    """Canonical JSON."""


Journal = Mapping[tuple[str, int], JournalEntry]
"""Recorded steps of one run, by name and how often the name was used before (from 1)."""


@hot
class Run:
    """A run is durable: it lives in columns of its inputs' rows."""

    run_id: RunId
    """Kept across attempts."""
    members: tuple[OpenInput, ...]
    """In order; never empty."""
    attempts: int
    """Failed turns so far."""
    interruptions: int
    """Unclean ends since the last durable progress."""
    not_before_ms: int
    """Wall clock before which the next attempt does not start; 0 for at once."""
    journal: Journal


@hot
class Sending:
    """A message that a turn sends, committed with the turn."""

    recipient: AgentIdentity
    input_id: InputId
    content: bytes


@hot
class TurnCompleted:
    """A turn returned."""

    text: str | None
    """What it returned; None when it returned nothing."""
    entries: tuple[bytes, ...]
    """Canonical transcript entries that it added beyond its inputs, its text last."""
    state: bytes | None
    """Canonical JSON of the state it set; None when it set none."""
    sendings: tuple[Sending, ...]


@hot
class TurnFailed:
    """A turn raised."""

    error: str
    """Type and message, never a traceback."""
    raised: BaseException | None = None
    """For observers; never stored."""


@hot
class TurnCancelled:
    """A turn was cancelled from outside: it writes nothing and runs again with its journal."""


TurnEnding = TurnCompleted | TurnFailed | TurnCancelled
