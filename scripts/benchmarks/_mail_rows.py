"""What ``mail.py`` reads in a database by itself: how many rows there are, and what a plain loop makes of them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import apsw
import orjson

from _common import REPLY, open_probe

READ_MAIL: Final = """
SELECT seq, sender, content
  FROM input INDEXED BY input_open
 WHERE identity = ?1 AND state = 0 AND state < 3
 ORDER BY seq
 LIMIT ?2
"""

CONSUME: Final = "UPDATE input SET admission = ?2, state = 3, run = ?3, turn = ?4 WHERE seq = ?1"

INSERT_TURN: Final = "INSERT INTO turn VALUES (?1, ?2, ?3, 0, 1, ?4, ?5, ?6, ?7)"

PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=1000")

RUN: Final = bytes(16)


def count_rows(path: Path) -> dict[str, int]:
    """Rows of the tables that say what units did, and of the mail that nobody took."""
    probe = open_probe(path)
    try:
        return {
            "turn": _count(probe, "SELECT count(*) FROM turn"),
            "event": _count(probe, "SELECT count(*) FROM event"),
            "mail": _count(probe, "SELECT count(*) FROM input WHERE state = 0"),
        }
    finally:
        probe.close()


def drain_plainly(path: Path, name: str, batch: int) -> tuple[int, float]:
    """Work off the mail of that name, a batch a transaction: messages, and seconds.

    One loop that reads the oldest, decodes them, and moves them while it inserts a turn with what they said. It has no
    owner, no head, no guard, no event, and waits for its own fsync: what SQLite allows to one who promises only that.
    """
    database = apsw.Connection(str(path))
    database.setbusytimeout(1_000)
    for pragma in PRAGMAS:
        database.pragma(*pragma.split("="))
    key = database.execute("SELECT key FROM name WHERE name = ?", (name,)).get
    sequence: Any = database.execute("SELECT max(seq) FROM (SELECT seq FROM input UNION ALL SELECT seq FROM turn)").get
    admission, version, previous, started = 0, 0, 0, perf_counter()
    while True:
        database.execute("BEGIN IMMEDIATE")
        rows: list[Any] = database.execute(READ_MAIL, (key, batch)).fetchall()
        if not rows:
            break
        version, sequence = version + 1, sequence + 1
        said = [{"role": "user", "sender": sender, "content": orjson.loads(content)} for _, sender, content in rows]
        body = orjson.dumps([*said, {"role": "assistant", "content": REPLY}])
        consumed = [(row[0], admission + place, RUN, sequence) for place, row in enumerate(rows, 1)]
        admission += len(rows)
        database.executemany(CONSUME, consumed)
        database.execute(INSERT_TURN, (sequence, key, version, previous, RUN, sha256(body).digest(), body))
        database.execute("COMMIT")
        previous = sequence
    seconds = perf_counter() - started
    database.execute("ROLLBACK")
    database.close()
    return admission, seconds


def _count(probe: apsw.Connection, query: str) -> int:
    found: Any = probe.execute(query).get
    return int(found)
