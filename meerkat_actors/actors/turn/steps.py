"""Steps: side effects whose results are journaled, and those that are never run twice without being asked.

Rule 1: a result is recorded before the turn goes on; what was recorded is returned, and not run again.
Rule 2: a step of rule 1 may run twice: what a kill cut off between the effect and its record runs again.
Rule 3: with any ``on_unknown`` but "retry" the intent is recorded before the effect; an intent without a result
        means that it may have happened. What resolves it is its function's error, which says that it did not, or
        a result; and only ``on_unknown`` is asked what to do about one that is left.
Rule 4: whatever raises gives the number of its use back: who catches the error and tries again uses it again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

import trio
from attrs import frozen

from meerkat_actors.actors.turn.asking import ask
from meerkat_actors.actors.turn.calling import call
from meerkat_actors.actors.turn.job import Draft, TurnJob, check_use
from meerkat_actors.errors import (
    JournalMismatchError,
    MeerkatError,
    StepUnknownError,
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.records.codec import content_digest, encode_json
from meerkat_actors.records.commands import JournalStep, ResolveIntent
from meerkat_actors.records.ids import parse_key, shown
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.records.typed import check_type, from_json, to_json

OnUnknown = Literal["retry", "fail"] | Callable[..., object]
"""What is to be done about a step that may have happened: see ``Turn.step``."""

_UNKNOWN: Final = (trio.Cancelled, KeyboardInterrupt, UnknownOutcomeError)
"""What ends a step without telling whether its effect happened."""


@frozen(kw_only=True)
class Step:
    """One call of ``Turn.step``."""

    name: str
    fn: Callable[..., Any]
    args: tuple[object, ...]
    result: type[Any] | None
    on_unknown: OnUnknown

    @property
    def is_once(self) -> bool:
        """Whether it is never run twice without being asked."""
        return callable(self.on_unknown) or self.on_unknown == "fail"

    @property
    def what(self) -> str:
        """What messages call its result."""
        return f"result of step {self.name!r}"


async def run_step(job: TurnJob, draft: Draft, step: Step) -> object:
    """Run a step, or return what is recorded of it; see ``Turn.step``."""
    check_use(job, draft)
    arguments = _checked(job, step)
    nth = draft.uses[step.name] = draft.uses.get(step.name, 0) + 1
    entry = draft.intents.get((step.name, nth)) or job.journal.get((step.name, nth))
    if entry is not None and entry.arguments != arguments:
        raise JournalMismatchError(identity=job.identity, step=step.name, nth=nth)
    if entry is not None and entry.result:
        await trio.lowlevel.checkpoint()
        return from_json(entry.result, step.result, what=step.what)
    command: JournalStep | ResolveIntent
    try:
        if entry is not None:
            command = ResolveIntent(job.run.run_id, step.name, nth, await _find_out(job, step, nth))
        elif not step.is_once:
            encoded = _encoded(job, step, await call(step.fn, step.args, job.threads))
            command = JournalStep(job.run.run_id, step.name, nth, arguments, encoded)
        else:
            command = ResolveIntent(job.run.run_id, step.name, nth, await _run_once(job, draft, step, nth, arguments))
    except BaseException:
        if draft.uses[step.name] == nth:
            draft.uses[step.name] = nth - 1
        raise
    await ask(job, draft, command)
    return from_json(command.result, step.result, what=step.what)


def _checked(job: TurnJob, step: Step) -> bytes:
    """Refuse what can't be a step; the digest of its arguments."""
    limits = job.limits
    parse_key(step.name, what="step name", length_max=limits.key_length_max)
    check_type(step.result, what="result")
    if not _says_what_to_do(step.on_unknown):
        problem = f"on_unknown={shown(step.on_unknown)}: use 'retry', 'fail' or a function of the step's arguments"
        raise UsageError(problem=f"{job.identity}: step {step.name!r}: {problem}")
    arguments = encode_json(
        list(step.args),
        what=f"arguments of step {step.name!r}",
        bytes_max=limits.content_bytes_max,
        depth_max=limits.json_depth_max,
    )
    return content_digest(arguments)


def _says_what_to_do(on_unknown: object) -> bool:
    return callable(on_unknown) or (isinstance(on_unknown, str) and on_unknown in {"retry", "fail"})


async def _run_once(job: TurnJob, draft: Draft, step: Step, nth: int, arguments: bytes) -> bytes:
    """Run what is never run twice: its intent is durable before it begins."""
    run_id, use = job.run.run_id, (step.name, nth)
    draft.intents[use] = JournalEntry(arguments, b"", is_once=True)
    await ask(job, draft, JournalStep(run_id, step.name, nth, arguments, b"", is_once=True))
    try:
        returned = await call(step.fn, step.args, job.threads)
    except BaseException as error:
        if BaseExceptionGroup("", [error]).subgroup(_UNKNOWN) is None:
            del draft.intents[use]
            # What it raised is what its caller must hear of; an owner that is gone took the turn with it.
            with suppress(MeerkatError):
                await ask(job, draft, ResolveIntent(run_id, step.name, nth, None))  # noqa: ASYNC102 - or of Cancelled
        raise
    # It happened: a result that can't be recorded doesn't withdraw the intent.
    return _encoded(job, step, returned)


async def _find_out(job: TurnJob, step: Step, nth: int) -> bytes:
    """Let the step's own handler say what came of it."""
    if not callable(step.on_unknown):
        # Also for "retry": that another attempt said otherwise is no leave to run it twice.
        await trio.lowlevel.checkpoint()
        raise StepUnknownError(identity=job.identity, step=step.name, nth=nth)
    return _encoded(job, step, await call(step.on_unknown, step.args, job.threads))


def _encoded(job: TurnJob, step: Step, returned: object) -> bytes:
    return encode_json(
        to_json(returned, step.result, what=step.what),
        what=step.what,
        bytes_max=job.limits.step_bytes_max,
        depth_max=job.limits.json_depth_max,
    )
