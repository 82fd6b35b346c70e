"""The real command, with its progress told to a pipe as well: ``driver.py PIPE [arguments of the command]``."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import assert_never

import meerkat_actors as meerkat
from meerkat_actors.examples.review import command
from meerkat_actors.examples.review.job import Job, JobResult, review_folder
from meerkat_actors.examples.review.progress import (
    InputAcknowledged,
    InputEnded,
    MemberReady,
    PhaseStarted,
    Progress,
    ProgressEvent,
    ReportWritten,
)
from meerkat_actors.examples.review.team import Team, load_team
from tests.crashes.history import (
    Acknowledged,
    Consumed,
    GivenUp,
    Line,
    PhaseBegan,
    Ready,
    Started,
    Written,
    encode_line,
)


def main() -> None:
    # As a terminal gives it; what a shell starts in the background inherits it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pipe = int(sys.argv[1])

    async def tapped(job: Job, progress: Progress) -> JobResult:
        def tell(event: ProgressEvent) -> None:
            os.write(pipe, encode_line(line_of(event)))
            progress(event)

        return await review_folder(job, tell)

    def started(path: Path | None) -> Team:
        os.write(pipe, encode_line(Started()))
        return load_team(path)

    # The latter is the first thing that the command does under its own answer to Ctrl-C.
    command.__dict__.update(review_folder=tapped, load_team=started)
    sys.argv[1:2] = []
    # All of it, from the first line to the exit code.
    runpy.run_module("meerkat_actors.examples.review", run_name="__main__")


def line_of(event: ProgressEvent) -> Line:
    match event:
        case PhaseStarted():
            return PhaseBegan(phase=event.phase)
        case MemberReady():
            return Ready(identity=event.identity, version=event.turns)
        case InputAcknowledged():
            return Acknowledged(identity=event.identity, input_id=event.input_id, key=event.key, path=event.path)
        case InputEnded(outcome=meerkat.Abandoned() as outcome):
            return GivenUp(identity=event.identity, input_id=event.input_id, reason=str(outcome))
        case InputEnded(outcome=outcome):
            assert isinstance(outcome, meerkat.Consumed)
            receipt = outcome.receipt
            return Consumed(
                identity=event.identity,
                input_id=event.input_id,
                version=receipt.checkpoint_version,
                digest=receipt.digest,
            )
        case ReportWritten():
            return Written()
        case _:
            assert_never(event)


if __name__ == "__main__":
    main()
