"""A wall clock that tests set, and timers that they set by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.agenda_codec import encode_schedule
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.commands import Command, DropSchedule, SetSchedule
from meerkat_actors.records.events import Event
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.schedules import Every, Once, Plan, Rule
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import Store
from tests.actors.world import LONG, VirtualEnv

HOUR_MS: Final = 3_600_000
LOOK: Final = Limits().clock_look_seconds
"""A timer is late by no more than that, and by what its agent takes."""
WHOLE: Final = 5.0
"""What was told and not taken is told again after so many seconds."""


class SetEnv(VirtualEnv):
    """A wall clock that goes with Trio's, and can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + self.ahead_ms

    def new_id(self) -> str:
        # A turn's time is in the id of its run, an input's in its own.
        fresh, ms = super().new_id(), self.wall_ms()
        return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}{fresh[13:]}"

    def after(self, seconds: float) -> int:
        """The time so many seconds from now."""
        return self.wall_ms() + round(1000 * seconds)


@asynccontextmanager
async def clocked(
    store: Store,
    agents: Mapping[str, AgentFunction],
    env: SetEnv,
    *,
    limits: Limits | None = None,
    events: list[Event] | None = None,
    seconds_max: float = LONG,
) -> AsyncGenerator[Runtime, None]:
    """A runtime by the clock of ``env``. What hangs, fails."""
    observers = () if events is None else (events.append,)
    with trio.fail_after(seconds_max):
        async with open_runtime(store, agents=agents, limits=limits, env=env, observers=observers) as runtime:
            yield runtime


async def set_timer(
    agent: AgentHandle, name: str, rule: Rule, *, input_id: InputId | None = None, catch_up: int = 1
) -> None:
    """Set a timer that says its name when it fires."""
    content = encode_json(name, what="content", bytes_max=1_000, depth_max=1)
    plan = Plan(rule=rule, kind=InputKind.EXTERNAL_EVENT, content=content, input_id=input_id, catch_up=catch_up)
    due_ms = rule.at_ms if isinstance(rule, Once) else rule.start_ms if isinstance(rule, Every) else 0
    await ask(agent, SetSchedule(name, due_ms, encode_schedule(plan)))


async def drop_timer(agent: AgentHandle, name: str) -> None:
    """End a timer."""
    await ask(agent, DropSchedule(name))


async def ask(agent: AgentHandle, command: Command) -> None:
    """Ask an agent's owner for something that no handle says."""
    slot: ReplySlot[None] = ReplySlot()
    await reach_of(agent).ask(agent.identity, command, slot)


def reach_of(agent: AgentHandle) -> Reach:
    """Its runtime's insides."""
    return agent._reach  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - nobody else has it


async def listen(_: Turn) -> None:
    """Take part without a word; what it was told is in its conversation."""
