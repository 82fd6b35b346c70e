"""Mail between agents: exactly once, in order, whoever is missing, full, running, asleep or restarted."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from copy import deepcopy
from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import BacklogFullError, InvalidValueError, UsageError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.content import JSON
from meerkat_actors.records.effects import AppendTurn, SendMail, TakeMail, Unit
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, consumed, echo, passes, running, told, until


async def post(turn: Turn) -> None:
    """Send what the input says: a recipient, and how many messages."""
    (recipient, count), *_ = [each.content for each in turn.inputs if isinstance(each.content, list)]
    assert isinstance(recipient, str)
    assert isinstance(count, int)
    first = turn.state if isinstance(turn.state, int) else 0
    turn.set_state(first + count)
    for number in range(first, first + count):
        turn.send(recipient, f"{turn.identity} {number}")


def by_sender(messages: list[JSON]) -> dict[str, list[int]]:
    heard: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        sender, number = str(message).split()
        heard[sender].append(int(number))
    return heard


async def test_mail_of_many_senders_arrives_exactly_once_in_each_ones_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(MemoryStore(), {"post": post, "echo": echo}) as runtime:
        reader = await runtime.agent("reader", kind="echo")
        async with trio.open_nursery() as nursery:
            for sender in range(8):
                agent = await runtime.agent(f"s{sender}", kind="post")
                for _ in range(3):
                    nursery.start_soon(partial(agent.send, ["reader", 10]))
        await runtime.wait_idle()
        heard = by_sender(await told(reader))
        assert heard == {f"s{sender}": list(range(30)) for sender in range(8)}
        records = [record async for record in reader.inputs()]
        assert {record.kind for record in records} == {InputKind.PEER_MESSAGE}
        assert len(await consumed(reader)) == len(set(await consumed(reader))) == 240


async def test_a_message_says_who_sent_it(autojump_clock: trio.testing.MockClock) -> None:
    heard: list[tuple[object, object]] = []

    async def listen(turn: Turn) -> None:
        heard.extend((each.kind, each.sender) for each in turn.inputs)

    async with running(MemoryStore(), {"post": post, "listen": listen}) as runtime:
        listener = await runtime.agent("l", kind="listen")
        await (await runtime.agent("s", kind="post")).send(["l", 1])
        await runtime.wait_idle()
        await listener.ask("x")
        assert heard == [(InputKind.PEER_MESSAGE, "s"), (InputKind.PROMPT, None)]
        senders = [message.sender async for message in listener.history()]
        assert senders == [None, "s"]
        assert [record.sender async for record in listener.inputs(order="oldest")] == ["s", None]


async def test_mail_waits_for_a_recipient_that_is_created_later(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"post": post, "echo": echo}) as runtime:
        await (await runtime.agent("s", kind="post")).ask(["later", 100])
        await runtime.wait_idle()
        assert runtime.statistics().live == 1
        later = await runtime.agent("later", kind="echo")
        await runtime.wait_idle()
        assert by_sender(await told(later)) == {"s": list(range(100))}


async def test_mail_waits_for_a_missing_recipient_across_restarts(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    for _ in range(3):
        async with running(store, {"post": post, "echo": echo}) as runtime:
            await (await runtime.agent("s", kind="post")).ask(["later", 2])
            await runtime.wait_idle()
    async with running(store, {"post": post, "echo": echo}) as runtime:
        later = await runtime.agent("later", kind="echo")
        await runtime.wait_idle()
        assert by_sender(await told(later)) == {"s": list(range(6))}


async def test_an_agent_may_write_to_itself(autojump_clock: trio.testing.MockClock) -> None:
    async def count_down(turn: Turn) -> None:
        number = int(turn.text)
        if number:
            turn.send(turn.identity, str(number - 1))

    async with running(MemoryStore(), {"count": count_down}) as runtime:
        agent = await runtime.agent("a", kind="count")
        before = runtime.statistics().units
        await agent.send("20")
        await runtime.wait_idle()
        assert await told(agent) == [str(number) for number in range(20, -1, -1)]
        # Admission, then one unit a turn: the boundary takes and stages what it cannot see yet a lap later.
        assert runtime.statistics().units - before <= 1 + 2 * 21


async def test_mail_to_an_idle_agent_costs_three_commits(autojump_clock: trio.testing.MockClock) -> None:
    """A message in all: its sender's boundary, then the take that stages it, then its own boundary."""
    gate = Gate()
    async with running(MemoryStore(), {"post": post, "gate": gate}) as runtime:
        sender, reader = await runtime.agent("s", kind="post"), await runtime.agent("r", kind="gate")
        gate.open()
        before = runtime.statistics().units
        await sender.send(["r", 1])
        await runtime.wait_idle()
        assert runtime.statistics().units - before == 1 + 3
        assert len(await told(reader)) == 1


@pytest.mark.parametrize(("together", "turns"), [(1, 20), (7, 3), (64, 1)])
async def test_mail_to_a_busy_agent_costs_no_more_than_a_boundary_a_turn(
    together: int, turns: int, autojump_clock: trio.testing.MockClock
) -> None:
    gate = Gate()
    limits = Limits(run_inputs_max=together)
    async with running(MemoryStore(), {"post": post, "gate": gate}, limits=limits) as runtime:
        sender, reader = await runtime.agent("s", kind="post"), await runtime.agent("r", kind="gate")
        await reader.send("x")
        before = runtime.statistics().units
        await sender.ask(["r", 20])
        await until(lambda: gate.begun == 1)
        await trio.testing.wait_all_tasks_blocked()
        # The sender's admission and its boundary: who could not work on it takes nothing yet.
        assert runtime.statistics().units - before == 2
        before = runtime.statistics().units
        gate.open()
        await runtime.wait_idle()
        # What remains is the boundary of the turn in progress, which takes all twenty, and one of each that follows.
        assert runtime.statistics().units - before == 1 + turns
        assert len(await told(reader)) == 21
        assert gate.begun == 1 + turns


async def test_mail_to_a_running_agent_is_taken_while_it_rests(autojump_clock: trio.testing.MockClock) -> None:
    async def doze(turn: Turn) -> str:
        await trio.sleep(10)
        began = trio.current_time()
        return f"{await turn.rest(100)} after {trio.current_time() - began:.0f} s"

    async with running(MemoryStore(), {"post": post, "doze": doze}) as runtime:
        reader = await runtime.agent("r", kind="doze")
        admission = await reader.send("x")
        await (await runtime.agent("s", kind="post")).ask(["r", 3])
        await trio.sleep(5)
        assert (await reader.status()).backlog == 0
        outcome = await reader.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "True after 0 s"


async def test_mail_wakes_a_recipient_that_left_memory(autojump_clock: trio.testing.MockClock) -> None:
    limits = Limits(passivate_seconds=10)
    async with running(MemoryStore(), {"post": post, "echo": echo}, limits=limits) as runtime:
        reader = await runtime.agent("r", kind="echo")
        sender = await runtime.agent("s", kind="post")
        for number in range(1, 4):
            await trio.sleep(30)
            assert runtime.statistics().live == 0
            await sender.send(["r", 1])
            await runtime.wait_idle()
            assert by_sender(await told(reader)) == {"s": list(range(number))}


@pytest.mark.parametrize("moment", range(10))
async def test_mail_that_is_committed_while_its_recipient_comes_back_is_taken(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """A question brings the recipient back, and its mail arrives at each schedule point of that."""
    limits = Limits(passivate_seconds=1)
    async with running(MemoryStore(), {"post": post, "echo": echo}, limits=limits) as runtime:
        readers = [await runtime.agent(f"r{number}", kind="echo") for number in range(30)]
        for reader in readers:
            sender = await runtime.agent("s", kind="post")
            await trio.sleep(3)
            assert runtime.statistics().live == 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(sender.send, [reader.identity, 1]))
                await passes(moment)
                await reader.status()
            await runtime.wait_idle()
            assert len(await told(reader)) == 1


@pytest.mark.parametrize("backlog_max", [1, 2, 3, 10])
async def test_mail_to_a_full_recipient_waits_for_room(
    backlog_max: int, autojump_clock: trio.testing.MockClock
) -> None:
    gate = Gate()
    limits = Limits(backlog_max=backlog_max)
    async with running(MemoryStore(), {"post": post, "gate": gate}, limits=limits) as runtime:
        reader = await runtime.agent("r", kind="gate")
        await reader.send("first")
        for sender in range(3):
            await (await runtime.agent(f"s{sender}", kind="post")).ask(["r", 10])
        await trio.testing.wait_all_tasks_blocked()
        assert (await reader.status()).backlog <= backlog_max
        gate.open()
        await runtime.wait_idle()
        first, *messages = await told(reader)
        assert first == "first"
        assert by_sender(messages) == {f"s{sender}": list(range(10)) for sender in range(3)}


@pytest.mark.parametrize("backlog_max", [1, 2, 5])
async def test_prompts_that_fill_a_lap_leave_no_mail_behind(
    backlog_max: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Mail is read before the lap knows how much room its own admissions leave."""
    limits = Limits(backlog_max=backlog_max)
    async with running(MemoryStore(), {"post": post, "echo": echo}, limits=limits) as runtime:
        await (await runtime.agent("s", kind="post")).ask(["r", 10])
        reader = await runtime.agent("r", kind="echo")
        async with trio.open_nursery() as nursery:
            for _ in range(backlog_max):
                nursery.start_soon(prompt, reader)
        await runtime.wait_idle()
        assert by_sender(await told(reader))["s"] == list(range(10))


async def prompt(reader: AgentHandle) -> None:
    with suppress(BacklogFullError):
        await reader.send("prompt 0")


async def test_more_mail_than_one_pull_is_all_taken(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"post": post, "echo": echo}, limits=Limits(pull_max=4)) as runtime:
        await (await runtime.agent("s", kind="post")).ask(["r", 100])
        reader = await runtime.agent("r", kind="echo")
        await runtime.wait_idle()
        assert by_sender(await told(reader)) == {"s": list(range(100))}


async def test_a_kill_at_every_commit_of_a_correspondence_loses_and_repeats_no_message(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def ping(turn: Turn) -> None:
        number = int(turn.text.split()[-1])
        if number:
            turn.send("b" if turn.identity == "a" else "a", f"{turn.identity} {number - 1}")

    inner = MemoryStore()
    store = FaultyStore(inner)
    kills: list[MemoryStore] = []
    store.after_commit = lambda _, __: kills.append(deepcopy(inner))
    async with running(store, {"ping": ping}) as runtime:
        await runtime.agent("b", kind="ping")
        await (await runtime.agent("a", kind="ping")).send("10", idempotency_key="k")
        await runtime.wait_idle()
    for killed in kills:
        async with running(killed, {"ping": ping}) as runtime:
            b, a = await runtime.agent("b", kind="ping"), await runtime.agent("a", kind="ping")
            await a.send("10", idempotency_key="k")
            await runtime.wait_idle()
            assert await told(a) == ["10", "b 8", "b 6", "b 4", "b 2", "b 0"]
            assert await told(b) == ["a 9", "a 7", "a 5", "a 3", "a 1"]


async def test_a_failed_turn_sends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async def promise(turn: Turn) -> None:
        turn.send("r", f"attempt {turn.attempt}")
        if turn.attempt < 3:
            message = "no"
            raise ValueError(message)

    async with running(MemoryStore(), {"promise": promise, "echo": echo}) as runtime:
        reader = await runtime.agent("r", kind="echo")
        await (await runtime.agent("s", kind="promise")).ask("x")
        await runtime.wait_idle()
        assert await told(reader) == ["attempt 3"]


async def test_a_unit_refused_because_of_its_mail_is_committed_without_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What is asked of an agent doesn't depend on what others sent it."""
    store = FaultyStore(MemoryStore())
    gate = Gate()
    refused: list[Unit] = []

    def refuse(unit: Unit) -> CommitOutcome | None:
        if refused or not {TakeMail, AppendTurn} <= {type(effect) for effect in unit.effects}:
            return None
        refused.append(unit)
        return Refused(reason=RefusalReason.NOT_HEAD_OF_PAIR, effect=0, current="odd")

    store.refusal = refuse
    async with running(store, {"post": post, "gate": gate}) as runtime:
        sender, reader = await runtime.agent("s", kind="post"), await runtime.agent("r", kind="gate")
        await reader.send("x")
        await until(lambda: gate.begun == 1)

        def open_gate(units: object) -> None:
            # The turn ends while the hint is on its way, so that the boundary pulls the mail.
            assert units
            if store.effects(SendMail):
                gate.open()

        store.before_commit = open_gate
        for _ in range(20):
            await sender.ask(["r", 1])
        await runtime.wait_idle()
        first, *messages = await told(reader)
        assert first == "x"
        assert by_sender(messages) == {"s": list(range(20))}


async def test_a_message_is_checked_when_it_is_sent(autojump_clock: trio.testing.MockClock) -> None:
    problems: list[type[BaseException]] = []

    async def careless(turn: Turn) -> None:
        for to, content in (("no such name", 1), ("rt:x", 1), ("r", float("nan")), ("r", "\ud800"), ("r", "x" * 200)):
            with pytest.raises(InvalidValueError) as invalid:
                turn.send(to, content)
            problems.append(invalid.type)
        for number in range(3):
            turn.send("r", number)
        with pytest.raises(UsageError, match="at most 3 messages") as full:
            turn.send("r", 4)
        problems.append(full.type)

    limits = Limits(messages_max=3, content_bytes_max=150)
    async with running(MemoryStore(), {"careless": careless, "echo": echo}, limits=limits) as runtime:
        reader = await runtime.agent("r", kind="echo")
        await (await runtime.agent("s", kind="careless")).ask("x")
        await runtime.wait_idle()
        assert await told(reader) == [0, 1, 2]
    assert len(problems) == 6
