"""The task that runs one turn, and what its end is worth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any, Final, cast

import trio

from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.turn.turn import Draft, Turn, TurnJob, gathered, in_thread
from meerkat_actors.errors import UsageError
from meerkat_actors.records.codec import encode_entry
from meerkat_actors.records.commands import EndTurn
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import (
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnFailed,
)

_TURN: Final[ContextVar[TurnJob | None]] = ContextVar("meerkat_turn", default=None)
"""The turn that the current task belongs to."""
_ERROR_LENGTH_MAX: Final = 500
_OWN_CANCELLED: Final = "Cancelled: raised by the agent itself"
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


async def run_turn(job: TurnJob) -> None:
    """Run one turn and post its ending to the identity's owner, whatever the ending is.

    Owns:  the ``Turn``, until it is over.
    Sends: ``EndTurn`` to its owner's control mailbox (never waits).
    Ends:  with the agent function; a cancelled turn writes nothing.
    """
    ending: TurnEnding = TurnCancelled()
    _TURN.set(job)
    try:
        with job.scope:
            ending = await _attempt(job)
    except RuntimeError:
        # Trio's, and the only one that can come: this is where it shows.
        ending = TurnFailed("RuntimeError: the agent left a cancel scope or a nursery open")
        _abandon_nurseries()
    finally:
        # A turn that swallowed its cancellation and returned is discarded all the same.
        if job.scope.cancel_called:
            ending = TurnCancelled()
        job.is_over = True
        if job.ended is not None:
            job.ended.set()
        job.mailbox.post_from_child(Envelope(EndTurn(job.run.run_id, ending), None, wants_outcome=False))


async def _attempt(job: TurnJob) -> TurnEnding:
    draft = Draft(trio.lowlevel.current_task(), job.state, [], [], {})
    try:
        return _completed(draft, await _returned(job, draft), job.limits)
    except KeyboardInterrupt:
        raise
    except trio.Cancelled:  # noqa: ASYNC103 - one that nobody's scope asked for ends this turn only
        if _is_cancelled(job):
            raise
        return TurnFailed(_OWN_CANCELLED)  # noqa: ASYNC104 - as above
    except BaseExceptionGroup as group:
        # Cancellation and Ctrl-C are not the agent's; what it raised beside them is lost with the turn.
        foreign, _ = group.split((trio.Cancelled, KeyboardInterrupt) if _is_cancelled(job) else KeyboardInterrupt)
        if foreign is not None:
            raise foreign from None
        told = "; ".join(dict.fromkeys(map(_described, _leaves(group))))
        return TurnFailed(_clipped(f"{type(group).__name__}: {told}"), group)
    except BaseException as error:  # noqa: BLE001 - an edge: user code, which may end no one but itself
        return TurnFailed(_described(error), error)
    finally:
        draft.is_over = True


async def _returned(job: TurnJob, draft: Draft) -> object:
    function: Callable[[Turn], Any] = job.kind.fn
    turn = Turn(job, draft)
    if job.kind.is_async:
        return await function(turn)

    def run() -> object:
        draft.thread = threading.get_ident()
        return function(turn)

    returned = await in_thread(run, job.threads)
    draft.thread = None
    return await returned if isawaitable(returned) else returned


def _completed(draft: Draft, returned: object, limits: Limits) -> TurnCompleted:
    """Close the turn and gather what commits with it."""
    if returned is None:
        text = None
    elif isinstance(returned, str):
        text = returned
        draft.entries.append(
            encode_entry(role="assistant", content=gathered(draft, text, "result", limits), input_id=None, sender=None)
        )
    else:
        raise UsageError(problem=f"an agent returns str or None, not {type(returned).__name__}")
    state = draft.state if draft.state_is_new else None
    return TurnCompleted(text, tuple(draft.entries), state, tuple(draft.sendings))


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


def _described(error: BaseException) -> str:
    if isinstance(error, trio.Cancelled):
        return _OWN_CANCELLED
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: ASYNC103, BLE001 - its own words are the agent's code, too
        text = f"{type(error).__name__}, which can't be printed"
    # What agents raise may hold anything; what we store is text that every encoder takes.
    return _clipped(text.encode("utf-8", "backslashreplace").decode())


def _clipped(text: str) -> str:
    return text if len(text) <= _ERROR_LENGTH_MAX else f"{text[: _ERROR_LENGTH_MAX - 3]}..."
