"""One measurement of one side, in this process: the job as JSON in, the result as JSON out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio

from _common import Result, TurnsJob, answer, read_job
from bare import run_bare


async def _measure(job: TurnsJob) -> Result:
    if job.side == "bare":
        return await run_bare(Path(job.path), job.agents, job.seconds)
    from _ours import run_ours  # the reference must not pay for importing us

    return await run_ours(Path(job.path), job.agents, job.seconds)


def main() -> None:
    """Measure, and answer to the parent."""
    answer(trio.run(partial(_measure, read_job(TurnsJob))))


if __name__ == "__main__":
    main()
