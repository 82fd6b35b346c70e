"""The values of the continuity facade, under the names that its callers know."""

from __future__ import annotations

from enum import StrEnum
from re import compile as pattern
from typing import Final, NewType

from attrs import Attribute, Factory, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    SessionId,
    is_counter,
    parse_identity,
    shown,
)

AgentRuntimeId = NewType("AgentRuntimeId", str)
"""One life of an identity: ``rt:<identity>:<generation>``. Never used again, because generations never are."""

SNAPSHOT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one opaque document: it is written and read as a whole."""

REVISION_PREFIX: Final = "row-sha256:"

OPAQUE_KIND: Final = "@continuity"
"""The kind of identities that this facade serves. No agent kind is spelled so."""

_UUID: Final = pattern(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")


def runtime_id_of(identity: AgentIdentity, generation: Generation) -> AgentRuntimeId:
    """The runtime id of one life."""
    return AgentRuntimeId(f"rt:{identity}:{generation}")


def parse_session_id(text: object) -> SessionId:
    """Let a session id in: a UUID with hyphens, in either case; it is kept in lower case.

    Raises:
        InvalidValueError: another spelling.
    """
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise InvalidValueError(problem=f"{shown(text)} is no session id: use a UUID, as runtime.new_id() makes it")
    return SessionId(text.lower())


def parse_counter(value: object, *, what: str, minimum: int = 0) -> int:
    """Let a counter in: an int (no bool) from ``minimum`` to 2^63-1.

    Raises:
        InvalidValueError: anything else; ``what`` says which counter it was.
    """
    if not is_counter(value) or not isinstance(value, int) or value < minimum:
        raise InvalidValueError(problem=f"{shown(value)} is no {what}: use an int from {minimum} to {COUNTER_MAX}")
    return value


def _parse_generation(value: object) -> Generation:
    return Generation(parse_counter(value, what="generation"))


def _parse_version(value: object) -> CheckpointVersion:
    return CheckpointVersion(parse_counter(value, what="checkpoint version"))


def _is_own(record: ContinuityRecord, _: Attribute[AgentRuntimeId], value: object) -> None:
    wanted = runtime_id_of(record.identity, record.generation)
    if value != wanted:
        raise InvalidValueError(problem=f"{shown(value)} is no runtime id of this record: it is {wanted}")


@frozen(kw_only=True)
class ContinuityRecord:
    """Who an identity is now: its life, its session, and how far that was saved."""

    identity: AgentIdentity = field(converter=parse_identity)
    session_id: SessionId = field(converter=parse_session_id)
    generation: Generation = field(converter=_parse_generation)
    checkpoint_version: CheckpointVersion = field(default=CheckpointVersion(0), converter=_parse_version)
    """0: nothing was saved yet. Only a save moves it."""
    agent_runtime_id: AgentRuntimeId = field(
        default=Factory(lambda self: runtime_id_of(self.identity, self.generation), takes_self=True),
        validator=_is_own,
    )
    """Made from the identity and the generation; another one is refused."""


def _is_document(_: object, __: Attribute[bytes], value: object) -> None:
    if type(value) is not bytes or not value:
        raise InvalidValueError(problem="a snapshot is bytes, and at least one; None says that there is no snapshot")


@frozen(kw_only=True)
class SessionSnapshot:
    """A session as its agent wrote it down: opaque, and given back byte for byte."""

    data: bytes = field(validator=_is_document, repr=lambda data: f"<{len(data)} bytes>")

    @property
    def revision(self) -> str:
        """What stands for exactly these bytes: ``row-sha256:`` and their digest."""
        return REVISION_PREFIX + content_digest(self.data).hex()


@frozen(kw_only=True)
class SessionDelta:
    """What a boundary changes of a session: as a whole, its new snapshot."""

    session_snapshot: bytes = field(validator=_is_document, repr=lambda data: f"<{len(data)} bytes>")


class ContinuityFailureKind(StrEnum):
    """What is wrong with an identity that can't be resumed as it is."""

    SNAPSHOT_MISSING = "snapshot_missing"
    SNAPSHOT_CORRUPTED = "snapshot_corrupted"
    GENERATION_MISMATCH = "generation_mismatch"
    """The stored snapshot is not of the version or generation that the record names."""
    RECORD_CORRUPTED = "record_corrupted"


@frozen(kw_only=True)
class ContinuityFailure:
    """Why one identity can't be resumed as it is."""

    identity: AgentIdentity
    kind: ContinuityFailureKind
    record: ContinuityRecord | None
    """None when the record itself can't be read."""
    detail: str


@frozen(kw_only=True)
class Ready:
    """A record, and everything it names is there and sound."""

    record: ContinuityRecord
    fencing_token: FencingToken
    """The highest ever accepted."""
    generation_floor: Generation
    """The highest ever begun: the next reset begins the one above."""


@frozen(kw_only=True)
class Uninitialized:
    """No record: never written, or deleted."""

    fencing_token: FencingToken | None
    """The highest ever accepted: what makes it anew presents a higher one. None: it was never written."""
    generation_floor: Generation | None
    """The highest ever begun: what makes it anew begins the one above. None: it was never written."""


@frozen(kw_only=True)
class Broken:
    """A record that can't be resumed as it is; its neighbours are unaffected."""

    failure: ContinuityFailure
    fencing_token: FencingToken | None
    """The highest ever accepted. None: the record can't be read."""
    generation_floor: Generation | None
    """The highest ever begun: a reset begins the one above. None: the record can't be read."""


ContinuityResolveState = Ready | Uninitialized | Broken


@frozen(kw_only=True)
class LoadedHead:
    """One identity with what its session says, read in one transaction."""

    state: ContinuityResolveState
    snapshot: SessionSnapshot | None
    """Of the record's own session; None unless ``state`` is ready and the session was saved."""
