"""One unit by itself: do it, or find out by reading why the store refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import apsw

from meerkat_actors.records.commits import DuplicateInput, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.continuity_effects import CreateRecord, Exhume
from meerkat_actors.records.effects import (
    BeginGeneration,
    ChargeRun,
    Claim,
    CreateIdentity,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    ResolveStep,
    SendMail,
    SetConfig,
    SettleLetter,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import AgentIdentity, InputId, RunId, SessionId, uuid_bytes, uuid_text
from meerkat_actors.records.inputs import InputState, Letter
from meerkat_actors.store.fencing import (
    FENCE,
    Authority,
    beginning_of,
    creation_refusal,
    fence_refusal,
    held_elsewhere,
    in_order,
    refused,
    unit_refusal,
)
from meerkat_actors.store.spelling import spelling_refusal
from meerkat_actors.store.sqlite import queries
from meerkat_actors.store.sqlite.agenda_refusing import AGENDA_EXPLAIN
from meerkat_actors.store.sqlite.continuity_reading import CONTINUITY_EXPLAIN, session_bound
from meerkat_actors.store.sqlite.packing import Packer, pack_in_order
from meerkat_actors.store.sqlite.rows import Database, Row, first_value, state_of
from meerkat_actors.store.sqlite.runtime_refusing import RUNTIME_EXPLAIN
from meerkat_actors.store.sqlite.sharing import lease_of
from meerkat_actors.store.sqlite.steps import Step

No = Refused | DuplicateInput | HeldElsewhere
_Entry = tuple[Step, Row, int]


def commit_unit(database: Database, packer: Packer, unit: Unit) -> No | None:
    """Run one unit's statements inside the caller's savepoint, or say why it is refused.

    A refused unit may have run some of them: the caller rolls its savepoint back.
    """
    try:
        obstacle = unit_refusal(unit) or spelling_refusal(unit) or _authority_refusal(database, unit)
        if obstacle is not None:
            return obstacle
        entries = _by_effect(pack_in_order(packer, unit, in_order(unit.effects)))
    except ValueError as error:
        return refused(RefusalReason.OUT_OF_RANGE, FENCE, f"the unit can't be stored: {error}")
    for step, row, index in entries:
        problem = _run(database, step, row)
        if problem is not None:
            return _explained(database, packer, unit, index) or refused(RefusalReason.OUT_OF_RANGE, index, problem)
    return None


def _by_effect(entries: list[_Entry]) -> Iterator[_Entry]:
    # An ending has one of two statements: of several, the first in the unit is to be refused, not the first statement.
    for _, group in groupby(entries, key=lambda entry: entry[0].effect):
        yield from sorted(group, key=lambda entry: entry[2])


def _run(database: Database, step: Step, row: Row) -> str | None:
    try:
        database.execute(step.sql, row)
    except (apsw.ConstraintError, apsw.TooBigError, ValueError, TypeError, OverflowError) as error:
        return f"no row holds this: {error}"
    return "its guard failed" if step.counted and database.changes() != 1 else None


def _authority_refusal(database: Database, unit: Unit) -> Refused | None:
    fence = unit.fence
    found = database.execute(queries.READ_AUTHORITY, (fence.key,)).fetchone()
    claim: Claim | Exhume | Recreate | None = None
    beginning = beginning_of(unit)
    if beginning is not None:
        index, effect = beginning
        if isinstance(effect, CreateIdentity | CreateRecord):
            return _creation_refusal(database, unit, index, effect, has_head=found is not None)
        claim = effect
    current = None
    if found is not None:
        token, generation, version, session, tombstone = found
        current = Authority(token, generation, version, SessionId(uuid_text(session)), bool(tombstone))
    return fence_refusal(unit, claim, current)


def _creation_refusal(
    database: Database, unit: Unit, index: int, effect: CreateIdentity | CreateRecord, *, has_head: bool
) -> Refused | None:
    fence = unit.fence
    key = database.execute(queries.READ_KEY, (fence.identity,)).fetchone()
    name = database.execute(queries.READ_NAME, (fence.key,)).fetchone()
    mismatch = creation_refusal(
        fence,
        index,
        has_head=has_head,
        key_of_name=None if key is None else key[0],
        name_of_key=None if name is None else name[0],
    )
    if mismatch is not None:
        return mismatch
    if isinstance(effect, CreateRecord):
        return session_bound(database, index, effect.session_id)
    if database.execute(queries.READ_SESSION, (uuid_bytes(effect.session_id),)).fetchone() is not None:
        return refused(RefusalReason.KEY_MISMATCH, index, f"session {effect.session_id} belongs to another identity")
    return None


def _explained(database: Database, packer: Packer, unit: Unit, index: int) -> No | None:
    effect = unit.effects[index]
    if type(effect) is Claim:
        holder = database.execute(queries.READ_HOLDER, (unit.fence.key,)).fetchone()
        return None if holder is None else held_elsewhere(lease_of(holder), index, packer.clock())
    explain = _EXPLAIN.get(type(effect))
    return None if explain is None else explain(database, unit.fence.key, index, effect)


def _configure(database: Database, key: int, index: int, effect: SetConfig) -> No | None:
    if database.execute(queries.READ_CONFIG, (key, effect.version)).fetchone() is None:
        return None
    return refused(RefusalReason.REVISION_CONFLICT, index, f"config version {effect.version} is there")


def _insert(database: Database, key: int, index: int, effect: InsertInput) -> No | None:
    duplicate = find_duplicate(database, key, index, effect.input_id, effect.digest, effect.idempotency_key)
    return duplicate or _admission_taken(database, key, index, effect.admission)


def _take(database: Database, key: int, index: int, effect: TakeMail) -> No | None:
    waiting = database.execute(queries.READ_SENT, (effect.sequence, key, effect.sender_key)).fetchone()
    if waiting is None:
        return refused(
            RefusalReason.INPUT_STATE_CONFLICT, index, f"sequence {effect.sequence} is no mail waiting from that sender"
        )
    floor, has_older = waiting
    if effect.sequence <= floor:
        problem = f"sequence {effect.sequence} is not above the mail floor {floor}"
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)
    if has_older:
        return refused(RefusalReason.NOT_HEAD_OF_PAIR, index, "an older message of that sender waits in its lane")
    return _admission_taken(database, key, index, effect.admission)


def _stage(database: Database, key: int, index: int, effect: Stage) -> No | None:
    return _state_conflict(database, key, index, effect.admission, wanted=InputState.QUEUED, run_id=None)


def _of_run(database: Database, key: int, index: int, effect: ChargeRun | EndInput) -> No | None:
    return _state_conflict(database, key, index, effect.admission, wanted=InputState.STAGED, run_id=effect.run_id)


def _record(database: Database, key: int, index: int, effect: RecordStep) -> No | None:
    conflict = _state_conflict(database, key, index, effect.admission, wanted=InputState.STAGED, run_id=effect.run_id)
    if conflict is not None:
        return conflict
    step: Row = (key, uuid_bytes(effect.run_id), effect.name, effect.nth)
    if database.execute(queries.READ_STEP, step).fetchone() is None:
        return None
    return refused(
        RefusalReason.INPUT_STATE_CONFLICT, index, f"step {effect.name!r} (use {effect.nth}) is recorded already"
    )


def _resolve(database: Database, key: int, index: int, effect: ResolveStep) -> No | None:
    step: Row = (key, uuid_bytes(effect.run_id), effect.name, effect.nth)
    if first_value(database.execute(queries.READ_STEP, step)) == b"":
        return None
    return refused(
        RefusalReason.INPUT_STATE_CONFLICT, index, f"step {effect.name!r} (use {effect.nth}) is no open intent"
    )


def _settle(database: Database, key: int, index: int, effect: SettleLetter) -> No | None:
    found = database.execute(queries.READ_LETTER, (key, effect.admission)).fetchone()
    if found is not None and found[0] == Letter.DEAD:
        return None
    what = "unknown" if found is None else state_of(found[1])
    return refused(
        RefusalReason.INPUT_STATE_CONFLICT,
        index,
        f"admission {effect.admission} is {what}, not a dead letter that waits",
    )


def _begin(database: Database, _: int, index: int, effect: BeginGeneration | Recreate) -> No | None:
    return session_bound(database, index, effect.session_id)


def _send(database: Database, _: int, index: int, effect: SendMail) -> No | None:
    found = database.execute(queries.READ_KEY, (effect.recipient,)).fetchone()
    recipient = 0 if found is None else int(found[0])
    return find_duplicate(database, recipient, index, effect.input_id, effect.digest, None)


def find_duplicate(
    database: Database, key: int, index: int, input_id: InputId, digest: bytes, idempotency_key: str | None
) -> DuplicateInput | None:
    """The input that has the id or the key already. The id is global; the key is its identity's own."""
    first = database.execute(queries.READ_BY_INPUT_ID, (uuid_bytes(input_id),)).fetchone()
    if first is None and idempotency_key is not None:
        first = database.execute(queries.READ_BY_IDEMPOTENCY, (key, idempotency_key)).fetchone()
    if first is None:
        return None
    owner, name, first_id, admission, first_digest, first_key = first
    # An id and a key that are given together must name the same input.
    agrees = idempotency_key is None or idempotency_key == first_key
    return DuplicateInput(
        effect=index,
        identity=AgentIdentity(name),
        first=InputId(uuid_text(first_id)),
        admission=admission or 0,
        same_content=agrees and owner == key and first_digest == digest,
    )


def _admission_taken(database: Database, key: int, index: int, admission: int) -> Refused | None:
    if database.execute(queries.READ_BY_ADMISSION, (key, admission)).fetchone() is None:
        return None
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, f"admission {admission} is taken")


def _state_conflict(
    database: Database, key: int, index: int, admission: int, *, wanted: InputState, run_id: RunId | None
) -> Refused | None:
    found = database.execute(queries.READ_BY_ADMISSION, (key, admission)).fetchone()
    wish = wanted if run_id is None else f"{wanted} for run {run_id}"
    if found is None:
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, f"admission {admission} is unknown, not {wish}")
    state = state_of(found[0])
    if state is wanted and (run_id is None or found[1] == uuid_bytes(run_id)):
        return None
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, f"admission {admission} is {state}, not {wish}")


_EXPLAIN: Final[MappingProxyType[type, Callable[[Database, int, int, Any], No | None]]] = MappingProxyType(
    {
        SetConfig: _configure,
        InsertInput: _insert,
        TakeMail: _take,
        Stage: _stage,
        ChargeRun: _of_run,
        EndInput: _of_run,
        SettleLetter: _settle,
        RecordStep: _record,
        ResolveStep: _resolve,
        BeginGeneration: _begin,
        Recreate: _begin,
        SendMail: _send,
        **RUNTIME_EXPLAIN,
        **AGENDA_EXPLAIN,
        **CONTINUITY_EXPLAIN,
    }
)
