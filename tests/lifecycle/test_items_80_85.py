"""Items 80 to 85 of ``reference/continuity.md`` section 5: what outlives an owner, and how a runtime ends.

There is no roster and no embodiment apart from the owner; each docstring says what stands for them.
"""

from __future__ import annotations

from functools import partial
from itertools import count as numbers

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    FenceConflictError,
    IdempotencyConflictError,
    IdentityBrokenError,
    InvalidValueError,
    MeerkatError,
    TurnAbandonedError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.records.events import Event
from meerkat_actors.records.ids import AgentIdentity, FencingToken, InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.stored_events import StoredEventKind
from meerkat_actors.simulation.checks import tables_of
from meerkat_actors.store import MemoryStore
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import consumed, count, echo, gathered, hang, running, silent, told
from tests.recovery.lives import WORK, in_time
from tests.recovery.places import Place

AGENTS = {"count": count, "echo": echo, "hang": hang}
AT_ONCE = Limits(shutdown_seconds=0)


def test_item_80_tokens_go_on_after_a_restart(place: Place) -> None:
    tokens: list[int] = []

    async def live() -> None:
        store = place.store()
        async with running(store, AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count")
            assert (await agent.ask("x")).text == str(len(tokens) + 1)
            tokens.append((await agent.status()).fencing_token)

    for _ in range(3):
        in_time(live)
    assert tokens == [1, 2, 3]


def test_item_80b_asking_for_a_live_agent_keeps_its_token(place: Place) -> None:
    async def ask_again() -> None:
        events: list[Event] = []
        async with running(place.store(), AGENTS, events=events) as runtime:
            agent = await runtime.agent("a", kind="count")
            token = (await agent.status()).fencing_token
            answers = await gathered(
                *(partial(agent.ask, number) for number in range(5)), *[partial(runtime.agent, "a", kind="count")] * 5
            )
            assert not [each for each in answers if isinstance(each, BaseException)]
            assert (await agent.status()).fencing_token == token
        assert events == []

    in_time(ask_again)


async def test_item_80c_who_lost_its_authority_row_is_never_created_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """No effect deletes an authority row. Where one is gone all the same, what it admitted keeps its name for it."""
    store = MemoryStore()
    async with running(store, AGENTS) as runtime:
        agent = await runtime.agent("a", kind="count")
        await agent.ask("x")
        tables = tables_of(store)
        key = tables.names[AgentIdentity("a")]
        head = tables.heads.pop(key)
        with pytest.raises(UnknownOutcomeError):
            await agent.ask("y")
        for ask in (partial(runtime.agent, "a", kind="count"), partial(agent.ask, "z")):
            with pytest.raises(IdentityBrokenError, match="no authority row"):
                await ask()
        assert key not in tables.heads
        tables.heads[key] = head
    async with running(store, AGENTS) as runtime:
        assert (await (await runtime.agent("a")).ask("y")).text == "2"


def test_item_81_what_comes_before_its_recipient_waits_for_it(place: Place) -> None:
    """Nothing is parked in memory: mail to who is not there is a row, and is taken once somebody is."""

    async def write(turn: Turn) -> None:
        turn.send("late", turn.text)

    async def send() -> None:
        store = place.store()
        async with running(store, {"write": write}) as runtime:
            await (await runtime.agent("w", kind="write")).ask("early")
            await runtime.wait_idle()
        assert [row.state for row in place.look().inputs] == [InputState.CONSUMED, InputState.SENT]

    async def be_there() -> None:
        async with running(place.store(), {"write": silent, "echo": echo}) as runtime:
            late = await runtime.agent("late", kind="echo")
            await runtime.wait_idle()
            assert await told(late) == ["early"]

    in_time(send)
    in_time(be_there)


def test_item_81_nothing_is_saved_for_a_session_that_nobody_registered(place: Place) -> None:
    """Of the facade. Its lower half is ``tests/store/test_continuity_*::test_item_31``; here beside a runtime."""

    async def save() -> None:
        async with running(place.store(), AGENTS) as runtime:
            facade = runtime.continuity
            with pytest.raises(MeerkatError) as caught:
                await facade.delete_continuity_record(identity=AgentIdentity("n"), fencing_token=FencingToken(0))
            assert not isinstance(caught.value, FenceConflictError)
        assert place.look().heads == {}

    in_time(save)


def test_item_82_one_key_is_one_turn_across_crash_and_delivery(place: Place) -> None:
    """Half a pair can't be given: the digest of the content is stored with the key, and another one is refused."""
    ids = place.crash("be_at_work")

    async def deliver_again() -> None:
        async with running(place.store(), {"busy": echo}) as runtime:
            agent = await runtime.agent("a")
            for _ in range(2):
                again = [await agent.send(text, idempotency_key=text) for text in WORK]
                assert [(each.input_id, each.duplicate) for each in again] == [(each, True) for each in ids]
            with pytest.raises(IdempotencyConflictError):
                await agent.send("something else", idempotency_key=WORK[0])
            with pytest.raises(InvalidValueError):
                await agent.send("x", idempotency_key="")
            await runtime.wait_idle()
            assert tuple(await consumed(agent)) == ids
            assert runtime.statistics().turns == len(WORK)

    in_time(deliver_again)


def test_item_83_two_answers_that_are_alike_are_two_and_a_reset_is_reported(place: Place) -> None:
    """Who waits names an input, and not a text; whoever waits over a reset hears of it."""

    async def wait() -> None:
        async with running(place.store(), {"echo": echo, "hang": hang}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            first, second = [await agent.ask("the same") for _ in range(2)]
            assert first.text == second.text
            assert first.receipt.checkpoint_version < second.receipt.checkpoint_version
            other = await runtime.agent("b", kind="hang")
            async with trio.open_nursery() as nursery:
                results: list[object] = []

                async def ask() -> None:
                    results.extend(await gathered(partial(other.ask, "x")))

                nursery.start_soon(ask)
                await trio.sleep(1)
                await other.reset()
            (result,) = results
            assert isinstance(result, TurnAbandonedError)
            assert isinstance(result.outcome, Abandoned)
            assert result.outcome.reason in {AbandonReason.RESET, AbandonReason.CANCELLED}

    in_time(wait)


def test_item_84_each_change_is_one_event_in_the_order_of_commits(place: Place) -> None:
    """Of admissions, mail and boundaries, which are the durable ones; read from any cursor, also after a restart."""

    async def write(turn: Turn) -> None:
        turn.send("b", turn.text)

    async def work() -> None:
        async with running(place.store(), {"write": write, "echo": echo}) as runtime:
            await runtime.agent("b", kind="echo")
            agent = await runtime.agent("a", kind="write")
            for text in WORK:
                await agent.ask(text)
            await runtime.wait_idle()

    in_time(work)
    store = place.store()
    store.begin()
    events = store.page_events(after=0, limit=100)
    seen = place.look()
    rows = [event for event in events if event.kind is not StoredEventKind.FACTS]
    assert [event.sequence for event in rows] == sorted(
        [row.sequence for row in seen.inputs] + [row.sequence for row in seen.turns]
    )
    kinds = [event.kind for event in events]
    assert kinds.count(StoredEventKind.ADMITTED) == kinds.count(StoredEventKind.SENT) == len(WORK)
    assert kinds.count(StoredEventKind.TURN) == len(seen.turns)
    for index in numbers(1):
        if index >= len(events):
            break
        assert store.page_events(after=events[index - 1].sequence, limit=100) == events[index:]
    store.end(clean=True)
    store.close()


def test_item_85_an_end_lets_everything_go_and_answers_everybody(place: Place) -> None:
    """In an exclusive store nothing is held but the store itself: the next runtime begins at once, and it was clean."""

    async def end() -> None:
        results: list[object] = []
        async with trio.open_nursery() as nursery, running(place.store(), AGENTS, limits=AT_ONCE) as runtime:
            agent = await runtime.agent("a", kind="hang")
            admission = await agent.send("x")

            async def wait(input_id: InputId) -> None:
                results.extend(await gathered(partial(agent.wait, input_id)))

            nursery.start_soon(wait, admission.input_id)
            await trio.sleep(1)
        assert [type(result) for result in results] == [WaitEndedError]
        with pytest.raises(UsageError, match="closed"):
            await agent.status()
        store = place.store()
        assert store.begin().was_clean
        store.end(clean=True)
        # Twice is once.
        store.end(clean=True)
        store.close()
        store.close()

    in_time(end)


async def test_item_85_an_end_releases_what_others_may_claim(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store.beside(), AGENTS) as other:
        async with serving(store, AGENTS) as mine:
            await (await mine.agent("a", kind="count")).ask("x")
        assert [head.owner for head in tables_of(store).heads.values()] == [0]  # released
        before = trio.current_time()
        assert (await (await other.agent("a")).ask("y")).text == "2"
        assert trio.current_time() - before < 1
