"""The authority row of one identity, against everything that it is the authority of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import orjson

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.ids import is_uuid, uuid_bytes, uuid_text
from meerkat_actors.records.machine_lifecycle import decode_lifecycle
from meerkat_actors.records.operations import decode_operations
from meerkat_actors.records.status import Desired
from meerkat_actors.records.transcripts import parse_transcript
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.runtime_documents import (
    CURRENT,
    FORMER,
    LIFECYCLE,
    LOGIN_AUTHORITY,
    LOGIN_FLOWS,
    OPERATIONS,
    RETIRED_EPOCH,
    SNAPSHOT,
)
from meerkat_actors.store.sqlite.examining_boundaries import Walk
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.examining_streams import Stream
from meerkat_actors.store.sqlite.examining_subject import Subject

Sessions = dict[bytes, int]
"""The generation of each session of one identity."""

SNAPSHOTS_KEPT: Final = 2


def examine_head(subject: Subject, walk: Walk, incarnation: int) -> None:
    """Compare an authority row with its last boundary."""
    head = subject.head
    if head is None:
        if walk.last_turn:
            subject.say(Check.HEAD, f"boundaries up to {walk.last_turn}, and no authority row")
        return
    if head.owner > incarnation:
        subject.say(Check.FENCE, f"claimed by incarnation {head.owner}, and the store began {incarnation} times")
    if walk.token > head.token:
        subject.say(Check.FENCE, f"a boundary was written under token {walk.token}, and {head.token} is the highest")
    if head.kind.startswith("@") and subject.is_agent:
        subject.say(Check.HEAD, f"its kind {head.kind!a} is no facade's")
    if head.tombstone:
        # The runtime leaves what was, the continuity facade nothing; nobody else buries.
        is_buried = head.version == 0 if subject.is_opaque else head.desired == Desired.DESTROYED
        subject.demand(Check.HEAD, is_buried and not subject.is_ledger, "deleted, and it was never buried")
    if subject.is_ledger:
        subject.demand(Check.HEAD, head.desired == Desired.OPEN, f"{head.desired}, and nobody asks that of a facade's")
    if walk.generation > head.generation:
        subject.say(Check.HEAD, f"is of generation {head.generation}, and has boundaries of {walk.generation}")
    if subject.is_opaque:
        walk = Walk()
    elif walk.generation != head.generation:
        # Nothing of the generation yet, and its first boundary will follow the last one of all.
        walk = Walk(last_turn=walk.last_turn)
    compared: tuple[tuple[str, int | bytes, int | bytes], ...] = (
        ("last_turn", head.last_turn, walk.last_turn),
        ("digest", head.digest, walk.digest),
        ("message_count", head.message_count, walk.count),
        ("last_state", head.last_state, walk.last_state),
    )
    for name, stored, worked_out in compared:
        if stored != worked_out:
            subject.say(Check.HEAD, f"{name} is {_shown(stored)}, and its boundaries say {_shown(worked_out)}")
    if not subject.is_opaque and head.version != walk.version:
        subject.say(Check.HEAD, f"version is {head.version}, and its boundaries say {walk.version}")


def examine_sessions(subject: Subject, stream: Stream, *, has_holder: bool) -> Sessions:
    """Look at the sessions that are bound to this identity; ``has_holder``: the continuity facade knows it, too."""
    sessions = {session: generation for _, session, generation in stream.take(subject.key)}
    head = subject.head
    if head is None:
        if sessions:
            subject.say(Check.SESSION, f"{len(sessions)} sessions, and no authority row")
        return sessions
    bound = sessions.get(head.session)
    # A tombstone's generation is the highest that ever began, which its last session need not be of.
    if bound != head.generation and not (head.tombstone and bound is not None and bound < head.generation):
        subject.say(Check.SESSION, f"session {uuid_text(head.session)} is not bound to generation {head.generation}")
    if not subject.is_opaque and any(
        generation > head.generation or (subject.is_ledger and generation < head.generation)
        for generation in sessions.values()
    ):
        subject.say(Check.SESSION, "a session is bound to a generation that never began")
    # A facade that served it before may have had several sessions in a generation, and rolled some back.
    if subject.is_agent and not has_holder and sorted(sessions.values()) != [*range(head.generation + 1)]:
        subject.say(
            Check.SESSION,
            f"an agent has one session a generation: {len(sessions)} are bound, {head.generation + 1} began",
        )
    return sessions


def examine_configs(subject: Subject, stream: Stream) -> None:
    """Look at the configuration: dense from version 1, each canonical."""
    expected = 1
    for _, version, body in stream.take(subject.key):
        if version != expected:
            subject.say(Check.CONFIG, f"version {version} of its configuration, and {expected} is next")
        expected = version + 1
        try:
            is_canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) == body
        except UNDECODABLE:
            is_canonical = False
        subject.demand(Check.CONFIG, is_canonical, f"version {version} of its configuration was changed")
    if expected > 1 and not subject.is_agent:
        subject.say(Check.CONFIG, "a configuration, and it is no agent")


def examine_receipts(subject: Subject, stream: Stream, walk: Walk) -> None:
    """Look at receipts of the runtime-store facade: dense per run, one for each boundary."""
    last, count = (b"", 0), 0
    for _, run, sequence, turn in stream.take(subject.key):
        count += 1
        if sequence != (last[1] + 1 if last[0] == run else 1):
            subject.say(Check.RECEIPT, f"receipt {sequence} of run {uuid_text(run)} (boundary {turn}) is not its next")
        last = (run, sequence)
    if count != walk.receipts:
        subject.say(Check.RECEIPT, f"{count} receipts of {walk.receipts} boundaries")


def examine_continuity(subject: Subject, stream: Stream, sessions: Sessions) -> dict[int, int]:
    """Look at what the continuity facade keeps beside the authority row.

    Returns the version of each generation that an authority or a rollback goes on from.
    """
    rows = list(stream.take(subject.key))
    head = subject.head
    versions = {} if head is None else {head.generation: head.version}
    if head is None or not rows:
        subject.demand(
            Check.CONTINUITY, not rows and not subject.is_opaque, "its holder's row or authority row is lost"
        )
        return versions
    # The facade may also raise the fence of what it does not serve.
    for _, token, _holder, floor, generation, session, version in rows:
        subject.demand(Check.FENCE, token <= head.token, f"a holder has token {token}, and {head.token} is the highest")
        begun = max(sessions.values(), default=0)
        # What the runtime resets, or makes anew, goes beyond the floor.
        if floor > begun or (subject.is_opaque and floor < max(begun, head.generation)):
            subject.say(
                Check.CONTINUITY, f"its floor is {floor}; generation {begun} began, and {head.generation} is current"
            )
        former = (generation, session, version)
        if former == (None, None, None):
            continue
        if None in former or generation >= head.generation or sessions.get(session) != generation:
            subject.say(Check.CONTINUITY, "what a rollback returns to is no generation of its own")
        else:
            versions[generation] = version
    return versions


def examine_snapshots(subject: Subject, stream: Stream, sessions: Sessions, versions: Mapping[int, int]) -> None:
    """Look at the session documents of the continuity facade; ``versions`` is what ``examine_continuity`` returned."""
    kept: dict[bytes, int] = {}
    newest: dict[int, int] = {}
    last = (0, 0, 0)
    head = subject.head
    for _, generation, version, session, token, size, digest, data in stream.take(subject.key):
        what = f"document {version} of generation {generation}"
        if len(data) != size or content_digest(data) != digest:
            subject.say(Check.SNAPSHOT, f"{what} is not what was saved")
        if sessions.get(session) != generation:
            subject.say(Check.SNAPSHOT, f"{what} is of session {uuid_text(session)}, which is another's")
        if (generation, version) <= last[:2] or token < last[2]:
            subject.say(Check.SNAPSHOT, f"{what} (token {token}) was saved twice, or under an older token")
        last = (generation, version, max(token, last[2]))
        kept[session] = kept.get(session, 0) + 1
        newest[generation] = version
    if any(count > SNAPSHOTS_KEPT for count in kept.values()):
        subject.say(Check.SNAPSHOT, f"more than {SNAPSHOTS_KEPT} documents of a session")
    if not kept:
        return
    if head is None or not subject.is_opaque or head.tombstone:
        subject.say(Check.SNAPSHOT, "documents, and its kind has none, or it was deleted")
        return
    subject.demand(Check.FENCE, last[2] <= head.token, f"a document was saved under token {last[2]}, above its own")
    subject.demand(Check.SNAPSHOT, last[0] <= head.generation, f"documents of generation {last[0]}, which is over")
    for generation, version in versions.items():
        newest_one = newest.get(generation, version)
        # A generation with several sessions may have forgotten the newest document with its session.
        is_only = sum(bound == generation for bound in sessions.values()) == 1
        if newest_one > version or (is_only and newest_one != version):
            subject.say(
                Check.SNAPSHOT, f"generation {generation} is at version {version}, its newest document at {newest_one}"
            )


def examine_documents(subject: Subject, stream: Stream, sessions: Sessions) -> None:
    """Look at the documents of the runtime-store facade. Their rows stay when their bodies are dropped."""
    there: set[tuple[str, str]] = set()
    retired = dropped = 0
    for _, kind, key, epoch, generation, digest, body in stream.take(subject.key):
        what = f"document {kind} {key!a}"
        if not subject.is_ledger:
            subject.say(Check.DOCUMENT, f"{what} of what is not the runtime-store facade's")
        if kind == RETIRED_EPOCH:
            retired += 1
        else:
            there.add((kind, key))
        if kind == OPERATIONS:
            dropped += epoch - (body is not None)
        # Each life is put once at least, and dropped before the next.
        if generation < 2 * epoch - (body is not None):
            subject.say(Check.DOCUMENT, f"{what} changed {generation} times in {epoch} lives")
        if (body is None) != (digest is None) or (body is not None and content_digest(body) != digest):
            subject.say(Check.DOCUMENT, f"{what} is not what was put")
        _examine_body(subject, kind, key, body, sessions)
    _examine_absent(subject, there, retired, dropped)


def _examine_absent(subject: Subject, there: set[tuple[str, str]], retired: int, dropped: int) -> None:
    """Whether a document is not there that others prove."""
    head = subject.head
    spoke = (SNAPSHOT, FORMER) in there or (subject.is_ledger and head is not None and head.message_count > 0)
    subject.demand(Check.DOCUMENT, not spoke or (SNAPSHOT, CURRENT) in there, "its session snapshot is lost")
    is_retired = retired > 0 and (OPERATIONS, CURRENT) not in there
    subject.demand(
        Check.DOCUMENT, retired >= dropped and not is_retired, "its operations, or a retired epoch, are lost"
    )
    if subject.name == LOGIN_AUTHORITY:
        subject.demand(Check.DOCUMENT, (LOGIN_FLOWS, CURRENT) in there, "its login flows are lost")


def _examine_body(subject: Subject, kind: str, key: str, body: bytes | None, sessions: Sessions) -> None:
    known = _BODIES.get(kind)
    try:
        is_sound = known is not None and known[0](subject, key) and (body is None or known[1](body, sessions))
    except (InvalidValueError, *UNDECODABLE):
        is_sound = False
    subject.demand(Check.DOCUMENT, is_sound, f"document {kind} {key!a} does not decode, or is under another's key")


def _is_current(_: Subject, key: str) -> bool:
    return key == CURRENT


def _is_snapshot(_: Subject, key: str) -> bool:
    return key in {CURRENT, FORMER}


def _is_epoch(_: Subject, key: str) -> bool:
    return is_uuid(key)


def _is_everybodys(subject: Subject, key: str) -> bool:
    return key == CURRENT and subject.name == LOGIN_AUTHORITY


def _has_session(body: bytes, sessions: Sessions) -> bool:
    return uuid_bytes(parse_transcript(body).session_id) in sessions


def _is_lifecycle(body: bytes, _: Sessions) -> bool:
    decode_lifecycle(body)
    return True


def _is_operations(body: bytes, _: Sessions) -> bool:
    decode_operations(body)
    return True


def _is_opaque(_: bytes, __: Sessions) -> bool:
    return True


_BODIES: Final[Mapping[str, tuple[Callable[[Subject, str], bool], Callable[[bytes, Sessions], bool]]]] = (
    MappingProxyType(
        {
            SNAPSHOT: (_is_snapshot, _has_session),
            LIFECYCLE: (_is_current, _is_lifecycle),
            OPERATIONS: (_is_current, _is_operations),
            RETIRED_EPOCH: (_is_epoch, _is_opaque),
            LOGIN_FLOWS: (_is_everybodys, _is_opaque),
        }
    )
)
"""Of each kind of document: whether a key is one of its, and whether a body is."""


def _shown(value: int | bytes) -> str:
    return value.hex()[:16] if isinstance(value, bytes) else str(value)
