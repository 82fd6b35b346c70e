"""A name has one kind and one key, wherever it was heard first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity, SendMail, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore, failing_reads
from tests.actors.world import VirtualEnv, count, echo, running, told


async def test_a_name_belongs_to_one_kind(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count, "echo": echo}) as runtime:
        await runtime.agent("a", kind="count")
        with pytest.raises(UsageError, match="a: is of kind 'count', not 'echo'"):
            await runtime.agent("a", kind="echo")
        assert (await (await runtime.agent("a")).ask("x")).text == "1"


async def test_a_name_that_got_its_key_from_mail_is_created_under_it(autojump_clock: trio.testing.MockClock) -> None:
    """Between our read and our first unit, somebody may write to the name."""
    inner = MemoryStore()
    store = FaultyStore(inner)
    has_written = False

    async def write(turn: Turn) -> None:
        turn.send("a", "hello")

    async with running(store, {"write": write, "echo": echo}) as runtime:
        writer = await runtime.agent("w", kind="write")

        def write_first(units: Sequence[Unit]) -> None:
            nonlocal has_written
            creates = any(type(effect) is CreateIdentity for unit in units for effect in unit.effects)
            if creates and not has_written:
                has_written = True
                mention(inner)

        store.before_commit = write_first
        agent = await runtime.agent("a", kind="echo")
        await writer.ask("x")
        await runtime.wait_idle()
        assert has_written
        assert await told(agent) == ["behind your back", "hello"]


def mention(store: MemoryStore) -> None:
    """Write to a name, as another agent's boundary would."""
    found = store.activate(AgentIdentity("w"))
    assert isinstance(found, Activation)
    assert found.head is not None
    content = b'"behind your back"'
    fence = IdentityFence(AgentIdentity("w"), found.key, found.head.token, found.head.generation, found.head.version)
    send = SendMail(
        AgentIdentity("a"),
        InputId(VirtualEnv().new_id()),
        InputKind.PEER_MESSAGE,
        content,
        content_digest(content),
        0,
    )
    [outcome] = store.commit([Unit(fence, (send,))])
    assert isinstance(outcome, Committed)


async def test_who_asked_is_answered_when_a_moved_key_can_not_be_read(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    moved = Refused(reason=RefusalReason.KEY_MISMATCH, effect=0, current="key 7")

    def refuse(unit: Unit) -> CommitOutcome | None:
        failing_reads(store, "a", 1, KeyError("odd"))
        store.refusal = lambda _: None
        return moved if unit.fence.identity == "a" else None

    store.refusal = refuse
    async with running(store, {"echo": echo}) as runtime:
        with pytest.raises(UnknownOutcomeError):
            await runtime.agent("a", kind="echo")
        assert (await (await runtime.agent("a", kind="echo")).ask("x")).text == "x"


async def test_an_unknown_name_is_told_so_and_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"echo": echo}) as runtime:
        for _ in range(3):
            with pytest.raises(UsageError, match=r"nobody: no such identity; create it with runtime.agent"):
                await runtime.agent("nobody")
        await runtime.wait_idle()
        assert (runtime.statistics().live, store.batches) == (0, [])
