"""A registry of operations as it is persisted: opaque, of one epoch."""

from __future__ import annotations

from typing import Final

import orjson
from attrs import field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.checks import a_uuid, some_bytes

RECORD_VERSION: Final = 1
"""Of the stored form. Another one is refused."""


@frozen(kw_only=True)
class OpsSnapshot:
    """What a runtime's registry of operations wrote down."""

    epoch_id: str = field(validator=a_uuid)
    """One continuous lifetime of the registry. Once retired, nothing is written under it again."""
    body: bytes = field(validator=some_bytes, repr=lambda body: f"<{len(body)} bytes>")
    """Opaque, given back byte for byte."""


def encode_operations(snapshot: OpsSnapshot) -> bytes:
    """The stored form: a line that says what it is, then the body as it was given."""
    header = {"epoch_id": snapshot.epoch_id, "record_version": RECORD_VERSION}
    return orjson.dumps(header, option=orjson.OPT_SORT_KEYS) + b"\n" + snapshot.body


def decode_operations(record: bytes) -> OpsSnapshot:
    """Read the stored form.

    Raises:
        InvalidValueError: another version, or no such record.
    """
    line, newline, body = record.partition(b"\n")
    try:
        header = orjson.loads(line)
        if not newline or header["record_version"] != RECORD_VERSION:
            raise InvalidValueError(problem=f"unsupported operations record {line[:80]!r}")
        return OpsSnapshot(epoch_id=header["epoch_id"], body=body)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidValueError(problem=f"no operations record: {type(error).__name__}: {error}") from error
