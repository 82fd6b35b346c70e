"""From units to rows: what each effect binds to which statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.agenda_effects import DropOperation, DropTimer, DropTimers, RecordEvents
from meerkat_actors.records.codec import DIGEST_ZERO, encode_abandoned
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.continuity_effects import CreateRecord
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    SendMail,
    SetDesired,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import RunId, uuid_bytes
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.outcomes import DEAD_LETTERS, AbandonReason
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.store.sqlite.agenda_packing import AGENDA_PACK
from meerkat_actors.store.sqlite.continuity_packing import CONTINUITY_PACK, CONTINUITY_STEPS
from meerkat_actors.store.sqlite.journal_packing import JOURNAL_PACK
from meerkat_actors.store.sqlite.lives_packing import FLOOR_PACK, LIVES_PACK
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.rows import ABANDONED, CONSUMED, QUEUED, STAGED, Row, Rows
from meerkat_actors.store.sqlite.runtime_packing import RUNTIME_PACK, receipt_row
from meerkat_actors.store.sqlite.steps import (
    ADVANCE,
    BIND,
    CONSUME,
    CONSUME_REQUEST,
    END,
    EVENT,
    HEAD,
    INPUT,
    NAME,
    RECEIPT,
    SAID_INPUT,
    SAID_SEND,
    SAID_TAKE,
    SEND,
    SESSION,
    STAGE,
    STEPS,
    TAKE,
    TURN,
    Step,
)

# What needs no more than the lists of rows.
_SIMPLE: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {**LIVES_PACK, **RUNTIME_PACK, **JOURNAL_PACK, **AGENDA_PACK}
)
_UNPROVEN: Final = frozenset[type]({DropJournal, DropTimer, DropTimers, DropOperation, RecordEvents})
"""Whose statements say nothing of the fence."""


def _no_clock() -> int:
    return 0


class Packer:
    """Packs units into rows, one list for each step that has any. The store's sequence and names live here."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        self.incarnation = 0
        self.clock: Callable[[], int] = _no_clock
        """By which leases run, where the store is shared."""
        self.sequence: int = 0
        """The last one given out. None is given twice, also when its unit was refused."""
        self.rows: Rows = defaultdict(list)
        """By place in ``STEPS``."""
        self.rare: Rows = defaultdict(list)
        """By place in ``CONTINUITY_STEPS``, which come after all others."""
        self.checks: list[Row] = []
        """Fences of units without any guarded statement."""
        self.sync_seconds: float = 0.0
        """What the last ``COMMIT`` took."""
        self.run_id: RunId | None = None
        self.run: bytes = b""
        self.turn: int = 0
        """The sequence of the boundary that the unit at work appends; 0 for none yet."""
        self.clear()

    def clear(self) -> None:
        """Begin a new group."""
        self.rows = defaultdict(list)
        self.rare = defaultdict(list)
        self.checks = []

    def pack(self, unit: Unit) -> None:
        """Add one unit's rows.

        Raises:
            ValueError: an id that is no UUID, a name that has another key, or effects to be packed in their order only.
        """
        fence = unit.fence
        guard: Row = (fence.key, fence.token, fence.generation, fence.version)
        self.turn = 0
        for effect in unit.effects:
            _PACK[type(effect)](self, guard, effect, unit)
        # The first effect decides almost always.
        effects = unit.effects
        if not effects or (type(effects[0]) in _UNPROVEN and all(type(effect) in _UNPROVEN for effect in effects)):
            self.checks.append(guard)

    def next_sequence(self) -> int:
        """One store-wide sequence for inputs, boundaries and events."""
        self.sequence += 1
        return self.sequence

    def run_bytes(self, run_id: RunId) -> bytes:
        """The run's 16 bytes; a boundary asks once for each of its effects."""
        if run_id is not self.run_id:
            self.run_id, self.run = run_id, uuid_bytes(run_id)
        return self.run

    def turn_sequence(self) -> int:
        """The sequence of the unit's boundary, which its inputs name too."""
        if self.turn == 0:
            self.turn = self.next_sequence()
        return self.turn


def _create(packer: Packer, guard: Row, effect: CreateIdentity, unit: Unit) -> None:
    fence = unit.fence
    session = uuid_bytes(effect.session_id)
    known = packer.naming.find(fence.identity)
    if known is None:
        packer.naming.add(fence.identity, fence.key)
        packer.rows[NAME].append((fence.key, fence.identity))
    elif known != fence.key:
        # Mail in the same batch may have named it: to name it again would send that mail elsewhere.
        problem = f"{fence.identity} has key {known}"
        raise ValueError(problem)
    packer.rows[HEAD].append((*guard, effect.kind, packer.incarnation, session, DIGEST_ZERO))
    packer.rows[SESSION].append((session, fence.key, fence.generation))


def _create_record(packer: Packer, guard: Row, effect: CreateRecord, unit: Unit) -> None:
    _create(packer, guard, CreateIdentity(OPAQUE_KIND, effect.session_id), unit)


def _simple(packer: Packer, guard: Row, effect: object, unit: Unit) -> None:
    _SIMPLE[type(effect)](packer.rows, guard, effect, unit, packer.incarnation)


def _floored(packer: Packer, guard: Row, effect: SetDesired | BeginGeneration | Bury, unit: Unit) -> None:
    behind = unit.effects[unit.effects.index(effect) + 1 :]
    if any(type(other) is SendMail and other.recipient == unit.fence.identity for other in behind):
        problem = "what it sends to itself is below its floor, and not packed yet"
        raise ValueError(problem)
    FLOOR_PACK[type(effect)](packer.rows, guard, effect, unit, packer.sequence)


def _tell(packer: Packer, guard: Row, effect: RecordEvents, _: Unit) -> None:
    packer.rows[EVENT].append((guard[0], packer.next_sequence(), effect.body))


def _continuity(packer: Packer, guard: Row, effect: object, _: Unit) -> None:
    CONTINUITY_PACK[type(effect)](packer.rare, guard, effect, packer.incarnation)


def _insert(packer: Packer, guard: Row, effect: InsertInput, _: Unit) -> None:
    run_id = effect.run_id
    packer.sequence = sequence = packer.sequence + 1
    key, token, generation, version = guard
    state, run = (QUEUED, None) if run_id is None else (STAGED, uuid_bytes(run_id))
    if effect.header is None and not effect.policy and not effect.lane:
        packer.rows[INPUT].append(
            (
                key, token, generation, version, sequence, effect.admission, uuid_bytes(effect.input_id), effect.kind,
                state, run, effect.idempotency_key, effect.digest, effect.content,
            )
        )  # fmt: skip
        return
    packer.rows[SAID_INPUT].append(
        (
            *guard,
            sequence,
            effect.admission,
            uuid_bytes(effect.input_id),
            effect.kind,
            CONSUMED if effect.lane is Lane.NONE else state,
            run,
            effect.idempotency_key,
            effect.digest,
            effect.content,
            effect.header,
            effect.policy,
            effect.lane,
        )
    )


def _take(packer: Packer, guard: Row, effect: TakeMail, _: Unit) -> None:
    run_id = effect.run_id
    state, run = (QUEUED, None) if run_id is None else (STAGED, uuid_bytes(run_id))
    row = (*guard, effect.sequence, effect.sender_key, effect.admission)
    before = packer.rows.get(SAID_TAKE)
    if effect.policy or effect.lane or (before and before[-1][0] == guard[0]):
        # And all that follow in the unit: an older message of a pair is taken first.
        state = CONSUMED if effect.lane is Lane.NONE else state
        packer.rows[SAID_TAKE].append((*row, state, run, effect.policy, effect.lane))
    else:
        packer.rows[TAKE].append((*row, state, run))


def _receipt(packer: Packer, guard: Row, effect: RecordReceipt, _: Unit) -> None:
    packer.rows[RECEIPT].append(receipt_row(guard, effect, packer.turn_sequence()))


def _stage(packer: Packer, guard: Row, effect: Stage, _: Unit) -> None:
    row = (*guard, effect.admission, uuid_bytes(effect.run_id))
    if effect.position:
        packer.rows[BIND].append((*row, effect.position))
    else:
        packer.rows[STAGE].append(row)


def _end(packer: Packer, guard: Row, effect: EndInput, _: Unit) -> None:
    run = packer.run_bytes(effect.run_id)
    if effect.abandoned is None:
        turn = packer.turn
        if turn == 0:  # as turn_sequence() does, for every turn
            packer.turn = packer.sequence = turn = packer.sequence + 1
        packer.rows[CONSUME_REQUEST if effect.owes else CONSUME].append((guard[0], effect.admission, run, turn))
    else:
        ending = encode_abandoned(effect.abandoned)
        reason = effect.abandoned.reason
        letter, failures = int(reason in DEAD_LETTERS), int(reason is AbandonReason.ATTEMPTS_EXHAUSTED)
        packer.rows[END].append((*guard, effect.admission, run, ABANDONED, ending, letter, failures))


def _send(packer: Packer, guard: Row, effect: SendMail, _: Unit) -> None:
    recipient = packer.naming.find(effect.recipient)
    if recipient is None:
        recipient = packer.naming.fresh()
        packer.naming.add(effect.recipient, recipient)
        packer.rows[NAME].append((recipient, effect.recipient))
    row = (
        *guard,
        packer.next_sequence(),
        recipient,
        uuid_bytes(effect.input_id),
        effect.kind,
        effect.number,
        effect.digest,
        effect.content,
    )
    if effect.header is None and not effect.lane:
        packer.rows[SEND].append(row)
    else:
        packer.rows[SAID_SEND].append((*row, effect.header, effect.lane))


def _append(packer: Packer, guard: Row, effect: AppendTurn, _: Unit) -> None:
    key, token, generation, expected = guard
    sequence, run = packer.turn or packer.turn_sequence(), packer.run_bytes(effect.run_id)
    version, digest, rows = effect.version, effect.digest, packer.rows
    rows[TURN].append((key, token, generation, sequence, version, run, digest, effect.body))
    state = sequence if effect.sets_state else None
    rows[ADVANCE].append(
        (key, token, generation, expected, version, digest, effect.message_count, effect.sends, sequence, state)
    )


_PACK: Final[MappingProxyType[type, Callable[[Packer, Row, Any, Unit], None]]] = MappingProxyType(
    {
        CreateIdentity: _create,
        InsertInput: _insert,
        TakeMail: _take,
        RecordReceipt: _receipt,
        Stage: _stage,
        EndInput: _end,
        SendMail: _send,
        AppendTurn: _append,
        CreateRecord: _create_record,
        RecordEvents: _tell,
        **dict.fromkeys(FLOOR_PACK, _floored),
        **dict.fromkeys(_SIMPLE, _simple),
        **dict.fromkeys(CONTINUITY_PACK, _continuity),
    }
)


def pack_in_order(packer: Packer, unit: Unit, effects: Sequence[tuple[int, Effect]]) -> list[tuple[Step, Row, int]]:
    """One unit's rows in the order in which they run, each with the index of its effect.

    Raises:
        ValueError: an id that is no UUID.
    """
    packer.clear()
    packer.turn = 0
    fence = unit.fence
    unit = Unit(fence, tuple(effect for _, effect in effects))
    guard: Row = (fence.key, fence.token, fence.generation, fence.version)
    index_of: defaultdict[Step, list[int]] = defaultdict(list)
    for index, effect in effects:
        _PACK[type(effect)](packer, guard, effect, unit)
        for step, rows in packed(packer):
            index_of[step].extend([index] * (len(rows) - len(index_of[step])))
    return [
        (step, row, index) for step, rows in packed(packer) for row, index in zip(rows, index_of[step], strict=True)
    ]


def packed(packer: Packer) -> list[tuple[Step, list[Row]]]:
    """What the group runs, in order."""
    steps = [(STEPS[place], packer.rows[place]) for place in sorted(packer.rows)]
    if packer.rare:
        steps += [(CONTINUITY_STEPS[place], packer.rare[place]) for place in sorted(packer.rare)]
    return steps
