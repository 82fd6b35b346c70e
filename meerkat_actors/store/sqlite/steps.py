"""The statements that units run, in their order."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from meerkat_actors.records.agenda_effects import (
    CountSends,
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    Release,
    ResolveStep,
    SendMail,
    SetConfig,
    SetDesired,
    SettleLetter,
    Stage,
    TakeMail,
)
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.sqlite import agenda_statements, lives_statements, runtime_statements, statements


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
    Step(lives_statements.RECREATE_HEAD, Recreate),
    Step(statements.INSERT_CONFIG, SetConfig),
    Step(statements.INSERT_INPUT, InsertInput),
    Step(statements.INSERT_SAID_INPUT, InsertInput),
    Step(statements.TAKE_MAIL, TakeMail),
    Step(statements.TAKE_SAID_MAIL, TakeMail),
    Step(runtime_statements.MOVE_INPUT, MoveInput),
    Step(runtime_statements.BIND_SESSION, BindSession),
    Step(runtime_statements.PUT_DOCUMENT, PutDocument),
    Step(runtime_statements.DROP_DOCUMENT, DropDocument),
    Step(runtime_statements.RECORD_RECEIPT, RecordReceipt),
    Step(statements.STAGE_INPUT, Stage),
    Step(statements.BIND_INPUT, Stage),
    Step(statements.CHARGE_INPUT, ChargeRun),
    Step(statements.CONSUME_INPUT, EndInput),
    Step(statements.CONSUME_REQUEST, EndInput),
    Step(statements.END_INPUT, EndInput),
    Step(statements.SETTLE_LETTER, SettleLetter),
    Step(statements.RECORD_STEP, RecordStep),
    Step(statements.RECORD_ONCE_STEP, RecordStep),
    Step(statements.RESOLVE_STEP, ResolveStep),
    Step(statements.WITHDRAW_STEP, ResolveStep),
    Step(statements.DROP_JOURNAL, DropJournal, counted=False),
    Step(agenda_statements.SETTLE_REQUEST, SettleRequest),
    Step(agenda_statements.SET_TIMER, SetTimer),
    Step(agenda_statements.FIRE_TIMER, FireTimer),
    Step(agenda_statements.FIRE_LAST, FireTimer),
    Step(agenda_statements.DROP_TIMER, DropTimer, counted=False),
    Step(agenda_statements.DROP_TIMERS, DropTimers, counted=False),
    Step(agenda_statements.PUT_OPERATION, PutOperation),
    Step(agenda_statements.DROP_OPERATION, DropOperation, counted=False),
    Step(agenda_statements.RECORD_EVENTS, RecordEvents),
    Step(agenda_statements.COUNT_SENDS, CountSends),
    Step(statements.SEND_MAIL, SendMail),
    Step(statements.SEND_SAID_MAIL, SendMail),
    Step(statements.INSERT_TURN, AppendTurn),
    Step(statements.ADVANCE_HEAD, AppendTurn),
    Step(lives_statements.SET_DESIRED, SetDesired),
    Step(statements.INSERT_SESSION, BeginGeneration),
    Step(lives_statements.BEGIN_GENERATION, BeginGeneration),
    Step(lives_statements.BURY_IDENTITY, Bury),
    Step(statements.RELEASE_HEAD, Release),
)
"""The statements of all effects but the continuity facade's, in the order in which they run; those come after."""

_PLACES: Final = range(len(STEPS))
CLAIM, NAME, HEAD, SESSION, RECREATION, CONFIG, *_AFTER_BEGINNING = _PLACES
INPUT, SAID_INPUT, TAKE, SAID_TAKE, MOVE, BOUND, PUT, DROP_PUT, RECEIPT, *_AFTER_MOVES = _AFTER_BEGINNING
STAGE, BIND, CHARGE, CONSUME, CONSUME_REQUEST, END, SETTLE, *_AFTER_ENDS = _AFTER_MOVES
STEP, ONCE, RESOLVE, WITHDRAW, DROP, SETTLE_REQUEST, *_AFTER_JOURNAL = _AFTER_ENDS
TIMER, FIRE, FIRE_LAST, DROP_TIMER, ALL_TIMERS, OPERATION, DROP_OPERATION, EVENT, COUNT, *_LAST = _AFTER_JOURNAL
SEND, SAID_SEND, TURN, ADVANCE, DESIRE, NEXT_SESSION, GENERATION, BURIAL, RELEASE = _LAST
