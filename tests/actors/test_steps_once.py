"""Steps that are never run twice unasked: their intent, what resolves it, and who is asked when nothing did."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy

import pytest
import trio
import trio.testing
from attrs import frozen

from meerkat_actors.actors.turn import AgentFunction, Turn, TurnJob
from meerkat_actors.actors.turn.steps import OnUnknown
from meerkat_actors.errors import (
    InvalidValueError,
    JournalMismatchError,
    OwnerStoppedError,
    StepUnknownError,
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.records.commands import Command, JournalStep, ResolveIntent
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.records.runs import TurnCancelled, TurnCompleted, TurnEnding, TurnFailed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.stub_owner import RUN_ID, StubOwner
from tests.actors.world import running


class Bank:
    """An effect that must not happen twice."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    async def pay(self, amount: int) -> str:
        self.paid.append(amount)
        return f"paid {amount}"

    async def pay_and_hang(self, amount: int) -> str:
        await self.pay(amount)
        await trio.sleep_forever()

    async def look(self, amount: int) -> str:
        return f"found {self.paid.count(amount)} of {amount}"


def told(owner: StubOwner) -> list[tuple[str, bytes | None]]:
    """What was asked, and about which result."""
    return [
        (type(command).__name__, command.result)
        for command in owner.asked
        if isinstance(command, JournalStep | ResolveIntent)
    ]


async def cut_off(owner: StubOwner, bank: Bank) -> None:
    """An attempt that is cancelled between the effect and its record."""

    async def agent(turn: Turn) -> None:
        await turn.step("pay", bank.pay_and_hang, 5, on_unknown="fail")

    async def cancel(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        job.scope.cancel()

    assert isinstance(await owner.attempt(agent, while_running=cancel), TurnCancelled)
    assert bank.paid == [5]
    assert [entry.result for entry in owner.journal.values()] == [b""]


def completed(ending: TurnEnding) -> str | None:
    assert isinstance(ending, TurnCompleted), ending
    return ending.text


async def test_the_intent_is_durable_before_the_effect_and_the_result_after_it() -> None:
    owner, seen = StubOwner(), list[object]()

    async def pay(amount: int) -> str:
        seen.append([(key, entry.result, entry.is_once) for key, entry in owner.journal.items()])
        return f"paid {amount}"

    async def agent(turn: Turn) -> str:
        return await turn.step("pay", pay, 5, on_unknown="fail")

    assert completed(await owner.attempt(agent)) == "paid 5"
    assert seen == [[(("pay", 1), b"", True)]]
    assert told(owner) == [("JournalStep", b""), ("ResolveIntent", b'"paid 5"')]
    assert {command.run_id for command in owner.asked if isinstance(command, JournalStep)} == {RUN_ID}


@pytest.mark.parametrize("on_unknown", ["retry", "fail", str])
@pytest.mark.parametrize("first", ["retry", "fail", str])
async def test_what_is_recorded_is_returned_whatever_was_to_be_done_about_it(
    first: OnUnknown, on_unknown: OnUnknown
) -> None:
    owner, bank = StubOwner(), Bank()

    def agent(on_unknown: OnUnknown) -> AgentFunction:
        async def run(turn: Turn) -> str:
            return await turn.step("pay", bank.pay, 5, on_unknown=on_unknown)

        return run

    assert completed(await owner.attempt(agent(first))) == "paid 5"
    asked = len(owner.asked)
    assert completed(await owner.attempt(agent(on_unknown))) == "paid 5"
    assert (bank.paid, len(owner.asked)) == ([5], asked)


@pytest.mark.parametrize("on_unknown", ["fail", "retry"])
async def test_a_step_that_was_cut_off_is_never_run_again_unasked(on_unknown: OnUnknown) -> None:
    """Also when this attempt says retry: that is not what was promised when it began."""
    owner, bank = StubOwner(), Bank()
    await cut_off(owner, bank)

    async def agent(turn: Turn) -> None:
        await turn.step("pay", bank.pay, 5, on_unknown=on_unknown)

    for _ in range(2):
        ending = await owner.attempt(agent)
        assert isinstance(ending, TurnFailed)
        assert isinstance(ending.raised, StepUnknownError)
        assert (ending.raised.identity, ending.raised.step, ending.raised.nth) == ("a", "pay", 1)
        assert isinstance(ending.raised, UnknownOutcomeError)
        assert "look whether it happened" in ending.error
    assert (bank.paid, len(owner.asked)) == ([5], 1)


async def test_a_handler_that_looks_gives_the_result_of_a_step_that_was_cut_off() -> None:
    owner, bank = StubOwner(), Bank()
    await cut_off(owner, bank)

    async def agent(turn: Turn) -> str:
        return await turn.step("pay", bank.pay, 5, on_unknown=bank.look)

    assert completed(await owner.attempt(agent)) == "found 1 of 5"
    assert completed(await owner.attempt(agent)) == "found 1 of 5"
    assert (bank.paid, told(owner)[1:]) == ([5], [("ResolveIntent", b'"found 1 of 5"')])


async def test_a_handler_and_a_step_may_be_plain_functions() -> None:
    """In real threads."""
    owner, ran = StubOwner(), list[str]()

    def pay(amount: int) -> str:
        ran.append("pay")
        message = "no answer"
        raise UnknownOutcomeError(identity=message)

    def look(amount: int) -> str:
        ran.append("look")
        return f"found {amount}"

    async def agent(turn: Turn) -> str:
        return await turn.step("pay", pay, 5, on_unknown=look)

    assert isinstance(await owner.attempt(agent), TurnFailed)
    assert completed(await owner.attempt(agent)) == "found 5"
    assert ran == ["pay", "look"]


async def test_what_the_effect_raises_withdraws_the_intent_and_it_may_be_tried_again() -> None:
    owner, tries = StubOwner(), 0

    async def unlucky() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            message = "bad luck"
            raise OSError(message)
        return tries

    async def agent(turn: Turn) -> str:
        try:
            return str(await turn.step("try", unlucky, on_unknown="fail"))
        except OSError:
            return str(await turn.step("try", unlucky, on_unknown="fail"))

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnFailed)
    assert isinstance(ending.raised, OSError)
    assert owner.journal == {}
    assert completed(await owner.attempt(agent)) == "3"
    assert [result for _, result in told(owner)] == [b"", None, b"", None, b"", b"3"]
    assert [*owner.journal] == [("try", 1)]


@pytest.mark.parametrize("grouped", [False, True])
async def test_an_effect_that_does_not_know_leaves_the_intent(grouped: bool) -> None:
    owner = StubOwner()

    async def pay() -> str:
        error = UnknownOutcomeError(identity="bank")
        raise ExceptionGroup("both", [ValueError("no"), error]) if grouped else error

    async def agent(turn: Turn) -> str:
        with suppress(UnknownOutcomeError, ExceptionGroup):
            await turn.step("pay", pay, on_unknown="fail")
        with pytest.raises(StepUnknownError):
            await turn.step("pay", pay, on_unknown="fail")
        return str(await turn.step("pay", pay, on_unknown=lambda: "found"))

    assert completed(await owner.attempt(agent)) == "found"
    assert [result for _, result in told(owner)] == [b"", b'"found"']


async def test_a_withdrawal_that_fails_hides_nothing() -> None:
    owner = StubOwner()

    def refuse(_: TurnJob, command: Command) -> BaseException | None:
        return OwnerStoppedError(identity="a") if isinstance(command, ResolveIntent) else None

    owner.before_answer = refuse

    async def unlucky() -> None:
        message = "bad luck"
        raise OSError(message)

    async def agent(turn: Turn) -> None:
        await turn.step("try", unlucky, on_unknown="fail")

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnFailed)
    assert ending.error == "OSError: bad luck"


async def test_a_step_is_begun_again_only_when_its_withdrawal_is_durable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner, tries = StubOwner(), 0

    async def unlucky() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            owner.may_serve = trio.Event()
            message = "bad luck"
            raise OSError(message)
        return "done"

    async def agent(turn: Turn) -> str:
        with trio.move_on_after(1):
            await turn.step("try", unlucky, on_unknown="fail")
        assert tries == 1
        return await turn.step("try", unlucky, on_unknown="fail")

    async def let_go(_: TurnJob) -> None:
        await trio.sleep(2)
        assert tries == 1
        owner.may_serve.set()

    assert completed(await owner.attempt(agent, while_running=let_go)) == "done"
    assert [result for _, result in told(owner)] == [b"", None, b"", b'"done"']


async def test_an_effect_whose_result_can_not_be_recorded_happened_all_the_same() -> None:
    owner, bank = StubOwner(), Bank()

    async def pay(amount: int) -> object:
        await bank.pay(amount)
        return object()

    async def agent(turn: Turn) -> str:
        with pytest.raises(InvalidValueError, match="result of step 'pay'"):
            await turn.step("pay", pay, 5, on_unknown="fail")
        with pytest.raises(StepUnknownError):
            await turn.step("pay", pay, 5, on_unknown="fail")
        return await turn.step("pay", bank.pay, 5, on_unknown=bank.look)

    assert completed(await owner.attempt(agent)) == "found 1 of 5"
    assert bank.paid == [5]


async def test_a_handler_that_fails_finds_out_nothing_and_is_asked_again() -> None:
    owner, bank = StubOwner(), Bank()
    await cut_off(owner, bank)
    asked = 0

    async def look(amount: int) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            message = "the bank is closed"
            raise OSError(message)
        return object() if asked == 2 else f"found {amount}"

    async def agent(turn: Turn) -> str:
        with pytest.raises(OSError, match="closed"):
            await turn.step("pay", bank.pay, 5, on_unknown=look)
        with pytest.raises(InvalidValueError):
            await turn.step("pay", bank.pay, 5, on_unknown=look)
        return await turn.step("pay", bank.pay, 5, on_unknown=look)

    assert completed(await owner.attempt(agent)) == "found 5"
    assert (bank.paid, len(owner.asked)) == ([5], 2)


async def test_a_step_that_its_own_turn_gave_up_on_is_not_run_again_unasked_either(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner, bank = StubOwner(), Bank()

    async def agent(turn: Turn) -> str:
        with trio.move_on_after(1):
            await turn.step("pay", bank.pay_and_hang, 5, on_unknown="fail")
        with pytest.raises(StepUnknownError):
            await turn.step("pay", bank.pay_and_hang, 5, on_unknown="fail")
        with pytest.raises(JournalMismatchError):
            await turn.step("pay", bank.pay_and_hang, 6, on_unknown="fail")
        return "careful"

    assert completed(await owner.attempt(agent)) == "careful"
    assert bank.paid == [5]


async def test_cancelled_before_its_intent_is_durable_the_effect_does_not_happen(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It may not have happened, as far as anybody knows who only reads the journal."""
    owner, bank = StubOwner(), Bank()
    owner.may_answer = trio.Event()

    async def agent(turn: Turn) -> str:
        with trio.move_on_after(1):
            await turn.step("pay", bank.pay, 5, on_unknown="fail")
        owner.may_answer.set()
        return await turn.step("pay", bank.pay, 5, on_unknown=bank.look)

    assert completed(await owner.attempt(agent)) == "found 0 of 5"
    assert bank.paid == []


async def test_a_result_is_recorded_though_its_turn_gave_up_waiting_for_that(
    autojump_clock: trio.testing.MockClock,
) -> None:
    owner, bank = StubOwner(), Bank()

    async def pay(amount: int) -> str:
        owner.may_answer = trio.Event()
        return await bank.pay(amount)

    async def agent(turn: Turn) -> None:
        with trio.move_on_after(1):
            await turn.step("pay", pay, 5, on_unknown="fail")
        owner.may_answer.set()
        await turn.step("next", bank.look, 5)

    assert completed(await owner.attempt(agent)) is None
    assert [result for _, result in told(owner)] == [b"", b'"paid 5"', b'"found 1 of 5"']


async def test_an_intent_of_other_arguments_is_a_mismatch() -> None:
    owner, bank = StubOwner(), Bank()
    await cut_off(owner, bank)

    async def agent(turn: Turn) -> None:
        await turn.step("pay", bank.pay, 6, on_unknown=bank.look)

    ending = await owner.attempt(agent)
    assert isinstance(ending, TurnFailed)
    assert isinstance(ending.raised, JournalMismatchError)
    assert bank.paid == [5]


@frozen
class Bill:
    """What was paid."""

    amount: int


async def test_a_handler_gives_an_instance_of_the_result_class_too() -> None:
    owner, bank = StubOwner(), Bank()
    await cut_off(owner, bank)
    seen: list[object] = []

    async def agent(turn: Turn) -> None:
        seen.append(await turn.step("pay", bank.pay, 5, result=Bill, on_unknown=Bill))

    for _ in range(2):
        completed(await owner.attempt(agent))
    assert seen == [Bill(5), Bill(5)]


@pytest.mark.parametrize("on_unknown", ["never", "", None, 7, ["fail"], {}])
async def test_what_is_to_be_done_is_one_of_three_things(on_unknown: OnUnknown) -> None:
    owner, bank = StubOwner(), Bank()

    async def agent(turn: Turn) -> None:
        with pytest.raises(UsageError, match=r"on_unknown=.*use 'retry', 'fail' or a function"):
            await turn.step("pay", bank.pay, 5, on_unknown=on_unknown)

    assert completed(await owner.attempt(agent)) is None
    assert (bank.paid, owner.asked) == ([], [])


# -- with the real owner ------------------------------------------------------------------


@pytest.mark.parametrize("looks", [False, True])
async def test_no_kill_makes_an_effect_happen_twice(looks: bool, autojump_clock: trio.testing.MockClock) -> None:
    """Every moment behind a commit is a kill; the world outside forgets nothing."""
    inner, bank = MemoryStore(), Bank()
    store = FaultyStore(inner)
    kills: list[tuple[MemoryStore, list[int]]] = []
    store.after_commit = lambda _, __: kills.append((deepcopy(inner), list(bank.paid)))

    async def agent(turn: Turn) -> str:
        return await turn.step("pay", bank.pay, 5, on_unknown=bank.look if looks else "fail")

    async with running(store, {"agent": agent}) as runtime:
        assert (await (await runtime.agent("a", kind="agent")).ask("x", idempotency_key="k")).text == "paid 5"
    ends: set[str | None] = set()
    for killed, paid in kills:
        bank.paid = list(paid)
        async with running(killed, {"agent": agent}, limits=Limits(attempts_max=2)) as runtime:
            handle = await runtime.agent("a", kind="agent")
            outcome = await handle.wait((await handle.send("x", idempotency_key="k")).input_id)
        assert len(bank.paid) <= 1
        if isinstance(outcome, Consumed):
            ends.add(outcome.text)
        else:
            assert isinstance(outcome, Abandoned)
            assert outcome.detail.startswith("StepUnknownError: a: step 'pay' (use 1) was begun")
            ends.add("unknown")
    # Killed right behind the intent, it had not happened, and nobody can know that but who looks.
    assert ends == {"paid 5", "found 0 of 5" if looks else "unknown"}
