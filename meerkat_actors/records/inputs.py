"""One input: its kinds, its states, what an owner holds of it and what a listing shows."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.content import JSON
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.outcomes import Outcome


class InputKind(StrEnum):
    """Where an input comes from."""

    PROMPT = "prompt"
    """From the embedding program."""
    PEER_MESSAGE = "peer_message"
    """From another agent's turn."""


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

    @property
    def is_pruned(self) -> bool:
        """Whether its content was forgotten: no JSON is empty."""
        return not self.content


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
