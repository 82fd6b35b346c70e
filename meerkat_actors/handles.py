"""What users hold of an agent: a handle that forwards."""

from __future__ import annotations

from functools import partial

import trio

from meerkat_actors.actors.directory import Directory
from meerkat_actors.actors.identity import answer_posting
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import refuse_inside_turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    OwnerStoppedError,
    RejectedError,
    StoreError,
    TurnAbandonedError,
    UnknownInputError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.listings import InputListing, MessageListing, Order, ReceiptListing, outcome_of
from meerkat_actors.records.codec import content_digest, encode_json
from meerkat_actors.records.commands import GetStatus, Send, Wait
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.content import JSON
from meerkat_actors.records.effects import PostInput
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, parse_input_id, parse_key
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission, Answer, Consumed, Outcome
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.store.legible import legible


class AgentHandle:
    """A caller's end of one agent. Holds no state; any number of handles may stand for one agent."""

    def __init__(
        self, identity: AgentIdentity, directory: Directory, storage: StorageHandle, env: Env, limits: Limits
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._storage = storage
        self._env = env
        self._limits = limits

    def __repr__(self) -> str:
        return f"<AgentHandle of {self._identity}>"

    @property
    def identity(self) -> AgentIdentity:
        """The agent's name."""
        return self._identity

    async def send(
        self, content: JSON, *, input_id: InputId | None = None, idempotency_key: str | None = None
    ) -> Admission:
        """Admit an input and wait until it is durable.

        The same ``idempotency_key`` (or ``input_id``) with the same content is the same input, for
        ever: its admission comes back as a duplicate. Where another runtime that shares the store holds
        the agent, the input is left for that one, and its ``admission_sequence`` is still 0. Cancelling the
        wait does not withdraw the input; send it again with the same key or id to learn its fate.

        Raises:
            InvalidValueError: content, key or id of no acceptable form; nothing was written.
            IdempotencyConflictError: the key stands for other content; nothing was written.
            MailboxFullError: the owner is behind; nothing was written.
            BacklogFullError: too many open inputs; nothing was written.
            NotReadyError: the runtime is leaving its block; nothing was written.
            OwnerStoppedError: the owner ended before it took the request; nothing was written.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: the owner ended under the request; it may be durable.
            UsageError: the runtime is closed.
        """
        slot: ReplySlot[Admission] = ReplySlot()
        command = self._command(content, input_id, idempotency_key)
        if self._directory.is_closing:
            # Who is cancelled together with the runtime's block hears of that, not of what came of it.
            await trio.lowlevel.checkpoint_if_cancelled()
        self._directory.post(self._identity, Envelope(command, slot, wants_outcome=False))
        try:
            return await slot.wait()
        except AlreadyOwnedError:
            return await self._send_elsewhere(command)

    async def ask(
        self, content: JSON, *, input_id: InputId | None = None, idempotency_key: str | None = None
    ) -> Answer:
        """Send an input and wait for its result.

        Cancelling the wait withdraws nothing; ask again with the same key or id for the same answer.

        Raises:
            TurnAbandonedError: the input ended without a result.
            WaitEndedError: nobody is left to tell the outcome; the input is durable.
            UsageError: inside a turn, which would wait for itself.
            MeerkatError: whatever ``send`` raises, as long as nothing is admitted.
        """
        refuse_inside_turn("ask")
        command = self._command(content, input_id, idempotency_key)
        slot: ReplySlot[Admission | Outcome] = ReplySlot()
        if self._directory.is_closing:
            await trio.lowlevel.checkpoint_if_cancelled()  # as in send
        self._directory.post(self._identity, Envelope(command, slot, wants_outcome=True))
        input_id = command.input_id
        try:
            reply = await slot.wait()
        except AlreadyOwnedError:
            input_id = (await self._send_elsewhere(command)).input_id
            outcome = await self._outcome_of_admitted(input_id)
        except WaitEndedError:
            # It is durable. While the runtime goes on, a successor of its owner takes the question.
            if self._directory.is_closing:
                raise
            outcome = await self._outcome_of_admitted(input_id)
        except UnknownOutcomeError:
            outcome = await self._outcome_after_crash(input_id)
        else:
            if isinstance(reply, Admission):
                # A duplicate: the same key may have another id.
                input_id = reply.input_id
                outcome = await self._outcome_of_admitted(input_id)
            else:
                outcome = reply
        if isinstance(outcome, Consumed):
            return Answer(text=outcome.text, receipt=outcome.receipt)
        raise TurnAbandonedError(identity=self._identity, input_id=input_id, outcome=outcome)

    async def wait(self, input_id: InputId) -> Outcome:
        """Wait for the one terminal outcome of an input; it may have ended long ago.

        Cancelling the wait has no effect on the input; wait again at any time.

        Raises:
            UsageError: inside a turn, which would wait for itself.
            UnknownInputError: this agent admitted no input of that id.
            WaitEndedError: the runtime ended; the input is durable.
            MailboxFullError: the owner is behind; wait again.
            IdentityBrokenError: the agent is quarantined.
            StoreError: storage has failed.
        """
        refuse_inside_turn("wait")
        parse_input_id(input_id)
        while True:
            row = await self._storage.query(lambda store: store.find_input(self._identity, input_id))
            if row is None or (row.admission is None and row.sender is not None):
                raise UnknownInputError(identity=self._identity, input_id=input_id)
            outcome = legible(self._storage.location, partial(outcome_of, row))
            if outcome is not None:
                return outcome
            if self._directory.is_closed:
                raise WaitEndedError(identity=self._identity, input_id=input_id)
            if row.admission is None:  # whoever holds the agent is about to take it
                await trio.sleep(self._limits.look_seconds)
                continue
            slot: ReplySlot[Outcome | None] = ReplySlot()
            self._directory.post(self._identity, Envelope(Wait(input_id, row.admission), slot, wants_outcome=False))
            try:
                reply = await slot.wait()
            except (UnknownOutcomeError, OwnerStoppedError):
                # Its owner ended. While the runtime goes on, a successor takes the question.
                if self._directory.is_closing:
                    raise WaitEndedError(identity=self._identity, input_id=input_id) from None
                continue
            except AlreadyOwnedError:
                # Another runtime does it: its outcome is to be read.
                await trio.sleep(self._limits.look_seconds)
                continue
            if isinstance(reply, Outcome):
                return reply
            # It ended between our read and the owner's turn to answer: now it can be read.

    async def status(self) -> IdentityStatus:
        """What the agent is doing, ahead of everything that waits for it.

        Cancelling the wait has no effect on anything.

        Raises:
            MailboxFullError: too many ask at once.
            OwnerStoppedError: its owner ended; ask again.
            IdentityBrokenError: the agent is quarantined.
            UsageError: the runtime is closed.
        """
        slot: ReplySlot[IdentityStatus] = ReplySlot()
        self._directory.post(self._identity, Envelope(GetStatus(), slot, wants_outcome=False))
        return await slot.wait()

    def history(self) -> MessageListing:
        """The transcript, newest first."""
        return MessageListing(self._identity, self._storage)

    def receipts(self) -> ReceiptListing:
        """The receipts, newest first."""
        return ReceiptListing(self._identity, self._storage)

    def inputs(self, *, order: Order = "newest") -> InputListing:
        """The admitted inputs, in admission order or from the newest back."""
        if order not in {"newest", "oldest"}:
            raise UsageError(problem=f"order={order!r}: use 'newest' or 'oldest'")
        return InputListing(self._identity, self._storage, order)

    async def _send_elsewhere(self, command: Send) -> Admission:
        """Leave an input for the runtime that holds the agent; it is durable, and not yet admitted by its owner."""
        effect = PostInput(
            self._identity,
            command.input_id,
            command.kind,
            command.content,
            command.digest,
            command.idempotency_key,
        )
        outcome = await self._storage.post(effect)
        if isinstance(outcome, Committed):
            # Whoever held it may have let it go meanwhile.
            self._directory.post_mail(self._identity)
            return Admission(command.input_id, AdmissionSequence(0), duplicate=False, durable=True)
        answer = answer_posting(self._storage.location, self._identity, command, outcome)
        if isinstance(answer, Admission):
            return answer
        raise answer

    async def _outcome_of_admitted(self, input_id: InputId) -> Outcome:
        try:
            return await self.wait(input_id)
        except RejectedError as error:
            # "Nothing was written" would be untrue: the input is durable.
            raise WaitEndedError(identity=self._identity, input_id=input_id) from error

    async def _outcome_after_crash(self, input_id: InputId) -> Outcome:
        try:
            return await self.wait(input_id)
        except (UsageError, StoreError, RejectedError):
            # It was not admitted under this id, or there is nobody left to ask.
            raise UnknownOutcomeError(identity=self._identity) from None

    def _command(self, content: JSON, input_id: InputId | None, key: str | None) -> Send:
        limits = self._limits
        if key is not None:
            parse_key(key, what="idempotency key", length_max=limits.key_length_max)
        encoded = encode_json(
            content, what="content", bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max
        )
        chosen = InputId(self._env.new_id()) if input_id is None else parse_input_id(input_id)
        return Send(chosen, InputKind.PROMPT, encoded, content_digest(encoded), key)
