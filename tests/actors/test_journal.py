"""Steps: run once, recorded, replayed to the next attempt; after a failure, a kill, and an orderly end."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import InvalidValueError, JournalMismatchError, TurnAbandonedError, UsageError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.content import JSON
from meerkat_actors.records.effects import DropJournal, RecordStep
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import AbandonReason, Consumed
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import running


class Steps:
    """Side effects that count how often they ran."""

    def __init__(self) -> None:
        self.ran: list[JSON] = []

    async def add(self, *values: int) -> int:
        self.ran.append(list(values))
        return sum(values)

    async def give(self, value: JSON) -> JSON:
        self.ran.append(value)
        return value


async def test_a_step_is_not_run_again_after_a_failure(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()

    async def flaky(turn: Turn) -> str:
        total = 0
        for number in range(turn.attempt):
            total += await turn.step("add", steps.add, number, 1)
        if turn.attempt < 3:
            message = "no"
            raise ValueError(message)
        return str(total)

    store = FaultyStore(MemoryStore())
    async with running(store, {"flaky": flaky}) as runtime:
        answer = await (await runtime.agent("a", kind="flaky")).ask("x")
    assert answer.text == "6"
    assert steps.ran == [[0, 1], [1, 1], [2, 1]]
    assert len(store.effects(RecordStep)) == 3
    assert len(store.effects(DropJournal)) == 1


async def test_a_step_is_not_run_again_after_a_kill(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()

    async def slow(turn: Turn) -> str:
        results = [await turn.step("add", steps.add, number) for number in range(5)]
        return str(results)

    inner = MemoryStore()
    store = FaultyStore(inner)
    kills: list[tuple[MemoryStore, int]] = []
    store.after_commit = lambda _, __: kills.append((deepcopy(inner), len(store.effects(RecordStep))))
    async with running(store, {"slow": slow}) as runtime:
        await (await runtime.agent("a", kind="slow")).ask("x", idempotency_key="k")
    for killed, recorded in kills:
        steps.ran = []
        async with running(killed, {"slow": slow}) as runtime:
            answer = await (await runtime.agent("a", kind="slow")).ask("x", idempotency_key="k")
        assert answer.text == str(list(range(5)))
        # A kill between the effect and its record would repeat it; these kills are right behind a record.
        assert steps.ran == ([[number] for number in range(recorded, 5)])


async def test_a_step_is_not_run_again_after_an_orderly_end(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()
    store = MemoryStore()

    async def until_third_time(turn: Turn) -> None:
        await turn.step("add", steps.add, 1)
        await trio.sleep_forever()

    async def at_last(turn: Turn) -> str:
        return str(await turn.step("add", steps.add, 1))

    for _ in range(3):
        async with running(store, {"a": until_third_time}) as runtime:
            agent = await runtime.agent("a", kind="a")
            await agent.send("x", idempotency_key="k")
            await trio.sleep(1)
            assert (await agent.status()).interruptions == 0
    async with running(store, {"a": at_last}) as runtime:
        answer = await (await runtime.agent("a")).ask("x", idempotency_key="k")
    assert (answer.text, steps.ran) == ("1", [[1]])


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**63 - 1,
        1.5,
        "",
        "naïve \x00 \U0001f600",
        [],
        [1, [2]],
        {},
        {"b": 1, "a": {"c": None}},
    ],
)
async def test_the_first_run_returns_what_a_replay_returns(value: JSON, autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()
    results: list[JSON] = []

    async def twice(turn: Turn) -> None:
        results.append(await turn.step("give", steps.give, value))
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)

    async with running(MemoryStore(), {"twice": twice}) as runtime:
        await (await runtime.agent("a", kind="twice")).ask("x")
    assert results == [value, value]
    assert type(results[0]) is type(results[1])
    assert steps.ran == [value]


async def test_the_first_run_returns_a_tuple_as_the_list_that_a_replay_returns(
    autojump_clock: trio.testing.MockClock,
) -> None:
    results: list[object] = []

    async def pair() -> object:
        return (1, (2,))

    async def twice(turn: Turn) -> None:
        results.append(await turn.step("pair", pair))
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)

    async with running(MemoryStore(), {"twice": twice}) as runtime:
        await (await runtime.agent("a", kind="twice")).ask("x")
    assert results == [[1, [2]], [1, [2]]]


async def test_a_result_belongs_to_whoever_took_the_step(autojump_clock: trio.testing.MockClock) -> None:
    """No agent can reach into its owner's journal."""
    steps = Steps()
    results: list[JSON] = []

    async def spoil(turn: Turn) -> None:
        result = await turn.step("give", steps.give, {"a": [1]})
        results.append(deepcopy(result))
        assert isinstance(result, dict)
        result["a"] = "spoilt"
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)

    async with running(MemoryStore(), {"spoil": spoil}) as runtime:
        await (await runtime.agent("a", kind="spoil")).ask("x")
    assert results == [{"a": [1]}, {"a": [1]}]


async def test_other_arguments_on_a_replay_are_a_mismatch(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()
    mismatches: list[JournalMismatchError] = []

    async def fickle(turn: Turn) -> None:
        await turn.step("add", steps.add, 1)
        try:
            await turn.step("add", steps.add, turn.attempt)
        except JournalMismatchError as error:
            mismatches.append(error)
        message = "no"
        raise ValueError(message)

    async with running(MemoryStore(), {"fickle": fickle}) as runtime:
        agent = await runtime.agent("a", kind="fickle")
        with pytest.raises(TurnAbandonedError):
            await agent.ask("x")
    assert [(error.identity, error.step, error.nth) for error in mismatches] == [("a", "add", 2)] * 2
    assert steps.ran == [[1], [1]]


async def test_a_failed_step_is_not_recorded_and_runs_again(autojump_clock: trio.testing.MockClock) -> None:
    ran: list[int] = []

    async def unlucky(attempt: int) -> int:
        ran.append(attempt)
        if attempt < 2:
            message = "bad luck"
            raise OSError(message)
        return attempt

    async def stubborn(turn: Turn) -> str:
        try:
            return str(await turn.step("try", unlucky, 1))
        except OSError:
            return str(await turn.step("try", unlucky, 2))

    store = FaultyStore(MemoryStore())
    async with running(store, {"stubborn": stubborn}) as runtime:
        answer = await (await runtime.agent("a", kind="stubborn")).ask("x")
    assert (answer.text, ran) == ("2", [1, 2])
    assert len(store.effects(RecordStep)) == 1


async def test_a_step_that_was_tried_again_is_replayed_at_the_first_try(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ran = 0

    async def fetch() -> int:
        nonlocal ran
        ran += 1
        if ran < 3:
            message = "bad luck"
            raise OSError(message)
        return ran

    async def stubborn(turn: Turn) -> str:
        for tries in range(1, 10):
            with suppress(OSError):
                result = await turn.step("fetch", fetch)
                if turn.attempt == 1:
                    message = "no"
                    raise ValueError(message)
                return f"{result} at try {tries}"
        return "never"

    async with running(MemoryStore(), {"stubborn": stubborn}) as runtime:
        answer = await (await runtime.agent("a", kind="stubborn")).ask("x")
    assert (answer.text, ran) == ("3 at try 1", 3)


@pytest.mark.parametrize("value", [object(), {1}, b"x", float("inf"), {1: 1}, "\udfff", 2**64])
async def test_a_result_or_argument_that_is_no_json_value_is_refused(
    value: object, autojump_clock: trio.testing.MockClock
) -> None:
    problems: list[str] = []

    async def give(*_: object) -> object:
        return value

    async def careless(turn: Turn) -> None:
        with pytest.raises(InvalidValueError) as caught:
            await turn.step("odd", give)
        problems.append(str(caught.value))
        with pytest.raises(InvalidValueError) as caught:
            await turn.step("odd", give, value)
        problems.append(str(caught.value))

    async with running(MemoryStore(), {"careless": careless}) as runtime:
        await (await runtime.agent("a", kind="careless")).ask("x")
    assert problems[0].startswith("result of step 'odd'")
    assert problems[1].startswith("arguments of step 'odd'")


@pytest.mark.parametrize("name", ["x" * 257, "a\nb", "\ud800"])
async def test_a_step_name_is_short_printable_text(name: str, autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()

    async def careless(turn: Turn) -> None:
        with pytest.raises(UsageError, match="step name"):
            await turn.step(name, steps.add, 1)

    async with running(MemoryStore(), {"careless": careless}) as runtime:
        await (await runtime.agent("a", kind="careless")).ask("x")
    assert steps.ran == []


async def test_a_turn_is_over_when_its_function_returned(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()
    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    async with running(MemoryStore(), {"keep": keep}) as runtime:
        await (await runtime.agent("a", kind="keep")).ask("x")
        turn = kept[0]
        with pytest.raises(UsageError, match="a: this turn is over"):
            await turn.step("add", steps.add, 1)
        for late in (
            lambda: turn.set_state(1),
            lambda: turn.append("x"),
            lambda: turn.send("b", "x"),
        ):
            with pytest.raises(UsageError, match="a: this turn is over"):
                late()
    assert steps.ran == []


async def test_a_turn_is_used_from_its_own_task_only(autojump_clock: trio.testing.MockClock) -> None:
    steps = Steps()
    refused: list[UsageError] = []

    async def elsewhere(turn: Turn) -> None:
        with pytest.raises(UsageError, match="from its own task only") as caught:
            await turn.step("add", steps.add, 1)
        refused.append(caught.value)

    async def shares(turn: Turn) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(elsewhere, turn)
            await trio.lowlevel.checkpoint()

    async with running(MemoryStore(), {"shares": shares}) as runtime:
        await (await runtime.agent("a", kind="shares")).ask("x")
    assert (len(refused), steps.ran) == (1, [])


async def test_a_plain_step_runs_in_a_thread_and_is_recorded(tmp_path: Path) -> None:
    """In real time, and over SQLite: what a thread returned is what a later process replays."""
    ran: list[int] = []

    def square(number: int) -> int:
        ran.append(number)
        return number * number

    async def asked(number: int) -> int:
        return square(number)

    async def flaky(turn: Turn) -> str:
        results = [await turn.step("square", square, 3), await turn.step("later", lambda: asked(4))]
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)
        return str(results)

    store = open_sqlite(tmp_path / "team.db", synchronous="normal")
    limits = Limits(backoff_seconds=0)
    async with running(store, {"flaky": flaky}, limits=limits) as runtime:
        answer = await (await runtime.agent("a", kind="flaky")).ask("x")
    assert (answer.text, ran) == ("[9, 16]", [3, 4])


async def test_what_a_plain_step_raises_is_raised_at_the_turn() -> None:
    def refuse() -> None:
        message = "in the thread"
        raise LookupError(message)

    async def careful(turn: Turn) -> str:
        with pytest.raises(LookupError, match="in the thread"):
            await turn.step("refuse", refuse)
        return "caught"

    async with running(MemoryStore(), {"careful": careful}) as runtime:
        assert (await (await runtime.agent("a", kind="careful")).ask("x")).text == "caught"


async def test_a_step_that_its_turn_gave_up_on_is_recorded_all_the_same(autojump_clock: trio.testing.MockClock) -> None:
    """The effect happened: its record is kept for the next attempt, in whatever lap the turn ends."""
    steps = Steps()
    go = trio.Event()

    async def impatient(turn: Turn) -> str:
        if turn.text == "y":
            return "y"
        if turn.attempt == 1:
            await go.wait()
            with trio.CancelScope() as scope:
                scope.cancel()
                await turn.step("add", steps.add, 1)
            message = "no"
            raise ValueError(message)
        return str(await turn.step("add", steps.add, 1))

    for _ in range(40):
        steps.ran = []
        go = trio.Event()
        async with running(MemoryStore(), {"impatient": impatient}) as runtime, trio.open_nursery() as nursery:
            agent = await runtime.agent("a", kind="impatient")

            async def write(agent: AgentHandle, go: trio.Event) -> None:
                # Mail that wakes the owner in the very lap that ends the turn.
                await go.wait()
                await agent.ask("y")

            nursery.start_soon(write, agent, go)
            admission = await agent.send("x")
            await trio.testing.wait_all_tasks_blocked()
            go.set()
            outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert (outcome.text, steps.ran) == ("1", [[1]])


async def test_an_unclean_end_is_charged_until_the_run_is_a_crash_loop(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store: MemoryStore = MemoryStore()
    limits = Limits(interruptions_max=3, shutdown_seconds=0)

    async def hang(_: Turn) -> None:
        await trio.sleep_forever()

    interruptions: list[int] = []
    for attempt in range(5):
        async with running(store, {"hang": hang}, limits=limits) as runtime:
            agent = await runtime.agent("a", kind="hang")
            admission = await agent.send("x", idempotency_key="k")
            await trio.sleep(1)
            interruptions.append((await agent.status()).interruptions)
            if attempt == 4:
                outcome = await agent.wait(admission.input_id)
                assert getattr(outcome, "reason", None) is AbandonReason.CRASH_LOOP
            killed = deepcopy(store)
        store = killed
    assert interruptions == [0, 1, 2, 3, 0]


async def test_a_recorded_step_forgives_the_interruptions_before_it(autojump_clock: trio.testing.MockClock) -> None:
    store: MemoryStore = MemoryStore()
    steps = Steps()
    limits = Limits(interruptions_max=2, shutdown_seconds=0)
    lives = 0

    async def slow(turn: Turn) -> str:
        for number in range(lives):
            await turn.step("add", steps.add, number)
        if lives < 10:
            await trio.sleep_forever()
        return "done"

    for lives in range(11):
        async with running(store, {"slow": slow}, limits=limits) as runtime:
            agent = await runtime.agent("a", kind="slow")
            await agent.send("x", idempotency_key="k")
            await trio.sleep(1)
            killed = deepcopy(store)
            if lives == 10:
                assert (await agent.ask("x", idempotency_key="k")).text == "done"
        store = killed
    assert steps.ran == [[number] for number in range(10)]
