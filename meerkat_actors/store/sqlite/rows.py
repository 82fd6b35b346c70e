"""The edge to APSW: what we use of a connection, with types, and rows of values to and from records.

APSW's stubs name ``collections.abc.Buffer``, which Python 3.11 has not, so type checkers see
``Unknown`` in them. ``Any`` and ``cast`` stay in this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, cast

import apsw

from meerkat_actors.records.activation import Head, IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import RunId, uuid_text
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Mail
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store.recovery import OpenRow

Value: TypeAlias = int | str | bytes | None
"""What we store. No floats: every number of ours is a counter or a time in whole milliseconds."""
Row: TypeAlias = tuple[Value, ...]


class Cursor(Protocol):
    """The rows of one statement."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def fetchone(self) -> tuple[Any, ...] | None: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Database(Protocol):
    """What we use of an ``apsw.Connection``."""

    @property
    def in_transaction(self) -> bool: ...
    def execute(self, statements: str, bindings: Row | None = None) -> Cursor: ...
    def executemany(self, statements: str, sequenceofbindings: Iterable[Row]) -> Cursor: ...
    def changes(self) -> int: ...
    def total_changes(self) -> int: ...
    def close(self) -> None: ...


def typed(connection: apsw.Connection) -> Database:
    """The same connection, as this floor sees it."""
    return cast("Database", connection)


def extended_code(error: apsw.Error) -> int:
    """SQLite's extended result code, which the stubs don't name; 0 for none."""
    return cast("int", getattr(error, "extendedresult", 0))


STATE_CODES: Final = MappingProxyType(
    {
        InputState.SENT: 0,
        InputState.QUEUED: 1,
        InputState.STAGED: 2,
        InputState.CONSUMED: 3,
        InputState.SUPERSEDED: 4,
        InputState.COALESCED: 5,
        InputState.ABANDONED: 6,
    }
)
QUEUED: Final = STATE_CODES[InputState.QUEUED]
STAGED: Final = STATE_CODES[InputState.STAGED]
CONSUMED: Final = STATE_CODES[InputState.CONSUMED]
ABANDONED: Final = STATE_CODES[InputState.ABANDONED]

_STATES: Final = MappingProxyType({code: state for state, code in STATE_CODES.items()})
# A lookup costs a tenth of calling the enum.
_KINDS: Final = MappingProxyType({kind.value: kind for kind in InputKind})
_EVENT_KINDS: Final = MappingProxyType({kind.value: kind for kind in StoredEventKind})


def first_value(cursor: Cursor) -> Value:
    """The first column of the first row; None also for no row."""
    row = cursor.fetchone()
    return None if row is None else cast("Value", row[0])


def head_of(row: tuple[Any, ...]) -> Head:
    """From ``READ_IDENTITY``: what follows the key, and at last the owner."""
    kind, token, generation, version, session, digest, message_count, sends, owner = row
    return Head(
        kind=kind,
        token=token,
        generation=generation,
        version=version,
        session_id=cast("Any", uuid_text(session)),
        digest=digest,
        message_count=message_count,
        sends=sends,
        owner=owner,
    )


def open_row_of(row: tuple[Any, ...]) -> OpenRow:
    """From ``READ_OPEN``."""
    admission, input_id, kind, state, content, digest, sender, run, attempts, interruptions, not_before = row
    return OpenRow(
        admission,
        cast("Any", uuid_text(input_id)),
        _KINDS[kind],
        state_of(state),
        content,
        digest,
        sender,
        run_id_of(run),
        attempts,
        interruptions,
        not_before,
    )


def mail_of(row: tuple[Any, ...]) -> Mail:
    """From ``READ_MAIL``."""
    sequence, sender_key, sender, input_id, kind, content = row
    return Mail(sequence, sender_key, sender, cast("Any", uuid_text(input_id)), _KINDS[kind], content)


def input_row_of(row: tuple[Any, ...]) -> InputRow:
    """From ``READ_INPUT`` and its pages."""
    (
        sequence,
        input_id,
        kind,
        state,
        content,
        sender,
        admission,
        run,
        attempts,
        interruptions,
        not_before,
        ending,
        idempotency_key,
        *turn,
    ) = row
    return InputRow(
        sequence=sequence,
        input_id=cast("Any", uuid_text(input_id)),
        kind=_KINDS[kind],
        state=state_of(state),
        content=content,
        sender=sender,
        admission=admission,
        run_id=run_id_of(run),
        attempts=attempts,
        interruptions=interruptions,
        not_before_ms=not_before,
        ending=ending,
        turn=None if turn[0] is None else turn_row_of(turn),
        idempotency_key=idempotency_key,
    )


def turn_row_of(row: Sequence[Any]) -> TurnRow:
    """From ``READ_TURNS``, and from the last columns of ``READ_INPUT``."""
    sequence, previous, identity, generation, version, run, digest, body = row
    return TurnRow(sequence, previous, identity, generation, version, RunId(uuid_text(run)), digest, body)


def event_of(row: tuple[Any, ...]) -> StoredEvent:
    """From ``READ_EVENTS``."""
    sequence, kind, identity, input_id, sender, run, version = row
    return StoredEvent(
        sequence=sequence,
        kind=_EVENT_KINDS[kind],
        identity=identity,
        input_id=None if input_id is None else cast("Any", uuid_text(input_id)),
        sender=sender,
        run_id=run_id_of(run),
        version=version,
    )


def identity_row_of(row: tuple[Any, ...]) -> IdentityRow:
    """From ``READ_IDENTITIES``."""
    name, kind, generation, version, message_count = row
    return IdentityRow(identity=name, kind=kind, generation=generation, version=version, message_count=message_count)


def step_of(row: tuple[Any, ...]) -> tuple[tuple[str, int], JournalEntry]:
    """From ``READ_JOURNAL``."""
    name, nth, arguments, result = row
    return (name, nth), JournalEntry(arguments, result)


def state_of(code: int) -> InputState:
    """An input's state from its column."""
    return _STATES[code]


def run_id_of(raw: bytes | None) -> RunId | None:
    """A run's id from its column."""
    return None if raw is None else RunId(uuid_text(raw))
