"""What a lap is told of the world outside: the time, fresh ids, chance."""

from __future__ import annotations

from typing import Final

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.machines.decision import Stamp
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import (
    ChangeOperation,
    Command,
    EndTurn,
    FireDue,
    Govern,
    Redrive,
    Send,
    TakePending,
)
from meerkat_actors.records.ids import RunId, SessionId
from meerkat_actors.records.runs import TurnCompleted
from meerkat_actors.records.status import Verb

_ADMITTING: Final = frozenset({Send, TakePending, FireDue, Redrive, ChangeOperation})
_NO_INTENTS: Final[frozenset[str]] = frozenset()


def stamp(owner: Owner, state: IdentityState, commands: list[Command], *, at_least_ms: int) -> Stamp:
    """The stamp of one lap; its time is no earlier than ``at_least_ms``."""
    around, env = owner.around, owner.around.env
    # Ids are minted only for what a lap may need: most laps end a turn and stage nothing.
    may_stage = not state.is_executing or state.backlog > 1
    may_begin = not state.is_created or state.is_buried or state.is_resetting
    for command in commands:
        what = type(command)
        if what in _ADMITTING:
            may_stage = True
        elif what is EndTurn:
            may_stage = may_stage or _starts_operations(command)
        elif what is Govern:
            may_begin = may_begin or is_reset(command)
    kind = around.agents.get(state.kind)
    return Stamp(
        max(around.now_ms(), at_least_ms),
        RunId(env.new_id() if may_stage else ""),
        SessionId(env.new_id() if may_begin else ""),
        around.jitter(),
        around.is_closing() or owner.is_full,
        _NO_INTENTS if kind is None else kind.silent_intents,
        owner.entry.may_suspect,
        around.storage.incarnation,
    )


def is_reset(command: Command) -> bool:
    """Whether it asks for the next generation."""
    return type(command) is Govern and command.verb is Verb.RESET


def _starts_operations(command: Command) -> bool:
    # A barrier whose members ended before it ends at once, and its end may wake the agent.
    return (
        type(command) is EndTurn and type(command.ending) is TurnCompleted and len(command.ending.extras.operations) > 0
    )
