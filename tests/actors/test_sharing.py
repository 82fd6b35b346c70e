"""Several runtimes on one store, each with a lease, in virtual time: who serves whom, and what becomes of work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
import trio.testing

from meerkat_actors import AlreadyOwnedError, Limits, Runtime, StoreFullError, Turn, UsageError, open_runtime
from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.errors import (
    IdempotencyConflictError,
    IdentityBrokenError,
    OwnerStoppedError,
    UnknownInputError,
    UnknownOutcomeError,
)
from meerkat_actors.machines.state import begin
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest, encode_json
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Claim, InsertInput, Release, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.events import Event, LeaseLost
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.leases import NOTHING_NEW, News
from meerkat_actors.store import MemoryStore, Store
from tests.actors.faulty import FaultyStore
from tests.actors.world import LONG, VirtualEnv

LEASE: Final = 1.0
"""Virtual seconds."""


def shared_store() -> MemoryStore:
    return MemoryStore(env=VirtualEnv(), ownership="shared", lease_seconds=LEASE)


@asynccontextmanager
async def serving(
    store: Store, agents: Mapping[str, AgentFunction], events: list[Event] | None = None, **bounds: float
) -> AsyncGenerator[Runtime, None]:
    limits = Limits(lease_seconds=LEASE, **bounds)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    observers = () if events is None else (events.append,)
    with trio.fail_after(LONG):
        async with open_runtime(store, agents=agents, limits=limits, env=VirtualEnv(), observers=observers) as runtime:
            yield runtime


async def counting(turn: Turn) -> str:
    count = int(str(turn.state or 0)) + 1
    turn.set_state(count)
    return str(count)


async def slow(turn: Turn) -> str:
    await trio.sleep(10 * LEASE)
    return await counting(turn)


AGENTS: Final[Mapping[str, AgentFunction]] = {"counting": counting, "slow": slow}


class LateStore(FaultyStore):
    """A runtime that is stopped for a while: it neither looks around nor knows how late it is."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.is_late = False

    def look_around(self) -> News:
        return NOTHING_NEW if self.is_late else super().look_around()


async def test_what_one_runtime_serves_another_is_told_who_holds(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as first, serving(store.beside(), AGENTS) as second:
        await (await first.agent("a", kind="counting")).ask("x")
        handle = await second.agent("a", kind="counting")
        with pytest.raises(AlreadyOwnedError) as caught:
            await handle.status()
        assert caught.value.expires_in is not None
        assert 0 < caught.value.expires_in <= LEASE
        assert "another runtime in process" in caught.value.holder
        assert (await (await second.agent("b", kind="counting")).ask("x")).text == "1"


async def test_an_agent_that_left_memory_is_free_for_the_other(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store, AGENTS, passivate_seconds=3) as first, serving(store.beside(), AGENTS) as second:
        await (await first.agent("a", kind="counting")).ask("x")
        await trio.sleep(10)
        assert (await (await second.agent("a", kind="counting")).ask("x")).text == "2"
        handle = await first.agent("a", kind="counting")
        with pytest.raises(AlreadyOwnedError):
            await handle.status()


async def test_what_a_runtime_left_undone_by_leaving_the_other_does(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as second:
        async with serving(store.beside(), AGENTS, shutdown_seconds=0) as first:
            admission = await (await first.agent("a", kind="slow")).send("x")
        await trio.sleep(0.1)
        assert second.statistics().live == 1
        outcome = await (await second.agent("a")).wait(admission.input_id)
        assert str(getattr(outcome, "text", None)) == "1"


async def test_mail_for_an_agent_that_the_other_holds_arrives(autojump_clock: trio.testing.MockClock) -> None:
    async def sending(turn: Turn) -> None:
        turn.send("b", "hello")

    agents = {**AGENTS, "sending": sending}
    store = shared_store()
    async with serving(store, agents) as first, serving(store.beside(), agents) as second:
        receiver = await second.agent("b", kind="counting")
        await receiver.ask("x")
        await (await first.agent("a", kind="sending")).ask("x")
        await trio.sleep(1)
        assert [row.sender async for row in receiver.inputs()] == ["a", None]
        await second.wait_idle()
        assert first.statistics().live == 1


async def test_mail_to_a_name_before_the_other_creates_it_arrives(autojump_clock: trio.testing.MockClock) -> None:
    async def sending(turn: Turn) -> None:
        turn.send("b", "hello")

    agents = {**AGENTS, "sending": sending}
    store = shared_store()
    async with serving(store, agents) as first, serving(store.beside(), agents) as second:
        await (await first.agent("a", kind="sending")).ask("x")
        await trio.sleep(1)
        receiver = await second.agent("b", kind="counting")
        await trio.sleep(1)
        assert [row.sender async for row in receiver.inputs()] == ["a"]


async def test_a_late_runtime_loses_everything_at_once_and_begins_anew(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, events = shared_store(), list[Event]()
    late = LateStore(store.beside())
    async with serving(late, AGENTS, events) as first, serving(store, AGENTS) as second:
        held = await first.agent("a", kind="counting")
        await held.ask("x")
        other = await first.agent("b", kind="counting")
        await other.ask("x")
        late.is_late = True
        await trio.sleep(2 * LEASE)
        # Nobody claimed "b", and still the old owner may write it no more.
        assert (await (await second.agent("a", kind="counting")).ask("x")).text == "2"
        with pytest.raises((OwnerStoppedError, UnknownOutcomeError)):
            await other.send("y")
        late.is_late = False
        await trio.sleep(LEASE)
        assert [event for event in events if isinstance(event, LeaseLost)] != []
        assert (await other.ask("z")).text == "2"
        with pytest.raises(AlreadyOwnedError):
            await held.status()


async def test_an_input_that_was_admitted_between_reading_and_claiming_is_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It moved neither token nor version, so the claim goes through on what was read before it."""
    store = shared_store()
    async with serving(store, AGENTS) as first:
        await (await first.agent("a", kind="counting")).ask("x")
    former, late = store.beside(), LateStore(store.beside())
    former.begin()
    found = former.activate(AgentIdentity("a"))
    assert isinstance(found, Activation)
    fence = begin(found, charges_interruption=False).fence
    assert found.head is not None
    assert isinstance(former.commit([Unit(fence, (Claim(found.head.token),))])[0], Committed)
    claims: list[Unit] = []

    def admit_and_die(units: Sequence[Unit]) -> None:
        if not claims and any(isinstance(effect, Claim) for unit in units for effect in unit.effects):
            claims.extend(units)
            assert isinstance(former.commit([Unit(fence, (prompt("late", admission=2),))])[0], Committed)
            former.close()

    late.before_commit = admit_and_die
    late.is_late = True
    async with serving(late, AGENTS) as second:
        await trio.sleep(2 * LEASE)
        agent = await second.agent("a", kind="counting")
        await second.wait_idle()
        assert [row.content async for row in agent.inputs()] == ["late", "x"]
        assert (await agent.ask("y")).text == "3"
    assert claims != []


def prompt(text: str, *, admission: int) -> InsertInput:
    content = encode_json(text, what="content", bytes_max=100, depth_max=9)
    input_id, digest = InputId(SystemEnv().new_id()), content_digest(content)
    return InsertInput(AdmissionSequence(admission), input_id, InputKind.PROMPT, content, digest, None, None)


async def test_a_full_disk_refuses_the_claim_and_the_mail_is_served_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def sending(turn: Turn) -> None:
        turn.send("b", "hello")

    store = shared_store()
    faulty = FaultyStore(store.beside())
    async with serving(store, AGENTS) as first:
        await (await first.agent("b", kind="counting")).ask("x")

    def full(unit: Unit) -> CommitOutcome | None:
        if any(isinstance(effect, Claim) for effect in unit.effects):
            return Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
        return None

    faulty.refusal = full
    async with serving(faulty, {**AGENTS, "sending": sending}) as second:
        with pytest.raises(StoreFullError):
            await second.agent("b", kind="counting")
        await (await second.agent("a", kind="sending")).ask("x")
        await trio.sleep(1)
        faulty.refusal = lambda _: None
        await second.wait_idle()
        handle = await second.agent("b")
        assert [row.sender async for row in handle.inputs()] == ["a", None]


async def test_leaving_in_good_order_releases_everything(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    faulty = FaultyStore(store)
    async with serving(faulty, AGENTS) as runtime:
        for name in ("a", "b"):
            await (await runtime.agent(name, kind="counting")).ask("x")
    assert len(faulty.effects(Release)) == 2
    for name in ("a", "b"):
        activation = store.activate(AgentIdentity(name))
        assert isinstance(activation, Activation)
        assert activation.head is not None
        assert activation.head.owner == 0


async def test_a_store_of_ones_own_claims_with_its_first_unit_and_releases_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    faulty = FaultyStore(MemoryStore())
    async with serving(faulty, AGENTS) as runtime:
        await (await runtime.agent("a", kind="counting")).ask("x")
    async with serving(faulty, AGENTS) as runtime:
        await (await runtime.agent("a", kind="counting")).ask("x")
    assert [len(unit.effects) > 1 for unit in faulty.units if any(type(each) is Claim for each in unit.effects)] == [
        True
    ]
    assert faulty.effects(Release) == []


async def test_what_is_nobody_elses_can_not_be_shared() -> None:
    with pytest.raises(UsageError, match="nobody else's"):
        async with open_runtime(":memory:", ownership="shared"):
            raise AssertionError
    with pytest.raises(UsageError, match="use 'exclusive' or 'shared'"):
        async with open_runtime(":memory:", ownership="mine"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            raise AssertionError


async def test_an_owner_that_came_while_the_lease_was_lost_claims_nothing_for_the_new_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Otherwise the runtime would hold an agent that nobody in it serves."""
    store = shared_store()
    async with serving(store, AGENTS) as runtime:
        await (await runtime.agent("a", kind="counting")).ask("x")
    faulty = FaultyStore(store.beside())
    async with serving(faulty, AGENTS) as runtime:
        directory = runtime._directory  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the lease's keeper has it

        def lose(name: str, _: AgentIdentity | None) -> None:
            if name == "activate":
                directory.lose_all()

        faulty.before_read = lose
        with pytest.raises(OwnerStoppedError):
            await runtime.agent("a", kind="counting")
        assert faulty.effects(Claim) == []
        faulty.before_read = lambda _, __: None
        assert (await (await runtime.agent("a", kind="counting")).ask("x")).text == "2"


async def test_an_agent_of_a_kind_that_another_runtime_serves_is_not_quarantined_here(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, events = shared_store(), list[Event]()
    async with serving(store, AGENTS) as first, serving(store.beside(), {"other": counting}, events) as second:
        agent = await first.agent("a", kind="counting")
        await agent.ask("x")
        with pytest.raises(IdentityBrokenError, match="unknown_kind"):
            await second.agent("a")
        assert second.statistics().broken == ()
    assert events == []


async def test_an_agent_that_another_runtime_holds_can_be_asked_from_here(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as first, serving(store.beside(), AGENTS) as second:
        held = await first.agent("a", kind="counting")
        await held.ask("x")
        there = await second.agent("a", kind="counting")
        assert (await there.ask("from afar")).text == "2"
        admission = await there.send("again", idempotency_key="k")
        assert (admission.admission_sequence, admission.duplicate, admission.durable) == (0, False, True)
        assert getattr(await there.wait(admission.input_id), "text", None) == "3"
        repeated = await there.send("again", idempotency_key="k")
        assert (repeated.input_id, repeated.duplicate, repeated.admission_sequence) == (admission.input_id, True, 3)
        with pytest.raises(IdempotencyConflictError):
            await there.send("other", idempotency_key="k")
        assert [row.content async for row in held.inputs()] == ["again", "from afar", "x"]
        assert second.statistics().live == 0


async def test_what_a_runtime_asks_of_another_one_that_hangs_is_done_by_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = shared_store()
    late = LateStore(store.beside())
    async with serving(late, AGENTS) as first, serving(store, AGENTS) as second:
        await (await first.agent("a", kind="counting")).ask("x")
        late.is_late = True  # it takes nothing in any more, and holds on until its lease is over
        assert (await (await second.agent("a", kind="counting")).ask("y")).text == "2"
        late.is_late = False
        await trio.sleep(LEASE)


async def test_what_is_wrong_with_a_question_is_told_also_from_afar(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as first, serving(store.beside(), AGENTS) as second:
        await (await first.agent("a", kind="counting")).ask("x")
        with pytest.raises(UsageError, match="is of kind 'counting'"):
            await second.agent("a", kind="slow")
        with pytest.raises(AlreadyOwnedError):
            await second.agent("a", kind="counting", config=1)
        handle = await second.agent("a")
        with pytest.raises(UnknownInputError):
            await handle.wait(second.new_id())


async def test_who_waits_where_the_lease_is_lost_asks_now_and_then(autojump_clock: trio.testing.MockClock) -> None:
    """Found by seed 30054 of the workload "takeover": it asked in circles, each time at once."""
    store, refused = FaultyStore(shared_store()), list[float]()

    def refuse(_: Unit) -> CommitOutcome:
        refused.append(trio.current_time())
        assert len(refused) < 1_000, "in circles"
        return Refused(reason=RefusalReason.STALE_OWNER, effect=-1, current="another runtime took over")

    async with serving(store, AGENTS) as runtime:
        agent = await runtime.agent("a", kind="counting")
        await agent.pause()
        admission = await agent.send("x")
        store.refusal = refuse
        with pytest.raises(UnknownOutcomeError):
            await agent.send("y")
        with trio.move_on_after(1.0) as scope:
            await agent.wait(admission.input_id)
        assert scope.cancelled_caught
        assert 10 < len(refused) < 30
        store.refusal = lambda _: None
        await agent.resume()
        assert getattr(await agent.wait(admission.input_id), "text", None) == "1"
