"""What a turn shows to its agent's function."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from meerkat_actors.actors.turn.job import Draft, TurnInput, TurnJob, inputs_of
from meerkat_actors.actors.turn.peering import owed
from meerkat_actors.actors.turn.planning import EPOCH, began_ms
from meerkat_actors.actors.turn.registering import operations
from meerkat_actors.records.codec import decode_json
from meerkat_actors.records.ids import AgentIdentity, Generation, InputId, RunId, SessionId
from meerkat_actors.records.operation_record import OperationRecord


class TurnView:
    """The part of a turn that changes nothing, and may be looked at from anywhere, also when it is over."""

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
        return EPOCH + timedelta(milliseconds=began_ms(self.run_id))

    @property
    def random(self) -> Random:
        """Chance that is the same on every attempt: one sequence per run, which begins anew with each attempt."""
        draft = self._draft
        if draft.random is None:
            draft.random = Random(self.run_id)  # noqa: S311 - for choices, not for secrets
        return draft.random

    @property
    def owed(self) -> tuple[InputId, ...]:
        """Requests that earlier turns deferred, and that have no answer yet, oldest first."""
        return owed(self._job, self._draft)

    @property
    def operations(self) -> tuple[OperationRecord, ...]:
        """The agent's operations as they were when the turn began, then those that it started, the oldest first.

        Those that ended long ago are forgotten: the agent remembers ``Limits.operations_kept`` of them.
        """
        return operations(self._job, self._draft)
