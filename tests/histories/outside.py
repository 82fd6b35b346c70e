"""The world outside of the process: what agents did to it, what was asked of them, and what must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import trio
from attrs import Factory, define, frozen

from meerkat_actors.records.ids import AgentIdentity, InputId, RunId


class ViolationError(Exception):
    """Something happened that must not."""

    def __init__(self, *, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        """What stays the same while the history is made smaller."""
        self.detail = detail
        self.steps: Sequence[Any] = ()
        """The smallest history found that shows it, if it was looked for."""


@frozen(kw_only=True)
class Mailed:
    """A message that a turn sent, if that turn had its boundary."""

    recipient: str
    content: object


@define(eq=False)
class Life:
    """One process: it may be killed, and then nothing that it does has any effect."""

    number: int
    scope: trio.CancelScope = Factory(trio.CancelScope)
    leave: trio.Event = Factory(trio.Event)
    ended: trio.Event = Factory(trio.Event)
    is_dead: bool = False
    is_leaving: bool = False
    running: dict[AgentIdentity, RunId] = Factory(dict[AgentIdentity, RunId])
    """Turns in progress."""

    @property
    def is_over(self) -> bool:
        """Whether it was told to end, in whatever way."""
        return self.is_dead or self.is_leaving

    def kill(self) -> None:
        """End it at once."""
        self.is_dead = True
        self.scope.cancel()


@define(eq=False)
class Outside:
    """What outlives every process."""

    life: Life
    gate: trio.Event = Factory(trio.Event)
    """Those who hang wait for it."""
    never_hangs: bool = False
    kills: int = 0
    closings: int = 0
    begun: Counter[InputId] = Factory(Counter[InputId])
    """Attempts with that input among them."""
    failed: Counter[InputId] = Factory(Counter[InputId])
    """Attempts that raised."""
    effects: Counter[tuple[RunId, str]] = Factory(Counter[tuple[RunId, str]])
    """Side effects of steps, by run and name."""
    recorded: set[tuple[RunId, str]] = Factory(set[tuple[RunId, str]])
    """Steps whose results are durable."""
    taken: dict[tuple[RunId, int], tuple[InputId, ...]] = Factory(dict[tuple[RunId, int], tuple[InputId, ...]])
    """What checkpoints returned, where that was something."""
    returned: dict[RunId, tuple[InputId, ...]] = Factory(dict[RunId, tuple[InputId, ...]])
    """What the last attempt that returned had been given, in order."""
    mailed: dict[RunId, tuple[Mailed, ...]] = Factory(dict[RunId, tuple[Mailed, ...]])
    """What that attempt sent."""
    asked: Counter[tuple[str, str]] = Factory(Counter[tuple[str, str]])
    """What operators asked for, by agent."""
    complaints: list[ViolationError] = Factory(list[ViolationError])

    def complain(self, kind: str, detail: object) -> None:
        """Note what must not be; for where raising would end somebody else."""
        self.complaints.append(ViolationError(kind=kind, detail=str(detail)))

    def require(self, condition: object, kind: str, detail: object = "") -> None:
        """Complain unless it holds."""
        if not condition:
            self.complain(kind, detail)

    def open_gate(self) -> None:
        """Let those go on that hang."""
        self.gate.set()
        self.gate = trio.Event()

    @property
    def ends(self) -> int:
        """Processes that ended so far."""
        return self.kills + self.closings
