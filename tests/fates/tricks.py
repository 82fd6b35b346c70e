"""What the agents of these tests do: whatever the first word of what they are told says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio
from attrs import define, field

from meerkat_actors.actors.turn import Turn, TurnInput
from meerkat_actors.records.kinds import InputKind

TURN_SECONDS: Final = 10.0
"""How long a long turn takes."""


@define(eq=False)
class Outside:
    """What steps did outside; no kill takes any of it back."""

    done: list[str] = field(factory=list[str])


async def work(turn: Turn) -> str:
    """Do what the first word of the input says."""
    word = turn.text.split()[0] if turn.text else ""
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    turn.append(f"begun {turn.text}")
    if word in _TRICKS:
        return await _TRICKS[word](turn)
    if turn.inputs[0].kind is InputKind.CONTINUATION:
        return f"woken by {sorted(each.name for each in turn.completions)}"
    return f"did {turn.text}"


async def _long(turn: Turn) -> str:
    await trio.sleep(TURN_SECONDS)
    return f"did {turn.text}"


async def _fail(turn: Turn) -> str:
    message = f"can't {turn.text}"
    raise ValueError(message)


async def _rest(turn: Turn) -> str:
    return "stirred" if await turn.rest(TURN_SECONDS) else "rested"


async def _listen(turn: Turn) -> str:
    """Pass checkpoints until something was told, or long enough."""
    told = list(await turn.checkpoint())
    if not told:
        await turn.rest(TURN_SECONDS)
        told += await turn.checkpoint()
    return f"heard {[str(each.content) for each in told]}"


async def _step(turn: Turn) -> str:
    """Two steps of one name, and a checkpoint before each: where nothing was told, the next step records it."""
    await turn.checkpoint()
    first = await turn.step("measure", _measure, turn.text)
    await turn.checkpoint()
    second = await turn.step("measure", _measure, "again")
    return f"measured {first} and {second}"


async def _once(turn: Turn) -> str:
    return f"measured {await turn.step('pay', _measure, turn.text, on_unknown=_measure)}"


async def _measure(text: str) -> int:
    await trio.sleep(1)
    return len(text)


async def _buy(turn: Turn) -> str:
    """Steps of both kinds, and everything else that a turn does: it is done once, with the turn, or not at all."""
    outside: Outside = turn.resources

    async def look_up(what: str) -> str:
        await trio.sleep(1)
        outside.done.append(f"looked up {what}")
        return f"price of {what}"

    async def pay(what: str) -> str:
        outside.done.append(f"paid {what}")
        await trio.sleep(1)
        return f"paid {what}"

    async def find_out(what: str) -> str:
        return f"paid {what}" if f"paid {what}" in outside.done else await pay(what)

    price = await turn.step("look up", look_up, turn.text)
    turn.send("b", f"about to {turn.text}")
    paid = await turn.step("pay", pay, turn.text, on_unknown=find_out)
    turn.send("b", f"quick: {paid}", mode="steer")
    turn.after(5, f"was it worth it: {turn.text}", name="doubt")
    turn.emit("bought", [price, paid])
    return paid


# -- to other agents --------------------------------------------------------------------------


async def _mail(turn: Turn) -> str:
    turn.send("b", f"note of {turn.text}")
    return f"told b {turn.text}"


async def _tell(turn: Turn) -> str:
    """Messages in both lanes, by turns."""
    for number in range(3):
        turn.send("b", f"note {number} of {turn.text}")
        turn.send("b", f"quick {number} of {turn.text}", mode="steer")
    return f"told b {turn.text}"


async def _ask(turn: Turn) -> str:
    """Request of b what the rest says."""
    turn.request("b", turn.text.partition(" ")[2], correlation_id=turn.text)
    return f"asked b {turn.text}"


async def _respond(turn: Turn) -> str:
    for each in _requests(turn):
        turn.respond(each, f"the answer to {each.content}")
    return "responded"


async def _report(turn: Turn) -> str:
    """Progress, then the answer."""
    for each in _requests(turn):
        turn.respond(each, f"progress of {each.content}", status="in_progress")
        turn.respond(each, f"the answer to {each.content}")
    return "reported"


async def _defer(turn: Turn) -> str:
    for each in _requests(turn):
        turn.defer(each)
    return "deferred"


async def _settle(turn: Turn) -> str:
    for each in turn.owed:
        turn.respond(each, "the answer, late")
    return f"settled {len(turn.owed)}"


def _requests(turn: Turn) -> list[TurnInput]:
    return [each for each in turn.inputs if each.kind is InputKind.PEER_REQUEST]


# -- to itself, later -------------------------------------------------------------------------


async def _remind(turn: Turn) -> str:
    """Two timers, of which one has a name, and one that is taken back."""
    turn.after(20, f"alarm of {turn.text}", name="alarm")
    turn.after(30, f"bell of {turn.text}")
    turn.after(25, f"nothing of {turn.text}", name="nothing")
    turn.cancel_timer("nothing")
    return f"will be reminded by {turn.text}"


async def _fan(turn: Turn) -> str:
    """Wait for three operations, of which one ends with its process."""
    outside = [turn.start_operation(name, external=True) for name in ("x", "y")]
    turn.when_all([*outside, turn.start_operation("z")])
    return "waits"


_TRICKS: Final[Mapping[str, Callable[[Turn], Awaitable[str]]]] = {
    "long": _long, "fail": _fail, "rest": _rest, "listen": _listen, "step": _step, "once": _once, "mail": _mail,
    "buy": _buy, "tell": _tell, "ask": _ask, "respond": _respond, "report": _report, "defer": _defer,
    "settle": _settle, "remind": _remind, "fan": _fan,
}  # fmt: skip
