"""The life of one input, as tables.

Rule 1: every move of an input that the runtime asks of a store is a row of ``TRANSITIONS``; what a
        facade asks besides is in ``input_moves``.
Rule 2: an input begins as ``ENTRIES`` says: as mail, admitted, or with its outcome at once.
Rule 3: a terminal state has no row.
Rule 4: only what is in its lane is displaced; what a run holds may be in front of a model.

Reference: ``reference/runtime.md`` section 4.2. What is accepted there is queued here, in one commit; applied and
consumed are one commit too, so no input rests in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from meerkat_actors.errors import IllegalTransitionError
from meerkat_actors.records.inputs import InputState

S = InputState


class InputEntry(StrEnum):
    """How an input comes into being."""

    MAILED = "mailed"
    """A turn sent it, or somebody who does not own its recipient."""
    ADMITTED = "admitted"
    ADMITTED_INTO_RUN = "admitted_into_run"
    """Its agent was idle: admitted and staged at once."""
    NOTED = "noted"
    """Known by its admission, and consumed by that."""


class InputEvent(StrEnum):
    """What can happen to an input."""

    TAKEN = "taken"
    """Its recipient took the mail into its lane."""
    TAKEN_INTO_RUN = "taken_into_run"
    """Its recipient was idle: taken and staged at once."""
    NOTED = "noted"
    """Its recipient took the mail, which is known by that."""
    STAGED = "staged"
    """A run begins with it."""
    BOUND = "bound"
    """A checkpoint of a run in progress took it from the steer lane."""
    RETURNED = "returned"
    """Its run was dissolved, or ended without what its checkpoints had bound: it waits in its lane again."""
    RESTAGED = "restaged"
    """Its run was dissolved, and it begins another one at once."""
    CHARGED = "charged"
    """A failed attempt, or an unclean end: the run stays staged."""
    CONSUMED = "consumed"
    """Its run's boundary was committed."""
    SUPERSEDED = "superseded"
    """A newer input of the same key took its place."""
    COALESCED = "coalesced"
    """A newer input stands for it."""
    CANCELLED = "cancelled"
    """Somebody asked for it, or interrupted its run."""
    ABANDONED = "abandoned"
    """Its run exhausted a bound, its identity is stopped, reset or destroyed, or it was ephemeral and is lost."""


N = InputEntry
E = InputEvent

ENTRIES: Final[Mapping[InputEntry, InputState]] = MappingProxyType(
    {
        N.MAILED: S.SENT,
        N.ADMITTED: S.QUEUED,
        N.ADMITTED_INTO_RUN: S.STAGED,
        N.NOTED: S.CONSUMED,
    }
)
"""The state that an input begins in."""

TRANSITIONS: Final[Mapping[tuple[InputState, InputEvent], InputState]] = MappingProxyType(
    {
        (S.SENT, E.TAKEN): S.QUEUED,
        (S.SENT, E.TAKEN_INTO_RUN): S.STAGED,
        (S.SENT, E.NOTED): S.CONSUMED,
        (S.QUEUED, E.STAGED): S.STAGED,
        (S.QUEUED, E.BOUND): S.STAGED,
        (S.QUEUED, E.SUPERSEDED): S.SUPERSEDED,
        (S.QUEUED, E.COALESCED): S.COALESCED,
        (S.QUEUED, E.CANCELLED): S.ABANDONED,
        (S.QUEUED, E.ABANDONED): S.ABANDONED,
        (S.STAGED, E.RETURNED): S.QUEUED,
        (S.STAGED, E.RESTAGED): S.STAGED,
        (S.STAGED, E.CHARGED): S.STAGED,
        (S.STAGED, E.CONSUMED): S.CONSUMED,
        (S.STAGED, E.CANCELLED): S.ABANDONED,
        (S.STAGED, E.ABANDONED): S.ABANDONED,
    }
)
"""The state after each event that may happen in a state."""


def next_state(state: InputState, event: InputEvent) -> InputState:
    """The state after ``event``.

    Raises:
        IllegalTransitionError: ``TRANSITIONS`` has no row for the pair.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(machine="input", state=state.value, event=event.value) from None
