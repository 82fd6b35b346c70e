"""Validators of records that come from outside, for attrs fields: each refuses with ``InvalidValueError``."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from attrs import Attribute

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import COUNTER_MAX, is_counter, is_uuid, shown

Check = Callable[[object, "Attribute[Any]", Any], None]


def a_uuid(record: object, attribute: Attribute[Any], value: object) -> None:
    """The canonical text of a UUID."""
    if not is_uuid(value):
        raise _refusal(record, attribute, value, "the canonical text of a UUID")


def a_uuid_or_none(record: object, attribute: Attribute[Any], value: object) -> None:
    """The canonical text of a UUID, or nothing."""
    if value is not None:
        a_uuid(record, attribute, value)


def uuids(record: object, attribute: Attribute[Any], value: object) -> None:
    """A tuple of the canonical texts of UUIDs, none of them twice."""
    if not isinstance(value, tuple):
        raise _refusal(record, attribute, value, "a tuple of ids")
    ids = cast("tuple[object, ...]", value)
    for each in ids:
        a_uuid(record, attribute, each)
    if len(set(ids)) != len(ids):
        raise _refusal(record, attribute, ids, "each id once")


def a_count(record: object, attribute: Attribute[Any], value: object) -> None:
    """An int, no bool, from 0 to 2^63-1."""
    if not is_counter(value):
        raise _refusal(record, attribute, value, f"an int from 0 to {COUNTER_MAX}")


def a_first(record: object, attribute: Attribute[Any], value: object) -> None:
    """An int, no bool, from 1 to 2^63-1."""
    if not is_counter(value) or value == 0:
        raise _refusal(record, attribute, value, f"an int from 1 to {COUNTER_MAX}")


def a_first_or_none(record: object, attribute: Attribute[Any], value: object) -> None:
    """An int, no bool, from 1 to 2^63-1, or nothing."""
    if value is not None:
        a_first(record, attribute, value)


def a_version(record: object, attribute: Attribute[Any], value: object) -> None:
    """A counter, or nothing."""
    if value is not None:
        a_count(record, attribute, value)


def a_digest(record: object, attribute: Attribute[Any], value: object) -> None:
    """Hex of a SHA-256, in lower case."""
    if type(value) is not str or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise _refusal(record, attribute, value, "the hex of a SHA-256")


def a_digest_or_none(record: object, attribute: Attribute[Any], value: object) -> None:
    """Hex of a SHA-256, or nothing."""
    if value is not None:
        a_digest(record, attribute, value)


def an_enum(kind: type[Enum]) -> Check:
    """A member of ``kind``, and not merely its value."""

    def check(record: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise _refusal(record, attribute, value, f"a {kind.__name__}")

    return check


def some_bytes(record: object, attribute: Attribute[Any], value: object) -> None:
    """Bytes, and at least one."""
    if type(value) is not bytes or not value:
        raise _refusal(record, attribute, value, "bytes, and not none of them")


def _refusal(record: object, attribute: Attribute[Any], value: object, wanted: str) -> InvalidValueError:
    return InvalidValueError(problem=f"{type(record).__name__}({attribute.name}={shown(value)}): use {wanted}")
