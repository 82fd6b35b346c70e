"""Identifiers and counters: their forms, and the functions that let a value in.

A value is checked once, where it is born, and trusted from there on.
"""

from __future__ import annotations

import re
from binascii import a2b_hex
from typing import Final, NewType

from meerkat_actors.errors import InvalidValueError

AgentIdentity = NewType("AgentIdentity", str)
"""The name of one agent for ever. Mail, fences and sessions hang on it."""
IdentityKey = NewType("IdentityKey", int)
"""The store's integer for an identity's name, given at first mention. Starts at 1."""
MobId = NewType("MobId", str)
SessionId = NewType("SessionId", str)
RunId = NewType("RunId", str)
InputId = NewType("InputId", str)
OperationId = NewType("OperationId", str)

Generation = NewType("Generation", int)
"""Counts destructive resets of one identity. Starts at 0 and never restarts."""
CheckpointVersion = NewType("CheckpointVersion", int)
"""Counts boundaries of one (identity, generation). 0 means none yet."""
FencingToken = NewType("FencingToken", int)
"""Counts claims of one identity. The first is 1."""
AdmissionSequence = NewType("AdmissionSequence", int)
"""Counts admissions of one identity: its first-in-first-out order. The first is 1."""

COUNTER_MAX: Final = 2**63 - 1

_IDENTITY: Final = re.compile(r"[A-Za-z0-9._:@+-]+(?:/[A-Za-z0-9._:@+-]+)?")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_IDENTITY_LENGTH_MAX: Final = 160
_RESERVED: Final = ("rt:", "mob:")


def parse_identity(text: object) -> AgentIdentity:
    """Let an identity in: 1 to 160 of ``[A-Za-z0-9._:@+-]``, at most one ``/`` between two parts.

    Raises:
        InvalidValueError: another form, or a reserved prefix (``rt:``, ``mob:``).
    """
    if not isinstance(text, str) or len(text) > _IDENTITY_LENGTH_MAX or not _IDENTITY.fullmatch(text):
        raise InvalidValueError(
            problem=f"{shown(text)} is no agent identity: use 1 to {_IDENTITY_LENGTH_MAX} of A-Z a-z 0-9 . _ : @ + -"
            " and at most one / between two parts"
        )
    if text.startswith(_RESERVED):
        raise InvalidValueError(problem=f"{shown(text)} is no agent identity: 'rt:' and 'mob:' are reserved prefixes")
    return AgentIdentity(text)


def parse_name(text: object, *, what: str) -> str:
    """Let a short name in (mob, member, profile, kind): ``[a-z0-9][a-z0-9._-]{0,63}``.

    Raises:
        InvalidValueError: another form; ``what`` says which name it was.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InvalidValueError(
            problem=f"{shown(text)} is no {what}: use 1 to 64 of a-z 0-9 . _ - beginning with a letter or digit"
        )
    return text


def parse_input_id(text: object) -> InputId:
    """Let an input id in: the canonical text of a UUID, as ``runtime.new_id()`` makes it.

    Raises:
        InvalidValueError: another spelling.
    """
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise InvalidValueError(problem=f"{shown(text)} is no input id: use runtime.new_id()")
    return InputId(text)


def parse_key(text: object, *, what: str, length_max: int) -> str:
    """Let an idempotency key or a step name in: printable text of 1 to ``length_max`` characters.

    Raises:
        InvalidValueError: another form; ``what`` says which name it was.
    """
    if type(text) is not str and isinstance(text, str):
        text = "".join(text)  # a member of an enum, say: no row takes but plain text
    if not isinstance(text, str) or not 0 < len(text) <= length_max or not text.isprintable():
        raise InvalidValueError(
            problem=f"{shown(text)} is no {what}: use printable text of 1 to {length_max} characters"
        )
    return text


def is_uuid(value: object) -> bool:
    """Whether ``value`` is the canonical text of a UUID."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_unicode(text: str) -> bool:
    """Whether a row takes the text: lone surrogates pass through JSON and TOML, and no database stores them."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_counter(value: object) -> bool:
    """Whether ``value`` fits every counter of ours: an int, no bool, 0 to 2^63-1."""
    return type(value) is int and 0 <= value <= COUNTER_MAX


def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of a canonical UUID text, as stores keep it.

    Raises:
        ValueError: another text.
    """
    # Not by an expression or islower(), which take as long as all this: it is for every row.
    if len(text) == 36 and text[8:24:5] == "----":
        digits = text.replace("-", "")
        raw = a2b_hex(digits)
        if len(raw) == 16 and raw.hex() == digits:
            return raw
    problem = f"{shown(text)} is no canonical UUID"
    raise ValueError(problem)


def uuid_text(raw: bytes) -> str:
    """The canonical text of 16 bytes; the inverse of ``uuid_bytes``."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def shown(value: object) -> str:
    """Any value at all as short ASCII, for a message."""
    if type(value) is int and abs(value) > COUNTER_MAX:
        return "an int beyond 63 bits"
    if value is None or type(value) in {str, int, float, bool}:
        text = ascii(value[:60] if isinstance(value, str) else value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    # Not its repr, which is foreign code: it may raise, recurse or never end.
    return f"a {type(value).__name__}"
