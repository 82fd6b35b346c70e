"""What a checker is given: what a store holds, and what its runtime's callers were told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from meerkat_actors.records.outcomes import Admission, Outcome
from meerkat_actors.simulation.checks.contents import Contents


@frozen(kw_only=True)
class Call:
    """One question of a caller that was answered."""

    verb: str
    """The handle's method, or the governing verb."""
    identity: str
    input_id: str | None
    """As the caller gave it, or had it minted; None where the question is of no input."""
    key: str | None
    admission: Admission | None
    outcome: Outcome | None
    error: type[BaseException] | None
    """What it raised; None where it returned."""
    begun: int
    """Counts beginnings and endings of calls, so that who overlapped is known."""
    ended: int


@frozen(kw_only=True)
class Evidence:
    """Everything that one store, and those who used it, can be held to."""

    contents: Contents
    calls: tuple[Call, ...] = ()
    unanswered: int = 0
    """Calls that were begun and never ended."""
    attempts_max: int | None = None
    """The highest bound that a runtime of it had; None where nobody said."""


Check = Callable[[Evidence], Iterator[str]]
"""Says what is wrong, one line for each."""
