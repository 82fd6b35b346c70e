"""Where a turn lets others have a say: checkpoints, which take in what was steered to it, and cooperative waits."""

from __future__ import annotations

import sys
from typing import Final, cast

import trio

from meerkat_actors.actors.turn.asking import answered, posted
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.machines.entries import entry_of
from meerkat_actors.records.commands import Checkpoint
from meerkat_actors.records.ids import shown
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.runs import CHECKPOINT

_SECONDS_MAX: Final = sys.float_info.max


async def pass_checkpoint(job: TurnJob, draft: Draft) -> tuple[OpenInput, ...]:
    """Pass the next checkpoint; what it bound, now or in an earlier attempt. See ``Turn.checkpoint``."""
    nth = draft.checkpoints + 1
    if nth <= _known_checkpoints(job, draft):
        await trio.lowlevel.checkpoint()
        bound = tuple(member for member in job.run.members if member.position == nth)
    else:
        if draft.passing is None:
            # What stirred us before now is taken in by this one; what comes after it stirs us again.
            job.stirred = None
            draft.passing = await posted(job, draft, Checkpoint(job.run.run_id, nth))
        bound = cast("tuple[OpenInput, ...]", await answered(draft, draft.passing))
        draft.passing = None
    # Counted last: a call that was cancelled was not passed, and the next one is given its answer.
    draft.checkpoints = nth
    draft.bound += bound
    for member in bound:
        draft.entries.extend(entry_of(member))
    return bound


def _known_checkpoints(job: TurnJob, draft: Draft) -> int:
    """The last one that an earlier attempt left a record of; what was bound before it is known as well."""
    if draft.known_checkpoints is None:
        journaled = [nth for name, nth in job.journal if name == CHECKPOINT]
        draft.known_checkpoints = max([*journaled, *(member.position for member in job.run.members)])
    return draft.known_checkpoints


async def rest(job: TurnJob, seconds: float) -> bool:
    """Wait, but no longer than until something wakes the agent. See ``Turn.rest``."""
    # NaN fails every comparison.
    if type(seconds) not in {int, float} or not seconds >= 0:
        raise InvalidValueError(problem=f"{job.identity}: rest({shown(seconds)}): use a number of seconds from 0 up")
    if job.stirred is None:
        job.stirred = trio.Event()
    stirred = job.stirred
    job.is_resting = True
    job.mailbox.wake()  # while a turn is at work its mail waits
    try:
        with trio.move_on_after(min(seconds, _SECONDS_MAX)):
            await stirred.wait()
    finally:
        job.is_resting = False
    if not stirred.is_set():
        return False
    job.stirred = None
    return True
