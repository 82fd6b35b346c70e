"""What an agent's function holds while its turn lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, TypeVar, cast, overload

from meerkat_actors.actors.turn.gathering import gathered
from meerkat_actors.actors.turn.job import Draft, TurnInput, TurnJob, check_use, inputs_of
from meerkat_actors.actors.turn.pausing import pass_checkpoint, rest
from meerkat_actors.actors.turn.steps import OnUnknown, Step, run_step
from meerkat_actors.errors import UsageError
from meerkat_actors.records.codec import decode_json, encode_entry
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import AgentIdentity, Generation, InputId, RunId, SessionId, parse_identity
from meerkat_actors.records.runs import Sending

T = TypeVar("T")
R = TypeVar("R")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOW_MS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Turn:
    """What an agent function is given: its inputs, its state, and what it may do.

    Everything it sets or sends commits together with its end, or not at all. It belongs to the
    task, or the thread, it was given to, until the function returns.
    """

    __slots__ = ("_draft", "_job")

    def __init__(self, job: TurnJob, draft: Draft) -> None:
        self._job = job
        self._draft = draft

    @property
    def identity(self) -> AgentIdentity:
        """Who is running."""
        return self._job.identity

    @property
    def generation(self) -> Generation:
        """Which life of the identity this is."""
        return self._job.generation

    @property
    def session_id(self) -> SessionId:
        """The conversation that the turn extends."""
        return self._job.session_id

    @property
    def run_id(self) -> RunId:
        """The run; the same on every attempt, so it serves as an idempotency key for outside effects."""
        return self._job.run.run_id

    @property
    def attempt(self) -> int:
        """One more than the failed attempts before it; an attempt that a crash cut off isn't counted."""
        return self._job.run.attempts + 1

    @property
    def inputs(self) -> tuple[TurnInput, ...]:
        """What is to be worked on, in order; never empty. What checkpoints bind is not among it."""
        return inputs_of(self._job.run.base)

    @property
    def text(self) -> str:
        """The inputs as text, joined by blank lines; content that is not text as JSON."""
        return "\n\n".join(
            cast("str", decode_json(member.content)) if member.content.startswith(b'"') else member.content.decode()
            for member in self._job.run.members
            if member.position == 0
        )

    @property
    def state(self) -> Any:  # noqa: ANN401 - of the type that the kind names
        """The state that was set last, decoded afresh; None before the first time.

        A JSON value, or an instance of the kind's ``state`` class.
        """
        return self._job.kind.state_form.read(self._draft.state)

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
        self._check_count(len(self._draft.entries))
        encoded = gathered(self._draft, content, "message", self._job.limits)
        self._draft.entries.append(encode_entry(role=role, content=encoded, input_id=None, sender=None))

    def send(self, to: str, content: JSON) -> InputId:
        """Send a message to another agent, to commit with the turn; it waits for a missing recipient.

        Raises:
            InvalidValueError: no identity, not a JSON value, or too big.
            UsageError: too many messages.
        """
        self._check()
        recipient = parse_identity(to)
        self._check_count(len(self._draft.sendings))
        input_id = InputId(self._job.env.new_id())
        encoded = gathered(self._draft, content, "message", self._job.limits)
        self._draft.sendings.append(Sending(recipient, input_id, encoded))
        return input_id

    @property
    def config(self) -> Any:  # noqa: ANN401 - of the type that the kind names
        """What ``runtime.agent(..., config=)`` gave this agent last, decoded afresh; None when it never did.

        A JSON value, or an instance of the kind's ``config`` class. Fixed for the length of an attempt.
        """
        return self._job.kind.config_form.read(self._job.config)

    @property
    def resources(self) -> Any:  # noqa: ANN401 - the embedder's own
        """The live objects that ``AgentKind(resources=)`` lends to every turn of the kind."""
        return self._job.kind.resources

    @property
    def now(self) -> datetime:
        """When the run began, in UTC: the same on every attempt, so whatever follows from it is, too."""
        # The first 48 bits of a UUIDv7 are milliseconds. No date is that late, but a clock may be set to nonsense.
        ms = int(self.run_id[:8] + self.run_id[9:13], 16)
        return _EPOCH + timedelta(milliseconds=min(ms, _NOW_MS_MAX))

    @property
    def random(self) -> Random:
        """Chance that is the same on every attempt: one sequence per run, which begins anew with each attempt."""
        draft = self._draft
        if draft.random is None:
            draft.random = Random(self.run_id)  # noqa: S311 - for choices, not for secrets
        return draft.random

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

    def _check_count(self, count: int) -> None:
        if count >= self._job.limits.messages_max:
            raise UsageError(problem=f"{self.identity}: a turn sends or appends at most {count:,} messages")
