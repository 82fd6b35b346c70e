"""Rows of a store as records: every field for a program, the telling ones for a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, assert_never

from attrs import asdict

from meerkat_actors.cli.output import Column, Kind, Record, count_text
from meerkat_actors.cli.paging import NumberedEvent
from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_json, decode_log, decode_receipt
from meerkat_actors.records.content import JSON
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.facts import (
    Configured,
    Created,
    DesiredChanged,
    Destroyed,
    Emitted,
    GenerationBegan,
    InputAbandoned,
    InputCoalesced,
    InputNoted,
    InputSuperseded,
    LetterSettled,
    MailTaken,
    OperationChanged,
    OperationEnded,
    OperationsCollected,
    OperationStarted,
    RunFailed,
    TimerDropped,
    TimerFired,
    TimerSet,
)
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.inputs import InputRow
from meerkat_actors.records.outcomes import Abandoned, Coalesced, Consumed, Noted, Receipt, Superseded
from meerkat_actors.records.runtime_events import Detail, InputAccepted, MessageSent, TurnEnded

IDENTITY_COLUMNS: Final = (
    Column(title="identity", kind=Kind.NAME),
    Column(title="kind", kind=Kind.NAME),
    Column(title="version", kind=Kind.NUMBER),
    Column(title="messages", kind=Kind.NUMBER),
    Column(title="resets", kind=Kind.NUMBER),
)
INPUT_COLUMNS: Final = (
    Column(title="#", kind=Kind.NUMBER),
    Column(title="state", kind=Kind.WORD),
    Column(title="from", kind=Kind.NAME),
    Column(title="content", kind=Kind.PROSE),
    Column(title="outcome", kind=Kind.PROSE),
)
LATEST_COLUMNS: Final = (Column(title="identity", kind=Kind.NAME), *INPUT_COLUMNS)
LETTER_COLUMNS: Final = (
    Column(title="identity", kind=Kind.NAME),
    Column(title="input", kind=Kind.NAME),
    Column(title="kind", kind=Kind.WORD),
    Column(title="content", kind=Kind.PROSE),
    Column(title="outcome", kind=Kind.PROSE),
)
MESSAGE_COLUMNS: Final = (
    Column(title="turn", kind=Kind.NUMBER),
    Column(title="role", kind=Kind.WORD),
    Column(title="from", kind=Kind.NAME),
    Column(title="content", kind=Kind.PROSE, folds=True),
)
RECEIPT_COLUMNS: Final = (
    Column(title="version", kind=Kind.NUMBER),
    Column(title="inputs", kind=Kind.NUMBER),
    Column(title="messages", kind=Kind.NUMBER),
    Column(title="outcome", kind=Kind.WORD),
    Column(title="run", kind=Kind.NAME),
    Column(title="digest", kind=Kind.NAME),
)
EVENT_COLUMNS: Final = (
    Column(title="#", kind=Kind.NUMBER),
    Column(title="event", kind=Kind.WORD),
    Column(title="identity", kind=Kind.NAME),
    Column(title="what", kind=Kind.PROSE),
)


def identity_record(row: IdentityRow) -> Record:
    """One identity."""
    return {
        "identity": row.identity,
        "kind": row.kind,
        "generation": row.generation,
        "version": row.version,
        "messages": row.message_count,
    }


def identity_cells(row: IdentityRow) -> tuple[str, ...]:
    """In the order of ``IDENTITY_COLUMNS``."""
    return row.identity, row.kind, str(row.version), str(row.message_count), str(row.generation)


def input_record(pair: tuple[AgentIdentity, InputRow]) -> Record:
    """One input of an agent, with its outcome if it has one."""
    identity, row = pair
    return {
        "sequence": row.sequence,
        "identity": identity,
        "input_id": row.input_id,
        "kind": row.kind.value,
        "state": row.state.value,
        "sender": row.sender,
        "admission": row.admission,
        "idempotency_key": row.idempotency_key,
        "run_id": row.run_id,
        "attempts": row.attempts,
        "interruptions": row.interruptions,
        "header": None if row.header is None else decode_json(row.header),
        "lane": row.lane.name.lower(),
        "letter": row.letter.name.lower(),
        "content": decode_json(row.content),
        "outcome": _outcome(row),
    }


def input_cells(pair: tuple[AgentIdentity, InputRow]) -> tuple[str, ...]:
    """In the order of ``LATEST_COLUMNS``."""
    identity, row = pair
    admission = "" if row.admission is None else str(row.admission)
    return identity, admission, row.state.value, row.sender or "", text_of(decode_json(row.content)), _ending(row)


def letter_cells(pair: tuple[AgentIdentity, InputRow]) -> tuple[str, ...]:
    """In the order of ``LETTER_COLUMNS``."""
    identity, row = pair
    return identity, row.input_id, row.kind.value, text_of(decode_json(row.content)), _ending(row)


def message_records(identity: AgentIdentity, row: TurnRow) -> list[Record]:
    """The messages that one boundary added, in order."""
    return [
        {
            "identity": identity,
            "generation": row.generation,
            "version": row.version,
            "role": entry["role"],
            "content": entry["content"],
            "input_id": entry.get("input"),
            "sender": entry.get("sender"),
        }
        for entry in decode_log(row.body)
    ]


def message_cells(record: Record) -> tuple[str, ...]:
    """In the order of ``MESSAGE_COLUMNS``."""
    sender = record["sender"]
    return str(record["version"]), str(record["role"]), text_of(sender or ""), text_of(record["content"])


def receipt_record(row: TurnRow) -> Record:
    """One receipt."""
    receipt = decode_receipt(row)
    return {
        "identity": receipt.identity,
        "generation": receipt.generation,
        "version": receipt.checkpoint_version,
        "run_id": receipt.run_id,
        "sequence": receipt.sequence,
        "contributors": list(receipt.contributors),
        "digest": receipt.digest,
        "messages": receipt.message_count,
        "outcome": receipt.outcome.value,
    }


def receipt_cells(row: TurnRow) -> tuple[str, ...]:
    """In the order of ``RECEIPT_COLUMNS``."""
    receipt: Receipt = decode_receipt(row)
    return (
        str(receipt.checkpoint_version),
        str(len(receipt.contributors)),
        str(receipt.message_count),
        receipt.outcome.value,
        receipt.run_id,
        receipt.digest[:16],
    )


def event_record(numbered: NumberedEvent) -> Record:
    """One event; ``runtime.events(after=)`` takes its cursor."""
    event = numbered.event
    detail = asdict(event.detail)
    if isinstance(event.detail, Emitted):
        detail["data"] = decode_json(event.detail.data)
    return {
        "sequence": numbered.sequence,
        "index": numbered.index,
        "cursor": event.cursor,
        "identity": event.identity,
        "event": type(event.detail).__name__,
        "detail": detail,
    }


def event_cells(numbered: NumberedEvent) -> tuple[str, ...]:
    """In the order of ``EVENT_COLUMNS``."""
    event = numbered.event
    return numbered.number, type(event.detail).__name__, event.identity, _happened(event.detail)


def text_of(value: JSON) -> str:
    """A value for people: text as it is, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _outcome(row: InputRow) -> JSON:
    match outcome_of(row):
        case Consumed(text=text, receipt=receipt):
            return {"text": text, "version": receipt.checkpoint_version}
        case Noted():
            return {"noted": True}
        case Superseded(by=successor):
            return {"superseded_by": successor}
        case Coalesced(into=successor):
            return {"coalesced_into": successor}
        case Abandoned(reason=reason, detail=detail):
            return {"reason": reason.value, "detail": detail}
        case None:
            return None


def _ending(row: InputRow) -> str:
    match outcome_of(row):
        case Consumed(text=text):
            return text_of(text)
        case Abandoned(reason=reason, detail=detail):
            return f"{reason.value}: {detail}"
        case None:
            return f"failed {count_text(row.attempts, 'time')} so far" if row.attempts else ""
        case ended:
            return str(ended)


def _happened(detail: Detail) -> str:
    """What happened, but for its name and whom it happened to."""
    match detail:
        case InputAccepted(input_id, kind):
            return f"{kind} {input_id}"
        case MessageSent(input_id, kind, sender):
            return f"{kind} {input_id} from {sender}"
        case TurnEnded(run_id, version, consumed, outcome):
            return f"{outcome}: version {version}, run {run_id}, {count_text(len(consumed), 'input')}"
        case Created(kind, generation):
            return f"{kind}, generation {generation}"
        case Configured(version):
            return f"version {version}"
        case DesiredChanged(desired):
            return desired.value
        case GenerationBegan(generation):
            return f"generation {generation}"
        case Destroyed():
            return ""
        case MailTaken(input_ids):
            return ", ".join(input_ids)
        case InputNoted(name) | TimerDropped(name):
            return name
        case InputSuperseded(input_id, successor):
            return f"{input_id} by {successor}"
        case InputCoalesced(input_id, successor):
            return f"{input_id} into {successor}"
        case InputAbandoned(input_id, reason, why):
            return f"{input_id}, {reason}: {why}" if why else f"{input_id}, {reason}"
        case RunFailed(run_id, attempts, error):
            return f"run {run_id}, attempt {attempts}: {error}"
        case LetterSettled(admission):
            return f"input #{admission}"
        case TimerSet(name, due_ms):
            return f"{name}, due {_moment(due_ms)}"
        case TimerFired(name, due_ms, input_ids):
            return f"{name}, due {_moment(due_ms)}: {', '.join(input_ids) or 'skipped'}"
        case OperationStarted(operation_id, name):
            return f"{name} {operation_id}"
        case OperationChanged(operation_id, change):
            return f"{operation_id} {change}"
        case OperationsCollected(count):
            return f"{count:,}"
        case OperationEnded(operation_id, status, _):
            return f"{operation_id} {status}"
        case Emitted(name, data):
            return f"{name}: {text_of(decode_json(data))}"
        case _:
            assert_never(detail)


def _moment(wall_ms: int) -> str:
    try:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError):  # a year that no date has
        return f"{wall_ms:,} ms"
