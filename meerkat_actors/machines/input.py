"""The life of one input, as a table.

Rule 1: every move of an input that the runtime asks of a store is a row of ``TRANSITIONS``; what a
        facade asks besides is in ``input_moves``.
Rule 2: a terminal state has no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from meerkat_actors.errors import IllegalTransitionError
from meerkat_actors.records.inputs import InputState

S = InputState


class InputEvent(StrEnum):
    """What can happen to an input."""

    TAKEN = "taken"
    """Its recipient took the mail into its lane."""
    TAKEN_INTO_RUN = "taken_into_run"
    """Its recipient was idle: taken and staged at once."""
    STAGED = "staged"
    CHARGED = "charged"
    """A failed attempt, or an unclean end: the run stays staged."""
    CONSUMED = "consumed"
    """Its run's boundary was committed."""
    ABANDONED = "abandoned"
    """Its run exhausted a bound."""


E = InputEvent

TRANSITIONS: Final[Mapping[tuple[InputState, InputEvent], InputState]] = MappingProxyType(
    {
        (S.SENT, E.TAKEN): S.QUEUED,
        (S.SENT, E.TAKEN_INTO_RUN): S.STAGED,
        (S.QUEUED, E.STAGED): S.STAGED,
        (S.STAGED, E.CHARGED): S.STAGED,
        (S.STAGED, E.CONSUMED): S.CONSUMED,
        (S.STAGED, E.ABANDONED): S.ABANDONED,
    }
)


def next_state(state: InputState, event: InputEvent) -> InputState:
    """The state after ``event``.

    Raises:
        IllegalTransitionError: ``TRANSITIONS`` has no row for the pair.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(machine="input", state=state.value, event=event.value) from None
