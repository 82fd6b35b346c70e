"""The task that runs one turn, and what its end is worth."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any, Final, cast

import trio

from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.turn.calling import in_thread
from meerkat_actors.actors.turn.gathering import gathered
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.actors.turn.registering import seen_completions
from meerkat_actors.actors.turn.telling import clipped, described
from meerkat_actors.actors.turn.turn import Turn
from meerkat_actors.errors import UsageError
from meerkat_actors.records.codec import encode_entry
from meerkat_actors.records.commands import EndTurn
from meerkat_actors.records.runs import (
    NO_EXTRAS,
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnFailed,
    TurnNeverBegan,
)

_TURN: Final[ContextVar[TurnJob | None]] = ContextVar("meerkat_turn", default=None)
"""The turn that the current task belongs to."""
_CANCELLED: Final = float("-inf")
"""The effective deadline of a task that is cancelled."""


def refuse_inside_turn(what: str) -> None:
    """Refuse what a turn may not wait for: it would wait for itself. A turn goes on in a later turn.

    Raises:
        UsageError: the calling task belongs to a turn in progress.
    """
    job = _TURN.get()
    if job is not None and not job.is_over:
        raise UsageError(
            problem=f"{job.identity}: {what} inside a turn; send, and go on in the turn that the answer begins"
        )


@trio.lowlevel.enable_ki_protection
async def run_turn(job: TurnJob) -> None:
    """Run one turn and post its ending to the identity's owner, whatever the ending is.

    Owns:  the ``Turn``, until it is over.
    Sends: ``EndTurn`` to its owner's control mailbox (never waits).
    Ends:  with the agent function; what a cancelled turn set and sent is dropped, and its owner decides what becomes
           of its messages.

    Ctrl-C is raised in the agent's function or nowhere in this task: its owner always hears of the end.
    """
    draft = Draft(trio.lowlevel.current_task(), job.state, [], [], {}, {})
    ending: TurnEnding | None = None
    _TURN.set(job)
    try:
        with job.scope:
            ending = await _attempt(job, draft)
    except RuntimeError:
        # Trio's, and the only one that can come: this is where it shows.
        ending = TurnFailed("RuntimeError: the agent left a cancel scope or a nursery open")
        _abandon_nurseries()
    finally:
        # A turn that swallowed its cancellation and returned is discarded all the same.
        if ending is None or job.scope.cancel_called:
            cancelled = TurnCancelled(tuple(draft.entries), draft.checkpoints)
            ending = TurnNeverBegan() if job.is_given_up else cancelled
        job.is_over = True
        if job.ended is not None:
            job.ended.set()
        job.mailbox.post_from_child(Envelope(EndTurn(job.run.run_id, ending), None, wants_outcome=False))


async def _attempt(job: TurnJob, draft: Draft) -> TurnEnding:
    try:
        returned = await _returned(job, draft)
        return TurnNeverBegan() if returned is job else _completed(job, draft, returned)
    except KeyboardInterrupt:
        raise
    except trio.Cancelled as error:  # noqa: ASYNC103 - one that nobody's scope asked for ends this turn only
        if _is_cancelled(job):
            raise
        return TurnFailed(described(error))  # noqa: ASYNC104 - as above
    except BaseExceptionGroup as group:
        # Cancellation and Ctrl-C are not the agent's; what it raised beside them is lost with the turn.
        foreign, _ = group.split((trio.Cancelled, KeyboardInterrupt) if _is_cancelled(job) else KeyboardInterrupt)
        if foreign is not None:
            raise foreign from None
        told = "; ".join(dict.fromkeys(map(described, _leaves(group))))
        return TurnFailed(clipped(f"{type(group).__name__}: {told}"), group)
    except BaseException as error:  # noqa: BLE001 - an edge: user code, which may end no one but itself
        return TurnFailed(described(error), error)
    finally:
        draft.is_over = True


async def _returned(job: TurnJob, draft: Draft) -> object:
    """What the agent's function returned; the job itself if it was given up before it began."""
    function: Callable[[Turn], Any] = job.kind.fn
    turn = Turn(job, draft)
    if job.kind.is_async:
        job.has_begun = True
        return job if job.is_given_up else await _called(function, turn)

    def run() -> object:
        draft.thread = threading.get_ident()
        job.has_begun = True
        return job if job.is_given_up else function(turn)

    returned = await in_thread(run, job.threads)
    draft.thread = None
    return await _awaited(returned) if isawaitable(returned) else returned


@trio.lowlevel.disable_ki_protection
async def _called(function: Callable[[Turn], Any], turn: Turn) -> object:
    return await function(turn)


@trio.lowlevel.disable_ki_protection
async def _awaited(returned: Awaitable[object]) -> object:
    return await returned


def _completed(job: TurnJob, draft: Draft, returned: object) -> TurnCompleted:
    """Close the turn and gather what commits with it."""
    if returned is None:
        text, entries = None, tuple(draft.entries)
    elif isinstance(returned, str):
        text, content = returned, gathered(draft, returned, "result", job.limits)
        said = encode_entry(role="assistant", content=content, input_id=None, sender=None)
        # Not in the draft: a turn that was cancelled before it returned has said nothing.
        entries = (*draft.entries, said)
    else:
        raise UsageError(problem=f"an agent returns str or None, not {type(returned).__name__}")
    state = draft.state if draft.state_is_new else None
    extras = NO_EXTRAS
    if draft.extras is not None or job.completions:
        extras = draft.more.sealed(seen_completions(job, draft))
    return TurnCompleted(text, entries, state, tuple(draft.sendings), draft.checkpoints, extras)


def _is_cancelled(job: TurnJob) -> bool:
    return job.scope.cancel_called or trio.current_effective_deadline() == _CANCELLED


def _abandon_nurseries() -> None:
    """Cancel what the agent left running, in the one task that ended wrongly."""
    task = trio.lowlevel.current_task()
    for nursery in task.child_nurseries:
        nursery.cancel_scope.cancel()
    # A private name, held by a test: Trio fails a task that ends with a nursery open, and with it all turns.
    task._child_nurseries.clear()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error
