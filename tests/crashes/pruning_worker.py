"""Agents at work, and a pruning that never ends, in one process: ``pruning_worker PATH LAPS``.

It asks everything anew from the first lap on, as a caller does that was killed, and prints ``KEY INPUT_ID`` for each
answer that is right. Wrong answers are errors of its own.
"""

from __future__ import annotations

import sys
from functools import partial

import trio

import meerkat_actors as meerkat
from meerkat_actors.records.pruning import PrunePolicy

AGENTS = 20


async def echo(turn: meerkat.Turn) -> str:
    return str(await turn.step("upper", str.upper, turn.text))


async def ask(agent: meerkat.AgentHandle, laps: int) -> None:
    for lap in range(laps):
        text, key = f"{agent.identity} lap {lap} ".ljust(2_000, "x"), f"key {lap}"
        admission = await agent.send(text, idempotency_key=key)
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, meerkat.Consumed)
        assert outcome.text == text.upper()
        print(f"{agent.identity}/{lap} {admission.input_id}", flush=True)


async def prune(runtime: meerkat.Runtime) -> None:
    while True:
        await runtime.prune(PrunePolicy(keep_inputs=1))


async def main(path: str, laps: int) -> None:
    async with (
        meerkat.open_runtime(path, agents={"echo": echo}, observers=()) as runtime,
        trio.open_nursery() as pruning,
    ):
        pruning.start_soon(prune, runtime)
        async with trio.open_nursery() as asking:
            for number in range(AGENTS):
                asking.start_soon(ask, await runtime.agent(f"a{number}", kind="echo"), laps)
        pruning.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(partial(main, sys.argv[1], int(sys.argv[2])))
