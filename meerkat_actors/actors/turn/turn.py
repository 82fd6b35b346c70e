"""What an agent's function holds while its turn lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, TypeVar, Unpack, overload

from meerkat_actors.actors.turn.announcing import emit, stream
from meerkat_actors.actors.turn.gathering import check_count, gathered
from meerkat_actors.actors.turn.heading import MessageOptions, RequestOptions, TimerOptions
from meerkat_actors.actors.turn.job import TurnInput, check_use, inputs_of
from meerkat_actors.actors.turn.pausing import pass_checkpoint, rest
from meerkat_actors.actors.turn.peering import defer, request, respond, send
from meerkat_actors.actors.turn.planning import cancel_timer, set_timer
from meerkat_actors.actors.turn.registering import completions, start_operation, when_all
from meerkat_actors.actors.turn.steps import OnUnknown, Step, run_step
from meerkat_actors.actors.turn.view import TurnView
from meerkat_actors.errors import UsageError
from meerkat_actors.records.codec import encode_entry
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Mode, ResponseStatus
from meerkat_actors.records.ids import InputId, OperationId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.operation import OperationKind
from meerkat_actors.records.operation_record import OperationRecord

T = TypeVar("T")
R = TypeVar("R")


class Turn(TurnView):
    """What an agent function is given: its inputs, its state, and what it may do.

    Everything it sets, sends or starts commits together with its end, or not at all. It belongs to
    the task, or the thread, it was given to, until the function returns.
    """

    __slots__ = ()

    def set_state(self, state: object) -> None:
        """Set the agent's state, to commit with the turn.

        Raises:
            InvalidValueError: not a JSON value, or no instance of the kind's ``state`` class, or too big.
        """
        self._check()
        limits = self._job.limits
        self._draft.state = self._job.kind.state_form.write(
            state, bytes_max=limits.state_bytes_max, depth_max=limits.json_depth_max
        )
        self._draft.state_is_new = True

    def append(self, content: JSON, *, role: str = "assistant") -> None:
        """Add a message to the transcript, to commit with the turn.

        Raises:
            InvalidValueError: not a JSON value, or too big.
            UsageError: too many messages, or a role that is neither ``assistant`` nor ``notice``.
        """
        self._check()
        if role not in {"assistant", "notice"}:
            raise UsageError(problem=f"{role!r} is no role for append; use 'assistant' or 'notice'")
        check_count(self._job, len(self._draft.entries), "sends or appends", "messages")
        encoded = gathered(self._draft, content, "message", self._job.limits)
        self._draft.entries.append(encode_entry(role=role, content=encoded, input_id=None, sender=None))

    def send(self, to: str, content: JSON, **options: Unpack[MessageOptions]) -> InputId:
        """Send a message to another agent, to commit with the turn; it waits for a missing recipient.

        Options: ``mode``, ``correlation_id``, ``supersession_key``, ``wakes``; see ``MessageOptions``.

        Raises:
            InvalidValueError: no identity, not a JSON value, too big, or an option of no acceptable form.
            NotWiredError: the agent has no connection to that one.
            UsageError: too many messages.
        """
        self._check()
        return send(self._job, self._draft, to, content, options)

    def request(self, to: str, content: JSON, **options: Unpack[RequestOptions]) -> InputId:
        """Ask another agent for something, to commit with the turn; its answer begins a later turn.

        Exactly one terminal response will come, whatever becomes of the request: an input of kind
        ``peer_response_terminal`` whose ``header.request_id`` is the id returned here, and whose
        ``header.status`` is ``completed`` or ``failed``. Progress may come before it.

        Options: ``intent``, ``mode``, ``correlation_id``, ``wakes``; see ``RequestOptions``.

        Raises:
            InvalidValueError: no identity, not a JSON value, too big, or an option of no acceptable form.
            NotWiredError: the agent has no connection to that one.
            UsageError: too many messages.
        """
        self._check()
        return request(self._job, self._draft, to, content, options)

    def respond(
        self,
        request: TurnInput | InputId,
        content: JSON,
        *,
        status: ResponseStatus | str = "completed",
        mode: Mode | str | None = None,
    ) -> InputId:
        """Answer a request of another agent, to commit with the turn: one of this turn's, or one that is owed.

        ``completed`` and ``failed`` are the one answer. ``accepted``, ``in_progress`` and
        ``partial_result`` say how it is getting on; they have no mode, and of those that wait for the
        other agent the newest stands for all. A request of this turn that is neither answered nor
        deferred when the turn ends is answered by the text that the turn returns.

        Raises:
            InvalidValueError: not a JSON value, too big, or no such status or mode.
            RejectedInputError: progress with a mode, or a status that no response has.
            UsageError: no such request, or it has its answer, or too many messages.
        """
        self._check()
        return respond(self._job, self._draft, request, content, status, mode)

    def defer(self, request: TurnInput | InputId) -> None:
        """Leave the answer to a request of this turn to a later turn: until then it is owed.

        Without it the text that the turn returns is the answer. ``respond`` answers it after all,
        in this turn or in one that finds it in ``owed``. An agent that ends owing an answer is
        answered for: the request failed.

        Raises:
            UsageError: no such request, or it has its answer, or the agent owes as many as it may.
        """
        self._check()
        defer(self._job, self._draft, request)

    def after(
        self,
        delay: float | timedelta,
        content: JSON,
        *,
        name: str | None = None,
        kind: InputKind | str = "external_event",
        **options: Unpack[TimerOptions],
    ) -> str:
        """Give this agent an input, ``delay`` (seconds, or a timedelta) after ``now``; the timer's name.

        The timer commits with the turn, and takes the place of one that has its name. The input's header
        has ``origin="system"`` and ``source="timer:<name>"``; without a ``name`` its id is the name returned.

        Options: ``mode``, ``correlation_id``, ``supersession_key``, ``intent``, ``wakes``; see ``TimerOptions``.

        Raises:
            InvalidValueError: no delay from 0 up, not a JSON value, too big, or another value of no acceptable form.
            RejectedInputError: a response can't be timed, and only a ``peer_request`` has an intent.
            UsageError: too many timers.
        """
        self._check()
        return set_timer(self._job, self._draft, delay, content, name, kind, options)

    def cancel_timer(self, name: str) -> None:
        """End a timer of this agent, if there is one of that name, as the turn commits.

        Raises:
            InvalidValueError: no name.
            UsageError: too many timers.
        """
        self._check()
        cancel_timer(self._job, self._draft, name)

    def emit(self, name: str, data: JSON = None) -> None:
        """Tell an event to whoever follows the runtime's events, to commit with the turn.

        Raises:
            InvalidValueError: no name, not a JSON value, or too big.
            UsageError: too many events.
        """
        self._check()
        emit(self._job, self._draft, name, data)

    def stream(self, chunk: str) -> None:
        """Tell whoever listens now a piece of what the agent is about to say.

        It is told at once, kept nowhere, and takes nothing back: another attempt tells its own.

        Raises:
            InvalidValueError: no text, or too long.
        """
        self._check()
        stream(self._job, self._draft, chunk)

    def start_operation(
        self, name: str, *, external: bool = False, kind: OperationKind | str = "background"
    ) -> OperationId:
        """Register something that goes on beside the agent's turns, to commit with the turn.

        Whoever carries it out tells ``agent.operations`` how it ends; the end of a ``background``
        operation wakes the agent. One that is not ``external`` ends with this process.

        Raises:
            InvalidValueError: no name, or neither ``background`` nor ``member``.
            TooManyOperationsError: the agent has as many in progress as it may.
            UsageError: too many operations for one turn.
        """
        self._check()
        return start_operation(self._job, self._draft, name, external, kind)

    def when_all(self, ids: Iterable[OperationId]) -> OperationId:
        """Wake the agent once, when all of these operations have ended: a barrier, itself an operation.

        Raises:
            UnknownOperationError: the agent remembers no operation of one of these ids.
            UsageError: an operation is named twice, or a barrier is running already.
            TooManyOperationsError: the agent has as many in progress as it may.
        """
        self._check()
        return when_all(self._job, self._draft, ids)

    @property
    def completions(self) -> tuple[OperationRecord, ...]:
        """Operations that had ended when the turn began, and that no turn took up, in the order of their ends.

        Who looks takes them up, to commit with the turn; so does a turn that their continuation begins.
        """
        self._check()
        return completions(self._job, self._draft)

    @overload
    def step(
        self, name: str, fn: Callable[..., Awaitable[T]], *args: object, on_unknown: OnUnknown = "retry"
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(
        self, name: str, fn: Callable[..., T], *args: object, on_unknown: OnUnknown = "retry"
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(
        self,
        name: str,
        fn: Callable[..., object],
        *args: object,
        result: type[R],
        on_unknown: OnUnknown = "retry",
    ) -> Coroutine[Any, Any, R]: ...
    def step(
        self,
        name: str,
        fn: Callable[..., Any],
        *args: object,
        result: type[Any] | None = None,
        on_unknown: OnUnknown = "retry",
    ) -> Coroutine[Any, Any, Any]:
        """Run a side effect once and record its result: after a crash it is not run again.

        ``fn`` is async, or plain and then runs in a thread. Arguments and result are JSON values, or
        the result is an instance of the attrs class ``result``; it comes back as decoded from its
        record, on the first run as on a replay. Every attempt must give the same arguments: what
        changes, as the time does, is for ``fn`` itself to ask. Cancelling the turn may leave the
        result recorded.

        ``on_unknown`` says what to do about a step that was cut off between its effect and its record.
        "retry" runs it again: pass ``turn.run_id`` on as an idempotency key. With anything else the
        step is recorded before it begins, too, at the price of a second commit, and is never run again
        unasked: "fail" raises ``StepUnknownError``, and a function, async or plain, is called with the
        step's arguments; it looks whether the effect happened, or repeats it if that does no harm,
        and returns the result as if ``fn`` had. What ``fn`` raises says that nothing happened; one that
        can't know raises ``UnknownOutcomeError``. Cancelling such a step leaves its outcome unknown.

        Raises:
            JournalMismatchError: a replay with other arguments.
            StepUnknownError: the step may have happened, and nobody was named to find out.
            InvalidValueError: a name of no acceptable form, or arguments or result that are not JSON.
            UsageError: the turn is over, another task calls, or the agent is a plain function.
            UnknownOutcomeError: the owner ended under it; the turn is cancelled anyway.
        """
        self._check_can_wait("a step")
        step = Step(name=name, fn=fn, args=args, result=result, on_unknown=on_unknown)
        return run_step(self._job, self._draft, step)

    def checkpoint(self) -> Coroutine[Any, Any, tuple[TurnInput, ...]]:
        """Take up what was steered to the agent since the turn began; empty when nothing was.

        What it returns belongs to the run from now on, as ``inputs`` do, and stands in the transcript at
        this point. Another attempt is given the same inputs by the same checkpoint. Here an
        interruption that was to wait for a checkpoint ends the turn. Cancelling the call may leave
        inputs bound to it: the next one returns them.

        Raises:
            UsageError: the turn is over, another task calls, or the agent is a plain function.
            UnknownOutcomeError: the owner ended under it; the turn is cancelled anyway.
        """
        self._check_can_wait("a checkpoint")
        return self._checkpoint()

    def rest(self, seconds: float) -> Coroutine[Any, Any, bool]:
        """Wait, for ``seconds`` at most, until something arrives that is worth a checkpoint; whether it did.

        For what merely waits, such as a poll. What arrived before the wait, and after the last
        checkpoint or rest, ends it at once. Nothing is recorded: another attempt waits anew.
        Cancelling the wait has no effect.

        Raises:
            InvalidValueError: no number of seconds from 0 up.
            UsageError: the turn is over, another task calls, or the agent is a plain function.
        """
        self._check_can_wait("a rest")
        return self._rest(seconds)

    async def _checkpoint(self) -> tuple[TurnInput, ...]:
        self._check()
        return inputs_of(await pass_checkpoint(self._job, self._draft))

    async def _rest(self, seconds: float) -> bool:
        self._check()
        return await rest(self._job, seconds)

    def _check_can_wait(self, what: str) -> None:
        if self._draft.thread is not None:
            # At the call: a plain function awaits nothing, and would never hear of it.
            raise UsageError(problem=f"{self.identity}: a plain agent can't wait for {what}; make the agent async")

    def _check(self) -> None:
        check_use(self._job, self._draft)
