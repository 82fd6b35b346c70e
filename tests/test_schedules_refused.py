"""What makes no schedule, and no input for later: refused with what to do, and nothing is written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import trio

from meerkat_actors.errors import (
    InvalidValueError,
    RejectedInputError,
    TurnAbandonedError,
    UnknownInputError,
    UsageError,
)
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.world import VirtualEnv, running
from tests.test_schedules import AGENTS, agent_of, listed

NOBODY: Final = InputId("01234567-89ab-7def-8123-456789abcdef")


SOON: Final = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, UsageError, "one of at=, every= and cron="),
        ({"every": 5, "cron": "* * * * *"}, UsageError, "one of"),
        ({"at": SOON, "cron": "* * * * *"}, UsageError, "one of"),
        ({"every": 5, "timezone": "Europe/Berlin"}, UsageError, "timezone= is for cron="),
        ({"at": SOON.replace(tzinfo=None)}, InvalidValueError, "datetime without a time zone"),
        ({"at": 5}, InvalidValueError, "at=5"),
        ({"at": "2030-01-01"}, InvalidValueError, "with a time zone"),
        ({"every": 0}, InvalidValueError, "every=0: use a number of seconds"),
        ({"every": 0.999}, InvalidValueError, "from 1 up to"),
        ({"every": -1}, InvalidValueError, "from 1 up to"),
        ({"every": math.nan}, InvalidValueError, "every=nan"),
        ({"every": float("inf")}, InvalidValueError, "every=inf"),
        ({"every": 10**400}, InvalidValueError, "every=an int beyond 63 bits"),
        ({"every": True}, InvalidValueError, "every=True"),
        ({"every": "5"}, InvalidValueError, "every='5'"),
        ({"every": timedelta(milliseconds=999)}, InvalidValueError, "0.999 seconds"),
        ({"every": timedelta.max}, InvalidValueError, "seconds"),
        ({"every": 5, "at": datetime(2030, 1, 1)}, InvalidValueError, "without a time zone"),  # noqa: DTZ001
        ({"cron": "* * * * * *"}, InvalidValueError, "five fields"),
        ({"cron": "0 0 31 2 *"}, InvalidValueError, "no month has"),
        ({"cron": "0 0 LW * */6"}, InvalidValueError, "never comes"),
        ({"cron": "nonsense"}, InvalidValueError, "five fields"),
        ({"cron": 5}, InvalidValueError, "cron=5"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, InvalidValueError, "IANA database"),
        ({"cron": "* * * * *", "timezone": None}, InvalidValueError, "timezone=None"),
        ({"every": 5, "misfire": 0}, InvalidValueError, "from 1 to 100"),
        ({"every": 5, "misfire": 101}, InvalidValueError, "from 1 to 100"),
        ({"every": 5, "misfire": True}, InvalidValueError, "misfire=True"),
        ({"every": 5, "misfire": "twice"}, InvalidValueError, "'skip', 'once'"),
        ({"every": 5, "misfire": None}, InvalidValueError, "misfire=None"),
        ({"every": 5, "overlap": "merge"}, InvalidValueError, "'queue' or 'skip'"),
        ({"every": 5, "kind": "rumour"}, InvalidValueError, "kind='rumour'"),
        ({"every": 5, "kind": "peer_response_terminal"}, RejectedInputError, "names its request"),
        ({"every": 5, "kind": "prompt", "durability": "derived"}, RejectedInputError, "can't be derived"),
        ({"every": 5, "colour": "red"}, TypeError, "unexpected keyword argument 'colour'"),
        ({"every": 5, "content": math.nan}, InvalidValueError, "content"),
        ({"every": 5, "name": ""}, InvalidValueError, "no timer name"),
        ({"every": 5, "name": "a\nb"}, InvalidValueError, "no timer name"),
        ({"every": 5, "name": "x" * 257}, InvalidValueError, "no timer name"),
        ({"every": 5, "name": "\udcff"}, InvalidValueError, "no timer name"),
        ({"every": 5, "name": None}, InvalidValueError, "no timer name"),
        ({"every": 5, "name": NOBODY}, InvalidValueError, "no schedule's name"),
        ({"every": 5, "content": "x" * 600, "misfire": 10}, InvalidValueError, "don't fit one transaction"),
    ],
)
async def test_what_makes_no_schedule_is_refused_and_nothing_is_written(
    arguments: dict[str, Any], error: type[Exception], says: str, autojump_clock: trio.testing.MockClock
) -> None:
    limits = Limits(turn_bytes_max=5_000)
    async with running(MemoryStore(), AGENTS, limits=limits) as runtime:
        agent = await agent_of(runtime)
        schedule: Any = agent.schedule
        given: dict[str, Any] = {"name": "tick", "content": "x", **arguments}
        with pytest.raises(error) as caught:
            await schedule(**given)
        assert says in str(caught.value)
        assert await listed(agent) == []


async def test_what_makes_no_input_for_later_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), AGENTS) as runtime:
        agent = await agent_of(runtime)
        send: Any = agent.send
        for extra in ({"idempotency_key": "k"}, {"input_id": runtime.new_id()}):
            with pytest.raises(UsageError, match=r"use schedule\(name\)"):
                await send("x", at=SOON, **extra)
        for at in (SOON.replace(tzinfo=None), "tomorrow", 5):
            with pytest.raises(InvalidValueError, match="with a time zone"):
                await send("x", at=at)
        with pytest.raises(TypeError, match="colour"):
            await send("x", at=SOON, colour="red")
        for name in ("", "\n", 5):
            with pytest.raises(InvalidValueError, match="no timer name"):
                await agent.unschedule(name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(UnknownInputError):
            await agent.wait(NOBODY)
        assert await listed(agent) == []


class _NonsenseEnv(VirtualEnv):
    """A wall clock that may show anything."""

    shows_ms: int | None = None

    def wall_ms(self) -> int:
        return super().wall_ms() if self.shows_ms is None else self.shows_ms


@pytest.mark.parametrize("wall_ms", [-5, 2**62, 2**70])
async def test_a_wall_clock_beyond_all_calendars_is_a_typed_error_at_most(
    wall_ms: int, autojump_clock: trio.testing.MockClock
) -> None:
    env = _NonsenseEnv()
    async with open_runtime(MemoryStore(), agents=AGENTS, env=env) as runtime:
        agent = await agent_of(runtime)
        schedule: Any = agent.schedule
        await schedule("before", "b", every=60)
        env.shows_ms = wall_ms
        for rule in ({"cron": "* * * * *"}, {"every": 60}):
            try:
                record = await schedule("tick", "x", **rule)
            except InvalidValueError:
                assert wall_ms > 0
            else:
                assert record.due_ms >= 0
        await trio.sleep(5)
        env.shows_ms = None
        await trio.sleep(120)
        assert (await agent.ask("still there")).text == "still there"
        assert "before" in {record.name for record in await listed(agent)}


async def test_ask_is_not_for_later(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), AGENTS) as runtime:
        agent = await agent_of(runtime)
        ask: Any = agent.ask
        with pytest.raises((TypeError, TurnAbandonedError), match="at"):
            await ask("x", at=SOON)
