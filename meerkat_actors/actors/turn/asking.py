"""What a turn asks its owner and waits for: one question at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio

from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.commands import Checkpoint, JournalStep, ResolveIntent

Question = JournalStep | ResolveIntent | Checkpoint


async def ask(job: TurnJob, draft: Draft, question: Question) -> None:
    """Ask the turn's owner, and wait until the answer is durable. Cancelling the wait withdraws nothing.

    Raises:
        UsageError: the run is over.
        UnknownOutcomeError: the owner ended under it; the turn is cancelled anyway.
    """
    await answered(draft, await posted(job, draft, question))


async def posted(job: TurnJob, draft: Draft, question: Question) -> ReplySlot[Any]:
    """Ask the turn's owner, once it has answered what was asked before; where the answer arrives."""
    if draft.asked is not None:
        # A turn that gave up waiting may go on; but a unit touches a step once, so this one waits for the next unit.
        with suppress(MeerkatError):
            await draft.asked.wait()
    slot = draft.asked = ReplySlot[Any]()
    job.mailbox.post_from_child(Envelope(question, slot, wants_outcome=False))
    return slot


async def answered(draft: Draft, slot: ReplySlot[Any]) -> Any:  # noqa: ANN401 - as the question has it
    """Wait for an answer; an owner that ends the turn instead of answering is not heard of in any other way.

    Raises:
        UsageError: the run is over.
        UnknownOutcomeError: the owner ended under it; the turn is cancelled anyway.
    """
    try:
        answer = await slot.wait()
    except MeerkatError:
        await trio.lowlevel.checkpoint_if_cancelled()  # noqa: ASYNC120 - the error is that of a turn that ends
        raise
    if draft.asked is slot:
        draft.asked = None
    return answer
