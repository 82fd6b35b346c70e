"""An agent that answers, asks, forwards and waits as what it got tells it, and says what it saw and sent.

What it says is the text of its turn, so it is known of exactly those turns that had their boundary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, cast

import orjson
import trio
from attrs import Factory, define, frozen

from meerkat_actors.actors.turn import Turn
from meerkat_actors.actors.turn.job import TurnInput
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from tests.mailing.moves import BUSY, NAMES

_DELAYS: Final = (0.0, 0.5, 5.0, 30.0)
_FAILURES: Final = {0: 40, 1: 2, 9: 1}
"""How many attempts fail at a message, and how often that is chosen."""
_ANSWERS: Final = (
    "return", "return", "completed", "failed", "progress return", "progress completed", "defer", "defer",
    "progress defer",
)  # fmt: skip
_PROGRESS: Final = ("accepted", "in_progress", "partial_result")


@define(eq=False)
class Mood:
    """What all agents of a world know."""

    seed: str
    limits: Limits
    ways: tuple[str, ...]
    is_winding_up: bool = False
    """Whether they begin nothing new, and answer whatever they owe."""


@frozen(kw_only=True)
class Said:
    """What a turn says of itself."""

    seen: tuple[InputId, ...]
    sent: tuple[InputId, ...]
    """Messages, requests and responses, in their order."""
    timers: tuple[InputId, ...]
    """The inputs that its timers fire."""


def parse_said(text: str) -> Said:
    """What the text of a turn says."""
    said = orjson.loads(text)
    return Said(seen=tuple(said["seen"]), sent=tuple(said["sent"]), timers=tuple(said["timers"]))


def content_of(label: str, budget: int, fails: int = 0) -> dict[str, JSON]:
    """What a message says: who reads it sends so many more, and fails so often at it."""
    return {"label": label, "budget": budget, "fails": fails}


@define(eq=False)
class _Attempt:
    turn: Turn
    mood: Mood
    seen: list[InputId]
    """First what the turn began with, then what its checkpoints returned."""
    sent: list[InputId] = Factory(list[InputId])
    timers: list[InputId] = Factory(list[InputId])
    deferred: int = 0


def writing(mood: Mood) -> Callable[[Turn], Awaitable[str]]:
    """The agent of a world."""

    async def work(turn: Turn) -> str:
        attempt = _Attempt(turn, mood, [each.input_id for each in turn.inputs])
        _pay(attempt)
        for each in turn.inputs:
            await _work_on(attempt, each, may_fail=True)
        return orjson.dumps({"seen": attempt.seen, "sent": attempt.sent, "timers": attempt.timers}).decode()

    return work


def _pay(attempt: _Attempt) -> None:
    """Answer some of what is owed, each of them in some turn."""
    turn = attempt.turn
    for request_id in turn.owed:
        chance = Random(f"{attempt.mood.seed}/{turn.run_id}/{request_id}")
        if attempt.mood.is_winding_up or chance.random() < 0.5:
            attempt.sent.append(turn.respond(request_id, _leaf(request_id), mode=chance.choice((None, "steer"))))
        elif chance.random() < 0.3:
            attempt.sent.append(turn.respond(request_id, _leaf(request_id), status=chance.choice(_PROGRESS)))


async def _work_on(attempt: _Attempt, each: TurnInput, *, may_fail: bool) -> None:
    turn, mood = attempt.turn, attempt.mood
    said = cast("dict[str, Any]", each.content if isinstance(each.content, dict) else _leaf(each.input_id))
    chance = Random(f"{mood.seed}/{said['label']}")
    if may_fail and turn.attempt <= said["fails"]:
        raise ValueError(said["label"])
    if chance.random() < 0.3:
        await trio.sleep(chance.choice((0, 0, 0.1, 2.0)))
    if chance.random() < 0.15:
        await turn.step(said["label"], _nothing, said["label"])
    await _spend(attempt, said, chance)
    if each.kind is InputKind.PEER_REQUEST and each.sender is not None:
        _answer(attempt, each, chance)


async def _nothing(_: str) -> None:
    await trio.lowlevel.checkpoint()


async def _spend(attempt: _Attempt, said: dict[str, Any], chance: Random) -> None:
    """Send what the message asks for: some now, and the rest is for those who get that to send."""
    mood, budget = attempt.mood, int(said["budget"])
    if mood.is_winding_up or budget <= 0:
        return
    count = min(budget, chance.choice((1, 1, 2, 3, 5)))
    for number in range(count):
        share = (budget - count) // count + (number < (budget - count) % count)
        fails = chance.choices(list(_FAILURES), list(_FAILURES.values()))[0]
        _send(attempt, chance, content_of(f"{said['label']}.{number}", share, fails))
        if chance.random() < 0.1:
            await _checkpoint(attempt)


def _send(attempt: _Attempt, chance: Random, content: JSON) -> None:
    turn = attempt.turn
    to = chance.choice(BUSY if chance.random() < 0.5 else NAMES)
    match chance.choice(attempt.mood.ways):
        case "send":
            attempt.sent.append(turn.send(to, content))
        case "steer":
            attempt.sent.append(turn.send(to, content, mode="steer"))
        case "supersede":
            attempt.sent.append(turn.send(to, content, supersession_key="key"))
        case "quiet":
            attempt.sent.append(turn.send(to, content, wakes=False))
        case "request":
            attempt.sent.append(turn.request(to, content))
        case "urgent":
            attempt.sent.append(turn.request(to, content, mode="steer", correlation_id="urgent"))
        case "after":
            attempt.timers.append(InputId(turn.after(chance.choice(_DELAYS), content)))
        case way:
            raise AssertionError(way)


async def _checkpoint(attempt: _Attempt) -> None:
    taken = await attempt.turn.checkpoint()
    attempt.seen += [each.input_id for each in taken]  # work on them may pass the next checkpoint
    for each in taken:
        await _work_on(attempt, each, may_fail=False)


def _answer(attempt: _Attempt, request: TurnInput, chance: Random) -> None:
    turn, mood = attempt.turn, attempt.mood
    *progress, ending = chance.choice(_ANSWERS).split()
    if ending == "defer":
        is_full = len(turn.owed) + attempt.deferred >= mood.limits.owed_max
        ending = "return" if mood.is_winding_up or is_full else "defer"
    if progress:
        attempt.sent.append(turn.respond(request, _leaf(request.input_id), status=chance.choice(_PROGRESS)))
    if ending in {"completed", "failed"}:
        mode = chance.choice((None, None, "steer"))
        attempt.sent.append(turn.respond(request, _leaf(request.input_id), status=ending, mode=mode))
    elif ending == "defer":
        turn.defer(request)
        attempt.deferred += 1


def _leaf(label: str) -> dict[str, JSON]:
    return content_of(label, 0)
