"""What subscribers of a runtime are told: typed events, and the cursors between them.

An event's cursor lies behind it. Whoever goes on from there is told what comes next, also by another process.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NewType, get_args

import orjson
from attrs import frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.agenda_codec import decode_facts
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_receipt
from meerkat_actors.records.facts import Fact
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, Generation, InputId, RunId, is_counter, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import ReceiptOutcome
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind

EventCursor = NewType("EventCursor", str)
"""A place between two events of one store. What it says is the library's own; keep it as it is."""

EVENTS_BEGINNING: Final = EventCursor("beginning")
"""The place before the oldest event that is kept."""

_TEXT_LENGTH_MAX: Final = 100
"""Characters of a cursor: three counters take 80 at most."""


@frozen(kw_only=True)
class Place:
    """What a cursor says."""

    epoch: int
    """Of the store: places of another epoch say nothing about this one's events."""
    sequence: int
    """Every row up to this sequence lies before it."""
    told: int = 0
    """So do that many events of the row of the next sequence."""


@frozen
class InputAccepted:
    """An input came from outside, and is durable."""

    input_id: InputId
    kind: InputKind


@frozen
class MessageSent:
    """A message to the identity is durable; ``MailTaken`` says when it was admitted."""

    input_id: InputId
    kind: InputKind
    sender: AgentIdentity


@frozen
class TurnEnded:
    """A turn reached its boundary."""

    run_id: RunId
    version: CheckpointVersion
    """The checkpoint version that it made."""
    consumed: tuple[InputId, ...]
    """Its inputs, in order; of a turn that was interrupted they are abandoned."""
    outcome: ReceiptOutcome


Detail = InputAccepted | MessageSent | TurnEnded | Fact

DETAILS: Final[Mapping[str, type[Any]]] = MappingProxyType({detail.__name__: detail for detail in get_args(Detail)})
"""Every type of detail, by its name."""


@frozen(kw_only=True)
class RuntimeEvent:
    """One thing that a committed unit did. The same event reads the same for ever."""

    cursor: EventCursor
    """Behind it."""
    identity: AgentIdentity
    """Who did it; of an input or a message, who is to work on it."""
    detail: Detail


@frozen(kw_only=True)
class EventGap:
    """The subscriber was too slow: what follows is read from the store, and nothing is missing.

    As the last of a subscription it says that the runtime ended first: go on from ``after`` next time.
    """

    after: EventCursor
    """Behind everything that the subscriber was told, or did not want."""


def cursor_at(place: Place) -> EventCursor:
    """The cursor that says the place."""
    text = f"{place.epoch}.{place.sequence}.{place.told}"
    return EventCursor(urlsafe_b64encode(text.encode()).decode().rstrip("="))


def place_of(cursor: str) -> Place:
    """The place that a cursor says; ``EVENTS_BEGINNING`` says none.

    Raises:
        InvalidValueError: no cursor of ours.
    """
    if type(cursor) is str and len(cursor) <= _TEXT_LENGTH_MAX:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            epoch, sequence, told = map(int, urlsafe_b64decode(padded.encode("ascii")).decode("ascii").split("."))
        except (ValueError, Base64Error):  # also text that is not ASCII
            pass
        else:
            place = Place(epoch=epoch, sequence=sequence, told=told)
            # Only as it was written: what int() and base64 forgive is nobody's cursor.
            if all(map(is_counter, (epoch, sequence, told))) and cursor_at(place) == cursor:
                return place
    problem = f"{shown(cursor)} is no event cursor; use that of an event, or EVENTS_BEGINNING"
    raise InvalidValueError(problem=problem)


def events_of(row: StoredEvent, epoch: int) -> tuple[RuntimeEvent, ...]:
    """The events of one row, in order.

    Raises:
        ValueError: a row that does not decode; or LookupError, TypeError or AttributeError.
    """
    details = _details_of(row)
    last = len(details)
    return tuple(
        RuntimeEvent(
            cursor=cursor_at(
                Place(epoch=epoch, sequence=row.sequence)
                if number == last
                else Place(epoch=epoch, sequence=row.sequence - 1, told=number)
            ),
            identity=row.identity,
            detail=detail,
        )
        for number, detail in enumerate(details, 1)
    )


def _details_of(row: StoredEvent) -> tuple[Detail, ...]:
    match row:
        case StoredEvent(kind=StoredEventKind.ADMITTED, input_id=str() as input_id, input_kind=InputKind() as kind):
            return (InputAccepted(input_id, kind),)
        case StoredEvent(
            kind=StoredEventKind.SENT,
            input_id=str() as input_id,
            input_kind=InputKind() as kind,
            sender=str() as sender,
        ):
            return (MessageSent(input_id, kind, sender),)
        case StoredEvent(
            kind=StoredEventKind.TURN, run_id=str() as run_id, version=int() as version, body=bytes() as body
        ):
            return (_turn_ended(row.identity, run_id, version, body), *_facts_of_turn(body))
        case StoredEvent(kind=StoredEventKind.FACTS, body=bytes() as body):
            return decode_facts(body)
        case _:
            problem = f"event row {row.sequence} ({row.kind}) lacks what its kind tells"
            raise ValueError(problem)


def _turn_ended(identity: AgentIdentity, run_id: RunId, version: CheckpointVersion, body: bytes) -> TurnEnded:
    # What is asked of the receipt is in the body; the rest of the row was not read, and doesn't matter.
    receipt = decode_receipt(TurnRow(0, 0, identity, Generation(0), version, run_id, b"", body))
    return TurnEnded(run_id, version, receipt.contributors, receipt.outcome)


def _facts_of_turn(body: bytes) -> tuple[Fact, ...]:
    # A second look, which most turns are spared: they tell nothing.
    if b'"events":' not in body:
        return ()
    told = orjson.loads(body).get("events", [])
    return decode_facts(orjson.dumps(told, option=orjson.OPT_SORT_KEYS))
