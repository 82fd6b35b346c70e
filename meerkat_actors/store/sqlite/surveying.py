"""What a visitor asks of a whole store: numbers at a bounded cost, the newest inputs, and who owns it."""

from __future__ import annotations

import os
from typing import Final

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity, Generation, InputId, uuid_text
from meerkat_actors.records.inputs import InputRow
from meerkat_actors.store.sqlite import queries, reading, statements
from meerkat_actors.store.sqlite.locking import SHARED
from meerkat_actors.store.sqlite.marking import Mark
from meerkat_actors.store.sqlite.rows import Database, first_value

EXACT_MAX: Final = 10_000
"""Rows that are counted one by one; more are estimated."""
LOCKS_FILE: Final = "/proc/locks"

_SAMPLES: Final = 8
_SAMPLE: Final = EXACT_MAX // _SAMPLES

# Existing identities in a range of keys.
_COUNT_IDENTITIES: Final = """
SELECT count(*) FROM head WHERE key > ?1 AND key <= ?2 AND tombstone = 0
"""

# Boundaries in a range of the store-wide sequence.
_COUNT_TURNS: Final = """
SELECT count(*) FROM turn WHERE seq > ?1 AND seq <= ?2
"""

# Inputs without an outcome, and no more of them than are worth counting.
_COUNT_OPEN: Final = """
SELECT count(*) FROM (SELECT 1 FROM input INDEXED BY input_open WHERE state < 3 LIMIT ?1)
"""

_READ_GENERATION: Final = """
SELECT head.generation FROM name JOIN head ON head.key = name.key WHERE name.name = ?1 AND head.tombstone = 0
"""

_READ_LATEST_INPUTS: Final = """
SELECT name.name, input.input_id FROM input CROSS JOIN name ON name.key = input.identity
 ORDER BY input.seq DESC
 LIMIT ?1
"""


@frozen(kw_only=True)
class Count:
    """How many there are, as far as it is worth knowing."""

    number: int
    is_exact: bool
    """Whether they were counted; else ``number`` is estimated from samples, or a lower bound."""


@frozen(kw_only=True)
class Survey:
    """A store in numbers."""

    store_id: str
    incarnation: int
    """How often serving began."""
    was_clean: bool
    """Whether serving ended in good order. False while somebody serves."""
    last_sequence: int
    """The highest number that an input, a turn or an event has."""
    identities: Count
    turns: Count
    open_inputs: Count
    """Inexact: at least so many."""


def read_store_id(database: Database) -> str:
    """What names the store for ever.

    Raises:
        ValueError: its one row is lost.
    """
    meta = database.execute(queries.READ_META).fetchone()
    if meta is None:
        problem = "no meta row"
        raise ValueError(problem)
    return str(meta[0])


def read_mark(database: Database) -> Mark:
    """How far the store is, in one read transaction.

    Raises:
        ValueError: its one row is lost.
    """
    database.execute(statements.BEGIN)
    try:
        store_id = read_store_id(database)
        meta = database.execute(queries.READ_META).fetchone()
        counters = database.execute(queries.READ_COUNTERS).fetchone()
        assert meta is not None
        assert counters is not None
        return Mark(store_id, meta[4], meta[1], max(meta[3], counters[0], counters[1]))
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)


def read_survey(database: Database) -> Survey:
    """The numbers, in one read transaction."""
    database.execute(statements.BEGIN)
    try:
        meta = database.execute(queries.READ_META).fetchone()
        _, incarnation, clean, _, _ = (None, 0, 0, 0, 0) if meta is None else meta
        counters = database.execute(queries.READ_COUNTERS).fetchone()
        last_input, last_turn, last_key = (0, 0, 0) if counters is None else counters
        last = max(last_input, last_turn)
        open_count = int(first_value(database.execute(_COUNT_OPEN, (EXACT_MAX + 1,))) or 0)
        return Survey(
            store_id=read_store_id(database),
            incarnation=incarnation,
            was_clean=bool(clean),
            last_sequence=last,
            identities=_counted(database, _COUNT_IDENTITIES, last_key),
            turns=_counted(database, _COUNT_TURNS, last),
            open_inputs=Count(number=min(open_count, EXACT_MAX), is_exact=open_count <= EXACT_MAX),
        )
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)


def read_generation(database: Database, identity: AgentIdentity) -> Generation | None:
    """The generation of an identity; None when it was never created, or was deleted."""
    found = database.execute(_READ_GENERATION, (identity,)).fetchone()
    return None if found is None else Generation(found[0])


def read_latest_inputs(database: Database, limit: int) -> tuple[tuple[AgentIdentity, InputRow], ...]:
    """The newest inputs of the store."""
    found = database.execute(_READ_LATEST_INPUTS, (max(limit, 0),)).fetchall()
    rows = (
        (AgentIdentity(name), reading.read_input(database, AgentIdentity(name), InputId(uuid_text(raw))))
        for name, raw in found
    )
    # Between the two looks it can only have been pruned.
    return tuple((name, row) for name, row in rows if row is not None)


def owners_of(path: str) -> tuple[int, ...]:
    """The processes that own the store at ``path`` now, several where they share it; as far as this one can see.

    Asked of the kernel, without touching the lock: one who only looks must not refuse an opener for an instant.
    """
    try:
        status = os.stat(f"{path}.lock")
        with open(LOCKS_FILE, encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
        with open(f"{path}.lock", "rb") as file:
            signed = file.read(64).split()
    except OSError:
        return ()
    owners: set[int] = set()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in lines:
        words = line.split()
        # proc_locks(5): number, FLOCK, ADVISORY, WRITE, pid, device:inode, range; with an arrow, it only waits.
        if len(words) < 6 or words[1] != "FLOCK":
            continue
        place, _, inode = words[5].rpartition(":")
        # On a layered file system the device may be another's; then the signature in the file speaks.
        names_it = signed[:1] == [SHARED.encode()] if words[3] == "READ" else words[4].encode() in signed[:1]
        if inode == str(status.st_ino) and (place == device or names_it):
            owners.add(int(words[4]))
    return tuple(sorted(owners))


def _counted(database: Database, query: str, last: int) -> Count:
    """How many numbers up to ``last`` are in use: counted if they are few, else by samples spread over them."""
    if last <= EXACT_MAX:
        return Count(number=int(first_value(database.execute(query, (0, last))) or 0), is_exact=True)
    found = 0
    for sample in range(_SAMPLES):
        begin = (last - _SAMPLE) * sample // (_SAMPLES - 1)
        found += int(first_value(database.execute(query, (begin, begin + _SAMPLE))) or 0)
    return Count(number=round(last * found / (_SAMPLE * _SAMPLES)), is_exact=False)
