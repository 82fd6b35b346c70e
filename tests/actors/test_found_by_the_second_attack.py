"""What a second attack found, on mail, timers and streams: each was a fault once."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, cast

import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.pulling import Pulled, keep_waiting, place_of
from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.turn import Turn
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.machines.identity import decide
from meerkat_actors.records.agenda_codec import encode_schedule
from meerkat_actors.records.commands import Checkpoint, Command, EndTurn, FireDue, GetStatus, Look, TakePending
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, RunId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.records.runs import TurnCancelled, TurnCompleted
from meerkat_actors.records.schedules import Once, Plan
from meerkat_actors.records.timers import Timer
from meerkat_actors.store import MemoryStore
from tests.actors.world import echo, running, told
from tests.machines.states import busy, end, mail, run_of, stamp

RUN = RunId("018bcfe5-6800-7000-8000-000000000001")


class Name(StrEnum):
    NIGHTLY = "nightly"


@pytest.mark.parametrize(
    ("commands", "place"),
    [
        ([], 0),
        ([GetStatus()], 0),
        ([EndTurn(RUN, TurnCancelled())], 1),
        # An operator asked before the turn ended: what makes room for mail is folded before it all the same.
        ([GetStatus(), EndTurn(RUN, TurnCancelled()), Look()], 2),
        ([GetStatus(), Checkpoint(RUN, 1)], 1),
        ([Checkpoint(RUN, 1), EndTurn(RUN, TurnCancelled())], 0),
    ],
)
def test_mail_is_folded_behind_what_makes_room_for_it(commands: list[Command], place: int) -> None:
    assert place_of([Envelope(command, None, wants_outcome=False) for command in commands]) == place


async def test_no_mail_is_forgotten_where_only_some_of_it_found_room(autojump_clock: trio.testing.MockClock) -> None:
    async def post(turn: Turn) -> None:
        for number in range(40):
            turn.send("hub", number)

    async def work(turn: Turn) -> None:
        await trio.sleep(0.01)

    limits = Limits(backlog_max=5, run_inputs_max=3, pull_max=4)
    async with running(MemoryStore(), {"post": post, "work": work}, limits=limits) as runtime:
        hub, poster = await runtime.agent("hub", kind="work"), await runtime.agent("poster", kind="post")
        await poster.ask("go")
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                while True:
                    await hub.status()
                    await trio.sleep(0.0025)

            nursery.start_soon(look)
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
        assert await told(hub) == list(range(40))


def test_what_found_no_room_is_read_again_also_where_there_is_some_at_the_end() -> None:
    """A checkpoint that nobody waits for any more stands before the end that makes room."""
    body = encode_schedule(Plan(rule=Once(1), kind=InputKind.EXTERNAL_EVENT, content=b"1"))
    pulled: list[Pulled] = [
        TakePending((mail(3), mail(4))),
        FireDue(tuple(Timer(name, 1, body, AdmissionSequence(0), 0) for name in ("a", "b"))),
    ]
    state, limits = busy(run_of(1), (2,)), Limits(backlog_max=3)
    decision = decide(state, [*pulled, end(TurnCompleted("done", (), None, ()))], stamp(), limits)
    assert decision.state.backlog < limits.backlog_max
    entry = Entry(AgentIdentity("a"), Mailbox(AgentIdentity("a"), limits), mail_waiting=False)
    keep_waiting(entry, pulled, decision)
    assert (entry.mail_waiting, entry.timers_due) == (True, True)
    entry.mail_waiting = entry.timers_due = False
    decision = decide(state, [*pulled], stamp(), Limits(backlog_max=99))
    keep_waiting(entry, pulled, decision)
    assert (entry.mail_waiting, entry.timers_due) == (False, False)


@pytest.mark.parametrize("meant", [None, 5, "", "a b", "x" * 1_000, "\ud800", b"b", ["b"]])
async def test_whom_a_wiring_means_is_looked_at(meant: object, autojump_clock: trio.testing.MockClock) -> None:
    async def post(turn: Turn) -> None:
        turn.send("b", "hello")

    async with meerkat.open_runtime(
        ":memory:",
        agents={"post": post},
        limits=Limits(attempts_max=1),
        observers=(),
        wiring=lambda _, __: cast("AgentIdentity", meant),
    ) as runtime:
        agent = await runtime.agent("a", kind="post")
        outcome = await agent.wait((await agent.send("go")).input_id)
        assert isinstance(outcome, Abandoned)
        assert "InvalidValueError" in outcome.detail
        assert runtime.quarantined() == ()


@pytest.mark.parametrize("wiring", [5, "x", [], False])
async def test_a_wiring_is_a_function(wiring: object) -> None:
    with pytest.raises(UsageError, match="wiring="):
        async with meerkat.open_runtime(wiring=cast("Wiring", wiring)):
            raise AssertionError


async def test_the_name_of_a_timer_may_be_a_member_of_an_enum_and_not_too_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(MemoryStore(), {"echo": echo}, limits=Limits(key_length_max=1_000)) as runtime:
        agent = await runtime.agent("a", kind="echo")
        assert (await agent.schedule(Name.NIGHTLY, "x", every=60)).name == "nightly"
        await agent.unschedule(Name.NIGHTLY)
        assert [each async for each in agent.schedules()] == []
        with pytest.raises(InvalidValueError, match="1 to 512 characters"):
            await agent.schedule("x" * 513, "x", every=60)
        assert runtime.quarantined() == ()


async def test_a_mode_is_one_of_a_few_words_whatever_else_is_given(autojump_clock: trio.testing.MockClock) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with pytest.raises(InvalidValueError, match="mode="):
            await agent.send("x", mode=deep)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_stream_is_not_listened_to_inside_a_turn(autojump_clock: trio.testing.MockClock) -> None:
    feeds: list[Any] = []

    async def listen(turn: Turn) -> str:
        try:
            await anext(feeds[0])
        except UsageError as error:
            return str(error)
        return "heard"

    async with running(MemoryStore(), {"listen": listen}) as runtime:
        agent = await runtime.agent("a", kind="listen")
        async with agent.stream() as pieces:
            feeds.append(pieces)
            assert "inside a turn" in str((await agent.ask("go")).text)
