"""A file that several processes share: its leases, and the work that nobody else does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.leases import Lease
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.locking import StoreLock
from meerkat_actors.store.sqlite.rows import Database, first_value

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_NAPS_MS: Final = (1, 1, 1, 2, 2, 5)
"""SQLite's own naps grow to 100 ms, and then whoever commits all the time leaves nobody else a turn."""
_NAPS_MAX: Final = 12_000
"""For a minute in all. A process that is stopped amid a commit keeps everyone out, and only it can end that."""


def boot_of_machine() -> str:
    """Which boot the clock of leases counts from.

    Raises:
        OSError: this system doesn't say.
    """
    return BOOT_ID.read_text(encoding="ascii").strip()


def wait_for_others(connection: apsw.Connection) -> None:
    """Let a transaction wait while another process commits, in short naps."""
    connection.set_busy_handler(_nap)


def _nap(times: int) -> bool:
    if times >= _NAPS_MAX:
        return False
    apsw.sleep(_NAPS_MS[min(times, len(_NAPS_MS) - 1)])
    return True


def lease_of(row: tuple[int, str, str, int, int]) -> Lease:
    """From ``READ_LEASES`` or ``READ_HOLDER``."""
    owner, holder, boot, expires, ttl = row
    return Lease(owner=owner, holder=holder, boot=boot, expires_ms=expires, ttl_ms=ttl)


class SqliteLeases:
    """See ``LeaseTable``. Each owner's lock is a byte of the store's lock file."""

    def __init__(self, database: Database, lock: StoreLock) -> None:
        self._database = database
        self._lock = lock

    def all(self) -> Sequence[Lease]:
        """See ``LeaseTable.all``."""
        return [lease_of(row) for row in self._database.execute(queries.READ_LEASES)]

    def put(self, lease: Lease) -> None:
        """See ``LeaseTable.put``."""
        row = (lease.owner, lease.holder, lease.boot, lease.expires_ms, lease.ttl_ms)
        self._database.execute(statements.PUT_LEASE, row)

    def drop(self, owner: int) -> None:
        """See ``LeaseTable.drop``."""
        self._database.execute(statements.DROP_LEASE, (owner,))

    def is_running(self, owner: int) -> bool:
        """See ``LeaseTable.is_running``."""
        return self._lock.is_held(owner)


class Lookout:
    """What came since the last look at the work that nobody else does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._data_version = 0
        self._last_input = 0
        self._others: frozenset[int] | None = None

    def news(self, owner: int, others: frozenset[int]) -> tuple[AgentIdentity, ...]:
        """Agents with work: all of them where an owner came or went, else those with mail that others sent."""
        data_version = int(first_value(self._database.execute(queries.READ_DATA_VERSION)) or 0)
        if others == self._others and data_version == self._data_version:
            return ()
        self._database.execute(statements.BEGIN)
        try:
            row = self._database.execute(queries.READ_COUNTERS).fetchone()
            if others == self._others:
                found = self._database.execute(queries.READ_IDENTITIES_WITH_MAIL, (owner, self._last_input))
            else:
                found = self._database.execute(queries.READ_IDENTITIES_WITH_WORK, (owner,))
            work = tuple(AgentIdentity(name) for (name,) in found)
        finally:
            if self._database.in_transaction:  # an error may have ended it
                self._database.execute(statements.ROLLBACK)
        self._others, self._data_version = others, data_version
        self._last_input = 0 if row is None else int(row[0])
        return work
