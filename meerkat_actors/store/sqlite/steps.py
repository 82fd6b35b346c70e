"""The statements that units run, in their order."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    EndInput,
    InsertInput,
    RecordStep,
    Release,
    SendMail,
    SetConfig,
    Stage,
    TakeMail,
)
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.sqlite import runtime_statements, statements


@frozen
class Step:
    """One statement, the effect it is for, and whether each of its rows must touch exactly one row."""

    sql: str
    effect: type
    counted: bool = True


STEPS: Final = (
    Step(statements.CLAIM_HEAD, Claim),
    Step(statements.INSERT_NAME, CreateIdentity),
    Step(statements.INSERT_HEAD, CreateIdentity),
    Step(statements.INSERT_SESSION, CreateIdentity),
    Step(statements.INSERT_CONFIG, SetConfig),
    Step(statements.INSERT_INPUT, InsertInput),
    Step(statements.TAKE_MAIL, TakeMail),
    Step(runtime_statements.MOVE_INPUT, MoveInput),
    Step(runtime_statements.BIND_SESSION, BindSession),
    Step(runtime_statements.PUT_DOCUMENT, PutDocument),
    Step(runtime_statements.DROP_DOCUMENT, DropDocument),
    Step(runtime_statements.RECORD_RECEIPT, RecordReceipt),
    Step(statements.STAGE_INPUT, Stage),
    Step(statements.CHARGE_INPUT, ChargeRun),
    Step(statements.CONSUME_INPUT, EndInput),
    Step(statements.END_INPUT, EndInput),
    Step(statements.RECORD_STEP, RecordStep),
    Step(statements.DROP_JOURNAL, DropJournal, counted=False),
    Step(statements.SEND_MAIL, SendMail),
    Step(statements.INSERT_TURN, AppendTurn),
    Step(statements.ADVANCE_HEAD, AppendTurn),
    Step(statements.RELEASE_HEAD, Release),
)
"""The statements of all effects but the continuity facade's, in the order in which they run; those come after."""

_PLACES: Final = range(len(STEPS))
CLAIM, NAME, HEAD, SESSION, CONFIG, INPUT, TAKE, MOVE, BOUND, PUT, DROP_PUT, RECEIPT, *_LATER = _PLACES
STAGE, CHARGE, CONSUME, END, STEP, DROP, SEND, TURN, ADVANCE, RELEASE = _LATER
