"""What a lap is given, and what it concludes: values only."""

from __future__ import annotations

from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import RunId, SessionId
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.operation import Operation
from meerkat_actors.records.operation_listing import OperationListing
from meerkat_actors.records.outcomes import Admission, Outcome
from meerkat_actors.records.runs import Run
from meerkat_actors.records.status import IdentityStatus


@hot
class Later:
    """The answer comes with what ``Decision.told`` says under this key, in this lap or a later one."""

    key: str
    is_input: bool = True
    """Whether the key is an input's id, whose outcome can be read back; else what a verb asked for."""


Reply = (
    Admission
    | IdentityStatus
    | Later
    | MeerkatError
    | Operation
    | OperationListing
    | Outcome
    | tuple[OpenInput, ...]
    | tuple[Operation, ...]
    | bool
    | None
)
"""What a command is answered: an error is raised at the asker."""

Told = tuple[tuple[str, object], ...]


@hot
class Stamp:
    """What a lap may know of the world outside."""

    now_ms: int
    run_id: RunId
    """For the run that this lap may stage; empty when it can't stage one."""
    session_id: SessionId
    """For the identity that this lap may create, or begin anew; empty when it can't."""
    jitter: float
    """In 0..1."""
    starts_nothing: bool
    """Whether the runtime is leaving, or the disk is full: nothing is staged or started."""
    silent_intents: frozenset[str] = frozenset()
    """Requests of these intents don't wake the agent."""
    may_suspect: bool = False
    """Whether this identity's turn is the one that is watched now, see ``machines.settling``."""
    incarnation: int = 0
    """Under which the runtime serves."""


@hot
class Decision:
    """What to commit, and what holds once it is committed."""

    state: IdentityState
    unit: Unit | None
    replies: list[Reply]
    told: Told
    """What is known with this unit: the outcomes of inputs by their ids, the answers to verbs by their keys."""
    failed: str | None
    """What the turn raised that this lap counted."""
    starts: Run | None
    """The run whose turn begins."""
    wake_at_ms: int
    """Wall clock at which a waiting run wants to be looked at again; 0 for never."""
    halts: bool = False
    """Whether the turn in progress is to be cancelled."""
    stirs: bool = False
    """Whether a cooperative wait of the turn in progress is over."""
    asks_to_suspect: bool = False
    """Whether a run waits for being the one that is watched."""
    recycles: bool = False
    """Whether the owner is to begin anew from what is stored."""
