"""Databases of every released schema, kept as SQL: how one is made, and how it becomes a file again.

``python -m tests.store.sqlite.keeping`` keeps one of the schema that the code has now, to be run once for each new
schema before it is released, and never for an older one: what an older version wrote is what it wrote.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

import apsw
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.machines.lifecycle import select_lifecycle
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import RuntimeStore, open_sqlite
from meerkat_actors.store.sqlite.schema import PAGE_BYTES, SCHEMA_VERSION
from tests.store.continuity_calling import BEN, caller, record
from tests.store.runtime_writing import RUN, delta, input_id, queued, said, staged
from tests.store.sqlite.agenda import live_agenda
from tests.store.sqlite.lives import live_lives
from tests.store.writing import uuid_of

KEPT: Final = Path(__file__).parent / "kept"

OPS: Final = OpsSnapshot(epoch_id=uuid_of(0xE1), body=b"operations")
FLOWS: Final = b"login flows"

Content: TypeAlias = dict[str, list[dict[str, object]]]
"""The rows of each table, by column."""

READ_SCHEMA: Final = "SELECT type, name, tbl_name, trim(sql, char(10)) FROM sqlite_schema ORDER BY name"


class CountedEnv(SystemEnv):
    """Ids in the order in which they were asked for, and a clock that stands: the same life is the same file."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count(1)

    def wall_ms(self) -> int:
        return 1_700_000_000_000

    def new_id(self) -> str:
        return uuid_of(0xE000_0000 + next(self._numbers))


# -- as text, and as a file ---------------------------------------------------------------


def kept_file(version: int) -> Path:
    """Where the database of a schema is kept."""
    return KEPT / f"schema_{version}.sql"


def dump(path: Path) -> str:
    """A database as statements that make it anew."""
    return "".join(f"{statement};\n" for statement in _statements(path))


def rebuild(version: int, path: Path) -> Path:
    """The kept database of a schema as a file, as its version would have left it."""
    execute_dump(kept_file(version).read_text(encoding="utf-8"), path)
    assert version_of(path) == version
    return path


def execute_dump(text: str, path: Path) -> None:
    """Make a file of what ``dump`` returned."""
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}").fetchall()
    connection.execute("PRAGMA journal_mode = wal").fetchall()
    connection.execute("BEGIN")
    for _ in connection.execute(text):  # to the end: APSW stops at the first row that nobody reads
        pass
    connection.execute("COMMIT")
    connection.close()


def _statements(path: Path) -> Iterator[str]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid").fetchall()
    indexes = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    yield from (str(text).strip() for _, text in tables)
    yield from (str(text).strip() for (text,) in indexes)
    for table, _ in tables:
        names = _columns(connection, str(table))
        quoted = ", ".join(f"quote({name})" for name in names)
        for row in connection.execute(f"SELECT {quoted} FROM {table} ORDER BY {names[0]}, {names[1]}"):
            yield f"INSERT INTO {table} VALUES ({', '.join(map(str, row))})"
    yield f"PRAGMA application_id = {connection.pragma('application_id')}"
    yield f"PRAGMA user_version = {connection.pragma('user_version')}"
    connection.close()


@contextmanager
def behind_its_back(path: Path) -> Generator[apsw.Connection]:
    """Another program's connection, whose end leaves the log as it is."""
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, os.path.exists(f"{path}-wal"))
    yield connection
    connection.close()


def content(path: Path) -> Content:
    """Every row of every table, by column, as SQLite reads it: with the log, without the library."""
    rows: Content = {}
    with behind_its_back(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = _columns(connection, str(name))
            found = connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")
            rows[str(name)] = [dict(zip(columns, row, strict=True)) for row in found]
    return rows


def schema(path: Path) -> list[tuple[object, ...]]:
    """Every object of a database, as SQLite keeps it but for blank ends, by name."""
    with behind_its_back(path) as connection:
        return [*connection.execute(READ_SCHEMA)]


def version_of(path: Path) -> int:
    """The schema version that a database says it has, in its log if there is one."""
    with behind_its_back(path) as connection:
        return int(connection.pragma("user_version"))


def disk(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes; a lock, and the index that SQLite makes of a log, hold nothing."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith((".lock", "-shm"))}


def execute(path: Path, *statements: str, keep_log: bool = False) -> None:
    """Change a file as another program would; with ``keep_log`` as if it had been killed after that."""
    connection = apsw.Connection(str(path))
    if keep_log:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.pragma("wal_autocheckpoint", 0)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()


def migrated(old: Content) -> Content:
    """What this schema makes of what an older one held."""
    (meta,) = old["meta"]
    if "owner" not in old:  # schema 3
        old = {**old, "meta": [{**meta, "keys": max(int(str(row["key"])) for row in old["name"])}], "owner": []}
    if "policy" not in old["input"][0]:  # schema 4: nothing said anything of itself yet
        old = {
            **old,
            "input": [{**row, "policy": 0, "letter": 0, "header": None} for row in old["input"]],
            "journal": [{**row, "once": 0} for row in old["journal"]],
        }
    return {
        **old,
        "meta": [{**row, "event_floor": 0} for row in old["meta"]],
        "input": [{**row, "owed": 0} for row in old["input"]],
        **{name: [] for name in ("timer", "operation", "event")},
    }


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    return [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


# -- a small and complete life ------------------------------------------------------------


def live(path: Path) -> None:
    """Make a database in which there is something of everything that a version can write."""
    env = CountedEnv()
    store = open_sqlite(path, env=env)
    store.begin()
    ann = caller(store, 5, "a")
    ann.upsert(record())
    for version in (1, 2, 3):
        ann.save(version)
    ann.upsert(record(generation=1))
    ann.save(1, record(generation=1))
    ann.upsert(record(identity=BEN, number=9))
    ann.save(1, record(identity=BEN, number=9))
    ann.delete(BEN)
    runtime = RuntimeStore(store, env=env)
    runtime.persist_input_state("facade", queued(1, idempotency_key="job"))
    runtime.persist_input_state("facade", staged(2, attempts=2))
    runtime.commit_session_boundary("facade", delta(*said("a")), RUN, RunApplyBoundary.RUN_START, [input_id(1)], [])
    runtime.commit_machine_lifecycle("facade", select_lifecycle(None, RuntimeState.IDLE), [])
    runtime.persist_ops_lifecycle("facade", OPS)
    runtime.persist_ops_lifecycle("other", OPS)
    runtime.delete_ops_lifecycle("other")
    runtime.persist_auth_oauth_flow_snapshot(FLOWS)
    store.end(clean=True)
    store.close()
    trio.run(_run_agents, path, env)
    store = open_sqlite(path, env=env)
    incarnation = store.begin().incarnation
    live_lives(store)
    live_agenda(store, incarnation)
    store.end(clean=True)
    store.close()


async def _run_agents(path: Path, env: CountedEnv) -> None:
    limits = Limits(attempts_max=1, shutdown_seconds=0)
    reached = trio.Event()

    async def stuck(turn: Turn) -> None:
        await turn.step("fetch", _fetch, turn.text)
        reached.set()
        await trio.sleep_forever()

    kinds = {"counter": counter, "failing": failing, "worker": stuck}
    async with open_runtime(path, agents=kinds, limits=limits, env=env, observers=()) as runtime:
        await _serve(runtime, reached)


async def _serve(runtime: Runtime, reached: trio.Event) -> None:
    tally = await runtime.agent("tally", kind="counter", config={"unit": "words"})
    for text in ("one", "two", "three"):
        await tally.ask(text, idempotency_key=text)
    await runtime.agent("tally", kind="counter", config={"unit": "letters"})
    broken = await runtime.agent("unlucky", kind="failing")
    await broken.wait((await broken.send("bad")).input_id)
    busy = await runtime.agent("busy", kind="worker")
    for number in (1, 2, 3):
        await busy.send(f"job {number}")
        await reached.wait()


async def counter(turn: Turn) -> str:
    """Count, keep the count, and write to somebody who does not exist."""
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    turn.send("absent", f"mail {number}")
    return str(number)


async def failing(_: Turn) -> str:
    """Fail."""
    problem = "no luck"
    raise ValueError(problem)


def _fetch(what: str) -> str:
    return f"fetched {what}"


def main() -> None:
    """Keep a database of the schema that the code has now."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "life.db")
        live(path)
        text = dump(path)
    KEPT.mkdir(exist_ok=True)
    kept_file(SCHEMA_VERSION).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
