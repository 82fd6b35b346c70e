"""One input: its kinds, its states, what an owner holds of it and what a listing shows."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from attrs import frozen

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Header
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.kinds import InputKind as InputKind
from meerkat_actors.records.outcomes import Outcome


class InputState(StrEnum):
    """Where an input is in its life. The last four are terminal."""

    SENT = "sent"
    """Mail that its recipient has not taken yet."""
    QUEUED = "queued"
    """In its identity's lane."""
    STAGED = "staged"
    """Bound to exactly one run."""
    CONSUMED = "consumed"
    SUPERSEDED = "superseded"
    COALESCED = "coalesced"
    ABANDONED = "abandoned"

    @property
    def is_terminal(self) -> bool:
        """Whether the input has its one outcome."""
        return self in _TERMINAL


_TERMINAL = frozenset({InputState.CONSUMED, InputState.SUPERSEDED, InputState.COALESCED, InputState.ABANDONED})


class Lane(IntEnum):
    """Where an open input waits; the steer lane goes first."""

    QUEUE = 0
    STEER = 1
    NONE = 2
    """Nowhere: it was consumed when it was admitted."""


@hot
class OpenInput:
    """An admitted input that has no outcome yet, as its owner holds it."""

    admission: AdmissionSequence
    input_id: InputId
    kind: InputKind
    content: bytes
    """Canonical JSON."""
    sender: AgentIdentity | None
    """The sending agent; None for a prompt."""
    header: Header | None = None
    """None for its kind's default."""
    policy: int = 0
    """The rule that was resolved at admission, see ``machines.policy``; 0 for its kind's default."""
    lane: Lane = Lane.QUEUE
    position: int = 0
    """In its run: 0 for what staging froze, n for what its n-th checkpoint bound."""
    attempts: int = 0
    """Failed turns so far; a queued input that has any goes on alone."""
    interruptions: int = 0


@hot
class Mail:
    """A ``sent`` row that its recipient may take."""

    sequence: int
    """Its store sequence, by which it is taken."""
    sender_key: IdentityKey | None
    """None for what came from outside, while another runtime held the recipient."""
    sender: AgentIdentity | None
    input_id: InputId
    kind: InputKind
    content: bytes
    header: Header | None = None
    """None for its kind's default."""


class Letter(IntEnum):
    """Whether an input is a dead letter: given up though nobody asked for that."""

    NONE = 0
    DEAD = 1
    """Until somebody looks after it."""
    SETTLED = 2
    """Driven again, or dropped."""


@frozen(kw_only=True)
class InputRow:
    """One input as a store returns it to a reader."""

    sequence: int
    input_id: InputId
    kind: InputKind
    state: InputState
    content: bytes
    """Canonical JSON; empty where it was pruned."""
    sender: AgentIdentity | None
    admission: AdmissionSequence | None
    run_id: RunId | None
    attempts: int
    interruptions: int
    not_before_ms: int
    ending: bytes | None
    """Canonical JSON of what ended it without a boundary; None for every other state."""
    turn: TurnRow | None
    """The boundary that consumed it; None for every other state."""
    idempotency_key: str | None
    """The caller's; None when it gave none."""
    header: bytes | None = None
    """Canonical JSON of what it says of itself; None for its kind's default."""
    policy: int = 0
    lane: Lane = Lane.QUEUE
    position: int = 0
    letter: Letter = Letter.NONE

    @property
    def is_pruned(self) -> bool:
        """Whether its content was forgotten: no JSON is empty."""
        return not self.content


@frozen(kw_only=True)
class Letterhead:
    """One dead letter, and whose it is."""

    identity: AgentIdentity
    row: InputRow


@frozen(kw_only=True)
class InputRecord:
    """One input, as ``AgentHandle.inputs()`` lists it."""

    input_id: InputId
    kind: InputKind
    state: InputState
    content: JSON
    """None also where it was pruned."""
    is_pruned: bool
    """Whether its content was forgotten, long after its outcome."""
    sender: AgentIdentity | None
    """The sending agent; None for a prompt."""
    admission_sequence: AdmissionSequence | None
    """None while the input is mail that was not taken."""
    idempotency_key: str | None
    """The caller's; None when it gave none."""
    run_id: RunId | None
    attempts: int
    """Failed turns so far."""
    interruptions: int
    """Unclean ends since its run last made durable progress."""
    outcome: Outcome | None
    """None while the input is open."""
    header: Header
    lane: Lane
    """Where it waits, or waited."""
    letter: Letter
