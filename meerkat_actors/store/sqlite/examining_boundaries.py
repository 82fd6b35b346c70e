"""The boundaries of one identity, in the order in which they were made, with the inputs that each consumed.

Nothing is believed that can be worked out: versions are counted, links followed, the digest chain recomputed
from the bodies. What does not follow is told once, and the walk goes on from what is stored.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson
from attrs import define

from meerkat_actors.machines.policy import policy_of
from meerkat_actors.records.agenda_codec import decode_facts
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest, decode_header, extend_chain
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    Generation,
    InputId,
    RunId,
    uuid_bytes,
    uuid_text,
)
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import ReceiptOutcome
from meerkat_actors.records.run_boundary import decode_boundary
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.examining_inputs import examine_input
from meerkat_actors.store.sqlite.examining_streams import Stream
from meerkat_actors.store.sqlite.examining_subject import Input, Subject
from meerkat_actors.store.sqlite.rows import ABANDONED, Database

_SORTED: Final = orjson.OPT_SORT_KEYS
_AGENT_KEYS: Final = frozenset({"contributors", "count", "events", "log", "outcome", "state", "text"})
_ROLES: Final = frozenset({"user", "assistant", "notice"})

_READ_RECEIPT: Final = """
SELECT turn FROM receipt WHERE identity = ?1 AND run = ?2 AND sequence = ?3
"""

_READ_CONTRIBUTOR: Final = """
SELECT identity, state, run FROM input WHERE input_id = ?1
"""


class _Turn(NamedTuple):
    identity: int
    seq: int
    version: int
    generation: int
    token: int
    previous: int
    run: bytes
    digest: bytes
    body: bytes


@define(eq=False)
class Walk:
    """Where the boundaries seen so far lead."""

    last_turn: int = 0
    generation: int = 0
    version: int = 0
    token: int = 0
    digest: bytes = DIGEST_ZERO
    count: int = 0
    last_state: int = 0
    receipts: int = 0
    """Boundaries of the runtime-store facade, each of which has a receipt."""


def walk_boundaries(subject: Subject, turns: Stream, inputs: Stream, database: Database) -> Walk:
    """Walk all of them, and say what is wrong."""
    walk = Walk()
    for row in turns.take(subject.key):
        turn = _Turn(*row)
        members = _members(subject, inputs, turn)
        _follow(subject, walk, turn)
        _read(subject, walk, turn, members, database)
        walk.last_turn, walk.version, walk.generation = turn.seq, turn.version, turn.generation
        walk.token, walk.digest = turn.token, turn.digest
    for row in inputs.take(subject.key):
        _say_unconsumed(subject, Input(*row))
    return walk


def _members(subject: Subject, inputs: Stream, turn: _Turn) -> list[Input]:
    """The inputs that name this boundary, in the order in which its run took them up."""
    members: list[Input] = []
    while (row := inputs.next) is not None and row[0] == subject.key and row[1] is not None and row[1] <= turn.seq:
        one = Input(*inputs.pop())
        if one.turn != turn.seq:
            _say_unconsumed(subject, one)
            continue
        examine_input(subject, one)
        if one.run != turn.run:
            subject.say(Check.RECEIPT, f"input {uuid_text(one.input_id)} is of another run than boundary {turn.seq}")
        if one.seq >= turn.seq:
            subject.say(Check.RECEIPT, f"boundary {turn.seq} consumed input {one.seq}, which came later")
        members.append(one)
    members.sort(key=lambda one: (one.position, one.admission or 0))
    return members


def _say_unconsumed(subject: Subject, one: Input) -> None:
    examine_input(subject, one)
    subject.say(
        Check.RECEIPT, f"input {uuid_text(one.input_id)} was consumed by boundary {one.turn}, which is none of its own"
    )


def _follow(subject: Subject, walk: Walk, turn: _Turn) -> None:
    """Whether it comes directly behind the one before."""
    where = f"boundary {turn.seq}"
    if turn.generation < walk.generation:
        subject.say(Check.CHAIN, f"{where} is of generation {turn.generation}, and {walk.generation} had begun")
    if turn.generation != walk.generation:
        # A reset begins a transcript of its own, behind what was.
        walk.version, walk.digest, walk.count, walk.last_state = 0, DIGEST_ZERO, 0, 0
    if turn.version != walk.version + 1:
        subject.say(Check.CHAIN, f"{where} is version {turn.version}, and {walk.version + 1} is next")
    if turn.previous != walk.last_turn:
        subject.say(Check.CHAIN, f"{where} follows {turn.previous}, and the one before it is {walk.last_turn}")
    if turn.token < walk.token:
        subject.say(Check.FENCE, f"{where} was written under token {turn.token}, after {walk.token}")


def _read(subject: Subject, walk: Walk, turn: _Turn, members: list[Input], database: Database) -> None:
    try:
        body: Any = orjson.loads(turn.body)
        if orjson.dumps(body, option=_SORTED) != turn.body:
            subject.say(Check.BODY, f"the body of boundary {turn.seq} is not canonical: it was changed")
        if subject.is_ledger:
            _read_receipt(subject, walk, turn, members, database)
            walk.count = body["count"]
        else:
            _read_log(subject, walk, turn, body)
            if "outcome" in body:
                _examine_interrupted(subject, turn, body, members, database)
            else:
                _compare(subject, turn, body, members)
    except UNDECODABLE as error:
        subject.say(Check.BODY, f"boundary {turn.seq} does not decode: {type(error).__name__}: {error}")


def _read_log(subject: Subject, walk: Walk, turn: _Turn, body: dict[str, Any]) -> None:
    where = f"boundary {turn.seq}"
    entries = body["log"]
    if extend_chain(walk.digest, tuple(orjson.dumps(entry, option=_SORTED) for entry in entries)) != turn.digest:
        subject.say(Check.DIGEST, f"the messages of {where} don't make its digest from the one before")
    walk.count += len(entries)
    if body["count"] != walk.count:
        subject.say(Check.DIGEST, f"{where} counts {body['count']} messages, and there are {walk.count}")
        walk.count = int(body["count"])
    if not body.keys() <= _AGENT_KEYS or not all(entry["role"] in _ROLES for entry in entries):
        subject.say(Check.BODY, f"{where} holds what no turn writes")
    text = body["text"] if "text" in body else entries[-1]["content"]
    if not (text is None or type(text) is str) or ("text" not in body and entries[-1]["role"] != "assistant"):
        subject.say(Check.BODY, f"{where} has no result")
    if "events" in body:
        decode_facts(orjson.dumps(body["events"]))
    if "state" in body:
        walk.last_state = turn.seq


def _contributors(subject: Subject, turn: _Turn, body: dict[str, Any]) -> list[str]:
    told = [entry["input"] for entry in body["log"] if "input" in entry]
    ids = body.get("contributors", told)
    if not ids:
        subject.say(Check.RECEIPT, f"boundary {turn.seq} consumed nothing")
    rest = iter(ids)
    if not all(one in rest for one in told):  # one after another, with gaps where some are kept out
        subject.say(Check.RECEIPT, f"the messages of boundary {turn.seq} name others than its receipt")
    return list(ids)


def _compare(subject: Subject, turn: _Turn, body: dict[str, Any], members: list[Input]) -> None:
    """Whether the inputs that a boundary names are those that name it."""
    ids = _contributors(subject, turn, body)
    if ids != [uuid_text(one.input_id) for one in members]:
        subject.say(
            Check.RECEIPT, f"boundary {turn.seq} consumed {len(ids)} inputs, and others ({len(members)}) name it"
        )
        return
    told = {entry["input"]: entry for entry in body["log"] if "input" in entry}
    for one in members:
        entry = told.get(uuid_text(one.input_id))
        if entry is None:
            if _is_told(one):
                subject.say(Check.RECEIPT, f"boundary {turn.seq} consumed input {one.seq}, and does not tell it")
            continue
        content = orjson.dumps(entry["content"], option=_SORTED)
        # Where the input's own was pruned, its digest still tells.
        if content != one.content if one.content else content_digest(content) != one.digest:
            subject.say(Check.CONTENT, f"input {entry['input']} is not what boundary {turn.seq} consumed")
        if entry.get("sender") != one.sender_name:
            subject.say(Check.RECEIPT, f"input {entry['input']} has another sender in boundary {turn.seq}")


def _is_told(one: Input) -> bool:
    """Whether the transcript has to have it. What does not decode is told of by whoever looks at it by itself."""
    kind = InputKind(one.kind)
    return decode_header(one.header, kind).in_transcript and policy_of(one.policy, kind).in_transcript


def _examine_interrupted(
    subject: Subject, turn: _Turn, body: dict[str, Any], members: list[Input], database: Database
) -> None:
    """A turn that was interrupted: its messages are kept, and its inputs were given up."""
    if body["outcome"] != ReceiptOutcome.INTERRUPTED.value or "state" in body or body.get("text") is not None:
        subject.say(Check.BODY, f"boundary {turn.seq} holds what no interrupted turn keeps")
    if members:
        subject.say(Check.RECEIPT, f"boundary {turn.seq} was interrupted, and {len(members)} inputs name it")
    for contributor in _contributors(subject, turn, body):
        found = database.execute(_READ_CONTRIBUTOR, (uuid_bytes(InputId(contributor)),)).fetchone()
        if found != (subject.key, ABANDONED, turn.run):
            subject.say(Check.RECEIPT, f"boundary {turn.seq} was interrupted, and did not give up input {contributor}")


def _read_receipt(subject: Subject, walk: Walk, turn: _Turn, members: list[Input], database: Database) -> None:
    walk.receipts += 1
    run = RunId(uuid_text(turn.run))
    receipt = decode_boundary(
        TurnRow(
            turn.seq,
            turn.previous,
            AgentIdentity(subject.shown),
            Generation(turn.generation),
            CheckpointVersion(turn.version),
            run,
            turn.digest,
            turn.body,
        )
    )
    ids = {InputId(uuid_text(one.input_id)) for one in members}
    if set(receipt.contributing_input_ids) != ids:
        subject.say(Check.RECEIPT, f"the receipt of boundary {turn.seq} names others than the inputs that it consumed")
    found = database.execute(_READ_RECEIPT, (turn.identity, turn.run, receipt.sequence)).fetchone()
    if found is None or found[0] != turn.seq:
        subject.say(Check.RECEIPT, f"receipt {receipt.sequence} of run {run} is not found where boundary {turn.seq} is")
