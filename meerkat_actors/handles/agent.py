"""What users hold of an agent: a handle that forwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Unpack

from meerkat_actors.actors.streams import StreamFeed
from meerkat_actors.actors.turn import refuse_inside_turn
from meerkat_actors.actors.turn.heading import parse_kind
from meerkat_actors.errors import InvalidValueError, TurnAbandonedError, UsageError
from meerkat_actors.handles.governing import Governing
from meerkat_actors.handles.operations import Operations
from meerkat_actors.handles.options import SendOptions, SteerOptions
from meerkat_actors.handles.scheduling import Timing, drop_schedule, send_at, set_schedule
from meerkat_actors.handles.sending import admit, admit_and_wait, make_send
from meerkat_actors.handles.waiting import cancel_input, wait_for
from meerkat_actors.listings import InputListing, MessageListing, Order, ReceiptListing, ScheduleListing
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Mode
from meerkat_actors.records.ids import Generation, InputId, is_counter, parse_input_id, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Admission, Answer, Consumed, Outcome
from meerkat_actors.records.schedules import Overlap, ScheduleRecord


class AgentHandle(Governing):
    """A caller's end of one agent. Holds no state; any number of handles may stand for one agent."""

    def __repr__(self) -> str:
        return f"<AgentHandle of {self._identity}>"

    async def send(
        self,
        content: JSON,
        *,
        kind: InputKind | str = InputKind.PROMPT,
        input_id: InputId | None = None,
        idempotency_key: str | None = None,
        at: datetime | None = None,
        **options: Unpack[SendOptions],
    ) -> Admission:
        """Admit an input and wait until it is durable.

        The same ``idempotency_key`` (or ``input_id``) with the same content is the same input, for
        ever: its admission comes back as a duplicate. What else can be said of it is in ``SendOptions``:
        ``mode``, ``origin``, ``source``, ``durability``, ``supersession_key``, ``correlation_id``, ``request_id``,
        ``status``, ``intent``, ``in_transcript``, ``for_operators``, ``wakes``. An ephemeral input promises nothing:
        its admission is not ``durable``. What a bridge brings from other programs may be of a ``peer_*`` kind.

        Where another runtime that shares the store holds the agent, an input without options is left for that one,
        and its ``admission_sequence`` is still 0. Cancelling the wait does not withdraw the input; send it again with
        the same key or id to learn its fate.

        With ``at``, a time with its time zone, the input is admitted then, and by then whatever is refused here is
        not: it waits for its agent to be open, and to have room. Its ``admission_sequence`` is still 0; ``wait`` and
        ``cancel`` know it by its id. A time in the past is now. A reset, or the agent's end, ends what was not
        admitted yet.

        Raises:
            InvalidValueError: content, key, id or option of no acceptable form; nothing was written.
            RejectedInputError: the options contradict the kind, or each other; nothing was written.
            IdempotencyConflictError: the key stands for other content; nothing was written.
            MailboxFullError: the owner is behind; nothing was written.
            BacklogFullError: too many open inputs; nothing was written.
            NotReadyError: the agent is retired, stopped or being reset, or the runtime is leaving its block;
                nothing was written.
            DestroyedError: the agent was destroyed; nothing was written.
            OwnerStoppedError: the owner ended before it took the request; nothing was written.
            AlreadyOwnedError: there are options, and another runtime that shares the store holds the agent;
                nothing was written.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: the owner ended under the request; it may be durable.
            UsageError: the runtime is closed; or there is a key or an id for an input with ``at``, which has its own.
        """
        if at is not None:
            if idempotency_key is not None or input_id is not None:
                problem = "an input with at= has an id of its own; where one has to replace another use schedule(name)"
                raise UsageError(problem=f"{self._identity}: {problem}")
            return await send_at(self._reach, self._identity, content, kind, at, options)
        command = make_send(self._reach, content, kind, input_id, idempotency_key, options)
        return await admit(self._reach, self._identity, command)

    async def steer(
        self,
        content: JSON,
        *,
        kind: InputKind | str = InputKind.PROMPT,
        input_id: InputId | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SteerOptions],
    ) -> Admission:
        """Send an input ahead of the queue: ``send`` with ``mode="steer"``.

        A turn in progress gets it from its next ``turn.checkpoint()``; an agent at rest begins with it. Cancelling the
        wait does not withdraw the input.

        Raises:
            MeerkatError: whatever ``send`` raises.
        """
        return await self.send(
            content, kind=kind, input_id=input_id, idempotency_key=idempotency_key, mode=Mode.STEER, **options
        )

    async def ask(
        self,
        content: JSON,
        *,
        kind: InputKind | str = InputKind.PROMPT,
        input_id: InputId | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SendOptions],
    ) -> Answer:
        """Send an input and wait for its result; all arguments are those of ``send``.

        Cancelling the wait withdraws nothing; ask again with the same key or id for the same answer.

        Raises:
            TurnAbandonedError: the input ended without a result: abandoned, superseded or coalesced.
            WaitEndedError: nobody is left to tell the outcome; the input is durable.
            UsageError: inside a turn, which would wait for itself; or of a kind that has no turn.
            MeerkatError: whatever ``send`` raises, as long as nothing is admitted.
        """
        refuse_inside_turn("ask")
        if kind is not InputKind.PROMPT and parse_kind(kind) is InputKind.OPERATION:
            raise UsageError(problem=f"{self._identity}: ask of an {InputKind.OPERATION}, which has no turn; send it")
        command = make_send(self._reach, content, kind, input_id, idempotency_key, options)
        chosen, outcome = await admit_and_wait(self._reach, self._identity, command)
        if isinstance(outcome, Consumed):
            return Answer(text=outcome.text, receipt=outcome.receipt)
        raise TurnAbandonedError(identity=self._identity, input_id=chosen, outcome=outcome)

    async def wait(self, input_id: InputId) -> Outcome:
        """Wait for the one terminal outcome of an input; it may have ended long ago, or not have been admitted yet.

        One of ``send(at=)`` whose timer is dropped before its time ends as ``abandoned`` (cancelled).

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
        return await wait_for(self._reach, self._identity, parse_input_id(input_id))

    async def cancel(self, input_id: InputId) -> Outcome:
        """End one input, unless it ended before; returns its outcome, once that is durable.

        A queued input ends as ``abandoned`` (cancelled), and the others go on. The input of a turn in progress ends
        with that turn, as by ``interrupt``. One of several that a turn works on ends alone, and the others begin
        again, uncharged. One of ``send(at=)`` is not admitted any more. Whoever waits for it hears the outcome.

        Cancelling the wait withdraws nothing. Called again, it tells the outcome.

        Raises:
            UsageError: the input can't end alone: a checkpoint took it into a turn, or the turn's steps were recorded
                for all of its inputs together. Or the runtime is closed.
            UnknownInputError: this agent admitted no input of that id.
            WaitEndedError: the runtime ended; the input is durable.
            MeerkatError: whatever ``interrupt`` raises.
        """
        return await cancel_input(self._reach, self._identity, parse_input_id(input_id))

    async def schedule(
        self,
        name: str,
        content: JSON,
        *,
        at: datetime | None = None,
        every: float | timedelta | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        misfire: int | str = "once",
        overlap: Overlap | str = Overlap.QUEUE,
        kind: InputKind | str = InputKind.EXTERNAL_EVENT,
        **options: Unpack[SendOptions],
    ) -> ScheduleRecord:
        """Admit an input at a time, or again and again; durable on return. The same name again replaces it.

        ``at``: once, at a time with its time zone; in the past: now. ``every``: so many seconds, at least one, or a
        timedelta; first after one of them, or at ``at``. ``cron``: five fields, as clocks of ``timezone`` show them.
        Where those are put forward or back, a job at a fixed time runs once on that day, and one of every minute or
        every hour at each that clocks show (Debian's rules).

        Each time fires once, also across restarts. ``misfire`` says what becomes of times that were missed, because no
        runtime was there, or the agent was stopped or had no room: ``"skip"`` leaves out what is more than a
        minute late, ``"once"`` makes up for all of them with one input, and n with the last n, up to 100. ``overlap``
        says what becomes of a time while the input of the last one is open: ``"queue"``, or ``"skip"``. The inputs are
        from ``timer:NAME``, of origin ``system``, unless the options of ``send`` say otherwise.

        A pending timer doesn't keep the agent in memory, and fires for one that is paused; for one that is retired or
        stopped it waits. A reset, or the agent's end, ends all of its timers.

        Cancelling the wait withdraws nothing; called again, it sets the same timer again.

        Raises:
            InvalidValueError: a value of no acceptable form, or a time that never comes; nothing was written.
            UsageError: not exactly one of ``at``, ``every`` and ``cron``; or the runtime is closed.
            RejectedInputError: the options contradict the kind, or each other; nothing was written.
            AlreadyOwnedError: another runtime that shares the store holds the agent; nothing was written.
            MeerkatError: whatever else ``send`` raises, as long as nothing is admitted.
        """
        timing = Timing(at=at, every=every, cron=cron, timezone=timezone, misfire=misfire, overlap=overlap)
        return await set_schedule(self._reach, self._identity, name, content, kind, timing, options)

    async def unschedule(self, name: str) -> None:
        """End a timer, whoever set it; durable on return. What it fired stays. Without one of that name: nothing.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            InvalidValueError: no name.
            MeerkatError: whatever else ``schedule`` raises.
        """
        await drop_schedule(self._reach, self._identity, name)

    def schedules(self) -> ScheduleListing:
        """The pending timers, in the order of their names: those of ``send(at=)`` and of turns, too."""
        return ScheduleListing(self._identity, self._reach.storage)

    @property
    def operations(self) -> Operations:
        """What goes on beside the agent's turns, and ends."""
        return Operations(self._identity, self._reach)

    def stream(self) -> StreamFeed:
        """What the agent's turns say by ``turn.stream`` from now on: for ``async with``, then ``async for``.

        Nothing of it is durable. Who takes it slowly loses the oldest pieces, and is told how many.

        Raises:
            UsageError: inside a turn; or the runtime is closed, or lives in another thread or process.
        """
        return self._reach.streams.subscribe(self._identity)

    def history(self, *, generation: int | None = None) -> MessageListing:
        """The transcript, newest first: of the current generation, or of an older one, from before a reset."""
        if generation is not None and not is_counter(generation):
            raise InvalidValueError(problem=f"generation={shown(generation)}: use an int from 0, as a receipt has it")
        chosen = None if generation is None else Generation(generation)
        return MessageListing(self._identity, self._reach.storage, chosen)

    def receipts(self) -> ReceiptListing:
        """The receipts of all generations, newest first."""
        return ReceiptListing(self._identity, self._reach.storage)

    def inputs(self, *, order: Order = "newest") -> InputListing:
        """The admitted inputs, in admission order or from the newest back."""
        if order not in {"newest", "oldest"}:
            raise UsageError(problem=f"order={order!r}: use 'newest' or 'oldest'")
        return InputListing(self._identity, self._reach.storage, order)
