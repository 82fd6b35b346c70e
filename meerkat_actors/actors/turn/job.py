"""What one turn is made of: what its owner gives it, and what it has gathered so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Final

import trio
from attrs import define

from meerkat_actors.actors.mailbox import Mailbox
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn.extras import DraftExtras
from meerkat_actors.actors.turn.kind import AgentKind
from meerkat_actors.actors.turn.wiring import Wiring, every_name
from meerkat_actors.errors import UsageError
from meerkat_actors.records.codec import decode_json
from meerkat_actors.records.content import JSON
from meerkat_actors.records.env import Env
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, Generation, InputId, OperationId, SessionId
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.operation import Operation
from meerkat_actors.records.runs import JournalEntry, Run, Sending


@hot
class TurnInput:
    """One input of a turn."""

    input_id: InputId
    kind: InputKind
    sender: AgentIdentity | None
    """The sending agent; None for a prompt."""
    content: JSON
    header: Header
    """What it says of itself: where it comes from, which request it answers, how that went."""


def inputs_of(members: tuple[OpenInput, ...]) -> tuple[TurnInput, ...]:
    """What an agent is shown of inputs, decoded afresh, in their order."""
    return tuple(
        TurnInput(
            member.input_id,
            member.kind,
            member.sender,
            decode_json(member.content),
            DEFAULT_HEADERS[member.kind] if member.header is None else member.header,
        )
        for member in members
    )


_NOTHING_OWED: Final[Mapping[InputId, Owed]] = MappingProxyType({})
_NO_OPERATIONS: Final[Mapping[OperationId, Operation]] = MappingProxyType({})


def _unheard(chunk: str) -> None:
    return None


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
    has_begun: bool = False
    """Whether the agent's function was entered: a plain one may wait long for a thread."""
    is_given_up: bool = False
    """Whether its owner waited for that longer than anyone should."""
    stirred: trio.Event | None = None
    """Set by what ends a cooperative wait, made by whoever comes first; few turns rest."""
    owed: Mapping[InputId, Owed] = _NOTHING_OWED
    """Requests that earlier turns put off, and nobody answered yet."""
    operations: Mapping[OperationId, Operation] = _NO_OPERATIONS
    """The identity's operations, as the turn begins."""
    completions: tuple[Operation, ...] = ()
    """Those of them that ended and that no turn took up, in the order of their ends."""
    wiring: Wiring = every_name
    """Whom a name means that the turn sends to."""
    stream: Callable[[str], None] = _unheard
    """Tells a piece of the turn's stream to whoever listens. Called on the event loop only; waits for nothing."""

    is_resting: bool = False
    """Whether it merely waits, and may be stirred by whatever comes."""

    def stir(self) -> None:
        """End the cooperative wait that the turn is in, or else its next one: what woke it can't be missed."""
        if self.stirred is None:
            self.stirred = trio.Event()
        self.stirred.set()

    def give_up(self) -> bool:
        """Cancel a turn whose function was not entered; False, and no harm done, for one that was.

        Such a turn ends as one that never began, and its function is not entered any more.
        """
        self.is_given_up = True
        # A thread says first that it begins, and looks then whether it may: one of us two sees the other.
        if self.has_begun:
            self.is_given_up = False
            return False
        self.scope.cancel()
        return True


@define(eq=False)
class Draft:
    """What a turn has gathered so far; it commits with the turn's end."""

    task: trio.lowlevel.Task
    state: bytes | None
    entries: list[bytes]
    sendings: list[Sending]
    uses: dict[str, int]
    """How often each name of a step was used in this attempt."""
    intents: dict[tuple[str, int], JournalEntry]
    """Steps that this attempt began and that may have happened: their uses are free to be taken up again."""
    thread: int | None = None
    """Where the plain function that the turn was given to runs."""
    state_is_new: bool = False
    size_bytes: int = 0
    checkpoints: int = 0
    """How many returned."""
    known_checkpoints: int | None = None
    """How many an earlier attempt left a record of; None until the first one of this attempt."""
    asked: ReplySlot[Any] | None = None
    """Where the owner answers what was asked last; None when that was waited for to the end."""
    passing: ReplySlot[Any] | None = None
    """The same of the checkpoint that was asked for and not passed."""
    random: Random | None = None
    bound: tuple[OpenInput, ...] = ()
    """What the checkpoints that it passed gave it."""
    extras: DraftExtras | None = None
    """None for most turns: see ``more``."""
    is_over: bool = False

    @property
    def more(self) -> DraftExtras:
        """Where what few turns do is gathered; made with the first of it."""
        if self.extras is None:
            self.extras = DraftExtras()
        return self.extras


def check_use(job: TurnJob, draft: Draft) -> None:
    """Refuse a use of the turn after its end, or by anybody but whom it was given to.

    Raises:
        UsageError: as it says.
    """
    if draft.is_over:
        raise UsageError(problem=f"{job.identity}: this turn is over; a turn ends when its function returns")
    if draft.thread is None:
        is_ours = trio.lowlevel.in_trio_task() and trio.lowlevel.current_task() is draft.task
    else:
        is_ours = threading.get_ident() == draft.thread
    if not is_ours:
        problem = "a turn is used from its own task only; what is to run at once belongs into one step"
        raise UsageError(problem=f"{job.identity}: {problem}")
