"""What ``growth.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class GrowthJob:
    """What to measure in one process."""

    folder: str
    """Where the databases go."""
    marks: tuple[int, ...]
    """Turn numbers at which a window begins: ascending."""
    turns: int
    """Length of a window."""
    rounds: int


@frozen(kw_only=True)
class TurnCost:
    """What one turn took, on average of one window and the checkpoint after it."""

    cpu_seconds: float
    """Of all threads of the process."""
    log_bytes: float
    """Written before the checkpoint: the write-ahead log."""
    file_bytes: float
    """Written by the checkpoint: what the turns left in the log, moved into the file."""


@frozen(kw_only=True)
class GrowthResult:
    """All rounds of one process."""

    rounds: tuple[tuple[TurnCost, ...], ...]
    """Each round holds one cost per mark, in order."""
    turns: int
    """All turns in the database of the longest session."""
    file_bytes: int
    """The size of that database when it is closed."""
    mixed_payload_bytes: int
    """Content of another session, whose messages have any length."""
    mixed_file_bytes: int
    """The size of its database when it is closed."""
