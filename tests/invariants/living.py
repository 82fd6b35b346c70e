"""A short life of a team, and what it leaves: something for each invariant to hold."""

from __future__ import annotations

from datetime import UTC, datetime

import trio
import trio.testing

from meerkat_actors.actors.hands import InlineHands
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import serve
from meerkat_actors.simulation.checks import Evidence
from meerkat_actors.store import Store
from tests.actors.world import VirtualEnv, echo, gathered, hang
from tests.invariants.watching import Served, Watching


def evidence_of(store: Store) -> Evidence:
    """What that life leaves in a store, and what its callers were told."""
    watching = Watching()
    watching.install()
    try:
        served = trio.run(live, store, watching, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        watching.remove()
    contents = served.read()
    assert contents is not None
    return Evidence(contents=contents, calls=tuple(served.calls), attempts_max=served.attempts_max)


async def live(store: Store, watching: Watching) -> Served:
    """A short life: mail, a request, a timer and an operation, a run that was interrupted, one in progress, a queue."""

    async def tell(turn: Turn) -> str:
        turn.send("b", "from a")
        turn.send("b", "and again")
        return turn.text

    async def plan(turn: Turn) -> str:
        if turn.inputs[0].kind is InputKind.PROMPT:
            turn.request("b", "how are you?")
            turn.after(9_000, "rings late", name="late")
            turn.start_operation("outside", external=True)
        return turn.text

    watch = watching.watch
    agents = {"tell": AgentKind(tell), "echo": AgentKind(echo), "hang": AgentKind(hang), "plan": AgentKind(plan)}
    # Without a thread: a clock that jumps while one works would let the interrupt come too early.
    async with serve(
        store, agents=agents, limits=Limits(), env=VirtualEnv(), observers=Observers(()), hands=InlineHands()
    ) as runtime:
        a = await runtime.agent("a", kind="tell")
        b = await runtime.agent("b", kind="echo")
        c = await runtime.agent("c", kind="hang")
        await a.ask("hello", idempotency_key="k")
        await a.ask("once more")
        d = await runtime.agent("d", kind="plan")
        await d.ask("go")
        await runtime.wait_idle()  # b's response comes before the operation's
        await d.operations.complete((await d.operations.list())[0].operation_id)
        await d.schedule("bell", "rings", at=datetime(2000, 1, 1, tzinfo=UTC))
        await trio.sleep(1)
        await runtime.wait_idle()
        await b.steer("quick")
        await c.send("interrupted")
        await trio.sleep(1)
        await c.interrupt()
        await gathered(*(lambda each=each: c.send(each) for each in ("goes on", "queued 1", "queued 2")))
        await trio.sleep(1)
        await a.pause()
    (served,) = watch.served.values()
    return served
