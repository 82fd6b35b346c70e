"""What each effect means, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import DIGEST_ZERO, encode_abandoned
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    CreateIdentity,
    EndInput,
    InsertInput,
    SetConfig,
    SettleLetter,
    Stage,
)
from meerkat_actors.records.ids import (
    CheckpointVersion,
    Generation,
    RunId,
)
from meerkat_actors.records.inputs import InputState, Letter
from meerkat_actors.records.outcomes import DEAD_LETTERS, AbandonReason
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_agenda import AGENDA_APPLY
from meerkat_actors.store.memory_continuity import CONTINUITY_APPLY
from meerkat_actors.store.memory_journal import JOURNAL_APPLY
from meerkat_actors.store.memory_lives import LIVES_APPLY
from meerkat_actors.store.memory_mail import MAIL_APPLY
from meerkat_actors.store.memory_runtime import RUNTIME_APPLY
from meerkat_actors.store.memory_sharing import SHARING_APPLY
from meerkat_actors.store.memory_tables import GivenRow, HeadRow, ProgressRow
from meerkat_actors.store.memory_work import (
    No,
    Work,
    admission_taken,
    admit,
    creation_mismatch,
    find_admission,
    find_duplicate,
    is_staged,
    name_key,
    state_conflict,
)


def apply_effect(effect: object, index: int, work: Work) -> No | None:
    """Do one effect, or say why not. What was done before in the unit is the caller's to undo."""
    return _APPLY[type(effect)](effect, index, work)


def _create(effect: CreateIdentity, index: int, work: Work) -> No | None:
    tables, fence = work.tables, work.fence
    mismatch = creation_mismatch(work, index)
    if mismatch is not None:
        return mismatch
    if effect.session_id in tables.sessions:
        return refused(RefusalReason.KEY_MISMATCH, index, f"session {effect.session_id} belongs to another identity")
    name_key(tables, fence.identity, fence.key)
    tables.put(tables.sessions, effect.session_id, (fence.key, fence.generation))
    tables.put(
        tables.heads,
        fence.key,
        HeadRow(
            effect.kind,
            effect.session_id,
            fence.token,
            Generation(0),
            CheckpointVersion(0),
            DIGEST_ZERO,
            0,
            0,
            0,
            0,
            is_deleted=False,
            owner=work.owner,
        ),
    )
    return None


def _configure(effect: SetConfig, index: int, work: Work) -> No | None:
    versions = work.tables.of(work.tables.configs, work.fence.key)
    if effect.version in versions:
        return refused(RefusalReason.REVISION_CONFLICT, index, f"config version {effect.version} is there")
    work.tables.put(versions, effect.version, effect.body)
    return None


def _insert(effect: InsertInput, index: int, work: Work) -> No | None:
    tables, identity = work.tables, work.fence.key
    duplicate = find_duplicate(tables, index, identity, effect.input_id, effect.digest, effect.idempotency_key)
    if duplicate is not None:
        return duplicate
    if effect.admission in tables.admitted.get(identity, ()):
        return admission_taken(index, effect.admission)
    sequence = work.next_sequence()
    tables.put(
        tables.given,
        sequence,
        GivenRow(
            sequence,
            identity,
            effect.input_id,
            effect.kind,
            effect.content,
            effect.digest,
            None,
            effect.idempotency_key,
            effect.header,
        ),
    )
    tables.put(tables.by_input_id, effect.input_id, sequence)
    if effect.idempotency_key is not None:
        tables.put(tables.by_idempotency_key, (identity, effect.idempotency_key), sequence)
    admit(work, sequence, effect)
    return None


def _stage(effect: Stage, index: int, work: Work) -> No | None:
    sequence, now = find_admission(work, effect.admission)
    if now is None or now.state is not InputState.QUEUED:
        return state_conflict(index, effect.admission, now, "queued")
    _move(work, sequence, now, state=InputState.STAGED, run_id=effect.run_id, position=effect.position)
    return None


def _charge(effect: ChargeRun, index: int, work: Work) -> No | None:
    sequence, now = find_admission(work, effect.admission)
    if now is None or not is_staged(now, effect.run_id):
        return state_conflict(index, effect.admission, now, f"staged for run {effect.run_id}")
    changed = evolve(
        now, attempts=effect.attempts, interruptions=effect.interruptions, not_before_ms=effect.not_before_ms
    )
    work.tables.put(work.tables.progress, sequence, changed)
    return None


def _end(effect: EndInput, index: int, work: Work) -> No | None:
    sequence, now = find_admission(work, effect.admission)
    if now is None or not is_staged(now, effect.run_id):
        return state_conflict(index, effect.admission, now, f"staged for run {effect.run_id}")
    abandoned = effect.abandoned
    if abandoned is None:
        turn, is_owed = work.turn, effect.owes
        state, run_id, position = InputState.CONSUMED, now.run_id, now.position
        _move(work, sequence, now, state=state, run_id=run_id, position=position, turn=turn, is_owed=is_owed)
        if is_owed:
            work.tables.put(work.tables.of(work.tables.owed, work.fence.key), effect.admission, sequence)
    else:
        letter = Letter.DEAD if abandoned.reason in DEAD_LETTERS else Letter.NONE
        attempts = now.attempts + (abandoned.reason is AbandonReason.ATTEMPTS_EXHAUSTED)
        ending = encode_abandoned(abandoned)
        changed = evolve(now, state=InputState.ABANDONED, ending=ending, letter=letter, attempts=attempts)
        work.tables.put(work.tables.progress, sequence, changed)
    work.tables.drop(work.tables.of(work.tables.open, work.fence.key), sequence)
    return None


def _settle(effect: SettleLetter, index: int, work: Work) -> No | None:
    sequence, now = find_admission(work, effect.admission)
    if now is None or now.letter is not Letter.DEAD:
        return state_conflict(index, effect.admission, now, "a dead letter that waits")
    work.tables.put(work.tables.progress, sequence, evolve(now, letter=Letter.SETTLED))
    return None


def _append(effect: AppendTurn, _: int, work: Work) -> No | None:
    tables, key = work.tables, work.fence.key
    head = tables.heads[key]
    tables.put(
        tables.turns,
        work.turn,
        TurnRow(
            work.turn,
            head.last_turn,
            tables.identities[key],
            head.generation,
            effect.version,
            effect.run_id,
            effect.digest,
            effect.body,
        ),
    )
    tables.put(
        tables.heads,
        key,
        HeadRow(
            head.kind,
            head.session_id,
            head.token,
            head.generation,
            effect.version,
            effect.digest,
            effect.message_count,
            effect.sends,
            work.turn,
            work.turn if effect.sets_state else head.last_state,
            head.is_deleted,
            head.owner,
            head.desired,
            head.mail_floor,
        ),
    )
    return None


def _move(
    work: Work,
    sequence: int,
    now: ProgressRow,
    *,
    state: InputState,
    run_id: RunId | None,
    position: int,
    turn: int = 0,
    is_owed: bool = False,
) -> None:
    # Spelled out: each turn does it twice, and evolve takes five times as long.
    row = ProgressRow(
        state,
        now.admission,
        run_id,
        now.attempts,
        now.interruptions,
        now.not_before_ms,
        now.ending,
        turn,
        now.policy,
        now.lane,
        position,
        now.letter,
        is_owed,
    )
    work.tables.put(work.tables.progress, sequence, row)


_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {
        CreateIdentity: _create,
        SetConfig: _configure,
        InsertInput: _insert,
        Stage: _stage,
        ChargeRun: _charge,
        EndInput: _end,
        SettleLetter: _settle,
        AppendTurn: _append,
        **AGENDA_APPLY,
        **LIVES_APPLY,
        **MAIL_APPLY,
        **JOURNAL_APPLY,
        **CONTINUITY_APPLY,
        **RUNTIME_APPLY,
        **SHARING_APPLY,
    }
)
