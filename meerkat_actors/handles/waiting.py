"""What became of an input: by its row, or by its owner while it is open."""

from __future__ import annotations

from functools import partial

import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.errors import (
    AlreadyOwnedError,
    OwnerStoppedError,
    UnknownInputError,
    UnknownOutcomeError,
    WaitEndedError,
)
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.commands import CancelInput, Wait
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId
from meerkat_actors.records.outcomes import Outcome
from meerkat_actors.store.legible import legible


async def wait_for(reach: Reach, identity: AgentIdentity, input_id: InputId) -> Outcome:
    """Wait for the outcome of an input, whoever owns its agent meanwhile. See ``AgentHandle.wait``."""
    while True:
        found = await _find(reach, identity, input_id)
        if isinstance(found, Outcome):
            return found
        slot: ReplySlot[Outcome | None] = ReplySlot()
        try:
            reply = await reach.ask(identity, Wait(input_id, found), slot)
        except (UnknownOutcomeError, OwnerStoppedError):
            # Its owner ended. While the runtime goes on, a successor takes the question.
            if reach.directory.is_closing:
                raise WaitEndedError(identity=identity, input_id=input_id) from None
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
    while True:
        found = await _find(reach, identity, input_id)
        if isinstance(found, Outcome):
            return found
        slot: ReplySlot[Outcome | None] = ReplySlot()
        reply = await reach.ask(identity, CancelInput(input_id, found), slot)
        if isinstance(reply, Outcome):
            return reply
        # As above.


async def _find(reach: Reach, identity: AgentIdentity, input_id: InputId) -> Outcome | AdmissionSequence:
    """The outcome of an input, or where its owner finds it while it is open."""
    while True:
        row = await reach.storage.query(lambda store: store.find_input(identity, input_id))
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
