"""What an input says of itself beside its content, and what admission concluded from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind


class Origin(StrEnum):
    """Who an input comes from."""

    OPERATOR = "operator"
    """The embedding program, or a person through it."""
    PEER = "peer"
    """Another agent."""
    FLOW = "flow"
    SYSTEM = "system"
    """The runtime itself."""
    EXTERNAL = "external"
    """A source outside: a webhook, a queue."""


class Durability(StrEnum):
    """What becomes of an input when the process ends before it was worked on."""

    DURABLE = "durable"
    EPHEMERAL = "ephemeral"
    """Given up by the next recovery; its admission promises nothing."""
    DERIVED = "derived"
    """Follows from other durable facts; kept like a durable one."""


class Mode(StrEnum):
    """How an input joins the work of an agent."""

    QUEUE = "queue"
    """In a turn of its own, after what came before."""
    STEER = "steer"
    """Ahead of the queue, and into a turn in progress at its next checkpoint."""


class ResponseStatus(StrEnum):
    """What a response tells of its request. The first three are progress."""

    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    PARTIAL_RESULT = "partial_result"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """No work: a response of this status is refused where it would be admitted."""


@frozen(kw_only=True)
class Header:
    """What an input says of itself. When it was made is in its id, a UUIDv7."""

    origin: Origin = Origin.OPERATOR
    source: str | None = None
    """Which one: the name of an external source, the step of a flow."""
    durability: Durability = Durability.DURABLE
    in_transcript: bool = True
    """Whether it may appear in the transcript."""
    for_operators: bool = True
    """Whether it may be shown to operators."""
    supersession_key: str | None = None
    """Displaces what is still queued with the same kind and key."""
    correlation_id: str | None = None
    mode: Mode | None = None
    """None leaves it to the kind."""
    wakes: bool = True
    """False: it waits for whatever wakes the agent next."""
    intent: str | None = None
    """Of a ``peer_request``: what it is about."""
    request_id: InputId | None = None
    """Of a response: the request that it answers."""
    status: ResponseStatus | None = None
    """Of a response."""
    redrives: InputId | None = None
    """The dead letter that it tries again."""
    coalesces: tuple[InputId, ...] = ()
    """The inputs that it stands for, oldest first."""


_ORIGINS: Final = MappingProxyType(
    {
        InputKind.PROMPT: Origin.OPERATOR,
        InputKind.PEER_MESSAGE: Origin.PEER,
        InputKind.PEER_REQUEST: Origin.PEER,
        InputKind.PEER_RESPONSE_PROGRESS: Origin.PEER,
        InputKind.PEER_RESPONSE_TERMINAL: Origin.PEER,
        InputKind.FLOW_STEP: Origin.FLOW,
        InputKind.EXTERNAL_EVENT: Origin.EXTERNAL,
        InputKind.CONTINUATION: Origin.SYSTEM,
        InputKind.OPERATION: Origin.SYSTEM,
    }
)
_DURABILITIES: Final = MappingProxyType(
    {
        InputKind.PEER_RESPONSE_PROGRESS: Durability.EPHEMERAL,
        InputKind.CONTINUATION: Durability.DERIVED,
        InputKind.OPERATION: Durability.DERIVED,
    }
)
DEFAULT_HEADERS: Final[Mapping[InputKind, Header]] = MappingProxyType(
    {
        kind: Header(origin=origin, durability=_DURABILITIES.get(kind, Durability.DURABLE))
        for kind, origin in _ORIGINS.items()
    }
)
"""The header of an input that says nothing of itself, which is not stored."""
