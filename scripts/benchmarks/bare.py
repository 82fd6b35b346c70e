"""The bare reference: what Trio and SQLite allow when nothing is promised but two commits per turn.

One task per identity with a mailbox, one storage task that groups units while the previous group commits, one
writer thread. No idempotency, no supervision, no mail, no recovery: our runtime is measured against this.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

import apsw
import orjson
import trio
from attrs import define, field

from _common import REPLY, TEXT, Result, fresh_folder, memory_folder, open_probe, raise_collector_threshold, used_bytes
from _load import Meter, measure

BATCH_MAX: Final = 2_000
"""Units in one transaction."""

CHECKPOINT_PAGES: Final = 1_000
"""Pages written to the log before it is copied back."""

GENERATION: Final = 0
TOKEN: Final = 1

PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0")

SCHEMA: Final = """
CREATE TABLE head (
    key        INTEGER PRIMARY KEY,
    token      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    last_turn  INTEGER
) STRICT;
CREATE TABLE input (
    seq       INTEGER PRIMARY KEY,
    identity  INTEGER NOT NULL,
    admission INTEGER NOT NULL,
    payload   BLOB    NOT NULL,
    state     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX input_admission ON input (identity, admission);
CREATE TABLE turn (
    seq      INTEGER PRIMARY KEY,
    identity INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    digest   BLOB    NOT NULL,
    body     BLOB    NOT NULL
) STRICT;
"""

CREATE_HEAD: Final = "INSERT INTO head VALUES (?, ?, ?, 0, ?, NULL)"

INSERT_INPUT: Final = "INSERT INTO input VALUES (?, ?, ?, ?, 0)"

INSERT_TURN: Final = "INSERT INTO turn VALUES (?, ?, ?, ?, ?)"

# Compare-and-set: touches one row iff the writer is where it believes to be.
ADVANCE_HEAD: Final = """
UPDATE head
   SET version = version + 1, digest = ?, last_turn = ?
 WHERE key = ? AND token = ? AND generation = ? AND version = ?
"""

CONSUME_INPUT: Final = "UPDATE input SET state = 1 WHERE seq = ?"


@define(eq=False)
class Accept:
    """Commit 1: an input becomes durable."""

    input_row: tuple[int, int, int, bytes]
    done: trio.Event


@define(eq=False)
class Boundary:
    """Commit 2: a turn, the head that it advances, the input that it consumed."""

    turn_row: tuple[int, int, int, bytes, bytes]
    head_row: tuple[bytes, int, int, int, int, int]
    input_row: tuple[int]
    done: trio.Event


Unit: TypeAlias = Accept | Boundary


@define(eq=False)
class Request:
    """What a client posts to an identity."""

    payload: str
    done: trio.Event


@define(eq=False)
class Batch:
    """One transaction: the storage task waits on ``done``, the writer thread has it set."""

    units: list[Unit]
    done: trio.Event = field(factory=trio.Event)
    error: Exception | None = None


@define(eq=False)
class Counters:
    """What the writer thread has done. Written by it alone."""

    commits: int = 0
    checkpoints: int = 0


Mailbox: TypeAlias = trio.MemorySendChannel[Request]


class FencedOutError(Exception):
    """A guarded statement did not touch its row; the reference has no story for that."""


def commit(connection: apsw.Connection, units: list[Unit]) -> None:
    """One transaction, one statement per kind of effect, and a count of what it touched."""
    accepts = [unit.input_row for unit in units if type(unit) is Accept]
    boundaries = [unit for unit in units if type(unit) is Boundary]
    changes_before = connection.total_changes()
    connection.execute("BEGIN IMMEDIATE")
    if accepts:
        connection.executemany(INSERT_INPUT, accepts)
    if boundaries:
        connection.executemany(INSERT_TURN, [unit.turn_row for unit in boundaries])
        connection.executemany(ADVANCE_HEAD, [unit.head_row for unit in boundaries])
        connection.executemany(CONSUME_INPUT, [unit.input_row for unit in boundaries])
    if connection.total_changes() - changes_before != len(accepts) + 3 * len(boundaries):
        connection.execute("ROLLBACK")
        raise FencedOutError
    connection.execute("COMMIT")


def run_writer(
    connection: apsw.Connection, inbox: SimpleQueue[Batch | None], token: trio.lowlevel.TrioToken, counters: Counters
) -> None:
    """The body of the one thread that commits. Ends at None."""
    while (batch := inbox.get()) is not None:
        try:
            commit(connection, batch.units)
        except Exception as error:  # noqa: BLE001 - raised again by the task that waits for the batch
            batch.error = error
        counters.commits += 1
        token.run_sync_soon(batch.done.set)
        written, _ = connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)
        if written >= CHECKPOINT_PAGES:  # after the answer, so nobody waits for it but the next batch
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, True)
            counters.checkpoints += 1


async def run_storage(units: trio.MemoryReceiveChannel[Unit], inbox: SimpleQueue[Batch | None]) -> None:
    """Group what arrived while the previous group committed, commit it, answer it."""
    async for first in units:
        batch = Batch([first])
        try:
            while len(batch.units) < BATCH_MAX:
                batch.units.append(units.receive_nowait())
        except trio.WouldBlock:
            pass
        inbox.put(batch)
        await batch.done.wait()
        if batch.error is not None:
            raise batch.error
        for unit in batch.units:
            unit.done.set()


async def run_identity(
    key: int, requests: trio.MemoryReceiveChannel[Request], units: trio.MemorySendChannel[Unit], sequence: Iterator[int]
) -> None:
    """Own one identity: its version and its digest are locals of this task."""
    version, digest = 0, b""
    async for request in requests:
        input_seq = next(sequence)
        accepted = trio.Event()
        units.send_nowait(Accept((input_seq, key, version, request.payload.encode()), accepted))
        await accepted.wait()
        user = orjson.dumps({"role": "user", "text": request.payload})
        reply = orjson.dumps({"role": "assistant", "text": REPLY})
        digest = sha256(sha256(digest + user).digest() + reply).digest()
        turn_seq = next(sequence)
        advanced = trio.Event()
        units.send_nowait(
            Boundary(
                (turn_seq, key, version + 1, digest, b"[%b,%b]" % (user, reply)),
                (digest, turn_seq, key, TOKEN, GENERATION, version),
                (input_seq,),
                advanced,
            )
        )
        await advanced.wait()
        version += 1
        request.done.set()


def create(path: Path, agents: int) -> apsw.Connection:
    """A new database with one head per identity, checkpointed."""
    connection = apsw.Connection(str(path))
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute(SCHEMA)
    with connection:
        connection.executemany(CREATE_HEAD, ((key, TOKEN, GENERATION, b"") for key in range(agents)))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return connection


@asynccontextmanager
async def open_bare(
    connection: apsw.Connection, agents: int, counters: Counters
) -> AsyncGenerator[list[Mailbox], None]:
    """Run storage, writer and one task per identity for as long as the block; gives their mailboxes."""
    inbox: SimpleQueue[Batch | None] = SimpleQueue()
    writer = threading.Thread(
        target=run_writer, args=(connection, inbox, trio.lowlevel.current_trio_token(), counters), name="bare-writer"
    )
    writer.start()
    # One unit in flight per identity: the storage mailbox can never be full, so nobody waits for room.
    units_send, units_receive = trio.open_memory_channel[Unit](agents)
    sequence = count(1)
    mailboxes: list[Mailbox] = []
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_storage, units_receive, inbox)
            for key in range(agents):
                send, receive = trio.open_memory_channel[Request](8)
                mailboxes.append(send)
                nursery.start_soon(run_identity, key, receive, units_send, sequence)
            yield mailboxes
            nursery.cancel_scope.cancel()
    finally:
        inbox.put(None)
        writer.join()


async def run_bare(path: Path, agents: int, seconds: float) -> Result:
    """Measure the reference in a new database at ``path``. Cancelling it leaves the database behind."""
    raise_collector_threshold()
    connection = create(path, agents)
    counters = Counters()
    probe = open_probe(path)
    async with open_bare(connection, agents, counters) as mailboxes:

        async def ask(agent: int) -> None:
            done = trio.Event()
            mailboxes[agent].send_nowait(Request(TEXT, done))
            await done.wait()

        def meter() -> Meter:
            return Meter(commits=counters.commits, used_bytes=used_bytes(probe))

        result = await measure(ask, agents, seconds, meter)
    probe.close()
    connection.close()
    return result


def main() -> None:
    """Measure the reference once; ``turns.py`` compares it."""
    with fresh_folder(memory_folder() or Path.cwd()) as fresh:
        result = trio.run(run_bare, fresh / "bare.db", 1_000, 1.0)
    print(f"1,000 bare agents: {result.turns_per_second:,.0f} turns/s, {result.commits_per_turn:.4f} commits/turn")


if __name__ == "__main__":
    main()
