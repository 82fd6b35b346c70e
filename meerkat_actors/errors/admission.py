"""An input that no agent takes, whatever it is doing."""

from __future__ import annotations

from enum import StrEnum

from meerkat_actors.errors.tree import UsageError


class InputRejection(StrEnum):
    """Why an input is rejected."""

    DURABILITY_VIOLATION = "durability_violation"
    """Its origin, or its kind, can't declare it derived."""
    HANDLING_MODE_INVALID = "handling_mode_invalid"
    """Its kind has no mode."""
    RESPONSE_INVALID = "response_invalid"
    """It is no well-formed response, or it is none and says that it is."""
    HEADER_INVALID = "header_invalid"
    """Its header says what is another kind's, or the runtime's, to say."""


class RejectedInputError(UsageError):
    """The input contradicts itself; nothing was written. ``reason`` says in what, ``problem`` also what to do."""

    reason: InputRejection

    def __init__(self, *, reason: InputRejection, problem: str) -> None:
        super().__init__(problem=problem, reason=reason)
