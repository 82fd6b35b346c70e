"""What a message costs in units and rows, counted exactly: tokens that agents' turns pass on."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import define, evolve

import meerkat_actors as meerkat
from _mail import MailJob, Ring, Rings
from _mail_agents import LIMITS, Recipient, create, open_mail
from _mail_rows import count_rows

TOKENS_EACH: Final = 8
"""Of each agent, on average, where they are busy: most of them always have another one to take."""

SEED: Final = "mail"


async def scatter(turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
    """Give tokens to each of those that the input names: in one unit, so that one admission is all that is asked."""
    content: Any = turn.inputs[0].content
    for to in content["to"]:
        for _ in range(content["tokens"]):
            turn.send(to, {"hops": content["hops"] - 1})
    return "scattered"


@define(eq=False)
class Walk:
    """Tokens that go from agent to agent: to the next one, or to any."""

    agents: int
    random: Random | None
    """None: round the ring."""

    async def work(self, turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
        """Give each token away, until it has gone far enough."""
        for each in turn.inputs:
            content: Any = each.content
            if content["hops"]:
                turn.send(self._next(turn.identity), {"hops": content["hops"] - 1})
        return "passed"

    def _next(self, identity: str) -> str:
        if self.random is not None:
            return f"a-{self.random.randrange(self.agents)}"
        return f"a-{(int(identity.removeprefix('a-')) + 1) % self.agents}"


async def measure_rings(job: MailJob) -> Rings:
    """One token for all, and then several for each."""
    folder, batch = Path(job.folder), meerkat.Limits().run_inputs_max
    return Rings(
        idle=await _measure(folder / "idle.db", job, is_busy=False, batch=batch),
        busy=await _measure(folder / "busy.db", job, is_busy=True, batch=batch),
        busy_singly=await _measure(folder / "singly.db", job, is_busy=True, batch=1),
    )


async def _measure(path: Path, job: MailJob, *, is_busy: bool, batch: int) -> Ring:
    # Busy agents write to each other at random: on a ring, what one was sent together stays together.
    walk = Walk(job.agents, Random(SEED) if is_busy else None)
    starters, tokens, hops = (job.agents, TOKENS_EACH, job.turns) if is_busy else (1, 1, job.agents * job.turns)
    kinds = {"pass": walk.work, "scatter": scatter}
    async with open_mail(path, Recipient(), agents=kinds, limits=evolve(LIMITS, run_inputs_max=batch)) as runtime:
        await create(runtime, "a", "pass", job.agents)
        first = await runtime.agent("first", kind="scatter")
        await runtime.wait_idle()
        before, units = count_rows(path), runtime.statistics().units
        await first.send({"to": [f"a-{number}" for number in range(starters)], "tokens": tokens, "hops": hops})
        await runtime.wait_idle()
        after, units = count_rows(path), runtime.statistics().units - units
    assert not after["mail"], f"{after['mail']} messages were left"
    return Ring(
        tokens=starters * tokens,
        messages=starters * tokens * hops,
        units=units,
        turn_rows=after["turn"] - before["turn"],
        event_rows=after["event"] - before["event"],
    )
