"""However a turn ends, it ends no one but itself."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import cycle, islice, pairwise

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import AgentFunction, Turn, TurnJob
from meerkat_actors.errors import TurnAbandonedError
from meerkat_actors.records.events import Event, TurnRaised, WorkLost
from meerkat_actors.records.ids import RunId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runs import TurnCancelled, TurnCompleted, TurnNeverBegan
from meerkat_actors.records.status import Phase
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.endings import FAILURES, HANGS
from tests.actors.stub_owner import RUN_ID, StubOwner, texts
from tests.actors.world import VirtualEnv, count, echo, gathered, running, said, silent, told


@pytest.mark.parametrize("way", FAILURES)
async def test_a_turn_that_fails_is_charged_and_in_the_end_abandoned(
    way: str, autojump_clock: trio.testing.MockClock
) -> None:
    agent_function, detail = FAILURES[way]
    events: list[Event] = []
    store = MemoryStore()
    agents = {"bad": agent_function, "echo": echo}
    async with running(store, agents, limits=Limits(attempts_max=2), events=events) as runtime:
        agent, good = await runtime.agent("a", kind="bad"), await runtime.agent("good", kind="echo")
        outcome = await agent.wait((await agent.send("x")).input_id)
        assert isinstance(outcome, Abandoned)
        assert outcome.reason is AbandonReason.ATTEMPTS_EXHAUSTED
        assert outcome.detail.startswith(detail)
        assert len(outcome.detail) <= 500
        assert (await agent.status()).phase is Phase.IDLE
        assert await told(agent) == []
        assert (await good.ask("still here")).text == "still here"
    raised = [event for event in events if isinstance(event, TurnRaised)]
    # In the order of what is durable: the input is lost by the commit that counts the last failure.
    assert sorted(map(type, events), key=str) == [TurnRaised, TurnRaised, WorkLost]
    assert [(event.identity, event.attempts, event.error) for event in raised] == [
        ("a", 1, outcome.detail),
        ("a", 2, outcome.detail),
    ]
    async with running(store, agents) as runtime:
        agent = await runtime.agent("a")
        assert [record.outcome async for record in agent.inputs()] == [outcome]


@pytest.mark.parametrize("way", HANGS)
async def test_a_turn_that_hangs_is_cancelled_at_the_end_and_runs_again(
    way: str, autojump_clock: trio.testing.MockClock
) -> None:
    store = MemoryStore()
    async with running(store, {"a": HANGS[way]}) as runtime:
        agent = await runtime.agent("a", kind="a")
        await agent.send("x", idempotency_key="k")
        await trio.sleep(1000)
        assert (await agent.status()).phase is Phase.RUNNING
        before = trio.current_time()
    assert trio.current_time() - before < 10
    async with running(store, {"a": echo}) as runtime:
        agent = await runtime.agent("a")
        assert (await agent.ask("x", idempotency_key="k")).text == "x"
        [record] = [record async for record in agent.inputs()]
        # Shutdown is no outcome: neither a failure nor an interruption is charged.
        assert (record.attempts, record.interruptions) == (0, 0)
        assert await told(agent) == ["x"]
        assert await said(agent) == ["x"]


async def test_a_hundred_identities_that_end_badly_leave_the_others_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bad: dict[str, AgentFunction] = {name: function for name, (function, _) in FAILURES.items()} | dict(HANGS)
    events: list[Event] = []
    started = trio.current_time()
    async with running(MemoryStore(), {**bad, "count": count}, events=events) as runtime:
        for number, way in enumerate(islice(cycle(bad), 100)):
            agent = await runtime.agent(f"bad-{number}", kind=way)
            await agent.send("x")
        good = [await runtime.agent(f"good-{number}", kind="count") for number in range(10)]
        for turn in range(1, 11):
            answers = await gathered(*(lambda agent=agent: agent.ask("x") for agent in good))
            assert [getattr(answer, "text", answer) for answer in answers] == [str(turn)] * 10
            await trio.sleep(1)
        # Every failure had its three attempts by now; nobody is broken, and who hangs still hangs.
        hanging = [number for number, way in enumerate(islice(cycle(bad), 100)) if way in HANGS]
        statistics = runtime.statistics()
        assert (statistics.broken, statistics.running) == ((), len(hanging))
        assert len([event for event in events if isinstance(event, TurnRaised)]) == 3 * (100 - len(hanging))
        for number in hanging:
            status = await (await runtime.agent(f"bad-{number}")).status()
            assert status.phase is Phase.RUNNING
    assert trio.current_time() - started < 30
    assert {type(event) for event in events} == {TurnRaised, WorkLost}
    assert len([event for event in events if isinstance(event, WorkLost)]) == 100 - len(hanging)


async def test_a_failed_turn_waits_longer_after_each_failure(autojump_clock: trio.testing.MockClock) -> None:
    began: list[float] = []

    async def fail(_: Turn) -> None:
        began.append(trio.current_time())
        message = "no"
        raise ValueError(message)

    limits = Limits(attempts_max=6, backoff_seconds=1, backoff_seconds_max=5, backoff_jitter=0)
    async with running(MemoryStore(), {"fail": fail}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="fail")
        with pytest.raises(TurnAbandonedError, match=r"attempts_exhausted.*ValueError: no"):
            await agent.ask("x")
    waits = [later - earlier for earlier, later in pairwise(began)]
    assert waits == pytest.approx([1, 2, 4, 5, 5], abs=0.01)


async def test_a_waiting_run_keeps_its_place_and_others_wait_behind_it(autojump_clock: trio.testing.MockClock) -> None:
    async def flaky(turn: Turn) -> str:
        if turn.text == "first" and turn.attempt < 3:
            message = "no"
            raise ValueError(message)
        return turn.text

    async with running(MemoryStore(), {"flaky": flaky}) as runtime:
        agent = await runtime.agent("a", kind="flaky")
        await agent.send("first")
        await agent.send("second")
        await trio.sleep(0.5)
        status = await agent.status()
        assert (status.phase, status.attempts, status.backlog) == (Phase.WAITING, 1, 1)
        await runtime.wait_idle()
        assert await told(agent) == ["first", "second"]


async def test_a_failed_run_waits_on_after_a_restart(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    began: list[float] = []

    async def flaky(turn: Turn) -> str:
        began.append(trio.current_time())
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)
        return f"attempt {turn.attempt}"

    limits = Limits(backoff_seconds=30, backoff_jitter=0)
    async with running(store, {"flaky": flaky}, limits=limits) as runtime:
        await (await runtime.agent("a", kind="flaky")).send("x", idempotency_key="k")
        await trio.sleep(10)
    async with running(store, {"flaky": flaky}, limits=limits) as runtime:
        agent = await runtime.agent("a")
        assert (await agent.status()).phase is Phase.WAITING
        assert (await agent.ask("x", idempotency_key="k")).text == "attempt 2"
    assert began[1] - began[0] == pytest.approx(30, abs=0.01)


async def test_a_wall_clock_that_was_set_back_delays_nobody_longer_than_the_longest_backoff(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()

    async def flaky(turn: Turn) -> str:
        if turn.attempt == 1:
            message = "no"
            raise ValueError(message)
        return "done"

    limits = Limits(shutdown_seconds=0)
    async with running(store, {"flaky": flaky}, limits=limits) as runtime:
        await (await runtime.agent("a", kind="flaky")).send("x", idempotency_key="k")
        await trio.sleep(0.1)

    class EarlyEnv(VirtualEnv):
        def wall_ms(self) -> int:
            return super().wall_ms() - 1000 * 86_400

    before = trio.current_time()
    async with open_runtime(store, agents={"flaky": flaky}, env=EarlyEnv(), observers=()) as runtime:
        assert (await (await runtime.agent("a")).ask("x", idempotency_key="k")).text == "done"
    assert trio.current_time() - before < 70


async def test_what_a_turn_set_and_appended_commits_with_it_or_not_at_all(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def careful(turn: Turn) -> str:
        turn.append(f"thinking {turn.attempt}")
        turn.append({"plan": [1, 2]}, role="notice")
        turn.set_state({"attempt": turn.attempt})
        if turn.attempt < 3:
            message = "no"
            raise ValueError(message)
        return f"done, state {turn.state}"

    async with running(MemoryStore(), {"careful": careful}) as runtime:
        agent = await runtime.agent("a", kind="careful")
        answer = await agent.ask("x")
        assert answer.text == "done, state {'attempt': 3}"
        entries = [(message.role, message.content) async for message in agent.history()][::-1]
        assert entries == [
            ("user", "x"),
            ("assistant", "thinking 3"),
            ("notice", {"plan": [1, 2]}),
            ("assistant", "done, state {'attempt': 3}"),
        ]
        assert answer.receipt.message_count == 4


async def test_a_state_is_decoded_afresh_for_every_turn(autojump_clock: trio.testing.MockClock) -> None:
    async def spoil(turn: Turn) -> str:
        state = turn.state
        if isinstance(state, dict):
            state["spoilt"] = True
            return str(turn.state)
        turn.set_state({"a": 1})
        return "set"

    async with running(MemoryStore(), {"spoil": spoil}) as runtime:
        agent = await runtime.agent("a", kind="spoil")
        assert (await agent.ask("x")).text == "set"
        for _ in range(2):
            assert (await agent.ask("x")).text == "{'a': 1}"


async def test_a_turn_may_end_without_a_word(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        answer = await agent.ask({"a": [1, None]})
        assert (answer.text, answer.receipt.message_count) == (None, 1)
        assert await told(agent) == [{"a": [1, None]}]


async def test_a_turn_tells_who_and_what_it_is(autojump_clock: trio.testing.MockClock) -> None:
    facts: list[tuple[object, ...]] = []

    async def tell(turn: Turn) -> str:
        [given] = turn.inputs
        facts.append(
            (turn.identity, turn.generation, turn.attempt, turn.text, given.input_id, given.content, turn.run_id)
        )
        return turn.session_id

    async with running(MemoryStore(), {"tell": tell}) as runtime:
        agent = await runtime.agent("team/a", kind="tell")
        first, second = await agent.ask("x"), await agent.ask({"b": 1, "a": 2})
        status = await agent.status()
    assert first.text == second.text == status.session_id
    receipts = [first.receipt, second.receipt]
    assert facts == [
        ("team/a", 0, 1, "x", receipts[0].contributors[0], "x", receipts[0].run_id),
        ("team/a", 0, 1, '{"a":2,"b":1}', receipts[1].contributors[0], {"a": 2, "b": 1}, receipts[1].run_id),
    ]
    assert [receipt.checkpoint_version for receipt in receipts] == [1, 2]


# -- what is left of a turn that was cancelled, or never began ----------------------------


async def hang_after_words(turn: Turn) -> str:
    turn.append("so far")
    turn.set_state(1)
    turn.send("b", "never sent")
    try:
        await trio.sleep_forever()
    finally:
        turn.append("cut off", role="notice")


async def swallow_after_words(turn: Turn) -> str:
    try:
        return await hang_after_words(turn)
    except trio.Cancelled:  # noqa: ASYNC103 - what no agent should do
        return "as if nothing had happened"  # noqa: ASYNC104 - as above


async def fail_after_words(turn: Turn) -> str:
    try:
        return await hang_after_words(turn)
    except trio.Cancelled:
        raise ValueError from None  # noqa: ASYNC104 - what no agent should do


@pytest.mark.parametrize("agent", [hang_after_words, swallow_after_words, fail_after_words])
async def test_a_cancelled_turn_leaves_what_it_had_appended_and_no_more(agent: AgentFunction) -> None:
    async def cancel(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        job.scope.cancel()

    ending = await StubOwner().attempt(agent, while_running=cancel)
    assert isinstance(ending, TurnCancelled)
    assert texts(ending.entries) == [("assistant", "so far"), ("notice", "cut off")]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_turn_that_was_given_up_never_begins(is_async: bool) -> None:
    entered: list[Turn] = []

    async def agent(turn: Turn) -> None:
        entered.append(turn)

    def plain(turn: Turn) -> None:
        entered.append(turn)

    def begins_late(job: TurnJob) -> None:
        # As an owner that looked when the thread was about to begin.
        job.is_given_up = True

    owner = StubOwner()
    owner.before_run = begins_late
    ending = await owner.attempt(agent if is_async else plain)
    assert (type(ending), entered) == (TurnNeverBegan, [])


async def test_a_plain_turn_that_gets_no_thread_is_given_up_and_another_is_not() -> None:
    owner, found = StubOwner(), list[tuple[bool, bool]]()

    async def look(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        found.append((job.has_begun, job.give_up()))

    owner.threads = trio.CapacityLimiter(1)
    async with owner.threads:
        ending = await owner.attempt(lambda _: "never", while_running=look)
    assert isinstance(ending, TurnNeverBegan)
    release = trio.Event()

    async def waits(_: Turn) -> str:
        await release.wait()
        return "done"

    async def look_and_release(job: TurnJob) -> None:
        await look(job)
        release.set()

    ending = await owner.attempt(waits, while_running=look_and_release)
    assert isinstance(ending, TurnCompleted)
    assert found == [(False, True), (True, False)]


async def test_a_turn_that_has_begun_and_is_cancelled_was_not_given_up() -> None:
    async def give_up_and_cancel(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert not job.give_up()
        job.scope.cancel()

    ending = await StubOwner().attempt(hang_after_words, while_running=give_up_and_cancel)
    assert isinstance(ending, TurnCancelled)


# -- what belongs to the run --------------------------------------------------------------


async def test_time_and_chance_are_those_of_the_run_on_every_attempt(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[tuple[str, datetime, list[float]]] = []

    async def flaky(turn: Turn) -> str:
        same = turn.random
        seen.append((turn.run_id, turn.now, [turn.random.random() for _ in range(3)]))
        assert turn.random is same
        if turn.attempt < 3:
            raise ValueError
        return "done"

    async with running(MemoryStore(), {"flaky": flaky}) as runtime:
        agent = await runtime.agent("a", kind="flaky")
        await agent.ask("x")
        await agent.ask("y")
    assert seen[0] == seen[1] == seen[2]
    assert seen[3] == seen[4] == seen[5]
    assert seen[0][2] != seen[3][2]
    for run_id, now, _ in seen:
        assert round(now.timestamp() * 1000) == int(run_id.replace("-", "")[:12], 16)


@pytest.mark.parametrize(
    ("run_id", "now"),
    [
        (RUN_ID, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (RunId("018bcfe5-6be7-7abc-8123-456789abcdef"), datetime(2023, 11, 14, 22, 13, 20, 999_000, tzinfo=UTC)),
        (RunId("00000000-0000-7abc-8123-456789abcdef"), datetime(1970, 1, 1, tzinfo=UTC)),
        (RunId("ffffffff-ffff-7abc-8123-456789abcdef"), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
async def test_a_run_began_when_its_id_was_made_even_by_a_clock_that_is_set_to_nonsense(
    run_id: RunId, now: datetime
) -> None:
    seen: list[datetime] = []

    async def look(turn: Turn) -> None:
        seen.append(turn.now)

    owner = StubOwner()
    owner.run_id = run_id
    assert isinstance(await owner.attempt(look), TurnCompleted)
    assert seen == [now]
