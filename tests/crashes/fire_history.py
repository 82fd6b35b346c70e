"""What a client asked of a store, and what it was told: all that a checker knows beside the database."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import Factory, define, evolve

from meerkat_actors.records.continuity_effects import CreateRecord, SaveSnapshot
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    EndInput,
    InsertInput,
    RecordStep,
    SetConfig,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.records.runtime_effects import PutDocument
from tests.crashes.fire_ledger import ABANDONED, STAGED, Ledger
from tests.crashes.fire_rows import Rows


class Answer(StrEnum):
    """What is known of a unit's fate."""

    COMMITTED = "committed"
    """Acknowledged: by the store, or by a client that found it there."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """No answer yet, or an error."""
    ABSENT = "absent"
    """Whoever came after a crash looked, and it was not there."""


@define
class Asked:
    """One unit that was sent to a store."""

    step: int
    """Of the script; a claim is of none, -1."""
    unit: Unit
    is_wrong: bool
    """Whether it must be refused: it is stale, or repeats a key."""
    asked_at: int
    """In events of the disk."""
    answer: Answer = Answer.UNKNOWN
    answered_at: int = 0


@define
class History:
    """One client's, over all of its lives."""

    asked: list[Asked] = Factory(list[Asked])
    steps_done: list[int] = Factory(list[int])
    """When, in events of the disk, the script's steps were done, in order."""

    def until(self, position: int) -> History:
        """As it was after so many events."""
        return History(
            asked=[
                evolve(one) if one.answered_at <= position else evolve(one, answer=Answer.UNKNOWN, answered_at=0)
                for one in self.asked
                if one.asked_at <= position
            ],
            steps_done=[at for at in self.steps_done if at <= position],
        )

    def acknowledged(self) -> Ledger:
        """What must be there."""
        ledger = Ledger()
        for one in self.asked:
            if one.answer is Answer.COMMITTED and not one.is_wrong:
                ledger.apply(one.unit)
        return ledger

    def resolve(self, rows: Rows, position: int) -> None:
        """Answer what is unknown, as a client does after a crash: by what the store has."""
        for one in self.asked:
            if one.answer is Answer.UNKNOWN:
                is_there = not one.is_wrong and is_committed(one.unit, rows.ledger)
                one.answer = Answer.COMMITTED if is_there else Answer.ABSENT
                one.answered_at = position


def check(history: History, rows: Rows) -> list[str]:
    """Everything that must not be: in the rows alone, and between them and the history."""
    expected = Ledger()
    wrong: list[str] = []
    for one in history.asked:
        if one.is_wrong:
            if one.answer is Answer.COMMITTED:
                wrong.append(f"a unit of step {one.step} was committed, and is stale or a repetition")
        elif one.answer is Answer.COMMITTED or (one.answer is Answer.UNKNOWN and is_committed(one.unit, rows.ledger)):
            expected.apply(one.unit)
    return [*wrong, *rows.problems, *map(str, expected.differences(rows.ledger))]


def is_committed(unit: Unit, found: Ledger) -> bool:
    """Whether a unit of the script is there, by the one effect that nothing else has."""
    name = unit.fence.identity
    for kind in _TELLING:
        for effect in unit.effects:
            if isinstance(effect, kind):
                return _is_there(name, unit, effect, found)
    raise NotImplementedError(unit)


_TELLING: Final[Sequence[type]] = (
    AppendTurn,
    CreateIdentity,
    CreateRecord,
    Claim,
    SaveSnapshot,
    InsertInput,
    RecordStep,
    PutDocument,
    SetConfig,
    TakeMail,
    EndInput,
    ChargeRun,
    Stage,
)
"""By the first of these that a unit has, it is recognised."""


def _is_there(name: str, unit: Unit, effect: object, found: Ledger) -> bool:
    head = found.heads.get(name)
    match effect:
        case AppendTurn():
            turn = found.turns.get((name, unit.fence.generation, effect.version))
            return turn is not None and turn[1] == uuid_bytes(effect.run_id)
        case CreateIdentity() | CreateRecord():
            return head is not None
        case Claim():
            return head is not None and head.token >= unit.fence.token
        case SaveSnapshot():
            return (name, unit.fence.generation, effect.version) in found.snapshots
        case InsertInput():
            return uuid_bytes(effect.input_id) in found.inputs
        case RecordStep():
            return (name, uuid_bytes(effect.run_id), effect.name, effect.nth) in found.journal
        case PutDocument():
            return found.documents.get((name, effect.kind, effect.key), (0, 0, b""))[2] == effect.body
        case SetConfig():
            return (name, effect.version) in found.configs
        case TakeMail():
            return any((row.identity, row.admission) == (name, effect.admission) for row in found.inputs.values())
        case EndInput() | ChargeRun() | Stage():
            row = found.inputs[found.admitted(name, effect.admission)]
            if isinstance(effect, ChargeRun):
                return row.attempts == effect.attempts
            return row.state >= (STAGED if isinstance(effect, Stage) else ABANDONED)
        case _:
            raise NotImplementedError(effect)
