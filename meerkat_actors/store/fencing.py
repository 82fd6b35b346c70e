"""What a store checks before it touches a row: pure, and the same for every store.

The order is fixed, and the strongest claim fails first:

1. range: every counter an int (no bool) from 0 to 2^63-1, every digest 32 bytes, a unit well formed
2. not found: the identity has an authority row (a creating unit: has none, and its key and name are free)
3. fencing token: the presented one is the highest ever claimed
4. tombstone: the identity was not deleted (a unit that lifts the tombstone: it was)
5. generation
6. session binding: the session that an effect names as current is
7. version

Only then effects are tried, in the order of the union in ``records/effects.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, get_args

from meerkat_actors.machines.lease import holder_of
from meerkat_actors.records.commits import HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.continuity_effects import CreateRecord, Exhume
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    Release,
    ResolveStep,
    SendMail,
    SetConfig,
    SettleLetter,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, FencingToken, Generation, SessionId, is_unicode
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.leases import Lease
from meerkat_actors.store.agenda_fitting import AGENDA_FITS
from meerkat_actors.store.continuity_fitting import CONTINUITY_FITS, current_session, is_continuity
from meerkat_actors.store.lives_fitting import LIVES_FITS
from meerkat_actors.store.runtime_fencing import RUNTIME_FITS

FENCE: Final = -1
"""The effect index that means the fence itself."""

_DIGEST_BYTES: Final = 32


@hot
class Authority:
    """What a store holds of an identity, to compare a fence with."""

    token: FencingToken
    generation: Generation
    version: CheckpointVersion
    session: SessionId
    deleted: bool


def unit_refusal(unit: Unit) -> Refused | None:
    """Name the first counter out of range, or what makes the unit no unit; needs no store."""
    fence = unit.fence
    key, token, generation, version = fence.key, fence.token, fence.generation, fence.version
    # Spelled out: this runs for every unit, and a call per counter costs twice as much.
    if not (
        type(key) is int
        and type(token) is int
        and type(generation) is int
        and type(version) is int
        and key > 0
        and token > 0
        # Together they have every bit that one of them has, the sign too.
        and 0 <= (key | token | generation | version) <= COUNTER_MAX
    ):
        return refused(RefusalReason.OUT_OF_RANGE, FENCE, f"counters are integers from 0 to {COUNTER_MAX}: {fence}")
    for effect in unit.effects:
        if not _FITS[type(effect)](effect, unit):
            return refused(
                RefusalReason.OUT_OF_RANGE,
                unit.effects.index(effect),
                f"{type(effect).__name__} is out of range or has no place in its unit",
            )
    return None


def fence_refusal(unit: Unit, claim: Claim | Exhume | Recreate | None, current: Authority | None) -> Refused | None:
    """Compare a unit's fence with what the store holds. A claim presents the token that it replaces."""
    fence = unit.fence
    if current is None:
        return refused(RefusalReason.NOT_FOUND, FENCE, "no identity of that key was ever created")
    presented = fence.token if claim is None else claim.previous
    if presented != current.token:
        return refused(RefusalReason.STALE_FENCING_TOKEN, FENCE, f"token {current.token}")
    lifts = type(claim) is Exhume or type(claim) is Recreate
    if current.deleted and not lifts:
        return refused(RefusalReason.DELETED, FENCE, "the identity was deleted")
    if lifts and not current.deleted:
        return refused(RefusalReason.GENERATION_CONFLICT, FENCE, "the identity was not deleted")
    if fence.generation != current.generation:
        return refused(RefusalReason.STALE_GENERATION, FENCE, f"generation {current.generation}")
    session = current_session(unit.effects) if is_continuity(unit) else None
    if session is not None and session != current.session:
        return refused(RefusalReason.SUPERSEDED_SESSION, FENCE, f"session {current.session}")
    if fence.version != current.version:
        return refused(RefusalReason.STALE_CHECKPOINT_VERSION, FENCE, f"version {current.version}")
    return None


def creation_refusal(
    fence: IdentityFence, index: int, *, has_head: bool, key_of_name: int | None, name_of_key: str | None
) -> Refused | None:
    """Refuse to create over an existing identity, or where name and key are not each other's."""
    if has_head:
        return refused(RefusalReason.KEY_MISMATCH, index, f"key {fence.key} was created already")
    if key_of_name is not None and key_of_name != fence.key:
        return refused(RefusalReason.KEY_MISMATCH, index, f"{fence.identity} has key {key_of_name}")
    if name_of_key is not None and name_of_key != fence.identity:
        return refused(RefusalReason.KEY_MISMATCH, index, f"key {fence.key} is {name_of_key}'s")
    return None


def beginning_of(unit: Unit) -> tuple[int, Claim | CreateIdentity | Recreate | CreateRecord | Exhume] | None:
    """The effect that gives the unit its authority, with its index: a claim or a creation, if it has one."""
    for index, effect in enumerate(unit.effects):
        if type(effect) is Claim or type(effect) is CreateIdentity or type(effect) is Recreate:
            return index, effect
        if type(effect) is CreateRecord or type(effect) is Exhume:
            return index, effect
    return None


def in_order(effects: Sequence[Effect]) -> list[tuple[int, Effect]]:
    """The effects in the order in which they run, each with its index in the unit."""
    indexed = list(enumerate(effects))
    if len(indexed) > 1:
        indexed.sort(key=_rank)
    return indexed


STALE_OWNER: Final = Refused(
    reason=RefusalReason.STALE_OWNER, effect=FENCE, current="another runtime took over from this one"
)
"""The answer to every unit of a runtime whose lease was taken away."""


def held_elsewhere(lease: Lease, effect: int, now_ms: int) -> HeldElsewhere:
    """The refusal of a claim on what another runtime holds."""
    return HeldElsewhere(effect=effect, holder=holder_of(lease, now_ms))


def refused(reason: RefusalReason, effect: int, current: str) -> Refused:
    """A refusal; ``effect`` is an index in the unit, or ``FENCE``."""
    return Refused(reason=reason, effect=effect, current=current)


_RANKS: Final = MappingProxyType({effect: rank for rank, effect in enumerate(get_args(Effect))})


def _rank(indexed: tuple[int, Effect]) -> int:
    return _RANKS[type(indexed[1])]


def _is_first(value: object) -> bool:
    # Counts things of which the first is 1.
    return type(value) is int and 1 <= value <= COUNTER_MAX


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= COUNTER_MAX


def _claim_fits(effect: Claim, unit: Unit) -> bool:
    creates = any(type(other) is CreateIdentity for other in unit.effects)
    return _is_first(effect.previous) and effect.previous < unit.fence.token and not creates and _is_only(effect, unit)


def _create_fits(effect: CreateIdentity, unit: Unit) -> bool:
    fence = unit.fence
    first = fence.token == 1 and fence.generation == 0 and fence.version == 0
    return first and is_unicode(effect.kind) and _is_only(effect, unit)


def _config_fits(effect: SetConfig, _: Unit) -> bool:
    return _is_first(effect.version)


def _insert_fits(effect: InsertInput, _: Unit) -> bool:
    admission, key = effect.admission, effect.idempotency_key
    return (
        type(admission) is int
        and 1 <= admission <= COUNTER_MAX
        and len(effect.digest) == _DIGEST_BYTES
        and (key is None or is_unicode(key))
        # A prompt with nothing special is the usual input.
        and ((effect.header is None and not effect.policy and not effect.lane) or _said_fits(effect))
    )


def _take_fits(effect: TakeMail, _: Unit) -> bool:
    sender = effect.sender_key
    is_sent = _is_first(effect.sequence) and (sender is None or _is_first(sender))
    return is_sent and _is_first(effect.admission) and _lane_fits(effect)


def _lane_fits(effect: InsertInput | TakeMail) -> bool:
    # What is consumed at once is no run's.
    is_lane = type(effect.lane) is Lane and (effect.lane is not Lane.NONE or effect.run_id is None)
    return is_lane and _is_count(effect.policy)


def _said_fits(effect: InsertInput) -> bool:
    return _lane_fits(effect) and (effect.header is None or type(effect.header) is bytes)


def _stage_fits(effect: Stage, _: Unit) -> bool:
    return _is_first(effect.admission) and _is_count(effect.position)


def _charge_fits(effect: ChargeRun, _: Unit) -> bool:
    return (
        _is_first(effect.admission)
        and _is_count(effect.attempts)
        and _is_count(effect.interruptions)
        and _is_count(effect.not_before_ms)
    )


def _end_fits(effect: EndInput, unit: Unit) -> bool:
    admission, effects = effect.admission, unit.effects
    return (
        type(admission) is int
        and 1 <= admission <= COUNTER_MAX
        and (
            type(effects[-1]) is AppendTurn or any(type(other) is AppendTurn for other in effects)
            if effect.abandoned is None
            else not effect.owes
        )
    )


def _settle_fits(effect: SettleLetter, _: Unit) -> bool:
    return _is_first(effect.admission)


def _step_fits(effect: RecordStep, _: Unit) -> bool:
    is_known = len(effect.result) > 0 or effect.is_once
    return _is_first(effect.admission) and _is_first(effect.nth) and is_unicode(effect.name) and is_known


def _resolve_fits(effect: ResolveStep, _: Unit) -> bool:
    return _is_first(effect.nth) and is_unicode(effect.name) and (effect.result is None or len(effect.result) > 0)


def _drop_fits(_: DropJournal, __: Unit) -> bool:
    return True


def _send_fits(effect: SendMail, _: Unit) -> bool:
    header, lane = effect.header, effect.lane
    return (
        _is_count(effect.number)
        and len(effect.digest) == _DIGEST_BYTES
        and (header is None or type(header) is bytes)
        and type(lane) is Lane
        and lane is not Lane.NONE
    )


def _append_fits(effect: AppendTurn, unit: Unit) -> bool:
    version, count, sends, effects = effect.version, effect.message_count, effect.sends, unit.effects
    return (
        type(version) is type(count) is type(sends) is int
        and version == unit.fence.version + 1
        and 0 <= (version | count | sends) <= COUNTER_MAX
        and len(effect.digest) == _DIGEST_BYTES
        # A turn of one input is the usual unit; to count takes three times as long.
        and ((len(effects) == 2 and type(effects[0]) is EndInput) or _is_only(effect, unit))
    )


def _release_fits(_: Release, unit: Unit) -> bool:
    return len(unit.effects) == 1


def _is_only(effect: Effect, unit: Unit) -> bool:
    kind, found = type(effect), 0
    for other in unit.effects:  # sum() of a generator costs three times as much
        if type(other) is kind:
            found += 1
    return found == 1


# Dispatch by exact class: a chain of isinstance, or a match, costs three times as much here.
_FITS: Final[MappingProxyType[type, Callable[[Any, Unit], bool]]] = MappingProxyType(
    {
        Claim: _claim_fits,
        CreateIdentity: _create_fits,
        SetConfig: _config_fits,
        InsertInput: _insert_fits,
        TakeMail: _take_fits,
        Stage: _stage_fits,
        ChargeRun: _charge_fits,
        EndInput: _end_fits,
        SettleLetter: _settle_fits,
        RecordStep: _step_fits,
        ResolveStep: _resolve_fits,
        DropJournal: _drop_fits,
        SendMail: _send_fits,
        AppendTurn: _append_fits,
        Release: _release_fits,
        **CONTINUITY_FITS,
        **RUNTIME_FITS,
        **AGENDA_FITS,
        **LIVES_FITS,
    }
)
