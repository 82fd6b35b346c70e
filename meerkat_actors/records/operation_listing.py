"""The operations of an identity as its owner tells them: all that are remembered, and how far their ends got."""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.operation import Operation


@frozen(kw_only=True)
class OperationCursors:
    """How far the ends of an identity's operations got, by their sequences. 0: no end yet."""

    applied: int
    """Turns took up this end, and every one before it that is remembered."""
    observed: int
    """The last end."""
    injected: int
    """The ends up to here wake the agent, or were taken up.

    It falls back to ``applied`` when what was to wake the agent ended without a result.
    """


@frozen(kw_only=True)
class OperationListing:
    """What an identity remembers of its operations."""

    operations: tuple[Operation, ...]
    """In the order of their ids."""
    cursors: OperationCursors
