"""What an attacker from outside found; each was a real break of a promise."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import BacklogFullError, IdempotencyConflictError, UsageError
from meerkat_actors.records.effects import AppendTurn
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore, broken
from tests.actors.world import VirtualEnv, echo, gathered, hang, running, silent, told, until


async def test_a_step_that_was_tried_again_within_its_turn_is_not_run_again_after_a_crash(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The number of a use is given back when nothing was recorded under it."""
    charged: list[str] = []
    failures = [OSError("the line is busy")]

    async def charge() -> str:
        await trio.lowlevel.checkpoint()
        if failures:
            raise failures.pop()
        charged.append("charged")
        return "receipt 1"

    async def pay(turn: Turn) -> str:
        for _ in range(3):
            try:
                receipt = await turn.step("charge", charge)
                break
            except OSError:
                continue
        else:
            return "never"
        if len(store.batches) < crash_after:
            await trio.sleep_forever()
        return receipt

    store = FaultyStore(MemoryStore())
    crash_after = 10_000
    async with running(store, {"pay": pay}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="pay")
        admission = await agent.send("go")
        await until(lambda: len(charged) == 1)
        await trio.sleep(1)
    crash_after = 0
    async with running(store, {"pay": pay}) as runtime:
        outcome = await (await runtime.agent("a")).wait(admission.input_id)
    assert charged == ["charged"]
    assert getattr(outcome, "text", None) == "receipt 1"


async def test_mail_that_is_sent_while_its_recipient_is_read_is_not_forgotten(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The bit is cleared before the read and never after it."""
    runtimes: list[Runtime] = []

    def look(name: str, identity: AgentIdentity | None) -> None:
        # The moment between the read's snapshot and its owner's next step, as a slow host makes it.
        if name == "activate" and identity == "late" and armed:
            armed.clear()
            trio.lowlevel.current_trio_token().run_sync_soon(send)

    def send() -> None:
        nursery.start_soon(partial(sender.send, "go"))

    async def forward(turn: Turn) -> None:
        turn.send("late", "hello")

    store = FaultyStore(MemoryStore())
    armed: set[str] = set()
    async with running(store, {"forward": forward, "silent": silent}, limits=Limits(passivate_seconds=1)) as runtime:
        runtimes.append(runtime)
        late = await runtime.agent("late", kind="silent")
        sender = await runtime.agent("sender", kind="forward")
        async with trio.open_nursery() as nursery:
            for round_ in range(1, 51):
                await trio.sleep(5)  # both leave memory
                armed.add("now")
                store.before_read = look
                await late.status()
                await trio.sleep(0.1)
                await runtime.wait_idle()
                assert len(await told(late)) == round_


async def test_an_id_and_a_key_given_together_must_name_one_input(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        known, other = runtime.new_id(), runtime.new_id()
        await agent.send("x", idempotency_key="k1", input_id=known)
        await agent.send("y", idempotency_key="k3", input_id=other)
        assert (await agent.send("x", idempotency_key="k1", input_id=known)).duplicate
        assert (await agent.send("x", input_id=known)).duplicate
        for content, key in (("x", "k2"), ("x", "k3"), ("y", "k3")):
            with pytest.raises(IdempotencyConflictError):
                await agent.send(content, idempotency_key=key, input_id=known)
        assert not (await agent.send("x", idempotency_key="k2")).duplicate


async def test_a_crowd_with_one_known_key_costs_two_laps_and_not_one_each(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        await agent.send("x", idempotency_key="k")
        before = len(store.batches)
        results = await gathered(*(partial(agent.send, "x", idempotency_key="k") for _ in range(60)))
        assert all(getattr(result, "duplicate", False) for result in results)
        assert len(store.batches) - before <= 3


async def test_mail_keeps_its_place_under_a_flood_of_prompts(autojump_clock: trio.testing.MockClock) -> None:
    """A caller that is refused tries again; mail can't, so one place is its own."""

    async def post(turn: Turn) -> None:
        turn.send("busy", "the letter")

    async def work(turn: Turn) -> str:
        await trio.sleep(0.01)
        return turn.text

    async def flood() -> None:
        while not is_over:
            try:
                await agent.send("prompt")
            except BacklogFullError:
                await trio.sleep(0.001)

    is_over = False
    async with running(MemoryStore(), {"work": work, "post": post}, limits=Limits(backlog_max=5)) as runtime:
        agent = await runtime.agent("busy", kind="work")
        poster = await runtime.agent("poster", kind="post")
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(flood)
            await trio.sleep(1)
            await poster.ask("now")
            await trio.sleep(1)
            is_over = True
        assert "the letter" in await told(agent)


async def test_what_a_turn_may_hold_in_all_is_bounded_and_typed(autojump_clock: trio.testing.MockClock) -> None:
    async def flood(turn: Turn) -> None:
        for _ in range(100):
            turn.send("b", "x" * 1_000)

    store = FaultyStore(MemoryStore())
    limits = Limits(turn_bytes_max=50_000, attempts_max=2)
    async with running(store, {"flood": flood}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="flood")
        outcome = await agent.wait((await agent.send("go")).input_id)
    assert isinstance(outcome, Abandoned)
    assert "at most 50,000 bytes" in outcome.detail
    assert store.effects(AppendTurn) == []


@pytest.mark.parametrize("what", ["ask", "wait", "wait_idle"])
async def test_a_turn_that_would_wait_for_itself_is_told_so(autojump_clock: trio.testing.MockClock, what: str) -> None:
    told_: list[str] = []

    async def selfish(turn: Turn) -> str:
        agent = await runtime.agent("a")
        calls = {
            "ask": lambda: agent.ask("me"),
            "wait": lambda: agent.wait(turn.inputs[0].input_id),
            "wait_idle": runtime.wait_idle,
        }
        with pytest.raises(UsageError, match="inside a turn") as caught:
            await calls[what]()
        told_.append(str(caught.value))
        return "none the worse"

    async with running(MemoryStore(), {"selfish": selfish}) as runtime:
        agent = await runtime.agent("a", kind="selfish")
        assert (await agent.ask("go")).text == "none the worse"
    assert len(told_) == 1


@pytest.mark.parametrize("wall_ms", [-5, 2**62, 2**70])
async def test_a_clock_that_is_set_to_nonsense_quarantines_nobody(
    autojump_clock: trio.testing.MockClock, wall_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail_once(turn: Turn) -> str:
        await trio.lowlevel.checkpoint()
        if turn.attempt == 1:
            raise broken()
        return "done"

    def nonsense(_: VirtualEnv) -> int:
        return wall_ms

    async with running(MemoryStore(), {"fail_once": fail_once, "echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="fail_once")
        monkeypatch.setattr(VirtualEnv, "wall_ms", nonsense)
        with trio.move_on_after(600):
            await agent.send("go")
            await trio.sleep(300)
        assert runtime.statistics().broken == ()
