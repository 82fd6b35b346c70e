"""An agent that does what its inputs tell it, and notes what it was given and what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio
from attrs import Factory, define

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.ids import InputId
from tests.histories.ledger import Ledger
from tests.histories.moves import AGENTS
from tests.histories.outside import Life, Mailed, Outside


@define(eq=False)
class Attempt:
    """One attempt of one run."""

    turn: Turn
    life: Life
    seen: list[InputId]
    mailed: list[Mailed] = Factory(list[Mailed])
    checkpoints: int = 0


def scripted(outside: Outside, ledger: Ledger) -> Callable[[Turn], Awaitable[str]]:
    """The agent of a world."""

    async def work(turn: Turn) -> str:
        attempt = Attempt(turn, outside.life, [each.input_id for each in turn.inputs])
        _begin(outside, ledger, attempt)
        try:
            for each in turn.inputs:
                said = cast("dict[str, Any]", each.content)
                for number, op in enumerate(said["do"]):
                    await _require_alive(attempt)
                    await _do(outside, attempt, op, f"{said['n']}-{number}")
        except Exception:
            if not attempt.life.is_dead:
                outside.failed.update(each.input_id for each in turn.inputs)
            raise
        finally:
            attempt.life.running.pop(turn.identity, None)
        await _require_alive(attempt)
        turn.set_state([*_applied(turn), *attempt.seen])
        outside.returned[turn.run_id] = tuple(attempt.seen)
        outside.mailed[turn.run_id] = tuple(attempt.mailed)
        return f"did {len(attempt.seen)}"

    return work


def _begin(outside: Outside, ledger: Ledger, attempt: Attempt) -> None:
    turn, life = attempt.turn, attempt.life
    if life.is_dead:
        return
    outside.require(turn.identity not in life.running, "two turns of one agent", turn.identity)
    life.running[turn.identity] = turn.run_id
    outside.begun.update(attempt.seen)
    ledger.check_beginning(turn.identity, turn.run_id, attempt.seen, turn.attempt - 1)
    outside.require(not set(attempt.seen) & set(_applied(turn)), "applied again", attempt.seen)


def _applied(turn: Turn) -> list[InputId]:
    """The inputs of this generation that had their turn."""
    return cast("list[InputId]", turn.state or [])


async def _require_alive(attempt: Attempt) -> None:
    if attempt.life.is_dead:
        await trio.sleep_forever()


async def _do(outside: Outside, attempt: Attempt, op: str, name: str) -> None:
    turn = attempt.turn
    match op.split("-"):
        case ["step"]:
            await turn.step(name, _effect(outside, attempt, name), name)
        case ["once"]:
            await turn.step(name, _effect(outside, attempt, name, is_once=True), name, on_unknown="fail")
        case ["asked"]:
            effect = _effect(outside, attempt, name, is_once=True)
            await turn.step(name, effect, name, on_unknown=_look(outside, attempt, effect))
        case ["checkpoint", *is_first]:
            # Another attempt may pass fewer of them.
            if not is_first or turn.attempt == 1:
                await _checkpoint(outside, attempt)
        case ["glance"]:
            # It gives up at once: what that bound all the same is the next one's.
            with trio.CancelScope() as scope:
                scope.cancel()
                await _checkpoint(outside, attempt)
        case ["hang"]:
            if not outside.never_hangs:
                await outside.gate.wait()
        case ["swallow"]:
            try:
                if not outside.never_hangs:
                    await outside.gate.wait()
            except trio.Cancelled:  # noqa: ASYNC103 - on purpose: what it returns is to be discarded
                pass  # noqa: ASYNC104 - as above
        case ["rest"]:
            await turn.rest(5)
        case ["sleep"]:
            await trio.sleep(3)
        case ["send", *is_bad]:
            to = AGENTS[len(attempt.mailed) % 2]
            content = {"n": f"{turn.run_id}/{len(attempt.mailed)}", "do": ["fail-9"] if is_bad else []}
            turn.send(to, content)
            attempt.mailed.append(Mailed(recipient=to, content=content))
        case ["note"]:
            turn.append(f"note {name}", role="notice")
        case ["fail", attempts]:
            if turn.attempt <= int(attempts):
                raise ValueError(name)
        case _:
            raise AssertionError(op)


async def _checkpoint(outside: Outside, attempt: Attempt) -> None:
    taken = tuple(each.input_id for each in await attempt.turn.checkpoint())
    attempt.checkpoints += 1
    key = (attempt.turn.run_id, attempt.checkpoints)
    if attempt.life.is_dead:
        return
    before = outside.taken.get(key)
    outside.require(before in {None, taken}, "a checkpoint returned something else", f"{key}: {before}, then {taken}")
    if taken:
        outside.taken[key] = taken
    attempt.seen += taken


def _effect(outside: Outside, attempt: Attempt, name: str, *, is_once: bool = False) -> Callable[[str], Awaitable[int]]:
    key = (attempt.turn.run_id, name)

    async def effect(_: str) -> int:
        await _require_alive(attempt)
        outside.require(key not in outside.recorded, "a recorded step ran again", key)
        outside.effects[key] += 1
        outside.require(not is_once or outside.effects[key] == 1, "a step that may run once only ran again", key)
        await trio.lowlevel.checkpoint()  # a kill may come between the effect and its record
        return outside.effects[key]

    return effect


def _look(
    outside: Outside, attempt: Attempt, effect: Callable[[str], Awaitable[int]]
) -> Callable[[str], Awaitable[int]]:
    async def look(name: str) -> int:
        happened = outside.effects[attempt.turn.run_id, name]
        return happened or await effect(name)

    return look
