"""Every exception of the library, in one tree named by who must act.

``UsageError``          the calling code is wrong        never retried
``RejectedError``       nothing was written              a retry is safe
``TurnAbandonedError``  it ended without a result        look at the outcome
``OwnershipLostError``  another owner exists             stop; claim again
``UnknownOutcomeError`` it may be durable                read back by id
``StoreError``          the store can't be relied on     fail closed, say what to do

Fields are given by keyword, the message is made from them, and every error pickles.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class MeerkatError(Exception):
    """The root of everything this library raises on purpose."""

    def __init__(self, **fields: object) -> None:
        super().__init__(*fields.values())
        for name, value in fields.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return type(self).__doc__ or type(self).__name__

    # Keyword-built exceptions don't unpickle by default; they are rebuilt by keyword. Notes are no field.
    def __reduce__(self) -> tuple[Any, ...]:
        fields = dict(self.__dict__)
        notes = fields.pop("__notes__", None)
        return partial(type(self), **fields), (), None if notes is None else {"__notes__": notes}


# -- the calling code is wrong ------------------------------------------------------------


class UsageError(MeerkatError):
    """The calling code is wrong; the same call never succeeds. ``problem`` says how."""

    problem: str

    def __init__(self, *, problem: str, **fields: object) -> None:
        super().__init__(problem=problem, **fields)

    def __str__(self) -> str:
        return self.problem

    def __getattr__(self, name: str) -> str:
        # Subclasses with fields of their own say the problem in their message.
        if name == "problem" and type(self).__str__ is not UsageError.__str__:
            return str(self)
        raise AttributeError(name)


class InvalidValueError(UsageError):
    """A value that no record accepts: a hostile name, NaN, 2^63, JSON too deep or too big."""


class DefinitionError(UsageError):
    """A definition file with problems, all of them listed, each with its path."""

    problems: tuple[str, ...]

    def __init__(self, *, problems: tuple[str, ...]) -> None:
        MeerkatError.__init__(self, problems=problems)

    def __str__(self) -> str:
        heading = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''} in the definition:"
        return "\n".join((heading, *(f"  {problem}" for problem in self.problems)))


class UnknownIdentityError(UsageError):
    """No identity of that name was ever created here."""

    identity: str

    def __init__(self, *, identity: str) -> None:
        MeerkatError.__init__(self, identity=identity)

    def __str__(self) -> str:
        return f"{self.identity}: no such identity; create it with runtime.agent({self.identity!r}, kind=...)"


class UnknownKindError(UsageError):
    """An agent kind that this runtime was not given."""

    identity: str
    kind: str
    known: tuple[str, ...]

    def __init__(self, *, identity: str, kind: str, known: tuple[str, ...]) -> None:
        MeerkatError.__init__(self, identity=identity, kind=kind, known=known)

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"{self.identity}: unknown kind {self.kind!r}; open_runtime(agents=...) knows: {known}"


class UnknownInputError(UsageError):
    """No input of that id was ever admitted by this identity."""

    identity: str
    input_id: str

    def __init__(self, *, identity: str, input_id: str) -> None:
        MeerkatError.__init__(self, identity=identity, input_id=input_id)

    def __str__(self) -> str:
        return f"{self.identity}: no input {self.input_id}; nothing of that id was admitted"


class IdempotencyConflictError(UsageError):
    """An idempotency key or input id that already stands for other content."""

    identity: str
    key: str
    first_input_id: str

    def __init__(self, *, identity: str, key: str, first_input_id: str) -> None:
        MeerkatError.__init__(self, identity=identity, key=key, first_input_id=first_input_id)

    def __str__(self) -> str:
        return (
            f"{self.identity}: {self.key!r} already stands for other content"
            f" (input {self.first_input_id}); use another key for new work"
        )


class JournalMismatchError(UsageError):
    """A replayed step was called with other arguments than the first time."""

    identity: str
    step: str
    nth: int

    def __init__(self, *, identity: str, step: str, nth: int) -> None:
        MeerkatError.__init__(self, identity=identity, step=step, nth=nth)

    def __str__(self) -> str:
        return (
            f"{self.identity}: step {self.step!r} (use {self.nth}) has other arguments than in the journal;"
            " a turn must call its steps with the same arguments on every attempt"
        )


class IllegalTransitionError(UsageError):
    """A state machine has no row for this event in this state."""

    machine: str
    state: str
    event: str

    def __init__(self, *, machine: str, state: str, event: str) -> None:
        MeerkatError.__init__(self, machine=machine, state=state, event=event)

    def __str__(self) -> str:
        return f"{self.machine}: {self.event} is not legal in state {self.state}"


# -- nothing was written ------------------------------------------------------------------


class RejectedError(MeerkatError):
    """Nothing was written; a retry is safe."""


class MailboxFullError(RejectedError):
    """The owner is behind; nothing was written."""

    identity: str

    def __init__(self, *, identity: str) -> None:
        super().__init__(identity=identity)

    def __str__(self) -> str:
        return f"{self.identity}: mailbox full, nothing was written; wait for some outcomes, then retry"


class BacklogFullError(RejectedError):
    """The identity holds as many open inputs as its limit allows; nothing was written."""

    identity: str
    limit: int

    def __init__(self, *, identity: str, limit: int) -> None:
        super().__init__(identity=identity, limit=limit)

    def __str__(self) -> str:
        return f"{self.identity}: {self.limit} open inputs, nothing was written; wait for some outcomes, then retry"


class OwnerStoppedError(RejectedError):
    """The owner ended before it took the envelope; nothing was written."""

    identity: str

    def __init__(self, *, identity: str) -> None:
        super().__init__(identity=identity)

    def __str__(self) -> str:
        return f"{self.identity}: its owner ended before taking the request; nothing was written, retry"


class IdentityBrokenError(RejectedError):
    """The identity is quarantined; everyone else goes on."""

    identity: str
    reason: str
    detail: str

    def __init__(self, *, identity: str, reason: str, detail: str) -> None:
        super().__init__(identity=identity, reason=reason, detail=detail)

    def __str__(self) -> str:
        why = f"{self.reason}: {self.detail}"
        return f"{self.identity}: broken ({why}); nothing was written; mend the cause, then repair() it"


class StoreInUseError(RejectedError):
    """Another process owns the store; nothing was written."""

    path: str
    holder: str

    def __init__(self, *, path: str, holder: str) -> None:
        super().__init__(path=path, holder=holder)

    def __str__(self) -> str:
        return f"{self.path}: held by {self.holder}; stop that process first, or use another database"


# -- it has its outcome, and no result ---------------------------------------------------


class TurnAbandonedError(MeerkatError):
    """The input of an ``ask`` ended without a result; ``outcome`` says why."""

    identity: str
    input_id: str
    outcome: object

    def __init__(self, *, identity: str, input_id: str, outcome: object) -> None:
        super().__init__(identity=identity, input_id=input_id, outcome=outcome)

    def __str__(self) -> str:
        return f"{self.identity}: input {self.input_id} ended without a result: {self.outcome}; another key tries anew"


# -- another owner exists -----------------------------------------------------------------


class OwnershipLostError(MeerkatError):
    """A newer fencing token exists; this owner must stop writing."""

    identity: str
    reason: str

    def __init__(self, *, identity: str, reason: str) -> None:
        super().__init__(identity=identity, reason=reason)

    def __str__(self) -> str:
        return f"{self.identity}: write refused ({self.reason}); stop and claim again"


# -- it may be durable --------------------------------------------------------------------


class UnknownOutcomeError(MeerkatError):
    """The write may or may not be durable; ask again with the same id or idempotency key."""

    identity: str

    def __init__(self, *, identity: str) -> None:
        super().__init__(identity=identity)

    def __str__(self) -> str:
        return f"{self.identity}: the outcome is unknown; send the same input_id or idempotency key to learn it"


class WaitEndedError(UnknownOutcomeError):
    """Nobody is left to tell the outcome of a durable input: the runtime ended, or its identity is quarantined."""

    input_id: str | None
    """None when everything was waited for."""

    def __init__(self, *, identity: str, input_id: str | None) -> None:
        MeerkatError.__init__(self, identity=identity, input_id=input_id)

    def __str__(self) -> str:
        if self.input_id is None:
            return f"{self.identity}: the runtime ended before it was idle; its work is durable, and goes on next time"
        return (
            f"{self.identity}: nobody is left to tell the outcome now; input {self.input_id} is durable,"
            " so wait for it again, or after reopening"
        )


class StepUnknownError(UnknownOutcomeError):
    """A step that is never run twice was begun before, and whether it happened is not known."""

    step: str
    nth: int

    def __init__(self, *, identity: str, step: str, nth: int) -> None:
        MeerkatError.__init__(self, identity=identity, step=step, nth=nth)

    def __str__(self) -> str:
        return (
            f"{self.identity}: step {self.step!r} (use {self.nth}) was begun, and what came of it was never recorded;"
            " look whether it happened, then re-drive the dead letter of this turn, or drop it"
        )
