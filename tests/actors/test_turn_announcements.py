"""What a turn tells whoever watches: events with its end, pieces of a stream at once."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn, TurnJob
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import NO_EXTRAS, TurnCancelled, TurnFailed
from tests.actors.stub_owner import StubOwner
from tests.actors.turn_ends import ended


@pytest.mark.parametrize("is_plain", [False, True])
async def test_events_commit_with_the_turn_in_the_order_they_were_emitted(is_plain: bool) -> None:
    def tell(turn: Turn) -> None:
        turn.emit("found", {"b": [1, 2], "a": None})
        turn.emit("done")
        turn.emit("found", "again")

    async def tell_async(turn: Turn) -> None:
        tell(turn)

    assert (await ended(tell if is_plain else tell_async)).extras.emitted == (
        Emitted("found", b'{"a":null,"b":[1,2]}'),
        Emitted("done", b"null"),
        Emitted("found", b'"again"'),
    )


async def test_an_event_that_is_none_is_refused() -> None:
    async def careless(turn: Turn) -> None:
        for name in ("", "x" * 257, "\n", cast("Any", None)):
            with pytest.raises(InvalidValueError, match="event name"):
                turn.emit(name)
        with pytest.raises(InvalidValueError, match="event has"):
            turn.emit("big", "x" * 100)
        with pytest.raises(InvalidValueError, match="event holds nan"):
            turn.emit("nan", float("nan"))
        turn.emit("x" * 256)
        turn.emit("y")
        with pytest.raises(UsageError, match="a turn emits at most 2 events"):
            turn.emit("z")

    emitted = (await ended(careless, limits=Limits(messages_max=2, content_bytes_max=90))).extras.emitted
    assert emitted == (Emitted("x" * 256, b"null"), Emitted("y", b"null"))


async def test_a_turn_that_fails_or_is_cancelled_emits_nothing() -> None:
    async def fail(turn: Turn) -> None:
        turn.emit("never")
        raise ValueError

    async def hang(turn: Turn) -> None:
        turn.emit("never")
        await trio.sleep_forever()

    async def cancel(job: TurnJob) -> None:
        await trio.testing.wait_all_tasks_blocked()
        job.scope.cancel()

    # Neither kind of ending has a place for it.
    assert isinstance(await StubOwner().attempt(fail), TurnFailed)
    assert isinstance(await StubOwner().attempt(hang, while_running=cancel), TurnCancelled)


@pytest.mark.parametrize("is_plain", [False, True])
async def test_pieces_of_a_stream_are_told_at_once_on_the_event_loop_and_in_order(is_plain: bool) -> None:
    told: list[tuple[str, int]] = []
    heard_before_the_end: list[int] = []

    def listen(chunk: str) -> None:
        assert trio.lowlevel.in_trio_run()
        told.append((chunk, threading.get_ident()))

    def speak(turn: Turn) -> str:
        for chunk in ("so ", "", "many\N{SNOWMAN}"):
            turn.stream(chunk)
        heard_before_the_end.append(len(told))
        return "done"

    async def speak_async(turn: Turn) -> str:
        return speak(turn)

    ending = await ended(speak if is_plain else speak_async, stream=listen)
    assert told == [(chunk, threading.get_ident()) for chunk in ("so ", "", "many\N{SNOWMAN}")]
    assert heard_before_the_end == [3]
    assert ending.extras is NO_EXTRAS


async def test_a_stream_that_nobody_hears_does_no_harm_and_takes_text_only() -> None:
    async def speak(turn: Turn) -> None:
        turn.stream("unheard")
        for chunk in (cast("Any", b"x"), cast("Any", None), "\ud800", "x" * 101):
            with pytest.raises(InvalidValueError, match="use a text of at most 100 characters"):
                turn.stream(chunk)

    await ended(speak, limits=Limits(content_bytes_max=100))


async def test_a_thread_whose_turn_was_cancelled_is_not_heard_any_more() -> None:
    told: list[str] = []
    is_heard = trio.Event()
    may_go_on, is_through = threading.Event(), threading.Event()
    refused: list[BaseException] = []

    def speak(turn: Turn) -> None:
        turn.stream("before")
        may_go_on.wait()
        try:
            turn.stream("after")
        except UsageError as error:
            refused.append(error)
        is_through.set()

    async def cancel(job: TurnJob) -> None:
        await is_heard.wait()
        job.scope.cancel()

    owner = StubOwner()

    def hear(chunk: str) -> None:
        told.append(chunk)
        is_heard.set()

    def listens(job: TurnJob) -> None:
        job.stream = hear

    owner.before_run = listens
    assert isinstance(await owner.attempt(speak, while_running=cancel), TurnCancelled)
    may_go_on.set()
    assert await trio.to_thread.run_sync(is_through.wait, 10)
    assert (told, [str(error) for error in refused]) == (
        ["before"],
        ["a: this turn is over; a turn ends when its function returns"],
    )


class HeldLimits:
    """Limits that are looked up between the check of a use and the way to the loop: there they hold the thread."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    @property
    def content_bytes_max(self) -> int:
        self.is_asked.set()
        self.may_answer.wait(10)
        return 100


async def test_a_piece_that_was_on_its_way_when_its_turn_ended_is_not_told() -> None:
    told: list[str] = []
    limits, is_through = HeldLimits(), threading.Event()

    def speak(turn: Turn) -> None:
        turn.stream("too late")
        is_through.set()

    async def cancel(job: TurnJob) -> None:
        await trio.to_thread.run_sync(limits.is_asked.wait, 10)
        job.scope.cancel()

    def listens(job: TurnJob) -> None:
        job.stream, job.limits = told.append, cast("Limits", limits)

    owner = StubOwner()
    owner.before_run = listens
    assert isinstance(await owner.attempt(speak, while_running=cancel), TurnCancelled)
    limits.may_answer.set()
    assert await trio.to_thread.run_sync(is_through.wait, 10)
    assert told == []
