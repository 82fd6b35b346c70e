"""Checkpoints: what was steered to a turn in progress, taken up at the same point on every attempt; and rests."""

from __future__ import annotations

from copy import deepcopy

import pytest
import trio
import trio.testing
from attrs import evolve

from meerkat_actors.actors.turn import Turn, TurnInput, TurnJob
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.machines.entries import entry_of
from meerkat_actors.records.commands import Checkpoint, Command
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Header
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.runs import CHECKPOINT, TurnCancelled, TurnCompleted, TurnFailed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.stub_owner import RUN_ID, StubOwner, member, texts
from tests.actors.world import consumed, running


def contents(inputs: tuple[TurnInput, ...]) -> list[JSON]:
    return [each.content for each in inputs]


async def nothing() -> None:
    """A step that is recorded, and no more; not in a thread, for which virtual time would not wait."""


def checkpoints(owner: StubOwner) -> list[int]:
    """Which ones the owner was asked for."""
    return [command.nth for command in owner.asked if isinstance(command, Checkpoint)]


async def test_what_a_checkpoint_takes_up_stands_in_the_transcript_at_its_point() -> None:
    owner = StubOwner(member(1, "begin"))
    owner.steer = [member(2, "left"), member(3, {"turn": "right"}, kind=InputKind.EXTERNAL_EVENT)]

    async def agent(turn: Turn) -> str:
        turn.append("before")
        taken = await turn.checkpoint()
        turn.append("after")
        assert contents(turn.inputs) == ["begin"]
        assert [(each.input_id, each.kind, each.sender) for each in taken] == [
            (owner.members[1].input_id, InputKind.PROMPT, None),
            (owner.members[2].input_id, InputKind.EXTERNAL_EVENT, None),
        ]
        assert await turn.checkpoint() == ()
        return f"{turn.text}: {contents(taken)}"

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnCompleted)
    assert texts(ending.entries) == [
        ("assistant", "before"),
        ("user", "left"),
        ("user", {"turn": "right"}),
        ("assistant", "after"),
        ("assistant", "begin: ['left', {'turn': 'right'}]"),
    ]
    assert ending.checkpoints == 2
    assert owner.asked == [Checkpoint(RUN_ID, 1), Checkpoint(RUN_ID, 2)]


async def test_another_attempt_is_given_the_same_inputs_by_the_same_checkpoints() -> None:
    owner = StubOwner()
    taken: list[list[JSON]] = []

    async def agent(turn: Turn) -> None:
        for number in range(5):
            if turn.attempt == 1:
                owner.steer = [member(10 + number, number)] if number in {1, 3} else []
            taken.append(contents(await turn.checkpoint()))
        assert (contents(turn.inputs), turn.text) == (["begin"], "begin")
        if turn.attempt == 1:
            raise ValueError

    assert isinstance(await owner.attempt(agent), TurnFailed)
    owner.steer = [member(20, "late")]
    ending = await owner.attempt(agent)
    # The fifth left no record, so it may as well take up what has come meanwhile.
    assert taken == [[], [1], [], [3], [], [], [1], [], [3], ["late"]]
    assert checkpoints(owner) == [1, 2, 3, 4, 5, 5]
    assert isinstance(ending, TurnCompleted)
    assert (ending.checkpoints, texts(ending.entries)) == (5, [("user", 1), ("user", 3), ("user", "late")])


async def test_an_empty_checkpoint_that_was_recorded_stays_empty() -> None:
    owner = StubOwner()

    async def agent(turn: Turn) -> None:
        for _ in range(3):
            assert await turn.checkpoint() == ()
        await turn.step("settle", nothing)
        raise ValueError

    assert isinstance(await owner.attempt(agent), TurnFailed)
    [settled] = owner.journal.values()
    owner.journal |= {(CHECKPOINT, nth): evolve(settled, arguments=b"", result=b"[]") for nth in (1, 2, 3)}
    owner.steer = [member(9, "late")]
    asked = len(owner.asked)
    assert isinstance(await owner.attempt(agent), TurnFailed)
    assert owner.asked[asked:] == []


async def test_a_checkpoint_that_was_given_up_is_not_passed_and_its_inputs_are_the_next_ones(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner = StubOwner()
    owner.steer = [member(2, "x")]
    owner.may_answer = trio.Event()
    seen: list[list[JSON]] = []

    async def agent(turn: Turn) -> None:
        for _ in range(2):
            with trio.move_on_after(1):
                await turn.checkpoint()
        owner.may_answer.set()
        await turn.step("between", nothing)
        if turn.attempt == 1 and not seen:
            seen.append(contents(await turn.checkpoint()))

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnCompleted)
    assert (seen, ending.checkpoints, texts(ending.entries)) == ([["x"]], 1, [("user", "x")])
    assert checkpoints(owner) == [1]


async def test_a_turn_that_gave_its_checkpoint_up_for_good_did_not_pass_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner = StubOwner()
    owner.steer = [member(2, "x")]
    owner.may_answer = trio.Event()

    async def agent(turn: Turn) -> str:
        with trio.move_on_after(1):
            await turn.checkpoint()
        owner.may_answer.set()
        return "done"

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnCompleted)
    assert (ending.checkpoints, texts(ending.entries)) == (0, [("assistant", "done")])
    # What it bound all the same is the next attempt's, if there is one.
    assert [each.position for each in owner.members] == [0, 1]


async def test_a_checkpoint_at_which_the_turn_is_interrupted_never_returns() -> None:
    owner = StubOwner()
    heard: list[BaseException] = []

    def interrupt(job: TurnJob, command: Command) -> BaseException | None:
        if command != Checkpoint(RUN_ID, 2):
            return None
        job.scope.cancel()
        return UsageError(problem="the run is over")

    owner.before_answer = interrupt
    owner.steer = [member(2, "left")]

    async def agent(turn: Turn) -> str:
        await turn.checkpoint()
        turn.append("seen")
        turn.set_state(1)
        try:
            await turn.checkpoint()
        except BaseException as error:
            heard.append(error)
            raise
        return "never"

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnCancelled)
    assert [type(error) for error in heard] == [trio.Cancelled]
    assert texts(ending.entries) == [("user", "left"), ("assistant", "seen")]


async def test_what_an_owner_refuses_as_it_ends_the_turn_is_heard_as_cancellation() -> None:
    owner = StubOwner()
    heard: list[BaseException] = []

    async def agent(turn: Turn) -> None:
        try:
            await turn.checkpoint()
        except BaseException as error:
            heard.append(error)
            raise

    async def refuse(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        [envelope] = job.mailbox.drain(1)
        assert envelope.slot is not None
        envelope.slot.reject(UsageError(problem="the run is over"))
        job.scope.cancel()
        owner.may_serve.set()

    owner.may_serve = trio.Event()
    ending = await owner.attempt(agent, while_running=refuse)
    assert isinstance(ending, TurnCancelled)
    assert [type(error) for error in heard] == [trio.Cancelled]


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        (member(1, "x"), True),
        (member(1, "x", header=Header()), True),
        (member(1, "x", header=Header(in_transcript=False)), False),
        (member(1, "x", kind=InputKind.PEER_MESSAGE), True),
        (member(1, None, kind=InputKind.CONTINUATION), False),
        (member(1, "x", kind=InputKind.OPERATION), False),
    ],
)
async def test_what_is_not_for_the_transcript_is_taken_up_and_not_told(given: OpenInput, is_told: bool) -> None:
    owner = StubOwner()
    owner.steer = [given]

    async def agent(turn: Turn) -> None:
        assert len(await turn.checkpoint()) == 1

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnCompleted)
    assert ending.entries == entry_of(given)
    assert len(ending.entries) == is_told


async def test_what_a_checkpoint_returns_is_the_turns_own() -> None:
    owner = StubOwner()
    owner.steer = [member(2, {"a": 1})]

    async def spoil(turn: Turn) -> None:
        [taken] = await turn.checkpoint()
        assert isinstance(taken.content, dict)
        assert taken.content == {"a": 1}
        taken.content.clear()
        raise ValueError

    for _ in range(2):
        ending = await owner.attempt(spoil)
        assert isinstance(ending, TurnFailed)
        assert ending.error == "ValueError: "


# -- rests --------------------------------------------------------------------------------


async def test_a_rest_lasts_its_time_or_until_something_arrives(autojump_clock: trio.testing.MockClock) -> None:
    owner = StubOwner()
    rests: list[tuple[bool, float]] = []

    async def agent(turn: Turn) -> None:
        for seconds in (5, float("inf"), 10**400, 0):
            before = trio.current_time()
            rests.append((await turn.rest(seconds), trio.current_time() - before))

    async def wake(job: TurnJob) -> None:
        await trio.sleep(7)
        job.stir()
        await trio.sleep(1)
        job.stir()

    assert isinstance(await owner.attempt(agent, while_running=wake), TurnCompleted)
    assert [woken for woken, _ in rests] == [False, True, True, False]
    assert [lasted for _, lasted in rests] == pytest.approx([5, 2, 1, 0], abs=0.01)
    assert owner.asked == []


async def test_what_arrives_before_a_rest_ends_it_at_once_unless_a_checkpoint_took_it_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner, rests = StubOwner(), list[bool]()
    may_stir = trio.Event()

    async def agent(turn: Turn) -> None:
        may_stir.set()
        await trio.testing.wait_all_tasks_blocked()
        rests.append(await turn.rest(5))
        rests.append(await turn.rest(5))

    async def stir(job: TurnJob) -> None:
        await may_stir.wait()
        job.stir()

    await owner.attempt(agent, while_running=stir)
    assert rests == [True, False]
    may_stir = trio.Event()

    async def checks(turn: Turn) -> None:
        may_stir.set()
        await trio.testing.wait_all_tasks_blocked()
        await turn.checkpoint()
        rests.append(await turn.rest(5))

    await owner.attempt(checks, while_running=stir)
    assert rests == [True, False, False]


async def test_a_checkpoint_of_the_past_takes_up_nothing_that_is_new(autojump_clock: trio.testing.MockClock) -> None:
    owner, rests = StubOwner(), list[bool]()
    owner.steer = [member(2, "old")]

    async def agent(turn: Turn) -> None:
        await trio.testing.wait_all_tasks_blocked()
        await turn.checkpoint()
        if turn.attempt == 1:
            raise ValueError
        rests.append(await turn.rest(5))

    async def stir(job: TurnJob) -> None:
        job.stir()
        await trio.lowlevel.checkpoint()

    await owner.attempt(agent)
    await owner.attempt(agent, while_running=stir)
    assert rests == [True]


@pytest.mark.parametrize("seconds", [-1, float("nan"), -float("inf"), True, "5", None])
async def test_a_rest_is_a_number_of_seconds(seconds: float) -> None:
    async def agent(turn: Turn) -> None:
        with pytest.raises(InvalidValueError, match="use a number of seconds from 0 up"):
            await turn.rest(seconds)

    assert isinstance(await StubOwner().attempt(agent), TurnCompleted)


@pytest.mark.parametrize("wait", ["checkpoint", "rest"])
async def test_a_plain_agent_hears_at_the_call_that_it_can_not_wait(wait: str) -> None:
    def agent(turn: Turn) -> str:
        with pytest.raises(UsageError, match=f"can't wait for a {wait}; make the agent async"):
            turn.checkpoint() if wait == "checkpoint" else turn.rest(1)
        return "done"

    ending = await StubOwner().attempt(agent)
    assert isinstance(ending, TurnCompleted)
    assert ending.text == "done"


async def test_a_turn_that_is_over_neither_rests_nor_passes_checkpoints() -> None:
    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    await StubOwner().attempt(keep)
    with pytest.raises(UsageError, match="this turn is over"):
        await kept[0].checkpoint()
    with pytest.raises(UsageError, match="this turn is over"):
        await kept[0].rest(1)


# -- with the real owner ------------------------------------------------------------------


async def test_a_steered_input_joins_the_turn_in_progress_and_is_consumed_with_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(turn: Turn) -> str:
        assert await turn.rest(60)
        return f"{turn.text} {contents(await turn.checkpoint())}"

    async with running(MemoryStore(), {"agent": agent}) as runtime:
        handle = await runtime.agent("a", kind="agent")
        first = await handle.send("begin")
        await trio.sleep(1)
        second = await handle.steer("left")
        outcomes = [await handle.wait(admission.input_id) for admission in (first, second)]
        assert await consumed(handle) == [first.input_id, second.input_id]
        said = [(message.role, message.content) async for message in handle.history()][::-1]
    assert [outcome.text for outcome in outcomes if isinstance(outcome, Consumed)] == ["begin ['left']"] * 2
    assert said == [("user", "begin"), ("user", "left"), ("assistant", "begin ['left']")]


async def test_an_interruption_waits_for_the_next_checkpoint_and_keeps_what_was_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(turn: Turn) -> str:
        for number in range(5):
            await trio.sleep(10)
            turn.append(f"{number} {contents(await turn.checkpoint())}")
        return "never"

    async with running(MemoryStore(), {"agent": agent}) as runtime:
        handle = await runtime.agent("a", kind="agent")
        admission = await handle.send("begin")
        await trio.sleep(15)
        before = trio.current_time()
        assert await handle.interrupt(at_checkpoint=True)
        assert trio.current_time() - before == pytest.approx(5, abs=0.1)
        outcome = await handle.wait(admission.input_id)
        said = [(message.role, message.content) async for message in handle.history()][::-1]
    assert isinstance(outcome, Abandoned)
    assert outcome.reason is AbandonReason.CANCELLED
    assert said == [("user", "begin"), ("assistant", "0 []")]


async def test_no_kill_makes_a_checkpoint_give_anything_else(autojump_clock: trio.testing.MockClock) -> None:
    inner = MemoryStore()
    store = FaultyStore(inner)
    kills: list[tuple[MemoryStore, list[list[JSON]]]] = []
    taken: list[list[JSON]] = []
    told: list[list[JSON]] = []
    store.after_commit = lambda _, __: kills.append((deepcopy(inner), list(told)))

    async def agent(turn: Turn) -> str:
        taken.clear()
        for number in range(4):
            await turn.rest(5)
            taken.append(contents(await turn.checkpoint()))
            # What follows from a checkpoint is durable with it.
            await turn.step(f"after-{number}", nothing)
            told[:] = list(taken)
        return str(taken)

    async with running(store, {"agent": agent}) as runtime:
        handle = await runtime.agent("a", kind="agent")
        admission = await handle.send("begin", idempotency_key="k")
        for content in ("left", "right"):
            await trio.sleep(7)
            await handle.steer(content)
        await handle.wait(admission.input_id)
    assert [text for each in taken for text in each] == ["left", "right"]
    for killed, known in kills:
        async with running(killed, {"agent": agent}) as runtime:
            handle = await runtime.agent("a", kind="agent")
            admission = await handle.send("begin", idempotency_key="k")
            await handle.wait(admission.input_id)
            await runtime.wait_idle()
        assert taken[: len(known)] == known
