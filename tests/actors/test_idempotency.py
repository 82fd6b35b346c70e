"""The same key is the same input, for ever: while it waits, while it runs, when it ended, and after a restart."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import IdempotencyConflictError, InvalidValueError, TurnAbandonedError, UsageError
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Admission, Answer
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, echo, gathered, hang, running, told, until


async def fail(_: Turn) -> str:
    message = "no"
    raise ValueError(message)


async def test_a_key_finds_its_input_while_it_waits_while_it_runs_and_when_it_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        runs = await agent.send("runs", idempotency_key="1")
        waits = await agent.send("waits", idempotency_key="2")
        await until(lambda: gate.begun == 1)
        for first, key, content in ((runs, "1", "runs"), (waits, "2", "waits")):
            again = await agent.send(content, idempotency_key=key)
            assert again == Admission(first.input_id, first.admission_sequence, duplicate=True, durable=True)
        gate.open()
        await runtime.wait_idle()
        for first, key, content in ((runs, "1", "runs"), (waits, "2", "waits")):
            assert (await agent.send(content, idempotency_key=key)).input_id == first.input_id
            assert (await agent.ask(content, idempotency_key=key)).text == content
        assert await told(agent) == ["runs", "waits"]


async def test_a_key_finds_its_input_after_a_restart(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"echo": echo, "hang": hang}, limits=Limits(shutdown_seconds=0)) as runtime:
        done = await (await runtime.agent("done", kind="echo")).ask("x", idempotency_key="k")
        waits = await (await runtime.agent("waits", kind="hang")).send("x", idempotency_key="k")
    async with running(store, {"echo": echo, "hang": echo}) as runtime:
        again = await (await runtime.agent("done")).ask("x", idempotency_key="k")
        assert again == done
        resent = await (await runtime.agent("waits")).send("x", idempotency_key="k")
        assert (resent.input_id, resent.duplicate) == (waits.input_id, True)


async def test_an_input_id_is_a_key_too(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        input_id = runtime.new_id()
        assert (await agent.send("x", input_id=input_id)).input_id == input_id
        assert (await agent.send("x", input_id=input_id)).duplicate
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a")
        assert (await agent.send("x", input_id=input_id)).duplicate
        assert (await agent.ask("x", input_id=input_id)).receipt.contributors == (input_id,)
        assert await told(agent) == ["x"]


async def test_a_key_for_other_content_is_a_conflict_that_names_the_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()
    first = None
    for attempt in range(2):
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            if attempt == 0:
                first = await agent.send("x", idempotency_key="k")
            assert first is not None
            with pytest.raises(IdempotencyConflictError, match=first.input_id) as by_key:
                await agent.send("y", idempotency_key="k")
            assert (by_key.value.key, by_key.value.first_input_id) == ("k", first.input_id)
            with pytest.raises(IdempotencyConflictError) as by_id:
                await agent.ask("y", input_id=first.input_id)
            assert by_id.value.key == first.input_id
            await runtime.wait_idle()
            assert await told(agent) == ["x"]


async def test_the_same_content_means_the_same_json_value(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        first = await agent.send({"b": 1, "a": [1, 2]}, idempotency_key="k")
        assert (await agent.send({"a": [1, 2], "b": 1}, idempotency_key="k")).input_id == first.input_id
        with pytest.raises(IdempotencyConflictError):
            await agent.send({"a": [2, 1], "b": 1}, idempotency_key="k")


async def test_a_key_belongs_to_one_agent_and_an_id_to_all(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        a, b = await runtime.agent("a", kind="echo"), await runtime.agent("b", kind="echo")
        first = await a.send("x", idempotency_key="k")
        assert not (await b.send("x", idempotency_key="k")).duplicate
        with pytest.raises(UsageError, match=r"b: input id .* belongs to a; use runtime.new_id\(\)"):
            await b.send("x", input_id=first.input_id)
        assert await told(b) == ["x"]


async def test_the_id_of_mail_is_no_id_for_an_input(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"send": send_to_nobody, "echo": echo}) as runtime:
        sender = await runtime.agent("a", kind="send")
        answer = await sender.ask("x")
        assert answer.text is not None
        with pytest.raises(UsageError, match="belongs to nobody"):
            await sender.send("x", input_id=InputId(answer.text))
        receiver = await runtime.agent("nobody", kind="echo")
        await runtime.wait_idle()
        assert (await receiver.send("x", input_id=InputId(answer.text))).duplicate


async def send_to_nobody(turn: Turn) -> str:
    return turn.send("nobody", "x")


async def test_the_same_key_many_times_at_once_is_one_input(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        results = await gathered(*[partial(agent.send, "x", idempotency_key="k")] * 10)
        admissions = [result for result in results if isinstance(result, Admission)]
        assert len(admissions) == 10
        assert len({admission.input_id for admission in admissions}) == 1
        assert sum(not admission.duplicate for admission in admissions) == 1
        assert (await agent.status()).backlog == 0


async def test_two_at_once_with_one_key_and_other_content_are_one_input_and_one_conflict(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        results = await gathered(
            partial(agent.ask, "x", idempotency_key="k"), partial(agent.ask, "y", idempotency_key="k")
        )
        assert sorted(type(result).__name__ for result in results) == ["Answer", "IdempotencyConflictError"]
        assert len(await told(agent)) == 1


async def test_a_duplicate_among_twenty_new_inputs_disturbs_none(autojump_clock: trio.testing.MockClock) -> None:
    """The unit that folds all is refused; who is to blame is answered, and the rest is folded again."""
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        first = await agent.send("first", idempotency_key="k")
        before = len(store.effects(InsertInput))
        results = await gathered(
            *(partial(agent.send, number, idempotency_key=str(number)) for number in range(10)),
            partial(agent.send, "first", idempotency_key="k"),
            partial(agent.send, "other", idempotency_key="k"),
            *(partial(agent.send, number, idempotency_key=str(number)) for number in range(10, 20)),
        )
        assert len(store.effects(InsertInput)) == before + 21 + 21 + 20
        duplicate, conflict = results[10], results[11]
        assert duplicate == Admission(first.input_id, first.admission_sequence, duplicate=True, durable=True)
        assert isinstance(conflict, IdempotencyConflictError)
        fresh = [result for result in results[:10] + results[12:] if isinstance(result, Admission)]
        assert len(fresh) == 20
        assert not any(admission.duplicate for admission in fresh)
        # Whatever was refused took no number.
        assert sorted(admission.admission_sequence for admission in fresh) == list(range(2, 22))
        records = [record.content async for record in agent.inputs(order="oldest")]
        assert sorted(map(str, records[1:])) == sorted(map(str, range(20)))


async def test_asking_again_for_a_dead_letter_names_the_first_input(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"fail": fail}) as runtime:
        agent = await runtime.agent("a", kind="fail")
        first = await agent.send("x", idempotency_key="k")
        with pytest.raises(TurnAbandonedError) as caught:
            await agent.ask("x", idempotency_key="k")
        assert caught.value.input_id == first.input_id
        assert isinstance(await agent.wait(InputId(caught.value.input_id)), Abandoned)


async def test_asking_many_times_at_once_is_answered_once_for_all(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        answers = await gathered(*[partial(agent.ask, "x", idempotency_key="k")] * 20)
        assert all(isinstance(answer, Answer) for answer in answers)
        assert len({repr(answer) for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", "a\nb", "\ud800", "k" * 257, 7, b"k"])
async def test_a_key_is_short_printable_text(key: object, autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with pytest.raises(UsageError, match="idempotency key"):
            await agent.send("x", idempotency_key=key)  # type: ignore[arg-type]  # what a caller without types may give


@pytest.mark.parametrize("input_id", ["", "x", "0190C3F0-0000-7000-8000-000000000000", 7])
async def test_an_input_id_has_one_spelling(input_id: object, autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with pytest.raises(InvalidValueError):
            await agent.send("x", input_id=input_id)  # type: ignore[arg-type]  # what a caller without types may give
        with pytest.raises(InvalidValueError):
            await agent.wait(input_id)  # type: ignore[arg-type]  # what a caller without types may give


@pytest.mark.parametrize(
    "content", [float("nan"), {1: 2}, {"a": {1, 2}}, object(), b"x", "\ud800", 2**64, [[[[["deep"]]]]], "x" * 101]
)
async def test_what_is_no_small_json_value_is_refused_before_anything_is_written(
    content: object, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    limits = Limits(content_bytes_max=100, json_depth_max=4)
    async with running(store, {"echo": echo}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for ask in (agent.send, agent.ask):
            with pytest.raises(InvalidValueError):
                await ask(content)  # type: ignore[arg-type]  # what a caller without types may give
        assert len(store.batches) == 1
