"""Examine a whole store, without owning it: everything that must hold of its rows, worked out again from the rows.

One read transaction, so the owner's commits meanwhile are neither seen nor hindered; its log grows for as long.
Nothing is written. Memory does not grow with the database: see ``examining_streams``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Final

from attrs import frozen

from meerkat_actors.errors import StoreCorruptError, UnknownIdentityError
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.examining_agenda import examine_events, examine_operations, examine_timers
from meerkat_actors.store.sqlite.examining_authority import (
    examine_configs,
    examine_continuity,
    examine_documents,
    examine_head,
    examine_receipts,
    examine_sessions,
    examine_snapshots,
)
from meerkat_actors.store.sqlite.examining_boundaries import walk_boundaries
from meerkat_actors.store.sqlite.examining_file import (
    Meta,
    examine_leases,
    examine_meta,
    examine_pages,
    examine_sequence,
    examine_surroundings,
    is_pruned,
    mark_beside,
)
from meerkat_actors.store.sqlite.examining_findings import REMEDIES as REMEDIES
from meerkat_actors.store.sqlite.examining_findings import Check as Check
from meerkat_actors.store.sqlite.examining_findings import Finding as Finding
from meerkat_actors.store.sqlite.examining_findings import Findings
from meerkat_actors.store.sqlite.examining_indexes import examine_partial_indexes
from meerkat_actors.store.sqlite.examining_inputs import (
    examine_admissions,
    examine_journal,
    examine_sent,
    examine_waiting,
)
from meerkat_actors.store.sqlite.examining_log import examine_log, read_log_index
from meerkat_actors.store.sqlite.examining_streams import QUERIES, Stream
from meerkat_actors.store.sqlite.examining_subject import Head, Subject
from meerkat_actors.store.sqlite.header import real_path
from meerkat_actors.store.sqlite.reader import StoreReader
from meerkat_actors.store.sqlite.rows import Database

Watch = Callable[[str, int], None]
"""Told now and then what is looked at, and how many rows were."""

_IDENTITIES_PER_WORD: Final = 256
_ROWS_PER_WORD: Final = 4096


@frozen(kw_only=True)
class Examination:
    """What one look at a store found."""

    location: str
    findings: tuple[Finding, ...]
    """The first ``FINDINGS_MAX``."""
    number: int
    """How many there are."""
    notes: tuple[str, ...]
    """What is worth knowing and not wrong. May hold text from the file."""
    identities: int
    boundaries: int
    inputs: int
    """How many were looked at."""


def examine(
    path: str | os.PathLike[str], *, identity: AgentIdentity | None = None, watch: Watch | None = None
) -> Examination:
    """Look at everything in the store at ``path``, or at one identity; nothing is written, whoever owns it.

    A file that is damaged as a whole is one finding, not an error.

    Raises:
        UsageError: ``path`` is no path.
        NotOurStoreError: the file is something else, or empty.
        StoreSchemaError: another version wrote it.
        UnknownIdentityError: the store has no such name.
        StoreError: there is none, or it can't be read.
    """
    location = real_path(path)
    try:
        with closing(_Examiner(location)) as examiner:
            return examiner.examine(identity, _unwatched if watch is None else watch)
    except StoreCorruptError as error:
        problem = error.problem
    except UnicodeDecodeError as error:
        problem = f"its schema is no text: {error}"
    finding = Finding(check=Check.FILE, identity=None, detail=problem)
    return Examination(location=location, findings=(finding,), number=1, notes=(), identities=0, boundaries=0, inputs=0)


def _unwatched(_: str, __: int) -> None:
    """Nobody is told."""


class _Examiner(StoreReader):
    def examine(self, identity: AgentIdentity | None, watch: Watch) -> Examination:
        # Before anybody connects: the first one who looks makes it anew.
        index = read_log_index(self.location)

        def look(database: Database) -> Examination:
            found = Findings()
            if identity is None:
                examine_log(self.location, database, found, index)
            return _examine(self.location, database, found, identity, watch)

        return self._read(look)


def _examine(
    path: str, database: Database, found: Findings, identity: AgentIdentity | None, watch: Watch
) -> Examination:
    mark = mark_beside(path)  # before anything else: a live owner writes it behind each commit
    database.execute(statements.BEGIN)
    try:
        key = None if identity is None else _key_of(database, identity)
        meta = examine_meta(database, found, mark)
        if key is None:
            _examine_file(path, database, found, meta, watch)
        tables = _tables(database, key, found)
        identities = _examine_identities(database, tables, found, 0 if meta is None else meta.incarnation, watch)
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)
    return Examination(
        location=path,
        findings=tuple(found.kept),
        number=found.number,
        notes=tuple(found.notes),
        identities=identities,
        boundaries=tables["turn"].seen,
        inputs=tables["input"].seen,
    )


def _key_of(database: Database, identity: AgentIdentity) -> int:
    # No name has another character, and no database takes every one that a shell passes on.
    row = database.execute(queries.READ_KEY, (identity,)).fetchone() if identity.isascii() else None
    if row is None:
        raise UnknownIdentityError(identity=identity)
    return int(row[0])


def _examine_file(path: str, database: Database, found: Findings, meta: Meta | None, watch: Watch) -> None:
    watch("pages", 0)
    examine_pages(database, found)
    examine_partial_indexes(database, found)
    watch("sequence", 0)
    examine_sequence(database, found)
    if meta is not None:
        examine_leases(database, found, meta, SystemEnv().boot_ms())
    examine_surroundings(path, found)


def _tables(database: Database, key: int | None, found: Findings) -> dict[str, Stream]:
    return {table: Stream(database, table, key, found.add) for table in QUERIES}


def _examine_identities(
    database: Database, tables: dict[str, Stream], found: Findings, incarnation: int, watch: Watch
) -> int:
    pruned = is_pruned(database, found)
    count = told = 0
    while True:
        # Rows without a name have an identity too.
        key = min((stream.key for stream in tables.values() if stream.key is not None), default=None)
        if key is None:
            watch("agents", tables["turn"].seen + tables["input"].seen)
            return count
        names = list(tables["name"].take(key))
        heads = [Head(*row) for row in tables["head"].take(key)]
        head = heads[0] if heads else None
        subject = Subject(key, names[0][1] if names else None, head, found, pruned)
        _examine_one(subject, tables, incarnation, database)
        count += 1
        seen = tables["turn"].seen + tables["input"].seen
        if count % _IDENTITIES_PER_WORD == 0 or seen >= told + _ROWS_PER_WORD:
            told = seen
            watch("agents", seen)


def _examine_one(subject: Subject, tables: dict[str, Stream], incarnation: int, database: Database) -> None:
    waiting = examine_waiting(subject, tables["input"])
    walk = walk_boundaries(subject, tables["turn"], tables["input"], database)
    if subject.name is None:
        subject.say(Check.NAME, "rows of an identity that has no name")
    elif subject.head is None and not waiting.has_mail:
        subject.say(Check.NAME, "a name, and neither an authority row nor mail that waits for one, or waited")
    examine_head(subject, walk, incarnation)
    examine_admissions(subject, tables["admission"], waiting)
    examine_sent(subject, tables["mail"])
    examine_journal(subject, tables["journal"], waiting)
    sessions = examine_sessions(subject, tables["session"], has_holder=tables["continuity"].key == subject.key)
    examine_configs(subject, tables["agent_config"])
    examine_receipts(subject, tables["receipt"], walk)
    versions = examine_continuity(subject, tables["continuity"], sessions)
    examine_snapshots(subject, tables["snapshot"], sessions, versions)
    examine_documents(subject, tables["document"], sessions)
    examine_timers(subject, tables["timer"])
    examine_operations(subject, tables["operation"], incarnation)
    examine_events(subject, tables["event"])
