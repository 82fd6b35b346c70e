"""What became of an input: by its row, or by its owner while it is open."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio
from attrs import frozen

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.errors import (
    AlreadyOwnedError,
    MeerkatError,
    OwnerStoppedError,
    UnknownInputError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.commands import CancelInput, DropSchedule, Wait
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Outcome
from meerkat_actors.store.legible import legible
from meerkat_actors.store.port import Store

_PENDING_SECONDS: Final = 5.0
"""The longest time between two looks at a timer: so late its waiter hears that it was dropped."""
_DROPPED: Final = Abandoned(AbandonReason.CANCELLED, "its timer was dropped before its time")


@frozen
class _Pending:
    """An input that a timer is yet to admit."""

    due_ms: int


async def wait_for(reach: Reach, identity: AgentIdentity, input_id: InputId, *, is_durable: bool = False) -> Outcome:
    """Wait for the outcome of an input, whoever owns its agent meanwhile. See ``AgentHandle.wait``.

    ``is_durable``: whoever asks knows that it is, so that the end of the runtime is the end of a wait, and no misuse.
    """
    was_pending = has_ended = False
    while True:
        try:
            found = await _find(reach, identity, input_id, was_pending=was_pending)
        except UsageError as error:
            if not is_durable:
                raise
            raise _ended(reach, identity, input_id, error) from None
        is_durable = True
        if isinstance(found, Outcome):
            return found
        if isinstance(found, _Pending):
            was_pending = True
            await _until_due(reach, identity, input_id, found)
            continue
        slot: ReplySlot[Outcome | None] = ReplySlot()
        try:
            reply = await reach.ask(identity, Wait(input_id, found), slot)
        except UsageError as error:
            raise _ended(reach, identity, input_id, error) from None
        except (UnknownOutcomeError, OwnerStoppedError):
            # Its owner ended. While the runtime goes on, a successor takes the question.
            if reach.directory.is_closing:
                raise WaitEndedError(identity=identity, input_id=input_id) from None
            if has_ended:
                # One after the other does: where the runtime lost its lease, until it has it back.
                await trio.sleep(reach.limits.look_seconds)
            has_ended = True
            continue
        except AlreadyOwnedError:
            # Another runtime does it: its outcome is to be read.
            await trio.sleep(reach.limits.look_seconds)
            continue
        if isinstance(reply, Outcome):
            return reply
        # It ended between our read and the owner's turn to answer: now it can be read.


async def cancel_input(reach: Reach, identity: AgentIdentity, input_id: InputId) -> Outcome:
    """End an input, unless it ended before. See ``AgentHandle.cancel``."""
    was_pending = False
    while True:
        found = await _find(reach, identity, input_id, was_pending=was_pending)
        if isinstance(found, Outcome):
            return found
        if isinstance(found, _Pending):
            was_pending = True
            dropped: ReplySlot[None] = ReplySlot()
            await reach.ask(identity, DropSchedule(input_id), dropped)
            continue
        slot: ReplySlot[Outcome | None] = ReplySlot()
        reply = await reach.ask(identity, CancelInput(input_id, found), slot)
        if isinstance(reply, Outcome):
            return reply
        # As above.


def _ended(reach: Reach, identity: AgentIdentity, input_id: InputId, error: UsageError) -> MeerkatError:
    """What somebody hears who waits for a durable input, and meets this: nothing is misused if the runtime closed."""
    if reach.directory.is_closed and not isinstance(error, UnknownInputError):
        return WaitEndedError(identity=identity, input_id=input_id)
    return error


async def _until_due(reach: Reach, identity: AgentIdentity, input_id: InputId, pending: _Pending) -> None:
    """Wait until an input may have been admitted, or its timer be dropped: looked at again now and then.

    Its owner can't tell: whether it fired the timer before it was asked, it forgets with the input.
    """
    if reach.directory.is_closing:
        raise WaitEndedError(identity=identity, input_id=input_id)
    # Often around its time; seldom when that is far ahead, or when nobody has admitted it for long.
    seconds = abs(pending.due_ms - reach.env.wall_ms()) / 1000
    await trio.sleep(min(max(seconds, reach.limits.look_seconds), _PENDING_SECONDS))


async def _find(
    reach: Reach, identity: AgentIdentity, input_id: InputId, *, was_pending: bool
) -> Outcome | AdmissionSequence | _Pending:
    """The outcome of an input, or where its owner finds it while it is open; or that it is yet to be admitted."""
    while True:
        row = await reach.storage.query(lambda store: store.find_input(identity, input_id))
        if row is None:
            pending = await reach.storage.query(partial(_find_timer, identity, input_id))
            if pending is not None:
                return pending
            # It may have been fired between the two.
            row = await reach.storage.query(lambda store: store.find_input(identity, input_id))
            if row is None and was_pending:
                return _DROPPED
        if row is None or (row.admission is None and row.sender is not None):
            raise UnknownInputError(identity=identity, input_id=input_id)
        outcome = legible(reach.storage.location, partial(outcome_of, row))
        if outcome is not None:
            return outcome
        if reach.directory.is_closed:
            raise WaitEndedError(identity=identity, input_id=input_id)
        if row.admission is not None:
            return row.admission
        # Whoever holds the agent is about to take it.
        await trio.sleep(reach.limits.look_seconds)


def _find_timer(identity: AgentIdentity, input_id: InputId, store: Store) -> _Pending | None:
    """The timer of ``send(at=)``: it is named as its input."""
    after = input_id[:-1]
    while timers := store.page_timers(identity, after=after, limit=1):
        [timer] = timers
        if timer.name >= input_id:
            return _Pending(timer.due_ms) if timer.name == input_id else None
        after = timer.name
    return None
