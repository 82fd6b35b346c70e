"""A history of planned units, and one store that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import Factory, define, evolve, frozen

from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    DropSnapshots,
    Exhume,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import (
    AppendTurn,
    Claim,
    Effect,
    OwnerUnit,
    PostInput,
    Recreate,
    ReturnMail,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence, OwnerFence
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, Mail
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.standing import Authority, Former, Standing
from meerkat_actors.store import Store, open_sqlite
from tests.store.unit_campaign_sight import MAIL_MAX, NAMES, STRANGERS, number_of, true_fence
from tests.store.writing import uuid_of

NO_MAIL: Final = 2**50
"""A sequence that no store comes to."""
_ANSWERS: Final = 2**40
_TOO_EARLY: Final = Abandoned(AbandonReason.UNDELIVERABLE, "too early")
RAISED: Final = (MeerkatError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What a store may raise that does not do what it promises."""

_NOBODYS: Final = Unit(
    IdentityFence(AgentIdentity("x"), IdentityKey(2**40), FencingToken(1), Generation(0), CheckpointVersion(0)), ()
)
"""Always refused: no batch with it goes through as one group."""


@frozen
class Planned:
    """A unit with planned keys, and what it was chosen from."""

    unit: Unit
    name: AgentIdentity
    """Whose key it presents; if nobody's, whose unit it was meant to be."""
    truth: Authority | None
    """Where that identity stood when it was chosen."""


@frozen
class Batch:
    """Units that are committed together."""

    planned: tuple[Planned, ...]
    poison: int
    """SQLite gets one more unit, always refused, behind so many and at the end; 0 for none."""

    @property
    def units(self) -> tuple[Unit, ...]:
        """Under planned keys."""
        return tuple(each.unit for each in self.planned)


@frozen
class Restarted:
    """The process ends, in good order or not, and another begins."""

    clean: bool


@frozen
class Couriered:
    """Mail that nobody can take any more is returned, so much of each recipient's; and some that may be is tried."""

    limit: int


Moment: TypeAlias = Batch | Restarted | Couriered


def mended(planned: Planned, now: Authority | None) -> Planned:
    """The same unit, as right or as wrong, where the identity stands elsewhere than it did."""
    was = planned.truth
    if was == now:
        return planned
    unit, fence = planned.unit, planned.unit.fence
    before, after = true_fence(planned.name, was), true_fence(planned.name, now)
    token, generation, version = (
        after.token - before.token,
        after.generation - before.generation,
        after.version - before.version,
    )

    def effect_of(effect: Effect) -> Effect:
        match effect:
            case Claim() | Exhume() | Recreate():
                return evolve(effect, previous=FencingToken(_moved(effect.previous, token)))
            case AppendTurn():
                return evolve(effect, version=CheckpointVersion(_moved(effect.version, version)))
            case _ if was is None or now is None:
                return effect
            case SaveSnapshot():
                effect = evolve(effect, version=CheckpointVersion(_moved(effect.version, version)))
                return evolve(effect, session_id=_replaced(effect.session_id, was, now))
            case BuryRecord() | DropSnapshots():
                return evolve(effect, session_id=_replaced(effect.session_id, was, now))
            case RebindSession():
                return evolve(effect, previous=_replaced(effect.previous, was, now))
            case ResetRecord():
                return evolve(effect, generation=Generation(_moved(effect.generation, now.floor - was.floor)))
            case RollBackRecord():
                return _rolled_back(effect, was, now)
            case _:
                return effect

    fence = IdentityFence(
        fence.identity,
        fence.key,
        FencingToken(_moved(fence.token, token)),
        Generation(_moved(fence.generation, generation)),
        CheckpointVersion(_moved(fence.version, version)),
    )
    return Planned(Unit(fence, tuple(map(effect_of, unit.effects))), planned.name, now)


def _rolled_back(effect: RollBackRecord, was: Authority, now: Authority) -> RollBackRecord:
    effect = evolve(effect, attempt=_replaced(effect.attempt, was, now))
    to = Former(generation=effect.generation, session_id=effect.session_id, version=effect.version)
    if was.former != to or now.former is None:
        return effect
    to = now.former
    return evolve(effect, generation=to.generation, session_id=to.session_id, version=to.version)


def _replaced(session: SessionId, was: Authority, now: Authority) -> SessionId:
    # What was the current one, is.
    return now.session_id if session == was.session_id else session


def _moved(value: int, by: int) -> int:
    # What was hostile stays hostile.
    return value + by if type(value) is int and 0 <= value + by <= COUNTER_MAX else value


def _returning(name: AgentIdentity, mail: Mail, why: Abandoned) -> ReturnMail:
    answer = None
    if mail.kind is InputKind.PEER_REQUEST and mail.sender is not None:
        # Below every number of no mail, and no other input's.
        input_id = InputId(uuid_of(_ANSWERS + number_of(mail.input_id)))
        kind, content = InputKind.PEER_RESPONSE_TERMINAL, b'"returned"'
        answer = PostInput(mail.sender, input_id, kind, content, content_digest(content), None)
    return ReturnMail(mail.sequence, name, why, COUNTER_MAX, answer)


@define(eq=False)
class Side:
    """One store of a pair. Planned keys and mail become its own."""

    store: Store
    path: Path | None = None
    mail: dict[str, int] = Factory(dict[str, int])
    """What waited at some time: by its input id, its sequence."""
    _owner: int = 0
    _keys: list[IdentityKey] = Factory(list[IdentityKey])

    def read(self) -> None:
        """Learn keys and mail, as owners know them before a batch."""
        found = self.store.read_standings(NAMES, snapshots="unread")
        self._keys = [standing.key for standing in found if isinstance(standing, Standing)]
        assert len(self._keys) == len(NAMES), found
        waiting = [mail for key in self._keys for mail in self.store.pending_mail(key, limit=MAIL_MAX)]
        self.mail.update({mail.input_id: mail.sequence for mail in waiting})

    def begin(self) -> Opening:
        """Begin to serve."""
        opening = self.store.begin()
        self._owner = opening.incarnation
        return opening

    def return_mail(self, limit: int) -> tuple[list[tuple[str, AbandonReason]], list[PostInput]]:
        """What was found, and why it is returned, and what the senders of requests may be answered."""
        told: list[tuple[str, AbandonReason]] = []
        effects: list[ReturnMail] = []
        for name in (*NAMES, *STRANGERS):
            for each in self.store.undeliverable_mail(name, absent_before_ms=COUNTER_MAX, limit=limit):
                told.append((each.mail.input_id, each.abandoned.reason))
                effects.append(_returning(name, each.mail, each.abandoned))
        for name, key in zip(NAMES, self._keys, strict=True):
            # Of who is there this is too early, and of who is retired it is found as well.
            effects += [_returning(name, mail, _TOO_EARLY) for mail in self.store.pending_mail(key, limit=1)]
        outcome = self.store.post(OwnerUnit(OwnerFence(self._owner), tuple(effects)))
        assert outcome == Committed(CheckpointVersion(0)), outcome
        return told, [effect.answer for effect in effects if effect.answer is not None]

    def commit(self, units: Sequence[Unit], *, poison: int = 0) -> list[CommitOutcome]:
        """Commit planned units as one batch."""
        mine: list[Unit] = []
        asked: list[int] = []
        for number, unit in enumerate(units, 1):
            asked.append(len(mine))
            mine.append(self._mine(unit))
            if poison and (number % poison == 0 or number == len(units)):
                mine.append(_NOBODYS)
        outcomes = self.store.commit(mine)
        return [outcomes[place] for place in asked]

    def restart(self, *, clean: bool) -> Opening:
        """End and begin as another process would."""
        if clean:
            self.store.end(clean=True)
        self.store.close()
        if self.path is not None:
            self.store = open_sqlite(self.path, synchronous="normal")
        return self.begin()

    def _mine(self, unit: Unit) -> Unit:
        fence = evolve(unit.fence, key=self._key(unit.fence.key))
        return Unit(fence, tuple(map(self._effect, unit.effects)))

    def _effect(self, effect: Effect) -> Effect:
        if not isinstance(effect, TakeMail):
            return effect
        sequence = effect.sequence
        if type(sequence) is int and 0 < sequence < NO_MAIL:
            sequence = self.mail.get(uuid_of(sequence), NO_MAIL)
        sender = None if effect.sender_key is None else self._key(effect.sender_key)
        return evolve(effect, sequence=sequence, sender_key=sender)

    def _key(self, planned: IdentityKey) -> IdentityKey:
        # Whatever is no place among the names is meant as it is.
        return self._keys[planned - 1] if type(planned) is int and 1 <= planned <= len(NAMES) else planned
