"""A database of ours with any number of identities, made in seconds by a few statements."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from meerkat_actors.store import open_sqlite

_NUMBERS: Final = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)"

# One input each, admitted and consumed by the one turn; the last hundred inputs are still queued.
_FILL: Final = (
    f"{_NUMBERS} INSERT INTO name (key, name) SELECT n, printf('crowd/agent-%07d', n) FROM number",
    f"""{_NUMBERS} INSERT INTO head (key, kind, token, generation, version, owner, session, digest, message_count,
                                     last_turn, last_state, admissions, sends, mail_floor, tombstone, desired)
        SELECT n, 'worker', 1, 0, 1, 1, unhex(printf('%032x', n)), zeroblob(32), 2, 2 * n, 0, 1, 0, 0, 0, 'open'
          FROM number""",
    f"""{_NUMBERS} INSERT INTO turn (seq, identity, version, generation, token, previous, run, digest, body)
        SELECT 2 * n, n, 1, 0, 1, 0, unhex(printf('%032x', n)), zeroblob(32), CAST(printf(
                   '{{"count":2,"log":[{{"content":"task %d","input":"00000000-0000-0000-0000-%012x","role":"user"}},'
                   || '{{"content":"done","role":"assistant"}}],"text":true}}', n, n) AS BLOB)
          FROM number""",
    f"""{_NUMBERS} INSERT INTO input (seq, identity, admission, input_id, kind, state, turn, run, digest, content)
        SELECT 2 * n - 1, n, 1, unhex(printf('%032x', n)), 'prompt', iif(n > ?1 - 100, 1, 3),
               iif(n > ?1 - 100, NULL, 2 * n), iif(n > ?1 - 100, NULL, unhex(printf('%032x', n))),
               zeroblob(32), CAST(printf('"task %d"', n) AS BLOB)
          FROM number""",
)


def populate(path: Path, count: int) -> None:
    """Make a store at ``path`` with so many agents; it is nobody's afterwards."""
    open_sqlite(path).close()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.execute("PRAGMA synchronous = off")
    connection.execute("BEGIN")
    for statement in _FILL:
        connection.execute(statement, (count,))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
