"""The edge to APSW: what we use of a connection, with types, and rows of values to and from records.

APSW's stubs name ``collections.abc.Buffer``, which Python 3.11 has not, so type checkers see
``Unknown`` in them. ``Any`` and ``cast`` stay in this file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, cast

import apsw

from meerkat_actors.records.activation import Head, IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_header
from meerkat_actors.records.ids import AgentIdentity, RunId, uuid_text
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane, Letter, Letterhead, Mail
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import EventBounds, StoredEvent, StoredEventKind
from meerkat_actors.records.timers import Timer
from meerkat_actors.store.recovery import OpenRow, OwedRow
from meerkat_actors.store.returning import Addressee

Value: TypeAlias = int | str | bytes | None
"""What we store. No floats: every number of ours is a counter or a time in whole milliseconds."""
Row: TypeAlias = tuple[Value, ...]
Rows: TypeAlias = defaultdict[int, list[Row]]
"""One list of rows for each step that has any, by its place."""


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
_LANES: Final = MappingProxyType({lane.value: lane for lane in Lane})
_LETTERS: Final = MappingProxyType({letter.value: letter for letter in Letter})
_DESIRES: Final = MappingProxyType({desired.value: desired for desired in Desired})
_EVENT_KINDS: Final = MappingProxyType({kind.value: kind for kind in StoredEventKind})


def first_value(cursor: Cursor) -> Value:
    """The first column of the first row; None also for no row."""
    row = cursor.fetchone()
    return None if row is None else cast("Value", row[0])


def head_of(row: tuple[Any, ...]) -> Head:
    """From ``READ_IDENTITY``: what follows the key, and at last the owner and what is wanted."""
    kind, token, generation, version, session, digest, message_count, sends, owner, desired = row
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
        desired=_DESIRES[desired],
    )


def open_row_of(row: tuple[Any, ...]) -> OpenRow:
    """From ``READ_OPEN``."""
    admission, input_id, kind, state, content, digest, sender, run, attempts, interruptions, not_before, *said = row
    header, policy, lane, position = said
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
        header,
        policy,
        _LANES[lane],
        position,
    )


def owed_row_of(row: tuple[Any, ...]) -> OwedRow:
    """From ``READ_OWED``."""
    admission, input_id, kind, sender, header = row
    return OwedRow(admission, cast("Any", uuid_text(input_id)), _KINDS[kind], sender, header)


def timer_of(row: tuple[Any, ...]) -> Timer:
    """From ``READ_TIMERS`` and ``READ_DUE_TIMERS_OF``."""
    return Timer(*row)


def addressee_of(row: tuple[Any, ...]) -> Addressee | None:
    """From ``READ_ADDRESSEE``: what follows the key."""
    desired, mail_floor, tombstone = row
    return None if desired is None else Addressee(_DESIRES[desired], mail_floor, bool(tombstone))


def mail_of(row: tuple[Any, ...]) -> Mail:
    """From ``READ_MAIL``."""
    sequence, sender_key, sender, input_id, name, content, header = row
    kind = _KINDS[name]
    said = None if header is None else decode_header(header, kind)
    return Mail(sequence, sender_key, sender, cast("Any", uuid_text(input_id)), kind, content, said)


def letterhead_of(row: tuple[Any, ...]) -> Letterhead:
    """From ``READ_LETTERS``: whose it is, and the input."""
    identity, *columns = row
    return Letterhead(identity=AgentIdentity(identity), row=input_row_of(columns))


def input_row_of(row: Sequence[Any]) -> InputRow:
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
        header,
        policy,
        lane,
        position,
        letter,
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
        header=header,
        policy=policy,
        lane=_LANES[lane],
        position=position,
        letter=_LETTERS[letter],
    )


def turn_row_of(row: Sequence[Any]) -> TurnRow:
    """From ``READ_TURNS``, and from the last columns of ``READ_INPUT``."""
    sequence, previous, identity, generation, version, run, digest, body = row
    return TurnRow(sequence, previous, identity, generation, version, RunId(uuid_text(run)), digest, body)


def event_of(row: tuple[Any, ...]) -> StoredEvent:
    """From ``READ_EVENTS``."""
    sequence, kind, identity, input_id, sender, run, version, body, input_kind = row
    return StoredEvent(
        sequence=sequence,
        kind=_EVENT_KINDS[kind],
        identity=identity,
        input_id=None if input_id is None else cast("Any", uuid_text(input_id)),
        sender=sender,
        run_id=run_id_of(run),
        version=version,
        body=body,
        input_kind=None if input_kind is None else _KINDS[input_kind],
    )


def event_bounds_of(row: tuple[Any, ...]) -> EventBounds:
    """From ``READ_EVENT_BOUNDS``."""
    epoch, floor, last = row
    return EventBounds(epoch=epoch, floor=floor, last=last)


def identity_row_of(row: tuple[Any, ...]) -> IdentityRow:
    """From ``READ_IDENTITIES``."""
    name, kind, generation, version, message_count = row
    return IdentityRow(identity=name, kind=kind, generation=generation, version=version, message_count=message_count)


def step_of(row: tuple[Any, ...]) -> tuple[tuple[str, int], JournalEntry]:
    """From ``READ_JOURNAL``."""
    name, nth, arguments, result, once = row
    return (name, nth), JournalEntry(arguments, result, bool(once))


def state_of(code: int) -> InputState:
    """An input's state from its column."""
    return _STATES[code]


def run_id_of(raw: bytes | None) -> RunId | None:
    """A run's id from its column."""
    return None if raw is None else RunId(uuid_text(raw))
