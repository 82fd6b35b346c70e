"""Canonical bytes: the one encoding that is hashed, stored and compared.

Canonical JSON is UTF-8 without spaces, object keys sorted, numbers as orjson writes them.
"""

from __future__ import annotations

from hashlib import sha256
from math import isfinite
from typing import Any, Final, cast

import orjson
from attrs import fields
from cattrs import BaseValidationError
from cattrs.preconf.orjson import make_converter

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Abandoned, Consumed, Receipt, ReceiptOutcome

DIGEST_ZERO: Final = bytes(32)
"""The hash chain of an empty transcript."""

_CONVERTER: Final = make_converter(forbid_extra_keys=True)
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def encode_json(value: object, *, what: str, bytes_max: int, depth_max: int) -> bytes:
    """Encode a user's value canonically.

    Raises:
        InvalidValueError: not JSON (also NaN, lone surrogates, integers beyond 64 bits, keys
            that aren't text), nested deeper than ``depth_max``, or longer than ``bytes_max``.
    """
    if type(value) is not str:
        _check(value, what, bytes_max=bytes_max, depth_max=depth_max)
    try:
        encoded = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, RecursionError) as error:
        raise InvalidValueError(problem=f"{what} is not JSON: {error}") from error
    if len(encoded) > bytes_max:
        raise InvalidValueError(problem=_too_big(what, f"{len(encoded):,}", bytes_max))
    # orjson's bytes keep the room that they were written in: 4.1 kB for a text of 426 bytes. This may wait long.
    return bytes(memoryview(encoded))


def decode_json(encoded: bytes) -> JSON:
    """Decode canonical bytes afresh, so that nobody shares an object with their owner."""
    return cast("JSON", orjson.loads(encoded))


# The two encoders of the boundary join bytes that are canonical already instead of encoding
# a dict of orjson.Fragment: 12 % of a turn's CPU became 4 %. A test holds them to orjson's bytes.


def encode_entry(*, role: str, content: bytes, input_id: InputId | None, sender: AgentIdentity | None) -> bytes:
    """One transcript entry; ``content`` is canonical already, and ids need no escaping."""
    ids = b"" if input_id is None else b',"input":"%b"' % input_id.encode()
    tail = b"" if sender is None else b',"sender":"%b"' % sender.encode()
    return b'{"content":%b%b,"role":"%b"%b}' % (content, ids, role.encode(), tail)


def extend_chain(digest: bytes, entries: tuple[bytes, ...]) -> bytes:
    """``digest_n = sha256(digest_{n-1} || sha256(canonical(entry_n)))`` for each entry in order."""
    for entry in entries:
        digest = sha256(digest + sha256(entry).digest()).digest()
    return digest


def content_digest(content: bytes) -> bytes:
    """SHA-256 of canonical content."""
    return sha256(content).digest()


def encode_turn(
    *,
    entries: tuple[bytes, ...],
    receipt: Receipt,
    text: str | None,
    state: bytes | None,
    is_told: bool = True,
    facts: bytes | None = None,
) -> bytes:
    """The body of a turn row: entries, result text, the state when it changed, and the rest of the receipt.

    Of the receipt only what neither a column nor an entry tells: ``count``, the transcript's length, ``sequence``
    where it is not 1, ``outcome`` where it was interrupted, ``contributors`` unless the entries tell them all.
    ``text`` is missing when it is what the last entry says. ``facts``: what the unit did besides.
    """
    said = b',"text":null'
    if text is not None:
        encoded = orjson.dumps(text)
        is_last = entries and entries[-1] == encode_entry(role="assistant", content=encoded, input_id=None, sender=None)
        said = b"" if is_last else b',"text":' + encoded
    contributors = b"" if is_told else b'"contributors":%b,' % orjson.dumps(receipt.contributors)
    return b'{%b"count":%d,%b"log":[%b]%b%b%b%b}' % (
        contributors,
        receipt.message_count,
        b"" if facts is None else b'"events":%b,' % facts,
        b",".join(entries),
        b"" if receipt.outcome is ReceiptOutcome.COMPLETED else b',"outcome":"interrupted"',
        b"" if receipt.sequence == 1 else b',"sequence":%d' % receipt.sequence,
        b"" if state is None else b',"state":' + state,
        said,
    )


def decode_receipt(row: TurnRow) -> Receipt:
    """The receipt of a boundary, put together from its columns and its body."""
    return _receipt(row, orjson.loads(row.body))


def decode_consumed(row: TurnRow) -> Consumed:
    """The outcome that a boundary proves."""
    decoded = orjson.loads(row.body)
    text = decoded["text"] if "text" in decoded else decoded["log"][-1]["content"]
    return Consumed(text=text, receipt=_receipt(row, decoded))


def decode_log(body: bytes) -> list[dict[str, Any]]:
    """The transcript entries in a turn row's body, in order."""
    return cast("list[dict[str, Any]]", orjson.loads(body)["log"])


def decode_state(body: bytes) -> bytes:
    """The canonical state in the body of a turn that set one.

    Raises:
        KeyError: the turn set no state.
    """
    return orjson.dumps(orjson.loads(body)["state"], option=_OPTIONS)


def encode_abandoned(ending: Abandoned) -> bytes:
    """The ending of a dead letter."""
    return _CONVERTER.dumps(ending)


def decode_abandoned(encoded: bytes) -> Abandoned:
    """The ending of a dead letter.

    Raises:
        ValueError: not such an ending.
    """
    try:
        return _CONVERTER.loads(encoded, Abandoned)
    except (BaseValidationError, AttributeError) as error:  # the latter when it is no object at all
        raise ValueError(str(error)) from error


def encode_header(header: Header, kind: InputKind) -> bytes | None:
    """What differs from the default of its kind, canonically; None for nothing."""
    default = DEFAULT_HEADERS[kind]
    if header == default:
        return None
    said = {
        field.name: getattr(header, field.name)
        for field in fields(Header)
        if getattr(header, field.name) != getattr(default, field.name)
    }
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def decode_header(encoded: bytes | None, kind: InputKind) -> Header:
    """The header of an input of that kind.

    Raises:
        ValueError: not such a header.
    """
    default = DEFAULT_HEADERS[kind]
    if encoded is None:
        return default
    try:
        said = _CONVERTER.loads(encoded, dict[str, Any])
        header = _CONVERTER.structure({**_CONVERTER.unstructure(default), **said}, Header)
    except (BaseValidationError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error
    if encode_header(header, kind) != encoded:
        problem = f"no header of a {kind}: {encoded[:60]!r}"
        raise ValueError(problem)
    return header


def encode_successor(successor: InputId) -> bytes:
    """The ending of an input that a newer one displaced."""
    return b'{"successor":"%b"}' % successor.encode()


def _receipt(row: TurnRow, decoded: dict[str, Any]) -> Receipt:
    return Receipt(
        identity=row.identity,
        generation=row.generation,
        checkpoint_version=row.version,
        run_id=row.run_id,
        sequence=decoded.get("sequence", 1),
        # One entry per consumed input, in order, carries its id; what an agent appends never carries one.
        contributors=tuple(
            decoded["contributors"]
            if "contributors" in decoded
            else (entry["input"] for entry in decoded["log"] if "input" in entry)
        ),
        digest=row.digest.hex(),
        message_count=decoded["count"],
        outcome=ReceiptOutcome(decoded.get("outcome", "completed")),
    )


def _check(value: object, what: str, *, bytes_max: int, depth_max: int) -> None:
    # orjson writes NaN as null and accepts UUIDs, enums and tuples; this walk is what refuses.
    waiting: list[tuple[object, int]] = [(value, 1)]
    # What is visited is paid for by the bytes it takes at least: forty nested pairs of one list hold 2**40 values.
    room = bytes_max
    while waiting:
        subject, depth = waiting.pop()
        if depth > depth_max:
            raise InvalidValueError(problem=f"{what} is nested deeper than {depth_max}")
        kind = type(subject)
        node: Any = subject
        if kind is str:
            room -= len(node) + 2
        elif node is None or kind is bool or kind is int:
            room -= 1
        elif kind is float:
            if not isfinite(node):
                raise InvalidValueError(problem=f"{what} holds {node}, which JSON can't say")
            room -= 3
        elif kind is list or kind is tuple:
            room -= len(node) + 1
            if room >= 0:
                waiting.extend([(child, depth + 1) for child in node])
        elif kind is dict:
            room -= 4 * len(node) + 1
            if room >= 0:
                room -= _keys_length(node, what)
                waiting.extend([(child, depth + 1) for child in node.values()])
        else:
            raise InvalidValueError(problem=f"{what} holds a {kind.__name__}, which is no JSON value")
        if room < 0:
            raise InvalidValueError(problem=_too_big(what, f"more than {bytes_max:,}", bytes_max))


def _keys_length(members: dict[object, object], what: str) -> int:
    length = 0
    for key in members:
        if type(key) is not str:
            raise InvalidValueError(problem=f"{what} has a key of type {type(key).__name__}; keys are text")
        length += len(key)
    return length


def _too_big(what: str, size: str, bytes_max: int) -> str:
    return f"{what} has {size} bytes, the limit is {bytes_max:,}; pass a path or an id instead"
