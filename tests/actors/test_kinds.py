"""Kinds of agents: typed state and config, and what the embedder lends."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import define, field, frozen

from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    InvalidValueError,
    StoreFullError,
    TurnAbandonedError,
    UsageError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import echo, hang, passes

AT_ONCE = Limits(attempts_max=1)


@frozen
class Settings:
    """How to count."""

    step: int = 1
    name: str = "n"


@define
class Tally:
    """What was counted."""

    total: int = 0
    seen: list[str] = field(factory=list[str])


async def tally(turn: Turn) -> str:
    config: Settings = turn.config or Settings()
    state: Tally = turn.state or Tally()
    state.total += config.step
    state.seen.append(turn.text)
    turn.set_state(state)
    return f"{config.name}{state.total}"


TALLY = AgentKind(tally, config=Settings, state=Tally)


async def answer(agent: AgentHandle, text: str = "x") -> str | None:
    return (await agent.ask(text)).text


# -- typed state and config ---------------------------------------------------------------


async def test_state_and_config_are_instances_of_their_classes_also_after_a_restart() -> None:
    store = MemoryStore()
    async with open_runtime(store, agents={"tally": TALLY}) as runtime:
        agent = await runtime.agent("a", kind="tally", config=Settings(step=5))
        assert [await answer(agent) for _ in range(2)] == ["n5", "n10"]
    async with open_runtime(store, agents={"tally": TALLY}) as runtime:
        assert await answer(await runtime.agent("a", kind="tally")) == "n15"
        assert await answer(await runtime.agent("a")) == "n20"


async def test_another_config_holds_from_the_next_turn_and_the_same_one_writes_nothing() -> None:
    async with open_runtime(agents={"tally": TALLY}) as runtime:
        agent = await runtime.agent("a", kind="tally")
        assert await answer(agent) == "n1"
        await runtime.agent("a", kind="tally", config=Settings(step=10, name="m"))
        assert await answer(agent) == "m11"
        units = runtime.statistics().units
        await runtime.agent("a", kind="tally", config=Settings(step=10, name="m"))
        assert runtime.statistics().units == units
        await runtime.agent("a", kind="tally", config=Settings(step=100, name="m"))
        assert await answer(agent) == "m111"


async def test_a_config_is_durable_when_agent_returns(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for expected, config in (("n2", Settings(step=2)), ("n5", Settings(step=3)), ("n8", None)):
        async with open_runtime(path, agents={"tally": TALLY}) as runtime:
            await runtime.agent("a", kind="tally", config=config)
        async with open_runtime(path, agents={"tally": TALLY}) as runtime:
            assert await answer(await runtime.agent("a")) == expected


async def test_config_and_state_without_classes_are_json_values() -> None:
    async def agent(turn: Turn) -> str:
        turn.set_state({"config": turn.config, "before": turn.state is not None})
        return str(turn.state)

    async with open_runtime(agents={"plain": agent}) as runtime:
        handle = await runtime.agent("a", kind="plain", config={"depth": [1, 2]})
        assert await answer(handle) == "{'before': False, 'config': {'depth': [1, 2]}}"


@pytest.mark.parametrize("config", [{"step": 1}, Tally(), 7, Settings])
async def test_a_config_of_another_class_is_refused_and_nothing_is_created(config: object) -> None:
    async with open_runtime(agents={"tally": TALLY}) as runtime:
        with pytest.raises(InvalidValueError, match="config is a"):
            await runtime.agent("a", kind="tally", config=config)
        assert [row async for row in runtime.identities()] == []


async def test_a_config_needs_its_kind() -> None:
    async with open_runtime(agents={"tally": TALLY}) as runtime:
        await runtime.agent("a", kind="tally")
        with pytest.raises(UsageError, match="needs kind="):
            await runtime.agent("a", config=Settings())


async def test_a_state_of_another_class_is_refused_in_the_turn() -> None:
    async def wrong(turn: Turn) -> None:
        turn.set_state({"total": 1})

    async with open_runtime(agents={"wrong": AgentKind(wrong, state=Tally)}, limits=AT_ONCE) as runtime:
        with pytest.raises(TurnAbandonedError, match="state is a dict, not a Tally"):
            await (await runtime.agent("a", kind="wrong")).ask("x")


@frozen
class Incompatible:
    """Tally, as nobody should have changed it."""

    total: str
    missing: int


@pytest.mark.parametrize(
    "kind", [AgentKind(tally, config=Settings, state=Incompatible), AgentKind(tally, config=Incompatible, state=Tally)]
)
async def test_what_the_classes_of_today_can_not_read_is_kept_for_those_that_can(kind: AgentKind) -> None:
    """A faulty release costs no input its attempts."""
    store = MemoryStore()
    async with open_runtime(store, agents={"tally": TALLY}) as runtime:
        await (await runtime.agent("a", kind="tally", config=Settings(step=2))).ask("x")
    async with open_runtime(store, agents={"tally": kind}) as runtime:
        with pytest.raises(IdentityBrokenError, match=r"unreadable.*doesn't fit Incompatible.*\$\.missing"):
            await (await runtime.agent("a")).ask("y")
    async with open_runtime(store, agents={"tally": TALLY}) as runtime:
        assert await answer(await runtime.agent("a")) == "n4"


@frozen
class Stricter:
    """Settings, of a release that asks for more."""

    name: str
    depth: int


@pytest.mark.parametrize("has_work", [False, True])
async def test_a_new_config_mends_one_that_the_class_of_today_can_not_read(has_work: bool) -> None:
    """A release whose class asks for more, and which configures its agents at its start, as most do."""

    async def stricter(turn: Turn) -> str:
        return f"{turn.config.name}{turn.config.depth}"

    store = MemoryStore()
    hanging = AgentKind(hang, config=Settings)
    async with open_runtime(store, agents={"tally": hanging}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="tally", config=Settings())
        if has_work:
            await agent.send("x")
    kinds = {"tally": AgentKind(stricter, config=Stricter)}
    async with open_runtime(store, agents=kinds) as runtime:
        await passes(20)  # whoever has work has been looked at, and quarantined
        with pytest.raises(IdentityBrokenError):
            await (await runtime.agent("a")).ask("y")
        agent = await runtime.agent("a", kind="tally", config=Stricter(name="m", depth=3))
        assert await answer(agent, "z") == "m3"
        await runtime.wait_idle()
        assert runtime.statistics().broken == ()


async def test_a_config_that_a_full_disk_refused_mends_nothing_and_charges_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stricter(turn: Turn) -> str:
        return f"{turn.config.name}{turn.config.depth}"

    store = FaultyStore(MemoryStore())
    hanging = AgentKind(hang, config=Settings)
    async with open_runtime(store, agents={"tally": hanging}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="tally", config=Settings())
        waiting = (await agent.send("x")).input_id
    async with open_runtime(store, agents={"tally": AgentKind(stricter, config=Stricter)}) as runtime:
        await passes(20)
        store.refusal = lambda _: Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
        with pytest.raises(StoreFullError):
            await runtime.agent("a", kind="tally", config=Stricter(name="m", depth=3))
        store.refusal = lambda _: None
        await trio.sleep(60)
        assert runtime.statistics().broken == ("a",)
        agent = await runtime.agent("a", kind="tally", config=Stricter(name="m", depth=3))
        outcome = await agent.wait(waiting)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "m3"
        assert [record.attempts async for record in agent.inputs()] == [0]


async def test_a_config_for_another_kind_mends_nothing() -> None:
    store = MemoryStore()
    hanging = AgentKind(hang, config=Settings)
    async with open_runtime(store, agents={"tally": hanging}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="tally", config=Settings())
        waiting = (await agent.send("x")).input_id
    kinds = {"tally": AgentKind(tally, config=Stricter, state=Tally), "other": AgentKind(echo, config=Stricter)}
    async with open_runtime(store, agents=kinds) as runtime:
        await passes(20)
        with pytest.raises(IdentityBrokenError):
            await runtime.agent("a", kind="other", config=Stricter(name="m", depth=3))
        await passes(20)
        assert runtime.statistics().broken == ("a",)
    async with open_runtime(store, agents={"tally": TALLY}) as runtime:
        outcome = await (await runtime.agent("a")).wait(waiting)
        assert isinstance(outcome, Consumed)


async def test_arguments_that_are_refused_use_up_no_number() -> None:
    async def agent(turn: Turn) -> str:
        with pytest.raises(InvalidValueError):
            await turn.step("s", str, object())
        first = await turn.step("s", str, "fine")
        if turn.attempt == 1:
            raise ValueError
        return first

    async with open_runtime(agents={"agent": agent}, limits=Limits(backoff_seconds=0.0)) as runtime:
        assert await answer(await runtime.agent("a", kind="agent")) == "fine"


async def test_a_step_gives_an_instance_of_its_result_class_on_every_attempt() -> None:
    calls: list[str] = []
    seen: list[object] = []

    def fetch(name: str) -> Settings:
        calls.append(name)
        return Settings(name=name, step=9)

    async def agent(turn: Turn) -> str:
        got = await turn.step("fetch", fetch, "k", result=Settings)
        seen.append(got)
        if turn.attempt == 1:
            raise ValueError
        return got.name

    limits = Limits(backoff_seconds=0.0)
    async with open_runtime(agents={"agent": agent}, limits=limits) as runtime:
        assert await answer(await runtime.agent("a", kind="agent")) == "k"
    assert calls == ["k"]
    assert seen == [Settings(name="k", step=9)] * 2


async def test_a_step_that_gives_another_class_fails_and_is_not_recorded() -> None:
    async def agent(turn: Turn) -> None:
        await turn.step("fetch", lambda: 7, result=Settings)

    async with open_runtime(agents={"agent": agent}, limits=AT_ONCE) as runtime:
        with pytest.raises(TurnAbandonedError, match="result of step 'fetch' is a int, not a Settings"):
            await (await runtime.agent("a", kind="agent")).ask("x")


@pytest.mark.parametrize("bad", [int, dict[str, int], 7])
def test_only_attrs_classes_are_types_of_a_kind(bad: type) -> None:
    with pytest.raises(InvalidValueError, match=r"config=.* is no attrs class"):
        AgentKind(tally, config=bad)
    with pytest.raises(InvalidValueError, match=r"state=.* is no attrs class"):
        AgentKind(tally, state=bad)
    with pytest.raises(UsageError, match="is no function of one Turn"):
        AgentKind("tally")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- what the embedder lends --------------------------------------------------------------


async def test_resources_are_the_embedders_own_objects() -> None:
    lent = object()
    found: list[object] = []

    async def look(turn: Turn) -> None:
        found.append(turn.resources)

    async with open_runtime(agents={"look": AgentKind(look, resources=lent), "none": look}) as runtime:
        await (await runtime.agent("a", kind="look")).ask("x")
        await (await runtime.agent("b", kind="none")).ask("x")
    assert found == [lent, None]


@pytest.mark.parametrize("given", ["ping", 5, None, ["ping", 1], [b"ping"]])
def test_silent_intents_are_texts_and_no_text_is_a_collection_of_them(given: object) -> None:
    with pytest.raises(UsageError, match="silent_intents"):
        AgentKind(echo, silent_intents=given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_silent_intents_may_come_from_anywhere() -> None:
    assert AgentKind(echo, silent_intents=(name for name in ("ping", "seen"))).silent_intents == {"ping", "seen"}
