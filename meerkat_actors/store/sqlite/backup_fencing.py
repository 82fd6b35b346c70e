"""What makes a copy a timeline of its own: who served the store, or wrote to it, does not go on in the copy."""

from __future__ import annotations

from typing import Final

import apsw

from meerkat_actors.errors import StoreError
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.rows import Database, first_value, typed

TOKENS: Final = 1 << 32
"""By how much a copy raises fencing tokens. By one would not do: the store that was copied goes on and grants tokens,
and whoever brings a higher one to the restored copy is let in. It had to grant four thousand millions first."""

# A higher epoch. Whoever restores it did not crash: what is staged was under way, and is not charged for that.
# ?1: epoch, ?2: whether somebody served the store.
_BEGIN_EPOCH: Final = """
UPDATE meta
   SET epoch = ?1,
       clean = max(clean, ?2),
       sequence = max(sequence, coalesce((SELECT max(seq) FROM input), 0), coalesce((SELECT max(seq) FROM turn), 0),
                      coalesce((SELECT max(seq) FROM event), 0))
"""

# Nobody owns it, and nobody's token is current. What is granted to a holder of the continuity facade stays behind.
_RAISE_TOKENS: Final = """
UPDATE head
   SET owner = 0,
       token = iif(token <= ?1 - ?2, token + ?2, min(token, ?1 - 1) + 1)
"""

_COUNT_UNFENCED: Final = """
SELECT count(*) FROM head WHERE token = ?1
"""


def fence(path: str, connection: apsw.Connection, *, epoch_min: int, is_served: bool) -> int:
    """Fence a copy that nobody has a name for yet; after an error it is worth nothing.

    Returns how many identities could not be fenced.

    Raises:
        StoreError: there is no higher epoch; or SQLite does not do without a log.
        apsw.Error: the disk.
    """
    database = typed(connection)
    # Its header promises a log no more: see ``backup_log``. A copy that fails is thrown away, so nothing is kept to
    # undo it. Exclusive: no index of a log is made beside it.
    database.execute("PRAGMA locking_mode = exclusive").fetchall()
    mode = first_value(database.execute("PRAGMA journal_mode = off"))
    if mode != "off":
        raise StoreError(path=path, problem=f"can't be copied: SQLite keeps the journal mode of the copy at {mode!r}")
    meta = database.execute(queries.READ_META).fetchone()
    assert meta is not None, "its store id was read before"
    epoch = max(int(meta[4]), epoch_min)
    if epoch >= COUNTER_MAX:
        raise StoreError(path=path, problem="its epoch is at its end, so no copy could be told apart from it")
    unfenced = _count_unfenced(database)
    database.execute(statements.BEGIN_IMMEDIATE)
    database.execute(_BEGIN_EPOCH, (epoch + 1, int(is_served)))
    database.execute(_RAISE_TOKENS, (COUNTER_MAX, TOKENS))
    database.execute(statements.DROP_LEASES)
    database.execute(statements.COMMIT)
    return unfenced


def _count_unfenced(database: Database) -> int:
    return int(first_value(database.execute(_COUNT_UNFENCED, (COUNTER_MAX,))) or 0)
