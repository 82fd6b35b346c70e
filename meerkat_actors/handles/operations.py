"""What an embedder does with the operations of an agent: it begins them, moves them on, and waits for their ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import trio

from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import refuse_inside_turn
from meerkat_actors.actors.turn.heading import parse_flag
from meerkat_actors.errors import (
    InvalidValueError,
    OperationWaitEndedError,
    OwnerStoppedError,
    UnknownOperationError,
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.commands import (
    ChangeOperation,
    CollectOperations,
    ListOperations,
    StartOperation,
    WatchOperation,
)
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import AgentIdentity, OperationId, is_uuid, parse_key, shown
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.operation_listing import OperationCursors, OperationListing
from meerkat_actors.records.operation_record import OperationRecord, operation_record

_ASKED_AT_ONCE: Final = 64
"""Watches that are posted before their owner is heard: a quarter of its mailbox."""


class Operations:
    """The operations of one agent: what goes on beside its turns, and ends.

    Every change is durable on return. The end of a background operation wakes the agent, by one continuation for all
    that end before it is worked on; its turns find them in ``turn.completions``.
    """

    def __init__(self, identity: AgentIdentity, reach: Reach) -> None:
        self._identity = identity
        self._reach = reach

    def __repr__(self) -> str:
        return f"<Operations of {self._identity}>"

    async def start(
        self,
        name: str,
        *,
        kind: OperationKind | str = OperationKind.BACKGROUND,
        external: bool = False,
        provisioning: bool = False,
        operation_id: OperationId | None = None,
    ) -> OperationRecord:
        """Register an operation that this program, or with ``external`` somebody outside, carries out.

        An operation that is not external ends as ``terminated`` when its process does, and keeps its agent in memory;
        an external one goes on. ``kind`` is ``background`` or ``member`` (a child agent, whose end wakes nobody).
        With ``provisioning`` it is not at work before ``provisioned``.

        Cancelling the wait withdraws nothing. Under an ``operation_id`` of ``runtime.new_id()`` it can be found in
        ``list`` after that; started again under the same id it is refused.

        Raises:
            InvalidValueError: name, kind, flag or id of no acceptable form; nothing was written.
            UsageError: an operation of that id is remembered; or the runtime is closed. Nothing was written.
            TooManyOperationsError: ``Limits.operations_max`` are in progress; nothing was written.
            NotReadyError: the agent is being reset, or the runtime is leaving its block; nothing was written.
            DestroyedError: the agent was destroyed; nothing was written.
            MailboxFullError: the owner is behind; nothing was written.
            OwnerStoppedError: the owner ended before it took the request; nothing was written.
            AlreadyOwnedError: another runtime that shares the store holds the agent; nothing was written.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: the owner ended under the request; it may be durable.
        """
        parse_key(name, what="operation name", length_max=self._reach.limits.key_length_max)
        chosen = OperationId(self._reach.env.new_id()) if operation_id is None else parse_operation_id(operation_id)
        is_external, is_provisioning = parse_flag("external", external), parse_flag("provisioning", provisioning)
        status = OperationStatus.PROVISIONING if is_provisioning else OperationStatus.RUNNING
        operation = Operation(chosen, name, _kind(kind), status, is_external)
        slot: ReplySlot[Operation] = ReplySlot()
        return operation_record(await self._reach.ask(self._identity, StartOperation(operation), slot))

    async def provisioned(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """What it needs is there: it is at work. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.PROVISIONED, content)

    async def progress(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """Tell how it is getting on: its content from now on, unless that is None.

        Cancelling the wait withdraws nothing; ``list`` tells what came of it.

        Raises:
            InvalidValueError: id or content of no acceptable form; nothing was written.
            UnknownOperationError: no operation of that id is remembered.
            UsageError: it has ended, or it is not at a point where that can happen; the message says where it is.
            StoreFullError: the disk is full; nothing was written, and it may be tried again.
            MeerkatError: whatever else ``start`` raises of its agent.
        """
        return await self._change(operation_id, OperationChange.PROGRESS, content)

    async def ready(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """The peer of a member is ready: once. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.PEER_READY, content)

    async def retire(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """It is asked to end, and goes on until it does. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.RETIRE, content)

    async def complete(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """It ended with that result. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.COMPLETE, content)

    async def fail(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """It ended with that error. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.FAIL, content)

    async def cancel(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """Somebody ended it; of a barrier: nobody waits any more, and its members go on.

        See ``progress``; cancelling the wait withdraws nothing.
        """
        return await self._change(operation_id, OperationChange.CANCEL, content)

    async def abort(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """It never came to run: what it needs can't be had. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.ABORT, content)

    async def retired(self, operation_id: OperationId, content: JSON = None) -> OperationRecord:
        """It ended because it was to. See ``progress``; cancelling the wait withdraws nothing."""
        return await self._change(operation_id, OperationChange.RETIRED, content)

    async def wait(self, operation_id: OperationId) -> OperationRecord:
        """Wait until an operation has ended; one that ended before is told at once. Any number may wait.

        Cancelling the wait has no effect on the operation; wait again at any time.

        Raises:
            InvalidValueError: an id of no acceptable form.
            UnknownOperationError: no operation of that id is remembered.
            OperationWaitEndedError: the runtime ended before it did.
            UsageError: inside a turn, which would wait for itself; or the runtime is closed.
            MailboxFullError: the owner is behind; wait again.
            AlreadyOwnedError: another runtime that shares the store holds the agent.
            IdentityBrokenError: the agent is quarantined.
        """
        refuse_inside_turn("wait")
        return operation_record(await self._ended(parse_operation_id(operation_id)))

    async def wait_all(self, operation_ids: Iterable[OperationId]) -> tuple[OperationRecord, ...]:
        """Wait until all of them have ended, and tell them in the order asked for; at once, where they ended before.

        One at a time for each agent. Cancelling the wait has no effect on the operations; wait again at any time.

        Raises:
            UsageError: an id is given twice, or somebody waits for several operations of the agent already; or as in
                ``wait``.
            UnknownOperationError: one of them is not remembered; nothing was waited for.
            MeerkatError: whatever else ``wait`` raises.
        """
        refuse_inside_turn("wait_all")
        asked = _distinct(self._identity, operation_ids)
        waiting = self._reach.waiting_for_all
        if self._identity in waiting:
            raise UsageError(
                problem=f"{self._identity}: somebody waits for several of its operations already;"
                " wait for each with wait(), or let the other end first"
            )
        waiting.add(self._identity)
        slots: dict[OperationId, ReplySlot[Operation]] = {}
        try:
            ended = await self._watch(asked, slots)
            for operation_id, slot in slots.items():
                ended[operation_id] = await self._told(operation_id, slot)
            return tuple(operation_record(ended[operation_id]) for operation_id in asked)
        finally:
            waiting.discard(self._identity)
            for slot in slots.values():
                slot.is_given_up = True

    async def list(self) -> tuple[OperationRecord, ...]:
        """Every operation that is remembered, in the order of their ids: of their starts, but for one millisecond.

        All that are in progress are, and the last ``Limits.operations_kept`` that ended and were not collected.
        Cancelling the wait has no effect on anything.

        Raises:
            MeerkatError: whatever ``wait`` raises of the agent.
        """
        return tuple(map(operation_record, (await self._listed()).operations))

    async def collect(self) -> tuple[OperationRecord, ...]:
        """The operations that ended, in the order of their ends; from then on they are forgotten.

        Cancelling the wait withdraws nothing: what it would have told may be forgotten, and ``runtime.events()`` tells
        of it still.

        Raises:
            MeerkatError: whatever ``start`` raises of the agent.
        """
        slot: ReplySlot[tuple[Operation, ...]] = ReplySlot()
        collected = await self._reach.ask(self._identity, CollectOperations(), slot)
        return tuple(map(operation_record, collected))

    async def feed(self, after: int = 0) -> tuple[OperationRecord, ...]:
        """The ends that are remembered, from beyond the sequence ``after``, in their order.

        What is remembered no more is missing, and the sequences show that. Cancelling the wait has no effect on
        anything.

        Raises:
            InvalidValueError: ``after`` is no sequence.
            MeerkatError: whatever ``wait`` raises of the agent.
        """
        if type(after) is not int or after < 0:
            raise InvalidValueError(problem=f"after={shown(after)}: use the sequence of an end, or 0 for all")
        ended = (each for each in (await self._listed()).operations if each.sequence > after)
        return tuple(map(operation_record, sorted(ended, key=lambda each: each.sequence)))

    async def cursors(self) -> OperationCursors:
        """How far the ends got: observed, injected, applied. Cancelling the wait has no effect on anything.

        Raises:
            MeerkatError: whatever ``wait`` raises of the agent.
        """
        return (await self._listed()).cursors

    async def _change(self, operation_id: OperationId, change: OperationChange, content: JSON) -> OperationRecord:
        limits = self._reach.limits
        encoded = None
        if content is not None:
            # Like an agent's state it is kept in memory.
            encoded = encode_json(
                content, what="content", bytes_max=limits.state_bytes_max, depth_max=limits.json_depth_max
            )
        command = ChangeOperation(parse_operation_id(operation_id), change, encoded)
        slot: ReplySlot[Operation] = ReplySlot()
        return operation_record(await self._reach.ask(self._identity, command, slot))

    async def _listed(self) -> OperationListing:
        slot: ReplySlot[OperationListing] = ReplySlot()
        return await self._reach.ask(self._identity, ListOperations(), slot)

    async def _watch(
        self, asked: tuple[OperationId, ...], slots: dict[OperationId, ReplySlot[Operation]]
    ) -> dict[OperationId, Operation]:
        """Watch those that go on, each by a slot of its own from now on; the others, which have ended."""
        known = {each.operation_id: each for each in (await self._listed()).operations}
        for operation_id in asked:
            if operation_id not in known:
                raise UnknownOperationError(identity=self._identity, operation=operation_id)
        running = [operation_id for operation_id in asked if not known[operation_id].sequence]
        for place, operation_id in enumerate(running, start=1):
            slots[operation_id] = slot = ReplySlot[Operation]()
            self._reach.directory.post(self._identity, Envelope(WatchOperation(operation_id), slot, False))
            if place % _ASKED_AT_ONCE == 0:
                await self._listed()  # by then it has taken all that was posted
        return {operation_id: known[operation_id] for operation_id in asked if known[operation_id].sequence}

    async def _told(self, operation_id: OperationId, slot: ReplySlot[Operation]) -> Operation:
        try:
            return await slot.wait()
        except (UnknownOutcomeError, OwnerStoppedError):
            await self._wait_for_successor(operation_id)
            return await self._ended(operation_id)

    async def _ended(self, operation_id: OperationId) -> Operation:
        while True:
            slot: ReplySlot[Operation] = ReplySlot()
            try:
                return await self._reach.ask(self._identity, WatchOperation(operation_id), slot)
            except (UnknownOutcomeError, OwnerStoppedError):
                await self._wait_for_successor(operation_id)

    async def _wait_for_successor(self, operation_id: OperationId) -> None:
        """The owner ended that was asked. While the runtime goes on, a successor takes the question."""
        if self._reach.directory.is_closing:
            raise OperationWaitEndedError(identity=self._identity, operation=operation_id) from None
        # Not at once: where too many agents are live, one that rests leaves as soon as it has answered.
        await trio.sleep(self._reach.limits.look_seconds)


def parse_operation_id(text: object) -> OperationId:
    """Let an operation id in: the canonical text of a UUID, as ``runtime.new_id()`` makes it.

    Raises:
        InvalidValueError: another spelling.
    """
    if not isinstance(text, str) or not is_uuid(text):
        raise InvalidValueError(problem=f"{shown(text)} is no operation id: use what started it, or runtime.new_id()")
    return OperationId(text)


def _distinct(identity: AgentIdentity, operation_ids: Iterable[OperationId]) -> tuple[OperationId, ...]:
    # A text is iterable, too, and would be taken for the ids of its letters.
    if isinstance(operation_ids, str) or not hasattr(operation_ids, "__iter__"):
        raise UsageError(problem=f"{identity}: wait_all({shown(operation_ids)}): use a collection of ids")
    asked = tuple(map(parse_operation_id, operation_ids))
    if len(set(asked)) < len(asked):
        raise UsageError(problem=f"{identity}: wait_all names an operation twice; name each once")
    return asked


def _kind(kind: object) -> OperationKind:
    if not isinstance(kind, str) or kind not in {OperationKind.BACKGROUND, OperationKind.MEMBER}:
        raise InvalidValueError(
            problem=f"kind={shown(kind)}: use 'background' or 'member'; turn.when_all makes barriers"
        )
    return OperationKind(kind)
