"""What the runtime-store facade reads in a session's snapshot; the rest of it is opaque and kept byte for byte."""

from __future__ import annotations

from typing import Any, Final, cast

import orjson
from attrs import field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.checks import a_count, a_digest
from meerkat_actors.records.codec import DIGEST_ZERO, extend_chain
from meerkat_actors.records.continuity import SNAPSHOT_BYTES_MAX, parse_session_id
from meerkat_actors.records.ids import SessionId

DOCUMENT_VERSION: Final = 1
"""Of a session document. Another one is refused, and so is a document without one."""
HISTORY_KEY: Final = "session_transcript_history_state_v1"
"""Where a document's metadata keeps its rewrites."""

_PLACEHOLDER_ROLE: Final = "system"


@frozen(kw_only=True)
class TranscriptRewriteCommit:
    """One edit of a transcript: the messages from ``start`` to ``end`` of the parent became others."""

    parent_revision: str = field(validator=a_digest)
    """The revision that was edited."""
    revision: str = field(validator=a_digest)
    """The revision that the edit made."""
    start: int = field(validator=a_count)
    end: int = field(validator=a_count)
    """Behind the last message that was replaced."""
    messages_before: int = field(validator=a_count)
    messages_after: int = field(validator=a_count)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse a range that is none."""
        if not self.start <= self.end <= self.messages_before:
            raise InvalidValueError(
                problem=f"messages {self.start} to {self.end} of {self.messages_before} are no range to rewrite"
            )
        if self.messages_after < self.messages_before - (self.end - self.start):
            raise InvalidValueError(problem="a rewrite keeps every message outside its range")


@frozen(kw_only=True)
class Transcript:
    """A session document, as far as it decides what may follow it."""

    session_id: SessionId
    entries: tuple[bytes, ...] = field(repr=lambda entries: f"<{len(entries)} messages>")
    """Each message, canonically."""
    history: tuple[TranscriptRewriteCommit, ...]
    """Its rewrites, oldest first."""
    is_placeholder: bool
    """Whether it says nothing yet: no rewrites, and no message but the system's."""

    @property
    def revision(self) -> str:
        """Hex of its hash chain: equal for the same conversation, whatever else the document says."""
        return extend_chain(DIGEST_ZERO, self.entries).hex()


def parse_transcript(document: object) -> Transcript:
    """Read a session document.

    Raises:
        InvalidValueError: no bytes, too many, or no session document of version 1.
    """
    if type(document) is not bytes or not document:
        raise InvalidValueError(problem="a session snapshot is bytes, and not none of them")
    if len(document) > SNAPSHOT_BYTES_MAX:
        raise InvalidValueError(
            problem=f"a session snapshot of {len(document):,} bytes; the limit is {SNAPSHOT_BYTES_MAX:,}"
        )
    try:
        return _transcript(orjson.loads(document))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError, KeyError, TypeError) as error:
        raise InvalidValueError(problem=f"no session document: {type(error).__name__}: {error}") from error


def _transcript(decoded: Any) -> Transcript:  # noqa: ANN401 - any JSON; what is no document fails in one of the lines
    if not isinstance(decoded["messages"], list) or type(version := decoded["version"]) is not int:
        raise InvalidValueError(problem="no session document: its messages are no list, or its version no int")
    if version != DOCUMENT_VERSION:
        raise InvalidValueError(problem=f"session document version {version}; this library knows {DOCUMENT_VERSION}")
    messages = cast("list[dict[str, object]]", decoded["messages"])
    roles = [message["role"] for message in messages]
    commits = decoded.get("metadata", {}).get(HISTORY_KEY, {}).get("commits", ())
    history = tuple(TranscriptRewriteCommit(**commit) for commit in commits)
    return Transcript(
        session_id=parse_session_id(decoded["id"]),
        entries=tuple(orjson.dumps(message, option=orjson.OPT_SORT_KEYS) for message in messages),
        history=history,
        is_placeholder=not history and all(role == _PLACEHOLDER_ROLE for role in roles),
    )
