"""One measurement of one side of ``ask.py``, in this process: the job as JSON in, the result as JSON out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import trio

from _ask import SLOT, TURN, AskJob, AskResult
from _common import TEXT, answer, quantile, raise_collector_threshold, read_job
from _load import Ask, open_load

IN_MEMORY: Final = Path(":memory:")
"""What ``open_runtime`` calls the memory store."""


async def measure_slots(job: AskJob) -> AskResult:
    """The bare loop."""
    from _slots import ask, open_owners

    raise_collector_threshold()
    async with open_owners(job.agents) as mailboxes:
        return await _measure(lambda owner: ask(mailboxes[owner]), job)


async def measure_ours(job: AskJob) -> AskResult:
    """Turns, or round trips to owners that idle."""
    from _ours import create_agents, open_ours  # the bare loop must not pay for importing us

    async with open_ours(IN_MEMORY, job.agents) as runtime:
        handles = await create_agents(runtime, "a", job.agents)
        if job.side == TURN:
            return await _measure(lambda agent: handles[agent].ask(TEXT), job)
        return await _measure(lambda agent: handles[agent].status(), job)


async def _measure(ask: Ask, job: AskJob) -> AskResult:
    async with open_load(ask, job.agents) as load:
        window = await load.window(job.seconds)
    return AskResult(
        requests=len(window.latencies),
        seconds=window.seconds,
        p50_seconds=quantile(window.latencies, 0.50),
        p99_seconds=quantile(window.latencies, 0.99),
    )


def main() -> None:
    """Measure, and answer to the parent."""
    job = read_job(AskJob)
    answer(trio.run(partial(measure_slots if job.side == SLOT else measure_ours, job)))


if __name__ == "__main__":
    main()
