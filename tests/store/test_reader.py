"""Looking into a store that somebody owns, or nobody, or that was left in a hurry; and that looking leaves no trace."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import (
    MeerkatError,
    NotOurStoreError,
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreSchemaError,
    UnknownIdentityError,
    UsageError,
)
from meerkat_actors.store import StoreReader, open_reader, open_sqlite, owners_of
from meerkat_actors.store.sqlite import reader as reader_module
from meerkat_actors.store.sqlite import reading
from tests.cli.population import populate
from tests.store.writing import Writer, created, end, identity, insert, new_run_id, send

ALICE: Final = identity("alice")

# Commits turns for as long as it lives, and says so after the first.
WRITE: Final = """
import sys
from pathlib import Path
from meerkat_actors.store import open_sqlite
from tests.store.test_reader import one_turn
from tests.store.writing import created
store = open_sqlite(sys.argv[1], synchronous="normal")
store.begin()
alice = created(store, "alice")
one_turn(alice, 1)
print("written", flush=True)
for number in range(2, 1_000_000):
    one_turn(alice, number)
"""

LOOK: Final = """
import sys
from meerkat_actors.errors import StoreError
from meerkat_actors.store import open_reader
try:
    print(open_reader(sys.argv[1]).survey().identities.number)
except StoreError as error:
    print(error)
"""


def one_turn(writer: Writer, admission: int) -> None:
    """Admit one input and consume it."""
    run = new_run_id()
    writer.must_commit(insert(admission, run=run))
    writer.must_commit(end(admission, run), writer.boundary(run))


def disk(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "team.db"


@pytest.fixture
def writing(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the store and writes all the time."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(database)], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    yield child
    child.kill()
    child.communicate()


def fill(database: Path) -> None:
    """Two agents, a turn, mail that nobody took, and an input that waits; closed in good order."""
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    alice = created(store, "alice")
    created(store, "bob")
    one_turn(alice, 1)
    alice.must_commit(send("bob", 0), alice.boundary(sends=1))
    alice.must_commit(insert(2))
    store.end(clean=True)
    store.close()


def everything(reader: StoreReader) -> list[object]:
    (first, *_) = reader.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    return [
        reader.page_identities(after=None, limit=9),
        reader.page_inputs(ALICE, after=None, limit=9, newest_first=True),
        reader.page_turns(ALICE, before=None, limit=9),
        reader.page_events(after=0, limit=9),
        reader.find_input(ALICE, first.input_id),
    ]


def test_it_reads_what_the_owner_reads(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        seen = everything(reader)
    with closing(open_sqlite(database)) as store:
        assert seen == everything(store)  # type: ignore[arg-type]  # the same methods
        with closing(open_reader(database)) as reader:
            assert everything(reader) == seen
    assert all(seen)


def test_looking_at_what_nobody_owns_leaves_no_trace(database: Path) -> None:
    fill(database)
    before = disk(database.parent)
    with closing(open_reader(database)) as reader:
        everything(reader)
        assert reader.survey().was_clean
        assert disk(database.parent) == before
    assert disk(database.parent) == before


def test_it_sees_each_commit_of_another_process_that_goes_on_writing(
    database: Path, writing: subprocess.Popen[str]
) -> None:
    with closing(open_reader(database)) as reader:
        seen = 0
        while seen < 20:
            (row,) = reader.page_identities(after=None, limit=9)
            assert row.version >= seen
            seen = row.version
            turns = reader.page_turns(ALICE, before=None, limit=1_000_000)
            assert [turn.version for turn in turns] == list(range(turns[0].version, 0, -1))
        assert not reader.survey().was_clean
    assert writing.poll() is None
    assert owners_of(str(database)) == (writing.pid,)


@pytest.mark.parametrize("has_index", [True, False])
def test_what_a_killed_owner_left_in_its_log_is_read(
    database: Path, writing: subprocess.Popen[str], has_index: bool
) -> None:
    writing.send_signal(signal.SIGKILL)
    writing.wait()
    assert owners_of(str(database)) == ()
    if not has_index:
        Path(f"{database}-shm").unlink()
    log = Path(f"{database}-wal").read_bytes()
    with closing(open_reader(database)) as reader:
        (row,) = reader.page_identities(after=None, limit=9)
        assert row.version >= 1
    assert Path(f"{database}-wal").read_bytes() == log
    with closing(open_sqlite(database)) as store:
        assert store.page_identities(after=None, limit=9) == (row,)


def test_it_follows_the_file_from_hand_to_hand(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        assert [row.identity for row in reader.page_identities(after=None, limit=9)] == ["alice", "bob"]
        store = open_sqlite(database)
        store.begin()
        created(store, "carol")
        assert len(reader.page_identities(after=None, limit=9)) == 3
        created(store, "dave")
        store.close()
        assert len(reader.page_identities(after=None, limit=9)) == 4
    fill(database.with_name("other.db"))
    with closing(open_reader(database)) as reader:
        assert len(reader.page_identities(after=None, limit=9)) == 4
        database.with_name("other.db").replace(database)
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        assert len(reader.page_identities(after=None, limit=9)) == 2


def test_what_was_read_while_an_owner_came_is_read_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    read = reading.read_identities
    left = iter([True])

    def disturbed(*arguments: object) -> object:
        seen = read(*arguments)  # type: ignore[arg-type]  # passed on as they came
        if next(left, False):
            with closing(open_sqlite(database)) as store:
                store.begin()
                created(store, "carol")
        return seen

    monkeypatch.setattr(reading, "read_identities", disturbed)
    with closing(open_reader(database)) as reader:
        assert len(reader.page_identities(after=None, limit=9)) == 3


def test_a_file_that_changes_under_every_read_is_given_up_on(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    sizes = iter(range(1_000))
    look = reader_module._look  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # what a busy disk would show

    def restless(path: str) -> object:
        os.utime(path, ns=(0, next(sizes)))
        return look(path)

    with closing(open_reader(database)) as reader:
        monkeypatch.setattr(reader_module, "_look", restless)
        with pytest.raises(StoreFailedError, match="try again"):
            reader.survey()


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (b"", NotOurStoreError, "not a database"),
        (b"short", NotOurStoreError, "not a database"),
        (b"a letter to my aunt\n" * 100, NotOurStoreError, "not a database"),
    ],
)
def test_a_file_that_is_no_store_is_refused(database: Path, content: bytes, error: type[StoreError], told: str) -> None:
    database.write_bytes(content)
    with pytest.raises(error, match=told):
        open_reader(database)
    assert disk(database.parent) == {"team.db": content}


def test_what_is_not_there_or_another_programs_or_newer_is_refused(database: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        open_reader(database)
    assert disk(database.parent) == {}
    with pytest.raises(NotOurStoreError, match="no file"):
        open_reader(database.parent)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(NotOurStoreError, match="another program"):
        open_reader(database)
    database.unlink()
    fill(database)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = delete")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    content = database.read_bytes()
    with pytest.raises(StoreSchemaError, match="schema 99"):
        open_reader(database)
    assert database.read_bytes() == content


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", 7])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="no path"):
        open_reader(path)


def test_a_file_that_vanishes_is_told(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        database.unlink()
        with pytest.raises(StoreError, match="no such file"):
            reader.survey()


def test_a_network_filesystem_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    monkeypatch.setattr(reader_module, "read_mounts", lambda: "1 2 0:3 / / rw - nfs4 server:/x rw\n")
    with pytest.raises(StoreError, match="network filesystem"):
        open_reader(database)


def test_damage_is_told_and_no_row_is_made_up(database: Path) -> None:
    fill(database)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA ignore_check_constraints = on")
    connection.execute("UPDATE input SET state = 9, turn = NULL WHERE admission = 1")
    connection.commit()
    connection.close()
    with closing(open_reader(database)) as reader, pytest.raises(StoreCorruptError, match="can't be read"):
        reader.page_inputs(ALICE, after=None, limit=9, newest_first=True)
    database.write_bytes(database.read_bytes()[:4096] + b"\xff" * 4096 * 12)
    with pytest.raises(StoreError):
        everything(open_reader(database))


def test_a_store_without_its_meta_row_is_damaged(database: Path) -> None:
    fill(database)
    connection = sqlite3.connect(database)
    connection.execute("DELETE FROM meta")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorruptError, match="restore it from a backup"):
        open_reader(database)


def test_a_closed_reader_says_so(database: Path) -> None:
    fill(database)
    reader = open_reader(database)
    reader.close()
    reader.close()
    with pytest.raises(UsageError, match="closed"):
        reader.survey()


def test_an_identity_that_was_only_written_to_is_not_known(database: Path) -> None:
    with closing(open_sqlite(database)) as store:
        store.begin()
        alice = created(store, "alice")
        alice.must_commit(send("nobody", 0), alice.boundary(sends=1))
    with closing(open_reader(database)) as reader:
        reader.require_identity(ALICE)
        for name in ("nobody", "stranger"):
            with pytest.raises(UnknownIdentityError):
                reader.require_identity(identity(name))


def test_the_newest_inputs_of_everybody_include_mail_that_nobody_took(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        seen = [(name, row.state.value) for name, row in reader.latest_inputs(limit=9)]
        assert seen == [("alice", "queued"), ("bob", "sent"), ("alice", "consumed")]
        assert len(reader.latest_inputs(limit=1)) == 1


def test_few_rows_are_counted_and_many_are_estimated(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        survey = reader.survey()
    assert (survey.identities.number, survey.turns.number, survey.open_inputs.number) == (2, 2, 2)
    assert survey.identities.is_exact
    assert survey.turns.is_exact
    crowd = database.with_name("crowd.db")
    populate(crowd, 30_000)
    with closing(open_reader(crowd)) as reader:
        survey = reader.survey()
    for count in (survey.identities, survey.turns):
        assert not count.is_exact
        assert abs(count.number - 30_000) < 300
    assert (survey.open_inputs.number, survey.open_inputs.is_exact) == (100, True)
    assert survey.last_sequence == 60_000


def test_the_owner_is_the_process_that_holds_the_lock(database: Path) -> None:
    assert owners_of(str(database)) == ()
    store = open_sqlite(database)
    assert owners_of(str(database)) == (os.getpid(),)
    store.close()
    # Its signature stays in the file, and means nothing.
    assert owners_of(str(database)) == ()


def test_an_owner_can_come_at_any_instant_of_a_look(database: Path) -> None:
    fill(database)
    with closing(open_reader(database)) as reader:
        everything(reader)
        with closing(open_sqlite(database)) as store:
            store.begin()
            one_turn(created(store, "carol"), 1)
            everything(reader)
            store.checkpoint()


@pytest.fixture
def as_nobody() -> Callable[[Path], str]:
    """Look into a store without the right to write beside it, and return what is said."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Root writes everywhere until it gives that up.
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv can write everywhere")
        before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")

    def look(database: Path) -> str:
        ended = subprocess.run(
            [*before, sys.executable, "-c", LOOK, str(database)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.stderr == ""
        return ended.stdout

    return look


def test_a_folder_that_can_not_be_written_is_read_if_no_log_needs_an_index(
    database: Path, writing: subprocess.Popen[str], as_nobody: Callable[[Path], str]
) -> None:
    writing.kill()
    writing.wait()
    folder = database.parent
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert as_nobody(database) == "1\n"
        folder.chmod(0o755)
        Path(f"{database}-shm").unlink()
        folder.chmod(0o555)
        assert "copy the database and its -wal file" in as_nobody(database)
        folder.chmod(0o755)
        database.chmod(0o600)
        open_sqlite(database).close()
        database.chmod(0o000)
        folder.chmod(0o555)
        assert "not readable for this user" in as_nobody(database)
        database.chmod(0o444)
        assert as_nobody(database) == "1\n"
    finally:
        folder.chmod(0o755)


def test_every_error_of_sqlite_has_a_name_of_ours(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)

    def failing(error: Exception) -> Callable[..., object]:
        def fail(*_: object) -> object:
            raise error

        return fail

    with closing(open_reader(database)) as reader:
        for error in (
            apsw.CantOpenError("o"),
            apsw.BusyError("b"),
            apsw.IOError("i"),
            apsw.CorruptError("c"),
            OSError(5, "e"),
        ):
            monkeypatch.setattr(reading, "read_identities", failing(error))
            with pytest.raises(MeerkatError):
                reader.page_identities(after=None, limit=1)
