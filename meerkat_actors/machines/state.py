"""What the owner of an identity holds in memory, and how it begins from what a store tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import define
from immutables import Map

from meerkat_actors.machines.line import EMPTY, Line, line_of
from meerkat_actors.machines.policy import Wake, policy_of
from meerkat_actors.records.activation import Activation, Head
from meerkat_actors.records.agenda_codec import decode_operation
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    OperationId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, Lane, OpenInput
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.operation import Operation
from meerkat_actors.records.runs import JournalEntry, Run
from meerkat_actors.records.status import Desired

Recorded: TypeAlias = "tuple[tuple[str, int], JournalEntry | None, Recorded] | None"
"""Steps recorded since the run was read, newest first, None where an intent was withdrawn: a decision never copies
a journal."""

Keyed = Map[tuple[InputKind, str], AdmissionSequence]
"""What is queued under a supersession key, or as the progress of a request."""
NOTHING_KEYED: Final[Keyed] = Map()
NOTHING_OWED: Final[Map[InputId, Owed]] = Map()
NO_OPERATIONS: Final[Map[OperationId, Operation]] = Map()


@hot
class Halting:
    """Why the turn in progress is to end, before it does."""

    admissions: tuple[AdmissionSequence, ...]
    """The members of a batch that are cancelled; none: the run ends."""
    at_checkpoint: bool
    """Whether it may go on until its next checkpoint."""


@define
class IdentityState:
    """One identity in its owner's hands. ``decide`` works on a ``fork`` and never on this."""

    # The hot path's exception to frozen records: forking costs 1 us, attrs.evolve 8.
    identity: AgentIdentity
    key: IdentityKey
    kind: str
    """Empty until the identity is created."""
    token: FencingToken
    previous_token: FencingToken | None
    """The token that is still durable while our claim is not; None once ours is."""
    generation: Generation
    version: CheckpointVersion
    session_id: SessionId
    digest: bytes
    message_count: int
    admissions: int
    sends: int
    state: bytes | None
    """Canonical JSON of the agent's own state."""
    config: AgentConfig | None
    """None when none was ever given."""
    lane: Line
    """The queue lane."""
    run: Run | None
    """The run in progress; else one that waits for its time."""
    recorded: Recorded
    """Of the run in progress."""
    is_executing: bool
    """Whether the run's turn is in progress."""
    steer: Line = EMPTY
    """The steer lane."""
    parked: Run | None = None
    """A second run, which waits in the other lane: a lane holds one, and one is in progress."""
    keyed: Keyed = NOTHING_KEYED
    desired: Desired = Desired.OPEN
    is_awake: bool = False
    """Whether something wants what waits to be worked on; not, while all of it came without waking."""
    is_buried: bool = False
    """Whether the identity is destroyed, down to its tombstone."""
    is_resetting: bool = False
    """Whether the next generation begins as soon as no turn is in progress."""
    halting: Halting | None = None
    unheard: tuple[int, ...] = ()
    """Checkpoints of the turn in progress that bound nothing and are not journaled yet."""
    suspect: bool = False
    """Whether the turn in progress is watched for ending the process."""
    lost: tuple[OpenInput, ...] = ()
    """Ephemeral inputs that recovery found, and gives up."""
    resumes: bool = False
    """Whether the runs that recovery found go on before anything new begins."""
    owed: Map[InputId, Owed] = NOTHING_OWED
    """Consumed requests that wait for their answers."""
    operations: Map[OperationId, Operation] = NO_OPERATIONS
    """Every operation that is remembered."""
    completions: int = 0
    """The sequence of the last operation that ended."""
    has_orphans: bool = False
    """Whether operations may have lost the process that carried them out: looked at before anything else."""

    def fork(self) -> IdentityState:
        """A copy to change; every value in it is immutable."""
        return IdentityState(
            self.identity, self.key, self.kind, self.token, self.previous_token, self.generation, self.version,
            self.session_id, self.digest, self.message_count, self.admissions, self.sends, self.state, self.config,
            self.lane, self.run, self.recorded, self.is_executing, self.steer, self.parked, self.keyed, self.desired,
            self.is_awake, self.is_buried, self.is_resetting, self.halting, self.unheard, self.suspect, self.lost,
            self.resumes, self.owed, self.operations, self.completions, self.has_orphans,
        )  # fmt: skip

    @property
    def fence(self) -> IdentityFence:
        """The fence for the next unit."""
        return IdentityFence(self.identity, self.key, self.token, self.generation, self.version)

    @property
    def is_created(self) -> bool:
        """Whether the identity exists, or is created by the unit in preparation."""
        return self.kind != ""

    @property
    def has_open_input(self) -> bool:
        """Whether any input is without an outcome."""
        return self.run is not None or self.lane is not EMPTY or self.steer is not EMPTY or self.parked is not None

    @property
    def backlog(self) -> int:
        """How many inputs are without an outcome."""
        members = 0 if self.run is None else len(self.run.members)
        if self.parked is not None:
            members += len(self.parked.members)
        lane, steer = self.lane, self.steer
        return (0 if lane is EMPTY else len(lane)) + (0 if steer is EMPTY else len(steer)) + members


_UNCREATED: Final = Head(
    kind="",
    token=FencingToken(1),
    generation=Generation(0),
    version=CheckpointVersion(0),
    session_id=SessionId(""),
    digest=DIGEST_ZERO,
    message_count=0,
    sends=0,
)
"""Of an identity without a head; nobody held it, so its first owner's token is claimed by its creation."""


def lane_of(run: Run) -> Lane:
    """The lane that a run was staged from, and holds while it waits."""
    return run.members[0].lane


def begin(
    activation: Activation,
    *,
    charges_interruption: bool,
    is_claimed: bool = False,
    keeps_ephemeral: bool = False,
    backlog_max: int = COUNTER_MAX,
) -> IdentityState:
    """The state of a new owner: it holds a higher token than any before, which its first unit claims.

    ``charges_interruption``: the process, or the owner, before this one ended uncleanly. ``is_claimed``: the token
    that was read is the owner's already, claimed by a unit of its own, as in a store that others share. With
    ``backlog_max`` open inputs nothing can come in that would wake it, so it is awake.
    """
    head = activation.head or _UNCREATED
    claimed = is_claimed or activation.head is None
    queued = activation.queued
    lost = () if keeps_ephemeral else tuple(filter(_is_ephemeral, queued))
    if lost:
        queued = tuple(each for each in queued if not _is_ephemeral(each))
    run, parked = (
        (None if each is None else _unclean(each) if charges_interruption else each)
        for each in (activation.run, activation.parked)
    )
    operations = _operations_of(activation)
    is_draining = head.desired is Desired.RETIRED
    return IdentityState(
        identity=activation.identity,
        key=activation.key,
        kind=head.kind,
        token=head.token if claimed else FencingToken(head.token + 1),
        previous_token=None if claimed else head.token,
        generation=head.generation,
        version=head.version,
        session_id=head.session_id,
        digest=head.digest,
        message_count=head.message_count,
        admissions=activation.admissions,
        sends=head.sends,
        state=activation.state,
        config=activation.config,
        lane=line_of(tuple(each for each in queued if each.lane is not Lane.STEER)),
        run=run,
        recorded=None,
        is_executing=False,
        steer=line_of(tuple(each for each in queued if each.lane is Lane.STEER)),
        parked=parked,
        keyed=_keyed(queued),
        desired=head.desired,
        is_awake=run is not None or is_draining or len(queued) >= backlog_max or any(map(_wakes, queued)),
        is_buried=head.is_buried,
        lost=lost,
        resumes=run is not None,
        owed=Map((each.input_id, each) for each in activation.owed) if activation.owed else NOTHING_OWED,
        operations=operations,
        completions=max((each.sequence for each in operations.values()), default=0),
        has_orphans=any(not each.status.is_terminal for each in operations.values()),
    )


def key_of(item: OpenInput) -> tuple[InputKind, str] | None:
    """Under which key a newer input takes its place, if any does: its supersession key, or the request it is about."""
    header = item.header
    if header is None:
        return None
    if item.kind is InputKind.PEER_RESPONSE_PROGRESS and header.request_id is not None:
        return item.kind, header.request_id
    return None if header.supersession_key is None else (item.kind, header.supersession_key)


def journal_of(state: IdentityState) -> dict[tuple[str, int], JournalEntry]:
    """Every recorded step of the run, as its next attempt replays them."""
    assert state.run is not None
    journal = dict(state.run.journal)
    news: list[tuple[tuple[str, int], JournalEntry | None]] = []
    recorded = state.recorded
    while recorded is not None:
        key, entry, recorded = recorded
        news.append((key, entry))
    for key, entry in reversed(news):
        if entry is None:
            journal.pop(key, None)
        else:
            journal[key] = entry
    return journal


def is_once(state: IdentityState, run: Run) -> bool:
    """Whether the run's journal holds a step that is never run twice: then its inputs can't be tried apart."""
    is_recorded = run is state.run and state.recorded is not None
    journal = journal_of(state) if is_recorded else run.journal
    return any(entry.is_once for entry in journal.values())


def is_open(state: IdentityState, admission: AdmissionSequence) -> bool:
    """Whether the input of that admission has no outcome yet."""
    if admission in state.lane or admission in state.steer:
        return True
    return any(
        member.admission == admission for run in (state.run, state.parked) if run is not None for member in run.members
    )


def was_tried(item: OpenInput) -> bool:
    """Whether it was in a run that was taken apart: it goes on alone, and is not displaced any more."""
    return item.attempts > 0 or item.interruptions > 0


def _operations_of(activation: Activation) -> Map[OperationId, Operation]:
    if not activation.operations:
        return NO_OPERATIONS
    return Map((each.operation_id, each) for each in map(decode_operation, activation.operations))


def _keyed(queued: Iterable[OpenInput]) -> Keyed:
    return Map((key, each.admission) for each in queued if (key := key_of(each)) is not None and not was_tried(each))


def _unclean(run: Run) -> Run:
    return Run(
        run.run_id, run.members, run.attempts, run.interruptions, run.not_before_ms, run.journal, is_unclean=True
    )


def _wakes(item: OpenInput) -> bool:
    # What a dissolved batch left is half done: it wants to go on.
    is_silent = (item.header is not None and not item.header.wakes) or (
        policy_of(item.policy, item.kind).wake_idle is Wake.NONE
    )
    return not is_silent or was_tried(item)


def _is_ephemeral(item: OpenInput) -> bool:
    return (item.header or DEFAULT_HEADERS[item.kind]).durability is Durability.EPHEMERAL
