"""What a client makes of each error: that it asks again, or that it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.plan import CallerCancelled, Plan, SentTwice
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Drive, Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.client import Asked
    from meerkat_actors.simulation.world import World


async def answer(turn: Turn) -> str:
    """Say how many inputs there were."""
    return str(len(turn.inputs))


def _asked(drive: Drive, plan: Plan | None = None) -> tuple[Asked, ...]:
    found: list[Asked] = []

    def keep(seen: Seen) -> list[str]:
        found.extend(seen.asked)
        return []

    scenario = Scenario(name="one", agents={"k": answer}, drive=drive, checks=(keep,), is_durable=False)
    assert run(scenario, "1", plan or Plan()).violations == ()
    return tuple(found)


async def _after_the_fault(world: World) -> None:
    await trio.sleep(1)
    await world.client("c").ask("a", "hello", kind="k")


def test_a_client_that_is_cancelled_asks_again_and_is_answered() -> None:
    (asked,) = _asked(_after_the_fault, Plan((CallerCancelled(at=0.5, steps=2),)))
    assert (asked.tries, asked.is_unsure, asked.refused) == (2, True, None)


def test_a_message_that_is_sent_twice_is_one_input() -> None:
    (asked,) = _asked(_after_the_fault, Plan((SentTwice(at=0.5),)))
    assert (asked.tries, asked.is_unsure) == (1, True)


def test_who_is_destroyed_refuses_for_good() -> None:
    async def drive(world: World) -> None:
        client = world.client("c")
        await client.ask("a", "hello", kind="k")
        await client.do("a", lambda agent: agent.destroy(), kind="k")
        assert await client.ask("a", "hello again", kind="k") is None

    answered, refused = _asked(drive)
    assert (answered.refused, refused.refused, refused.is_unsure) == (None, "DestroyedError", False)
    assert answered.begun < answered.ended < refused.begun < refused.ended
