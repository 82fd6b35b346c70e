"""Mail that nobody will take: it ends with its reason, and whoever made a request is answered."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.errors import DestroyedError
from meerkat_actors.records.codec import decode_abandoned
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import OwnerUnit
from meerkat_actors.records.headers import Header, Origin, ResponseStatus
from meerkat_actors.records.ids import AgentIdentity, InputId, parse_identity
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.store import MemoryStore, Store
from tests.actors.clock_world import HOUR_MS, SetEnv, clocked, listen
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, passes, told

AGE: Final = 10 * 3600.0
"""After so many seconds mail for a name that nobody has comes back: the default is a week, which takes long."""
AGEING: Final = Limits(undeliverable_seconds=AGE)
AGES: Final = 100 * AGE
RETRY: Final = Limits().full_retry_seconds


class Asker:
    """An agent that requests what a prompt says - of whom, and how many - and notes the answers."""

    def __init__(self) -> None:
        self.sent: list[InputId] = []
        self.answers: list[tuple[Header, object]] = []

    async def __call__(self, turn: Turn) -> None:
        for each in turn.inputs:
            if each.kind is InputKind.PEER_RESPONSE_TERMINAL:
                self.answers.append((each.header, each.content))
            elif isinstance(each.content, list):
                to, count = each.content
                assert isinstance(to, str)
                assert isinstance(count, int)
                self.sent += [turn.request(to, number, correlation_id="c") for number in range(count)]

    def failed(self) -> list[str]:
        """The requests that were answered as failed, in the order of their ids."""
        assert {header.status for header, _ in self.answers} <= {ResponseStatus.FAILED}
        return sorted(str(header.request_id) for header, _ in self.answers)


def ending_of(store: Store, identity: str, input_id: InputId) -> AbandonReason | None:
    """How mail ended; None while it waits."""
    row = store.find_input(parse_identity(identity), input_id)
    assert row is not None
    if row.state is InputState.SENT:
        return None
    assert row.ending is not None
    return decode_abandoned(row.ending).reason


async def test_a_request_to_a_retired_agent_comes_back(autojump_clock: trio.testing.MockClock) -> None:
    store, asker = MemoryStore(), Asker()
    async with clocked(store, {"asker": asker, "listen": listen}, SetEnv()) as runtime:
        await (await runtime.agent("r", kind="listen")).retire()
        await (await runtime.agent("s", kind="asker")).ask(["r", 1])
        await trio.sleep(1)
        await runtime.wait_idle()
    (request_id,) = asker.sent
    assert ending_of(store, "r", request_id) is AbandonReason.RETIRED
    ((header, content),) = asker.answers
    assert (header.request_id, header.status) == (request_id, ResponseStatus.FAILED)
    assert (header.origin, header.source, header.correlation_id) == (Origin.SYSTEM, "r", "c")
    assert str(content).startswith("request returned: abandoned (retired)")


async def test_requests_to_a_destroyed_agent_come_back(autojump_clock: trio.testing.MockClock) -> None:
    """Those that waited when it was destroyed, and those that came later."""
    store, asker, gate = MemoryStore(), Asker(), Gate()
    limits = Limits(backlog_max=1)
    async with clocked(store, {"asker": asker, "gate": gate}, SetEnv(), limits=limits) as runtime:
        recipient, sender = await runtime.agent("r", kind="gate"), await runtime.agent("s", kind="asker")
        await recipient.send("x")
        await sender.ask(["r", 70])
        gate.open()
        await recipient.destroy()
        await sender.ask(["r", 70])
        await trio.sleep(1)
        await runtime.wait_idle()
    assert len(asker.sent) == 140
    assert asker.failed() == sorted(asker.sent)


async def test_what_waited_for_a_stopped_agent_comes_back_and_what_came_later_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, asker, gate = MemoryStore(), Asker(), Gate()
    limits = Limits(backlog_max=1, passivate_seconds=5)
    async with clocked(store, {"asker": asker, "gate": gate}, SetEnv(), limits=limits) as runtime:
        recipient, sender = await runtime.agent("r", kind="gate"), await runtime.agent("s", kind="asker")
        await recipient.send("x")
        await sender.ask(["r", 150])  # more than the courier returns at a time
        await trio.sleep(1)
        await recipient.stop()
        gate.open()
        await trio.sleep(1)
        await sender.ask(["r", 1])
        await trio.sleep(20)
        *earlier, later = asker.sent
        assert {ending_of(store, "r", each) for each in earlier} == {AbandonReason.STOPPED}
        assert ending_of(store, "r", later) is None
        assert asker.failed() == sorted(earlier)
        await recipient.resume()
        await runtime.wait_idle()
        assert await told(recipient) == ["x", 0]


async def test_what_waited_when_an_agent_was_reset_comes_back(autojump_clock: trio.testing.MockClock) -> None:
    store, asker, gate = MemoryStore(), Asker(), Gate()
    async with clocked(store, {"asker": asker, "gate": gate}, SetEnv(), limits=Limits(backlog_max=1)) as runtime:
        recipient, sender = await runtime.agent("r", kind="gate"), await runtime.agent("s", kind="asker")
        await recipient.send("x")
        await sender.ask(["r", 3])
        await trio.sleep(1)
        await recipient.reset()
        gate.open()
        await trio.sleep(1)
        await runtime.wait_idle()
        assert {ending_of(store, "r", each) for each in asker.sent} == {AbandonReason.RESET}
        assert asker.failed() == sorted(asker.sent)
        assert await told(recipient) == []


async def test_a_retired_agent_that_is_resumed_takes_what_was_not_returned_yet(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, asker = FaultyStore(MemoryStore()), Asker()
    async with clocked(store, {"asker": asker, "listen": listen}, SetEnv()) as runtime:
        recipient = await runtime.agent("r", kind="listen")
        await recipient.retire()
        await trio.sleep(1)
        resumed: list[str] = []
        async with trio.open_nursery() as nursery:

            def look(method: str, _: AgentIdentity | None) -> None:
                if method == "undeliverable_mail" and asker.sent and not resumed:
                    resumed.append(method)
                    nursery.start_soon(recipient.resume)

            store.before_read = look
            await (await runtime.agent("s", kind="asker")).ask(["r", 100])
            await trio.sleep(1)
        await runtime.wait_idle()
        assert resumed
        taken = await told(recipient)
        # Each was returned, or taken and answered by its turn; nobody was told twice.
        assert len({header.request_id for header, _ in asker.answers}) == len(asker.answers) == 100
        failed = sum(header.status is ResponseStatus.FAILED for header, _ in asker.answers)
        assert failed + len(taken) == 100
        assert taken


async def test_mail_for_a_name_that_nobody_has_comes_back_in_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, asker = MemoryStore(), Asker()
    async with clocked(store, {"asker": asker}, SetEnv(), limits=AGEING, seconds_max=AGES) as runtime:
        await (await runtime.agent("s", kind="asker")).ask(["nobody", 3])
        await trio.sleep(AGE - 10)
        assert {ending_of(store, "nobody", each) for each in asker.sent} == {None}
        await trio.sleep(2 * 3600)
        await runtime.wait_idle()
        assert {ending_of(store, "nobody", each) for each in asker.sent} == {AbandonReason.UNDELIVERABLE}
        assert asker.failed() == sorted(asker.sent)


async def test_what_became_too_old_between_two_runtimes_comes_back_when_one_begins(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, asker, env = MemoryStore(), Asker(), SetEnv()
    async with clocked(store, {"asker": asker}, env, limits=AGEING) as runtime:
        agent = await runtime.agent("s", kind="asker")
        for number in range(70):  # more than one page of recipients
            await agent.ask([f"nobody{number}", 1])
    await trio.sleep(2 * AGE)
    async with clocked(store, {"asker": asker}, env, limits=AGEING) as runtime:
        await trio.sleep(1)
        await runtime.wait_idle()
    assert len(asker.sent) == 70
    assert asker.failed() == sorted(asker.sent)


@pytest.mark.parametrize("ahead_ms", [1_000 * HOUR_MS, -1_000 * HOUR_MS, -1_700_000_000_000])
async def test_a_clock_that_jumps_returns_nothing_early(ahead_ms: int, autojump_clock: trio.testing.MockClock) -> None:
    store, asker, env = MemoryStore(), Asker(), SetEnv()
    async with clocked(store, {"asker": asker}, env, limits=AGEING, seconds_max=AGES) as runtime:
        await (await runtime.agent("s", kind="asker")).ask(["nobody", 1])
        env.ahead_ms += ahead_ms
        await trio.sleep(AGE - 10)
    assert ending_of(store, "nobody", asker.sent[0]) is None


async def test_an_agent_that_is_created_late_takes_what_waits(autojump_clock: trio.testing.MockClock) -> None:
    store, asker = MemoryStore(), Asker()
    async with clocked(store, {"asker": asker, "listen": listen}, SetEnv(), limits=AGEING, seconds_max=AGES) as runtime:
        await (await runtime.agent("s", kind="asker")).ask(["late", 3])
        await trio.sleep(AGE - 10)
        late = await runtime.agent("late", kind="listen")
        await trio.sleep(AGE)
        await runtime.wait_idle()
        assert await told(late) == [0, 1, 2]


async def test_a_retired_agent_that_is_sent_mail_leaves_memory(autojump_clock: trio.testing.MockClock) -> None:
    limits = Limits(passivate_seconds=1)
    agents: dict[str, AgentFunction] = {"asker": Asker(), "listen": listen}
    async with clocked(MemoryStore(), agents, SetEnv(), limits=limits) as runtime:
        await (await runtime.agent("r", kind="listen")).retire()
        sender = await runtime.agent("s", kind="asker")
        await trio.sleep(5)
        await sender.ask(["r", 1])
        await trio.sleep(5)
        await runtime.wait_idle()
        assert runtime.statistics().live == 0


class RefusingStore(FaultyStore):
    """It refuses what the courier writes, a number of times."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.refusals = 0
        self.reason = RefusalReason.STORE_FULL

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        if self.refusals > 0:
            self.refusals -= 1
            return Refused(reason=self.reason, effect=-1, current="odd")
        return super().post(unit)


@pytest.mark.parametrize("reason", [RefusalReason.STORE_FULL, RefusalReason.STALE_OWNER])
async def test_a_refusal_of_the_moment_is_tried_again(
    reason: RefusalReason, autojump_clock: trio.testing.MockClock
) -> None:
    store, asker = RefusingStore(MemoryStore()), Asker()
    async with clocked(store, {"asker": asker, "listen": listen}, SetEnv()) as runtime:
        await (await runtime.agent("r", kind="listen")).retire()
        store.refusals, store.reason = 3, reason
        await (await runtime.agent("s", kind="asker")).ask(["r", 1])
        await trio.sleep(2 * RETRY)
        assert asker.answers == []
        await trio.sleep(3 * RETRY)
        await runtime.wait_idle()
        assert asker.failed() == asker.sent


async def test_a_refusal_for_good_ends_that_try_and_nothing_else(autojump_clock: trio.testing.MockClock) -> None:
    store, asker = RefusingStore(MemoryStore()), Asker()
    async with clocked(store, {"asker": asker, "listen": listen}, SetEnv()) as runtime:
        await (await runtime.agent("r", kind="listen")).retire()
        store.refusals, store.reason = 1, RefusalReason.OUT_OF_RANGE
        sender = await runtime.agent("s", kind="asker")
        await sender.ask(["r", 1])
        await trio.sleep(10)
        assert asker.answers == []
        await sender.ask(["r", 1])  # which calls the courier again
        await trio.sleep(1)
        await runtime.wait_idle()
        assert asker.failed() == sorted(asker.sent)


async def test_a_kill_around_every_call_to_the_store_answers_each_request_exactly_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inner = MemoryStore()
    store = FaultyStore(inner)
    kills: list[MemoryStore] = []

    def kill(*_: object) -> None:
        kills.append(deepcopy(inner))

    store.before_call = store.before_read = store.after_commit = kill
    async with clocked(store, {"asker": Asker(), "listen": listen}, SetEnv(), limits=Limits(backlog_max=1)) as runtime:
        recipient = await runtime.agent("r", kind="listen")
        await recipient.pause()
        await recipient.send("x")
        await (await runtime.agent("s", kind="asker")).send(["r", 5], idempotency_key="k")
        await passes(20)
        await recipient.destroy()
        await trio.sleep(1)
        await runtime.wait_idle()
    assert len(kills) > 20
    for killed in kills:
        async with clocked(killed, {"asker": Asker(), "listen": listen}, SetEnv()) as runtime:
            sender = await runtime.agent("s", kind="asker")
            await sender.send(["r", 5], idempotency_key="k")
            with suppress(DestroyedError):
                await (await runtime.agent("r", kind="listen")).destroy()
            await trio.sleep(2)
            await runtime.wait_idle()
            answers = [each async for each in sender.inputs() if each.kind is InputKind.PEER_RESPONSE_TERMINAL]
            assert len({each.header.request_id for each in answers}) == len(answers) == 5
