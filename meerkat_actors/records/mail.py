"""Mail that nobody will take, answers that are owed, and the ids of answers."""

from __future__ import annotations

from hashlib import sha256

from attrs import frozen

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId
from meerkat_actors.records.inputs import Mail
from meerkat_actors.records.outcomes import Abandoned


@hot
class Owed:
    """A request that a turn consumed and put off: its answer is owed until a later turn gives it."""

    admission: AdmissionSequence
    input_id: InputId
    sender: AgentIdentity
    correlation_id: str | None
    """Of the request, and so of its answer; None for none."""


@frozen(kw_only=True)
class Recipient:
    """An identity for which mail waits."""

    key: IdentityKey
    identity: AgentIdentity


@frozen(kw_only=True)
class Returnable:
    """A ``sent`` row that can't be taken any more."""

    mail: Mail
    abandoned: Abandoned
    """How it ends."""


def derived_id(now_ms: int, *parts: str) -> InputId:
    """An id that follows from what it is for, made at ``now_ms``: a UUIDv7 of the same parts is the same.

    For what pure decisions insert: an answer to a request, an input that a timer fires.
    """
    # Layout: RFC 9562, section 5.7; with a hash where that has chance.
    told = sha256("\0".join(parts).encode()).digest()
    bits = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(told[:10], "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    text = f"{bits & ~(0x3 << 62) | 0x2 << 62:032x}"
    return InputId("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))
