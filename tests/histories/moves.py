"""What may happen in a history, as records that mean something in any world: one that is left out shifts the others.

Inputs and calls are named by numbers, which are taken modulo what there is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from attrs import frozen

from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.status import Verb

AGENTS: Final = ("a", "b")
OPS: Final[tuple[str, ...]] = (
    "step", "once", "asked", "checkpoint", "checkpoint-first", "glance", "hang", "rest", "sleep", "send", "send-bad",
    "note", "swallow", "fail-1", "fail-2", "fail-9",
)  # fmt: skip
"""What an agent may be told to do, see ``tests.histories.agents``."""
SILENT_INTENT: Final = "hush"
"""Requests of this intent wake nobody."""


class Moment(StrEnum):
    """When a process is killed."""

    NOW = "now"
    BEFORE = "before"
    """Before the commit is written."""
    IN = "in"
    """It is written, and nobody hears of it."""
    AFTER = "after"
    """Whoever asked was answered, and had no time to do anything with it."""


@frozen(kw_only=True)
class Admit:
    """A caller sends an input, and waits for its outcome or only for its admission."""

    agent: str
    kind: InputKind
    ops: tuple[str, ...]
    options: tuple[tuple[str, str | bool], ...] = ()
    key: int | None = None
    asks: bool = False


@frozen(kw_only=True)
class Again:
    """The same once more, as after an answer that was lost."""

    index: int
    asks: bool = False


@frozen(kw_only=True)
class Await:
    index: int


@frozen(kw_only=True)
class Cancel:
    index: int


@frozen(kw_only=True)
class Interrupt:
    agent: str
    at_checkpoint: bool = False


@frozen(kw_only=True)
class Stir:
    agent: str


@frozen(kw_only=True)
class Ask:
    """The operator's verbs; for an agent that is destroyed, "recreate"."""

    agent: str
    verb: Verb | None
    """None: create anew what is destroyed."""


@frozen(kw_only=True)
class Redrive:
    index: int
    by_id: bool = False


@frozen(kw_only=True)
class Drop:
    index: int


@frozen(kw_only=True)
class WaitIdle:
    """A caller waits until nobody has anything to do."""


@frozen(kw_only=True)
class GiveUp:
    """A caller is cancelled."""

    index: int


@frozen(kw_only=True)
class Release:
    """Agents that hang go on."""


@frozen(kw_only=True)
class Pass:
    """Virtual time."""

    seconds: float


@frozen(kw_only=True)
class Kill:
    """The process ends at an instant, and another one begins."""

    moment: Moment
    commits: int = 1
    """At which commit from now on, if it is at one."""


@frozen(kw_only=True)
class Close:
    """The process ends in good order, and another one begins."""


Move: TypeAlias = (
    Admit | Again | Await | Cancel | Interrupt | Stir | Ask | Redrive | Drop | WaitIdle | GiveUp | Release | Pass | Kill
    | Close
)  # fmt: skip


@frozen
class Step:
    """One move, and how far the world goes on before the next one."""

    move: Move
    passes: int | None
    """So many times round the loop; None: until everybody waits."""
