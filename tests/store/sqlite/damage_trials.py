"""One trial: damage a healthy store, decide whether it matters, and see who notices it, and when.

``python -m tests.store.sqlite.damage_trials FOLDER SEED FIRST COUNT`` is the child of a campaign: a line of JSON
before and after each trial, so that a crash of the process names its trial.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import apsw
from attrs import asdict, frozen

from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import RuntimeStore, SqliteStore, open_reader, open_sqlite
from meerkat_actors.store.recovery import ROW_UNREADABLE, ROWS_CONTRADICT
from meerkat_actors.store.sqlite.examining import examine
from tests.store.sqlite.damage import DAMAGES, damage
from tests.store.sqlite.damage_sample import write_files

Samples: TypeAlias = Mapping[bool, Mapping[str, bytes]]
"""The files of a healthy store: one that was closed (True), and one that was killed."""

UNREAD: Final = frozenset({("head", "desired"), ("input", "lane"), ("owner", "holder")})
"""Columns that this version keeps and acts on nowhere; a holder's name is for people."""

Sight: TypeAlias = list[object] | str
"""What can be read of a database, in its order; or why it can't be."""

_PAGE: Final = 100


@frozen(kw_only=True)
class Trial:
    """What one damage was, and who noticed."""

    number: int
    kind: str
    told: str
    is_damaging: bool
    """Whether a reader or an owner would find something else than before."""
    opening: str | None
    """What was said when it was opened; None: nothing."""
    reading: str | None
    """What was said when everything was read by a store."""
    doctor: str | None
    """The first finding of the doctor."""
    traceback: str | None
    """An error that is none of ours: always a fault."""

    @property
    def is_detected(self) -> bool:
        """Whether anybody noticed."""
        return (self.opening, self.reading, self.doctor) != (None, None, None)


@frozen
class Rows:
    """What one table holds, or one index."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    is_index: bool = False


def run_trial(folder: Path, samples: Samples, seed: str, number: int) -> Trial:
    """Damage one of the samples as the seed and the number say, and look."""
    chance = Random(f"{seed}/{number}")
    kinds = list(DAMAGES)
    kind = kinds[number % len(kinds)]
    files = samples[kind != "log" and chance.randrange(3) > 0]
    path = write_files(folder / "damaged", files)
    before = _sight(write_files(folder / "healthy", files))
    told = damage(path, kind, chance)
    # The index of the log is what the kill left, whoever looked since.
    damaged = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    damaged |= {name: content for name, content in files.items() if name.endswith("-shm") and kind == "log"}
    opening, reading, doctor, tracebacks = None, None, None, list[str]()
    try:
        doctor = _examine(write_files(folder / "examined", damaged))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the trial is about
        tracebacks.append(f"doctor: {type(error).__name__}: {error}")
    try:
        opening = _open(write_files(folder / "opened", damaged))
        if opening is None:
            reading = _read_all(write_files(folder / "opened", damaged))
    except Exception as error:  # noqa: BLE001 - the same
        tracebacks.append(f"store: {type(error).__name__}: {error}")
    after = _sight(write_files(folder / "damaged", damaged))
    if kind in {"bits", "pages"}:
        told = "; ".join([*_differing(before, after), told])
    return Trial(
        number=number,
        kind=kind,
        told=told,
        is_damaging=after != before,
        opening=opening,
        reading=reading,
        doctor=doctor,
        traceback="; ".join(tracebacks) or None,
    )


# -- what is there ------------------------------------------------------------------------


def _sight(path: Path) -> Sight:
    """Everything that can be read of a database, through its tables and through every index; or why it can't be."""
    try:
        connection = apsw.Connection(str(path))
        try:
            return [*_seen(connection)]
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()
    except (apsw.Error, UnicodeDecodeError) as error:
        return f"{type(error).__name__}: {error}"


def _differing(before: Sight, after: Sight) -> list[str]:
    """What was done to rows, in the words of the damages that are done to rows; empty if there are none for it."""
    if isinstance(before, str) or isinstance(after, str) or len(before) != len(after):
        return []
    done: list[str] = []
    for was, now in zip(before, after, strict=True):
        if was == now:
            continue
        if not isinstance(was, Rows) or not isinstance(now, Rows):
            return []
        is_less = set(now.rows) < set(was.rows)
        if was.is_index and is_less:
            continue  # entries went with their rows
        if was.is_index or not (is_less or len(was.rows) == len(now.rows)):
            return []
        done += [f"delete {was.table} {len(was.rows) - len(now.rows)} rows"] if is_less else _changed(was, now)
    return list(dict.fromkeys(done))


def _changed(was: Rows, now: Rows) -> Iterator[str]:
    for row, changed in zip(was.rows, now.rows, strict=True):
        pairs = zip(was.columns, row, changed, strict=True)
        yield from (f"set {was.table}.{column}" for column, value, other in pairs if value != other)


def _seen(connection: apsw.Connection) -> Iterator[object]:
    yield connection.pragma("application_id"), connection.pragma("user_version")
    objects = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type DESC, name")
    for kind, name, table, text in objects.fetchall():
        yield kind, name, table, text
        if kind == "table":
            columns = [
                str(column)
                for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
                if (name, column) not in UNREAD
            ]
            is_rowid = "WITHOUT ROWID" not in str(text)
            rows = f"SELECT {', '.join(columns)} FROM {name} {'NOT INDEXED ORDER BY rowid' if is_rowid else ''}"
            yield Rows(str(name), tuple(columns), tuple(connection.execute(rows).fetchall()))
        elif "sqlite_autoindex" not in str(name) or table in {"name", "document"}:
            where = str(text).partition(" WHERE ")[2] if text else ""
            place = "id" if table == "operation" else "rowid"  # of which there is none in a table without it
            by = f"SELECT {place} FROM {table} INDEXED BY {name} {'WHERE ' + where if where else ''}"
            columns = [str(row[2]) for row in connection.execute(f"PRAGMA index_info({name})").fetchall()]
            rows = f"{by} ORDER BY {', '.join(columns)}, {place}"
            yield Rows(str(name), (place,), tuple(connection.execute(rows).fetchall()), is_index=True)


# -- who notices --------------------------------------------------------------------------


def _examine(path: Path) -> str | None:
    try:
        found = examine(path)
    except MeerkatError as error:
        return f"refused: {error}"
    if not found.number:
        return None
    return f"{found.findings[0].check}: {found.findings[0].detail} ({found.number} in all)"


def _open(path: Path) -> str | None:
    try:
        open_reader(path).close()
        open_sqlite(path).close()
    except MeerkatError as error:
        return str(error)
    return None


def _read_all(path: Path) -> str | None:
    """What a store says when it begins, and its owners, listings and facades read everything."""
    try:
        with closing(open_sqlite(path)) as store:
            store.begin()
            return next((reason for reason in _read(store) if reason is not None), None)
    except MeerkatError as error:
        return str(error)


def _read(store: SqliteStore) -> Iterator[str | None]:
    """Of each thing that is read, what is said of it where it is broken."""
    after: AgentIdentity | None = None
    names = {AgentIdentity(name) for name in ("ann", "triage:ben", "facade", "other", "rt:login-flows", "absent")}
    while page := store.page_identities(after=after, limit=_PAGE):
        # Rot may make a name of anything.
        names |= {row.identity for row in page if type(row.identity) is str}
        after = page[-1].identity
    facade = RuntimeStore(store)
    for name in sorted(names):
        found = store.activate(name)
        yield _told(found) if isinstance(found, Broken) else None
        (standing,) = store.read_standings((name,), snapshots="checked")
        yield _told(standing)
        if not isinstance(found, Broken):
            store.pending_mail(found.key, limit=_PAGE)
        store.page_inputs(name, after=None, limit=_PAGE, newest_first=True)
        store.page_turns(name, before=None, limit=_PAGE)
        if not name.startswith("rt:"):
            facade.load_input_states(name)
            facade.load_session_snapshot(name)
            facade.load_former_session_snapshot(name)
            facade.load_runtime_state(name)
            facade.load_ops_lifecycle(name)
    store.page_events(after=0, limit=10 * _PAGE)
    store.identities_with_work()


def _told(standing: Standing | Broken) -> str | None:
    if isinstance(standing, Broken):
        # What was deleted, or is a facade's, is sound.
        return standing.detail if standing.reason in {ROW_UNREADABLE, ROWS_CONTRADICT} else None
    snapshot = standing.snapshot
    return "its newest document is damaged" if snapshot is not None and not snapshot.is_sound else None


def main() -> None:
    """Run the trials that the arguments name."""
    folder, seed, first, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    samples = load_samples(folder)
    for number in range(first, first + count):
        print(json.dumps({"begins": number}), flush=True)
        trial = run_trial(folder / f"work-{first}", samples, seed, number)
        print(json.dumps(asdict(trial)), flush=True)


def save_samples(folder: Path, samples: Samples) -> None:
    """Keep the samples where children find them."""
    for is_clean, files in samples.items():
        write_files(folder / f"sample-{is_clean}", files)


def load_samples(folder: Path) -> Samples:
    """The samples that ``save_samples`` kept."""
    return {
        is_clean: {file.name: file.read_bytes() for file in (folder / f"sample-{is_clean}").iterdir()}
        for is_clean in (True, False)
    }


if __name__ == "__main__":
    main()
