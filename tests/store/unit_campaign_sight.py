"""What the generator of a campaign sees when it makes a unit: the model as it stands, and what owners believe.

Units are planned with keys and mail that mean the same in every store: key ``n`` is the n-th name, and mail is
named by the number of its input id. Each side puts its own in their place.
"""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import Final

from attrs import Factory, define

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Mail
from meerkat_actors.records.standing import Authority, Standing
from meerkat_actors.records.timers import Timer
from meerkat_actors.store import Store
from tests.store.writing import uuid_of

NAMES: Final = tuple(
    AgentIdentity(name)
    for name in ("alice", "bob", "carol", "mob/dave", "erin", "fay", "gus", "hal", "ida", "jon", "kim", "lea")
)
"""Who is created and written to. A planned key is a place in it, from 1."""
STRANGERS: Final = tuple(AgentIdentity(name) for name in ("stranger", "nobody/at-all"))
"""Who only gets mail."""
OWNERS: Final = 3
"""Writers of each identity, who overtake each other."""
MAIL_MAX: Final = 64
"""Mail of one recipient that may be taken in one batch."""

RECENT: Final = 40
LETTERS_MAX: Final = 9
"""Dead letters that one unit may settle, and timers that it may fire."""


def number_of(uuid: str) -> int:
    """The number that ``uuid_of`` made the id of."""
    return int(uuid.replace("-", ""), 16)


def sender_key(mail: Mail) -> IdentityKey | None:
    """The planned key of who sent it; None for what was posted."""
    return None if mail.sender is None else IdentityKey(NAMES.index(mail.sender) + 1)


@define(eq=False)
class World:
    """What a round remembers of its own units, beside what the model tells."""

    serial: int = 0
    """Numbers ids: none is made twice."""
    beliefs: dict[tuple[AgentIdentity, int], IdentityFence] = Factory(dict[tuple[AgentIdentity, int], IdentityFence])
    """Of each owner, since it last read or committed."""
    inputs: deque[InputId] = Factory(lambda: deque[InputId](maxlen=RECENT))
    runs: deque[RunId] = Factory(lambda: deque[RunId](maxlen=RECENT))
    sessions: list[SessionId] = Factory(list[SessionId])
    """Every one that was ever named."""
    receipts: Counter[tuple[AgentIdentity, RunId]] = Factory(Counter[tuple[AgentIdentity, RunId]])
    """Of each run, how many were committed."""
    known_mail: set[InputId] = Factory(set[InputId])
    """What waited when a batch began: later mail has no sequence yet that all sides know."""
    seen_mail: dict[AgentIdentity, deque[Mail]] = Factory(dict[AgentIdentity, deque[Mail]])
    """Of each recipient, what it could take at some time."""

    def new_id(self) -> str:
        """An id that was never used."""
        self.serial += 1
        return uuid_of(self.serial)

    def new_input(self) -> InputId:
        self.inputs.append(InputId(self.new_id()))
        return self.inputs[-1]

    def new_run(self) -> RunId:
        self.runs.append(RunId(self.new_id()))
        return self.runs[-1]

    def new_session(self) -> SessionId:
        self.sessions.append(SessionId(self.new_id()))
        return self.sessions[-1]


@define(eq=False)
class Sight:
    """One identity as the maker of a unit sees it. What the unit uses up is taken out."""

    chance: Random
    world: World
    model: Store
    name: AgentIdentity
    authority: Authority | None
    fence: IdentityFence
    """As the owner believes it to be, under the planned key."""
    queued: list[AdmissionSequence] = Factory(list[AdmissionSequence])
    staged: list[tuple[AdmissionSequence, RunId]] = Factory(list[tuple[AdmissionSequence, RunId]])
    next_admission: int = 1
    run: RunId | None = None
    """The live one."""
    parked: RunId | None = None
    """The other one."""
    steps: set[tuple[str, int]] = Factory(set[tuple[str, int]])
    intents: list[tuple[RunId, str, int]] = Factory(list[tuple[RunId, str, int]])
    """Steps without a result."""
    letters: list[AdmissionSequence] = Factory(list[AdmissionSequence])
    """Dead ones."""
    config_version: int = 0
    sends: int = 0
    """The send counter."""
    owed: list[AdmissionSequence] = Factory(list[AdmissionSequence])
    requests: set[AdmissionSequence] = Factory(set[AdmissionSequence])
    """Staged ones to which an answer may be owed."""
    timers: list[Timer] = Factory(list[Timer])
    touched: set[str] = Factory(set[str])
    """Timers and operations that the unit changes."""
    mail: list[Mail] = Factory(list[Mail])

    @property
    def is_alive(self) -> bool:
        return self.authority is not None and not self.authority.is_deleted

    @property
    def is_opaque(self) -> bool:
        return self.authority is not None and self.authority.kind == OPAQUE_KIND

    @property
    def session(self) -> SessionId:
        """The current one, or one of nobody."""
        return self.world.new_session() if self.authority is None else self.authority.session_id

    def run_or_new(self) -> RunId:
        """The live run; the first to ask begins one."""
        if self.run is None:
            self.run = self.world.new_run()
        return self.run

    def run_for(self, lane: Lane) -> RunId:
        """The live run; what is steered may have another one."""
        if lane is not Lane.STEER or self.chance.random() < 0.6:
            return self.run_or_new()
        if self.parked is None:
            self.parked = self.world.new_run()
        return self.parked


def look(chance: Random, world: World, model: Store, name: AgentIdentity, owner: int, *, afresh: bool) -> Sight:
    """See an identity. An owner that does not look ``afresh`` keeps the fence of its last unit."""
    authority = authority_of(model, name)
    believed = world.beliefs.get((name, owner))
    if afresh or believed is None:
        believed = true_fence(name, authority)
    sight = Sight(chance, world, model, name, authority, believed)
    found = model.activate(name)
    if isinstance(found, Activation):
        sight.next_admission = found.admissions + 1
        sight.queued = [each.admission for each in found.queued]
        if found.run is not None:
            sight.run = found.run.run_id
            sight.steps = set(found.run.journal)
        if found.parked is not None:
            sight.parked = found.parked.run_id
        for run in (found.run, found.parked):
            if run is not None:
                sight.staged += [(each.admission, run.run_id) for each in run.members]
                sight.intents += [(run.run_id, *step) for step, entry in run.journal.items() if not entry.result]
                sight.requests |= {
                    each.admission for each in run.members if each.sender and each.kind is InputKind.PEER_REQUEST
                }
        sight.owed = [each.admission for each in found.owed]
        sight.sends = 0 if found.head is None else found.head.sends
        if found.config is not None:
            sight.config_version = found.config.version
        sight.mail = [
            mail for mail in model.pending_mail(found.key, limit=MAIL_MAX) if mail.input_id in world.known_mail
        ]
        world.seen_mail.setdefault(name, deque(maxlen=RECENT)).extend(sight.mail)
    else:
        _see_inputs(sight)
    sight.timers = list(model.page_timers(name, after=None, limit=LETTERS_MAX))
    dead = model.page_letters(name, after=0, limit=LETTERS_MAX)
    sight.letters = [found.row.admission for found in dead if found.row.admission is not None]
    return sight


def authority_of(model: Store, name: AgentIdentity) -> Authority | None:
    """Where the identity stands; None if it was never created."""
    (standing,) = model.read_standings((name,), snapshots="unread")
    assert isinstance(standing, Standing), standing
    return standing.authority


def true_fence(name: AgentIdentity, authority: Authority | None) -> IdentityFence:
    """The fence that goes through, under the planned key."""
    key = IdentityKey(NAMES.index(name) + 1)
    if authority is None:
        return IdentityFence(name, key, FencingToken(1), Generation(0), CheckpointVersion(0))
    return IdentityFence(name, key, authority.token, authority.generation, authority.version)


def _see_inputs(sight: Sight) -> None:
    # What can't be activated still has inputs, and a writer that does not care.
    for row in sight.model.page_inputs(sight.name, after=None, limit=6, newest_first=True):
        if row.admission is None:
            continue
        sight.next_admission = max(sight.next_admission, row.admission + 1)
        if row.state is InputState.QUEUED:
            sight.queued.append(row.admission)
        elif row.state is InputState.STAGED and row.run_id is not None:
            sight.staged.append((row.admission, row.run_id))
