"""One turn of an agent: what its function holds, and the task that runs it."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast, overload

import trio
from attrs import define

from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn.kind import AgentKind
from meerkat_actors.errors import InvalidValueError, JournalMismatchError, UsageError
from meerkat_actors.records.codec import content_digest, decode_json, encode_entry, encode_json
from meerkat_actors.records.commands import JournalStep
from meerkat_actors.records.content import JSON
from meerkat_actors.records.env import Env
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AgentIdentity,
    Generation,
    InputId,
    RunId,
    SessionId,
    parse_identity,
    parse_key,
)
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import (
    JournalEntry,
    Run,
    Sending,
)
from meerkat_actors.records.typed import check_type, from_json, to_json

T = TypeVar("T")
R = TypeVar("R")


@hot
class TurnInput:
    """One input of a turn."""

    input_id: InputId
    kind: InputKind
    sender: AgentIdentity | None
    """The sending agent; None for a prompt."""
    content: JSON


@define(eq=False)
class TurnJob:
    """Everything one turn needs; built by the identity's owner."""

    kind: AgentKind
    identity: AgentIdentity
    generation: Generation
    session_id: SessionId
    run: Run
    journal: Mapping[tuple[str, int], JournalEntry]
    state: bytes | None
    config: bytes | None
    mailbox: Mailbox
    env: Env
    limits: Limits
    threads: trio.CapacityLimiter
    scope: trio.CancelScope
    is_over: bool = False
    ended: trio.Event | None = None
    """Made by the one owner who waits for the end: few turns are waited for."""


@define(eq=False)
class Draft:
    """What a turn has gathered so far; it commits with the turn's end."""

    task: trio.lowlevel.Task
    state: bytes | None
    entries: list[bytes]
    sendings: list[Sending]
    uses: dict[str, int]
    thread: int | None = None
    """Where the plain function that the turn was given to runs."""
    state_is_new: bool = False
    size_bytes: int = 0
    is_over: bool = False


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
        """What is to be worked on, in order; never empty."""
        return tuple(
            TurnInput(member.input_id, member.kind, member.sender, decode_json(member.content))
            for member in self._job.run.members
        )

    @property
    def text(self) -> str:
        """The inputs as text, joined by blank lines; content that is not text as JSON."""
        return "\n\n".join(
            cast("str", decode_json(member.content)) if member.content.startswith(b'"') else member.content.decode()
            for member in self._job.run.members
        )

    @property
    def state(self) -> Any:  # noqa: ANN401 - of the type that the kind names
        """The state that was set last, decoded afresh; None before the first time.

        A JSON value, or an instance of the kind's ``state`` class.
        """
        return from_json(self._draft.state, self._job.kind.state, what="the stored state")

    def set_state(self, state: object) -> None:
        """Set the agent's state, to commit with the turn.

        Raises:
            InvalidValueError: not a JSON value, or no instance of the kind's ``state`` class, or too big.
        """
        self._check()
        limits = self._job.limits
        value = to_json(state, self._job.kind.state, what="state")
        self._draft.state = encode_json(
            value, what="state", bytes_max=limits.state_bytes_max, depth_max=limits.json_depth_max
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
        return from_json(self._job.config, self._job.kind.config, what="the stored config")

    @property
    def resources(self) -> Any:  # noqa: ANN401 - the embedder's own
        """The live objects that ``AgentKind(resources=)`` lends to every turn of the kind."""
        return self._job.kind.resources

    @overload
    def step(self, name: str, fn: Callable[..., Awaitable[T]], *args: object) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(self, name: str, fn: Callable[..., T], *args: object) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(self, name: str, fn: Callable[..., object], *args: object, result: type[R]) -> Coroutine[Any, Any, R]: ...
    def step(
        self, name: str, fn: Callable[..., Any], *args: object, result: type[Any] | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Run a side effect once and record its result: after a crash it is not run again.

        ``fn`` is async, or plain and then runs in a thread. Arguments and result are JSON values, or
        the result is an instance of the attrs class ``result``; it comes back as decoded from its
        record, on the first run as on a replay. Every attempt must give the same arguments: what
        changes, as the time does, is for ``fn`` itself to ask. A kill between the effect and its
        record repeats it: pass ``turn.run_id`` on as an idempotency key. Cancelling the turn may
        leave the result recorded.

        Raises:
            JournalMismatchError: a replay with other arguments.
            InvalidValueError: a name of no acceptable form, or arguments or result that are not JSON.
            UsageError: the turn is over, another task calls, or the agent is a plain function.
            UnknownOutcomeError: the owner ended under it; the turn is cancelled anyway.
        """
        if self._draft.thread is not None:
            # At the call: a plain function awaits nothing, and would never hear of it.
            raise UsageError(problem=f"{self.identity}: a plain agent can't wait for a step; make the agent async")
        return self._step(name, fn, args, result)

    async def _step(
        self, name: str, fn: Callable[..., Any], args: tuple[object, ...], result: type[Any] | None
    ) -> object:
        self._check()
        limits = self._job.limits
        parse_key(name, what="step name", length_max=limits.key_length_max)
        what = f"result of step {name!r}"
        check_type(result, what="result")
        arguments = content_digest(self._encode(list(args), f"arguments of step {name!r}"))
        nth = self._draft.uses[name] = self._draft.uses.get(name, 0) + 1
        entry = self._job.journal.get((name, nth))
        if entry is not None:
            if entry.arguments != arguments:
                raise JournalMismatchError(identity=self.identity, step=name, nth=nth)
            await trio.lowlevel.checkpoint()
            return from_json(entry.result, result, what=what)
        try:
            encoded = encode_json(
                to_json(await _call(fn, args, self._job.threads), result, what=what),
                what=what,
                bytes_max=limits.step_bytes_max,
                depth_max=limits.json_depth_max,
            )
        except BaseException:
            # Nothing is recorded under this number: whoever catches the error and tries again uses it again.
            if self._draft.uses[name] == nth:
                self._draft.uses[name] = nth - 1
            raise
        slot: ReplySlot[None] = ReplySlot()
        self._job.mailbox.post_from_child(
            Envelope(JournalStep(self.run_id, name, nth, arguments, encoded), slot, wants_outcome=False)
        )
        await slot.wait()
        return from_json(encoded, result, what=what)

    def _encode(self, value: object, what: str) -> bytes:
        return _encode(value, what, self._job.limits)

    def _check(self) -> None:
        if self._draft.is_over:
            raise UsageError(problem=f"{self.identity}: this turn is over; a turn ends when its function returns")
        draft = self._draft
        if draft.thread is None:
            is_ours = trio.lowlevel.in_trio_task() and trio.lowlevel.current_task() is draft.task
        else:
            is_ours = threading.get_ident() == draft.thread
        if not is_ours:
            problem = "a turn is used from its own task only; what is to run at once belongs into one step"
            raise UsageError(problem=f"{self.identity}: {problem}")

    def _check_count(self, count: int) -> None:
        if count >= self._job.limits.messages_max:
            raise UsageError(problem=f"{self.identity}: a turn sends or appends at most {count:,} messages")


def gathered(draft: Draft, value: object, what: str, limits: Limits) -> bytes:
    """Encode what commits with the turn, within what one turn may hold."""
    encoded = _encode(value, what, limits)
    if draft.size_bytes + len(encoded) > limits.turn_bytes_max:
        problem = (
            f"{what}: a turn sends, appends and returns at most {limits.turn_bytes_max:,} bytes; use several turns"
        )
        raise InvalidValueError(problem=problem)
    draft.size_bytes += len(encoded)
    return encoded


def _encode(value: object, what: str, limits: Limits) -> bytes:
    return encode_json(value, what=what, bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max)


async def _call(fn: Callable[..., Any], args: tuple[object, ...], threads: trio.CapacityLimiter) -> object:
    if inspect.iscoroutinefunction(fn):
        return await fn(*args)
    returned = await in_thread(lambda: fn(*args), threads)
    return await returned if inspect.isawaitable(returned) else returned


async def in_thread(fn: Callable[[], object], threads: trio.CapacityLimiter) -> object:
    """Run a user's plain function in a thread; cancelled, the thread is left to itself."""

    def run() -> tuple[object]:
        # In a tuple, because Trio refuses a coroutine: a lambda, or a callable object, may return one.
        return (fn(),)

    (returned,) = await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=threads)
    return returned
