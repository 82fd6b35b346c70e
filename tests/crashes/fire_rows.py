"""Read a database into a ledger, row by row, and look at what only rows show: their order and their links.

Nothing here knows how the package reads its own rows: digests and the hash chain are worked out afresh.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import apsw
import orjson
from attrs import frozen

from tests.crashes.fire_ledger import Head, Input, Ledger

Row = tuple[Any, ...]


@frozen(kw_only=True)
class Rows:
    """One database, read in one transaction."""

    ledger: Ledger
    problems: tuple[str, ...]
    """What must not be, whoever asked for what."""
    incarnation: int


def read_rows(path: str) -> Rows:
    """Read the database at ``path``, which may be open in this process, beside whoever writes it.

    Raises:
        apsw.Error: it can't be read.
    """
    # The same SQLite library as the store's: another one, closing the file, would take away the store's locks.
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.execute("BEGIN")
        return _read(connection)
    finally:
        connection.close()


_HEADS: Final = """
SELECT name.name, kind, token, head.generation, version, head.session, digest, message_count, sends,
       last_turn, last_state
  FROM head JOIN name USING (key)
"""
_INPUTS: Final = """
SELECT input.seq, input.input_id, name.name, input.admission, input.kind, input.state, input.digest, input.content,
       input.run, input.idempotency, sender.name, input.number, input.attempts, input.interruptions,
       input.not_before, input.turn, input.ending
  FROM input JOIN name ON name.key = input.identity LEFT JOIN name AS sender ON sender.key = input.sender
 ORDER BY input.seq
"""
_TURNS: Final = """
SELECT turn.seq, name.name, generation, version, token, previous, run, digest, body
  FROM turn JOIN name ON name.key = turn.identity
 ORDER BY turn.seq
"""
_CONFIGS: Final = "SELECT name.name, version, body FROM agent_config JOIN name ON name.key = identity"
_DOCUMENTS: Final = """
SELECT name.name, kind, document.key, epoch, generation, body, digest FROM document JOIN name ON name.key = identity
"""
_JOURNAL: Final = """
SELECT name.name, run, journal.name, nth, arguments, result FROM journal JOIN name ON name.key = identity
"""
_RECEIPTS: Final = "SELECT name.name, run, sequence, turn FROM receipt JOIN name ON name.key = identity"
_SESSIONS: Final = "SELECT session, name.name, generation FROM session JOIN name ON name.key = identity"
_GRANTS: Final = "SELECT name.name, token, holder, floor FROM continuity JOIN name ON name.key = identity"
_SNAPSHOTS: Final = """
SELECT name.name, generation, version, session, token, digest, data FROM snapshot JOIN name ON name.key = identity
"""


def _read(connection: apsw.Connection) -> Rows:
    problems = list(_sqlite_says(connection))
    versions: dict[int, int] = {0: 0}
    turns: list[Row] = list(connection.execute(_TURNS))
    for row in turns:
        versions[row[0]] = row[3]
    inputs: list[Row] = list(connection.execute(_INPUTS))
    heads: list[Row] = list(connection.execute(_HEADS))
    ledger = Ledger(
        heads={row[0]: _head(row, versions) for row in heads},
        inputs={row[1]: _input(row, versions) for row in inputs},
        turns={(row[1], row[2], row[3]): (row[4], *row[6:]) for row in turns},
        configs={(row[0], row[1]): row[2] for row in connection.execute(_CONFIGS)},
        journal={row[:4]: row[4:] for row in connection.execute(_JOURNAL)},
        receipts={row[:3]: versions.get(row[3], -1) for row in connection.execute(_RECEIPTS)},
        sessions={row[0]: row[1:] for row in connection.execute(_SESSIONS)},
        grants={row[0]: row[1:] for row in connection.execute(_GRANTS)},
        snapshots={row[:3]: row[3:] for row in connection.execute(_SNAPSHOTS)},
    )
    documents: list[Row] = list(connection.execute(_DOCUMENTS))
    ledger.documents = {row[:3]: row[3:6] for row in documents}
    for *place, _, _, body, digest in documents:
        if (None if body is None else sha256(body).digest()) != digest:
            problems.append(f"the digest of document {place} is another")
    if len(ledger.turns) != len(turns) or len(ledger.inputs) != len(inputs):
        problems.append("a boundary or an input is there twice")
    problems += _links(ledger, turns, inputs, heads)
    meta: list[Row] = list(connection.execute("SELECT incarnation FROM meta"))
    if {row[0] for row in turns} & {row[0] for row in inputs}:
        problems.append("a sequence was given out twice")
    return Rows(ledger=ledger, problems=tuple(problems), incarnation=meta[0][0])


def _sqlite_says(connection: apsw.Connection) -> Iterator[str]:
    for (text,) in connection.execute("PRAGMA integrity_check"):
        if text != "ok":
            yield f"integrity_check: {text}"
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: {row}"


def _head(row: Row, versions: dict[int, int]) -> Head:
    _, kind, token, generation, version, session, digest, count, sends, last_turn, last_state = row
    return Head(
        kind=kind,
        token=token,
        generation=generation,
        version=version,
        session=session,
        digest=digest,
        message_count=count,
        sends=sends,
        last_turn=versions.get(last_turn, -1),
        last_state=versions.get(last_state, -1),
    )


def _input(row: Row, versions: dict[int, int]) -> Input:
    _, _, identity, admission, kind, state, digest, content, run, key, sender, number, attempts, *rest = row
    interruptions, not_before, turn, ending = rest
    return Input(
        identity=identity,
        admission=admission,
        kind=kind,
        state=state,
        digest=digest,
        content=content,
        run=run,
        key=key,
        sender=sender,
        number=number,
        attempts=attempts,
        interruptions=interruptions,
        not_before=not_before,
        turn=None if turn is None else versions.get(turn, -1),
        ending=ending,
    )


def _links(ledger: Ledger, turns: list[Row], inputs: list[Row], heads: list[Row]) -> Iterator[str]:
    """Dense versions, tokens that never fall, the hash chain, and who was consumed by what."""
    last: dict[str, tuple[int, int, int, bytes, int]] = {}
    for seq, name, _, version, token, previous, run, digest, body in turns:
        before, last_version, last_token, chain, count = last.get(name, (0, 0, 0, bytes(32), 0))
        if (previous, version) != (before, last_version + 1) or token < last_token:
            yield f"boundary {version} of {name} follows {last_version}, {previous} is not {before}, or its token falls"
        said = orjson.loads(body)
        for entry in said["log"]:
            canonical = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
            chain = sha256(chain + sha256(canonical).digest()).digest()
        count += len(said["log"])
        if (chain, count) != (digest, said["count"]):
            yield f"boundary {version} of {name} has another digest or length than its log"
        consumed = [row[1] for row in inputs if row[15] == seq]
        named = [bytes.fromhex(entry["input"].replace("-", "")) for entry in said["log"] if "input" in entry]
        if sorted(consumed) != sorted(named) or any(ledger.inputs[one].run != run for one in consumed):
            yield f"boundary {version} of {name} names other inputs than it consumed"
        last[name] = (seq, version, token, chain, count)
    for name, *_, digest, count, _, last_turn, _ in heads:
        seq, _, token, chain, said_count = last.get(name, (0, 0, 0, bytes(32), 0))
        if (seq, chain, said_count) != (last_turn, digest, count) or ledger.heads[name].token < token:
            yield f"the head of {name} is not where its log ends"
    for row in inputs:
        if sha256(row[7]).digest() != row[6]:
            yield f"input {row[1].hex()} is not what its digest says"
