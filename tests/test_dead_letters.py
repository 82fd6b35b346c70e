"""Inputs that were given up though nobody asked for that: listed, driven again, dropped, and never lost meanwhile."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from meerkat_actors.errors import (
    DestroyedError,
    InvalidValueError,
    NotReadyError,
    UnknownInputError,
    UsageError,
)
from meerkat_actors.records.headers import Durability, Origin
from meerkat_actors.records.inputs import InputKind, InputState, Letter
from meerkat_actors.records.outcomes import AbandonReason, Consumed
from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.store import MemoryStore
from tests.actors.world import gathered, said, told
from tests.surgery import Surgery, letters, opened


async def test_what_is_given_up_is_listed_until_somebody_looks_after_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, surgery = MemoryStore(), Surgery()
    async with opened(store, surgery) as runtime:
        first, second = await runtime.agent("a", kind="surgery"), await runtime.agent("b", kind="surgery")
        admission = await first.send({"leg": "left"}, kind="external_event", source="ward", idempotency_key="k")
        await runtime.wait_idle()
        await second.send("arm")
        await first.send("other leg")
        await runtime.wait_idle()
        found = await letters(runtime)
        assert [(letter.identity, letter.content) for letter in found] == [
            ("a", {"leg": "left"}),
            ("b", "arm"),
            ("a", "other leg"),
        ]
        assert [letter.content for letter in await letters(runtime, "a")] == [{"leg": "left"}, "other leg"]
        assert await letters(runtime, "nobody") == []
    async with opened(store, surgery) as runtime:
        assert await letters(runtime) == found
        (leg, _) = await letters(runtime, "a")
        assert (leg.input_id, leg.admission_sequence) == (admission.input_id, admission.admission_sequence)
        assert (leg.kind, leg.sender, leg.attempts, leg.interruptions) == (InputKind.EXTERNAL_EVENT, None, 1, 0)
        assert (leg.header.origin, leg.header.source, leg.is_pruned) == (Origin.EXTERNAL, "ward", False)
        assert leg.outcome.reason is AbandonReason.ATTEMPTS_EXHAUSTED
        assert leg.outcome.detail.startswith("ValueError: no cure for")
        assert leg.run_id is not None
        records = [record async for record in (await runtime.agent("a")).inputs()]
        assert {record.letter for record in records} == {Letter.DEAD}


async def test_a_letter_that_is_driven_again_is_a_new_input(autojump_clock: trio.testing.MockClock) -> None:
    store, surgery = MemoryStore(), Surgery()
    async with opened(store, surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg", kind="peer_message", correlation_id="c-1", durability="ephemeral")
        await runtime.wait_idle()
        (letter,) = await letters(runtime)
        surgery.is_cured = True
        admission = await runtime.redrive(letter)
        assert (admission.duplicate, admission.durable) == (False, False)
        assert admission.input_id != letter.input_id
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "cured leg"
        assert await letters(runtime) == []
    async with opened(store, surgery) as runtime:
        agent = await runtime.agent("a")
        new, old = [record async for record in agent.inputs()]
        assert (old.state, old.letter, old.outcome) == (InputState.ABANDONED, Letter.SETTLED, letter.outcome)
        assert (new.letter, new.kind, new.content) == (Letter.NONE, InputKind.PEER_MESSAGE, "leg")
        assert (new.header.redrives, new.header.correlation_id) == (old.input_id, "c-1")
        assert new.header.durability is Durability.EPHEMERAL
        # The old one's outcome is what it was.
        assert await agent.wait(old.input_id) == letter.outcome


async def test_to_drive_a_letter_twice_is_to_drive_it_once(autojump_clock: trio.testing.MockClock) -> None:
    store, surgery = MemoryStore(), Surgery()
    async with opened(store, surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        (letter,) = await letters(runtime)
        surgery.is_cured = True
        first, second = await gathered(lambda: runtime.redrive(letter), lambda: runtime.redrive(letter))
        third = await runtime.redrive(letter)
        ids = {getattr(admission, "input_id", admission) for admission in (first, second, third)}
        assert len(ids) == 1
        assert [getattr(admission, "duplicate", None) for admission in (first, second, third)].count(False) == 1
        await runtime.wait_idle()
    async with opened(store, surgery) as runtime:
        assert (await runtime.redrive(letter)).input_id == third.input_id
        assert await said(await runtime.agent("a")) == ["cured leg"]


async def test_a_letter_is_found_by_its_id(autojump_clock: trio.testing.MockClock) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        ids = [(await agent.send(number)).input_id for number in range(3)]
        await runtime.wait_idle()
        surgery.is_cured = True
        admission = await runtime.redrive(ids[1])
        await runtime.drop(ids[2])
        assert [letter.input_id for letter in await letters(runtime)] == ids[:1]
        assert isinstance(await agent.wait(admission.input_id), Consumed)
        for input_id in ids[1:]:
            for call in (runtime.redrive, runtime.drop):
                with pytest.raises(UsageError, match=f"{input_id}: no dead letter; one that was driven again"):
                    await call(input_id)
        with pytest.raises(InvalidValueError, match="is no input id"):
            await runtime.drop("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_letter_that_fails_again_is_a_letter_again(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(MemoryStore(), Surgery()) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        for number in range(3):
            (letter,) = await letters(runtime)
            admission = await runtime.redrive(letter)
            await runtime.wait_idle()
            (again,) = await letters(runtime)
            assert (again.input_id, again.header.redrives) == (admission.input_id, letter.input_id)
            assert len([record async for record in agent.inputs()]) == number + 2


async def test_a_dropped_letter_needs_no_more_looking_after(autojump_clock: trio.testing.MockClock) -> None:
    store, surgery = MemoryStore(), Surgery()
    async with opened(store, surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        (letter,) = await letters(runtime)
        for _ in range(2):
            await runtime.drop(letter)
        assert await letters(runtime) == []
    async with opened(store, surgery) as runtime:
        agent = await runtime.agent("a")
        (record,) = [record async for record in agent.inputs()]
        assert (record.letter, record.content, record.outcome) == (Letter.SETTLED, "leg", letter.outcome)
        with pytest.raises(UsageError, match="a: that input is no dead letter, or was looked after already"):
            await runtime.redrive(letter)
        assert len([record async for record in agent.inputs()]) == 1


async def test_a_letter_that_was_driven_again_is_not_dropped_with_what_it_became(
    autojump_clock: trio.testing.MockClock,
) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        (letter,) = await letters(runtime)
        await runtime.redrive(letter)
        await runtime.wait_idle()
        await runtime.drop(letter)
        assert [each.header.redrives for each in await letters(runtime)] == [letter.input_id]


async def test_only_a_dead_letter_is_looked_after(autojump_clock: trio.testing.MockClock) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent, fine = await runtime.agent("a", kind="surgery"), await runtime.agent("b", kind="echo")
        await agent.send("leg")
        answer = await fine.ask("x")
        await fine.pause()
        queued = await fine.send("y")
        cancelled = await fine.send("z")
        await fine.cancel(cancelled.input_id)
        await runtime.wait_idle()
        (letter,) = await letters(runtime)
        forged = {
            answer.receipt.contributors[0]: "consumed",
            queued.input_id: "queued",
            cancelled.input_id: "abandoned",
        }
        for input_id, state in forged.items():
            for call in (runtime.redrive, runtime.drop):
                with pytest.raises(UsageError, match=f"b: input {input_id} is {state}, and no dead letter"):
                    await call(evolve(letter, identity=fine.identity, input_id=input_id))
        for call in (runtime.redrive, runtime.drop):
            with pytest.raises(UnknownInputError):
                await call(evolve(letter, identity=fine.identity))
        with pytest.raises(InvalidValueError, match="is no agent identity"):
            runtime.dead_letters("not a name")


async def test_what_is_driven_again_displaces_nothing_newer(autojump_clock: trio.testing.MockClock) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("old", supersession_key="k")
        await runtime.wait_idle()
        await agent.pause()
        await agent.send("new", supersession_key="k")
        (letter,) = await letters(runtime)
        surgery.is_cured = True
        await runtime.redrive(letter)
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["new", "old"]


async def test_a_letter_is_driven_again_only_where_work_is_admitted(autojump_clock: trio.testing.MockClock) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await agent.send("arm")
        await runtime.wait_idle()
        leg, arm = await letters(runtime)
        await agent.stop()
        with pytest.raises(NotReadyError, match="a: is stopped, nothing was written"):
            await runtime.redrive(leg)
        assert await letters(runtime) == [leg, arm]
        await runtime.drop(leg)
        await agent.reset()
        # Of another generation, and a letter still.
        surgery.is_cured = True
        assert isinstance(await agent.wait((await runtime.redrive(arm)).input_id), Consumed)
        assert await letters(runtime) == []


async def test_what_a_destroyed_agent_left_is_still_listed(autojump_clock: trio.testing.MockClock) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        await agent.destroy()
        (letter,) = await letters(runtime)
        with pytest.raises(DestroyedError):
            await runtime.redrive(letter)
        await runtime.agent("a", kind="surgery", recreate=True)
        surgery.is_cured = True
        assert isinstance(await agent.wait((await runtime.redrive(letter)).input_id), Consumed)
        assert await letters(runtime) == []


async def test_a_letter_without_its_content_can_only_be_dropped(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(MemoryStore(), Surgery()) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await runtime.wait_idle()
        await runtime.prune(PrunePolicy(keep_inputs=0, dead_letters=True))
        (letter,) = await letters(runtime)
        assert (letter.is_pruned, letter.content) == (True, None)
        with pytest.raises(UsageError, match="was pruned; drop it, and send anew"):
            await runtime.redrive(letter)
        await runtime.drop(letter)
        assert await letters(runtime) == []
