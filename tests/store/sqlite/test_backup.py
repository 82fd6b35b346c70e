"""A backup: one moment of a store, whole or not there at all, and a timeline of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.errors import (
    NotOurStoreError,
    StaleFencingTokenError,
    StoreBehindError,
    StoreCorruptError,
    StoreError,
)
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, FencingToken
from meerkat_actors.store import ContinuityStore, Store, open_reader, open_sqlite
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.backup_fencing import TOKENS, fence
from meerkat_actors.store.sqlite.examining import examine
from meerkat_actors.store.sqlite.rows import typed
from tests.store.continuity_calling import record

PLANNER: Final = AgentIdentity("planner")


async def echo(turn: meerkat.Turn) -> str:
    return turn.text


def work(path: Path, turns: int = 3, *, agents: int = 2, length: int = 200) -> None:
    """Let agents do turns, in good order."""

    async def main() -> None:
        async with meerkat.open_runtime(path, agents={"echo": echo}) as runtime:
            for agent in range(agents):
                handle = await runtime.agent(f"echo-{agent}", kind="echo")
                for turn in range(turns):
                    await handle.ask(f"{turn} " + length * "x")

    trio.run(main)


def keep(store: Store, identity: str, *, number: int) -> None:
    """Commit something."""
    ContinuityStore(store, holder="caller").upsert_continuity_record(
        record=record(identity=identity, number=number), fencing_token=FencingToken(1)
    )


def run_sql(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Rows of the last one."""
    connection = apsw.Connection(str(path))
    try:
        return [list(typed(connection).execute(statement)) for statement in statements][-1]
    finally:
        connection.close()


def beside(path: Path) -> list[str]:
    """What is in the folder of a file."""
    return sorted(os.listdir(path.parent))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the backup goes: a folder of its own."""
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "monday.db"


def test_a_copy_is_whole_alone_in_its_folder_and_of_the_next_epoch(database: Path, copy: Path) -> None:
    work(database)
    report = back_up(database, copy)
    assert (report.path, report.size_bytes) == (str(copy), copy.stat().st_size)
    assert (report.epoch, report.incarnation, report.identities, report.turns) == (2, 1, 2, 6)
    assert (report.findings, report.unfenced, report.last_sequence) == (0, 0, 14)
    assert report.seconds > 0
    assert beside(copy) == ["monday.db"]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert examine(copy).number == 0
    with closing(open_reader(copy)) as reader:
        assert reader.survey().store_id == report.store_id
    assert beside(copy) == ["monday.db"]


def test_a_served_store_is_copied_as_it_is_at_that_moment_and_serves_on(database: Path, copy: Path) -> None:
    work(database)
    with closing(open_sqlite(database)) as store:
        store.begin()
        keep(store, "kept", number=1)
        seen = 0

        def write_on(what: str, _: int, __: int) -> None:
            nonlocal seen
            if what == "copy":
                seen += 1
                keep(store, f"later-{seen}", number=1 + seen)

        report = back_up(database, copy, watch=write_on)
        assert seen > 0
        assert report.identities == 3
        assert report.incarnation == 2
        store.checkpoint()
        store.end(clean=True)
    names = run_sql(copy, "SELECT name FROM name ORDER BY name")
    assert ("kept",) in names
    assert ("later-1",) not in names


def test_a_copy_of_a_served_store_opens_as_one_that_ended_in_good_order(database: Path, copy: Path) -> None:
    with closing(open_sqlite(database)) as store:
        store.begin()
        back_up(database, copy)
    with closing(open_sqlite(copy)) as store:
        opening = store.begin()
    assert (opening.was_clean, opening.incarnation) == (True, 2)


def test_a_copy_of_a_crashed_store_opens_as_one_that_crashed(database: Path, copy: Path) -> None:
    with closing(open_sqlite(database)) as store:
        store.begin()
    back_up(database, copy)
    with closing(open_sqlite(copy)) as store:
        assert not store.begin().was_clean


def test_owners_that_share_the_store_have_no_lease_in_the_copy(database: Path, copy: Path) -> None:
    with closing(open_sqlite(database, ownership="shared")) as store:
        store.begin()
        assert run_sql(database, "SELECT count(*) FROM owner") == [(1,)]
        back_up(database, copy)
    assert run_sql(copy, "SELECT count(*) FROM owner") == [(0,)]
    with closing(open_sqlite(copy, ownership="shared")) as store:
        assert store.begin().was_clean


def test_whoever_wrote_to_the_store_before_or_after_is_refused_by_the_copy(database: Path, copy: Path) -> None:
    with closing(open_sqlite(database)) as store:
        store.begin()
        facade = ContinuityStore(store, holder="old timeline")
        facade.upsert_continuity_record(record=record(identity=PLANNER), fencing_token=FencingToken(5))
        back_up(database, copy)
        later = [facade.advance_fence(identity=PLANNER) for _ in range(3)]
        assert later == [6, 7, 8]
    with closing(open_sqlite(copy)) as store:
        store.begin()
        facade = ContinuityStore(store, holder="old timeline")
        for token in (5, *later):
            with pytest.raises(StaleFencingTokenError):
                facade.upsert_continuity_record(record=record(identity=PLANNER), fencing_token=FencingToken(token))
        assert facade.advance_fence(identity=PLANNER) == 5 + TOKENS + 1
    assert examine(copy).number == 0


def test_a_fence_of_the_old_timeline_writes_nothing_to_the_copy(database: Path, copy: Path) -> None:
    work(database, 1, agents=1)
    with closing(open_sqlite(database)) as store:
        store.begin()
        found = store.activate(AgentIdentity("echo-0"))
        assert isinstance(found, Activation)
        assert found.head is not None
        head = found.head
        back_up(database, copy)
        fence_of_old = IdentityFence(found.identity, found.key, head.token, head.generation, head.version)
        (outcome,) = store.commit([Unit(fence_of_old, ())])
        assert isinstance(outcome, Committed)
    with closing(open_sqlite(copy)) as store:
        store.begin()
        (outcome,) = store.commit([Unit(fence_of_old, ())])
        assert isinstance(outcome, Refused)
        assert outcome.reason is RefusalReason.STALE_FENCING_TOKEN


@pytest.mark.parametrize(
    ("token", "raised", "unfenced"),
    [
        (COUNTER_MAX - TOKENS, COUNTER_MAX, 0),
        (COUNTER_MAX - TOKENS + 1, COUNTER_MAX - TOKENS + 2, 0),
        (COUNTER_MAX - 1, COUNTER_MAX, 0),
        (COUNTER_MAX, COUNTER_MAX, 1),
    ],
)
def test_a_token_near_its_end_is_raised_as_far_as_it_goes(
    database: Path, copy: Path, token: int, raised: int, unfenced: int
) -> None:
    work(database, 1, agents=1)
    run_sql(database, f"UPDATE head SET token = {token}")
    assert back_up(database, copy).unfenced == unfenced
    assert run_sql(copy, "SELECT token FROM head") == [(raised,)]


def test_an_epoch_at_its_end_is_not_copied(database: Path, copy: Path) -> None:
    work(database, 1)
    run_sql(database, f"UPDATE meta SET epoch = {COUNTER_MAX}")
    with pytest.raises(StoreError, match="epoch is at its end"):
        back_up(database, copy)
    assert beside(copy) == []


def test_a_source_that_is_no_store_is_refused(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        back_up(tmp_path / "none.db", copy)
    (tmp_path / "text.db").write_text(1000 * "text")
    with pytest.raises(NotOurStoreError):
        back_up(tmp_path / "text.db", copy)
    assert beside(copy) == []


def test_a_damaged_page_is_told_and_not_copied(database: Path, copy: Path) -> None:
    work(database, 40)
    ((page,),) = run_sql(database, "SELECT min(pageno) FROM dbstat WHERE name = 'turn' AND pagetype = 'leaf'")
    assert isinstance(page, int)
    with database.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(600 * b"\xff")
    for check in ("pages", "rows"):
        with pytest.raises(StoreCorruptError, match="doctor"):
            back_up(database, copy, check="pages" if check == "pages" else "rows")
        assert beside(copy) == []


def test_what_is_wrong_with_one_agent_is_counted_and_the_others_are_worth_a_copy(database: Path, copy: Path) -> None:
    work(database)
    run_sql(database, "UPDATE head SET message_count = message_count + 1 WHERE key = 1")
    assert back_up(database, copy).findings > 0
    assert back_up(database, copy.with_name("quick.db"), check="pages").findings == 0


def test_an_idle_file_that_somebody_opens_meanwhile_is_still_one_moment(database: Path, copy: Path) -> None:
    work(database)
    opened: list[Callable[[], None]] = []

    def open_once(what: str, done: int, _: int) -> None:
        if what == "copy" and done and not opened:
            store = open_sqlite(database)
            opened.append(store.close)
            store.begin()
            keep(store, "later", number=1)

    report = back_up(database, copy, watch=open_once)
    opened[0]()
    # It was looked at again, with the log that lies there now.
    assert (report.identities, report.incarnation, report.findings) == (3, 2, 0)


def test_a_copy_of_a_copy_is_of_a_later_epoch(database: Path, copy: Path) -> None:
    work(database)
    back_up(database, copy)
    second = copy.with_name("tuesday.db")
    assert back_up(copy, second).epoch == 3
    assert back_up(second, copy.with_name("wednesday.db")).epoch == 4


def test_a_copy_is_beyond_the_mark_of_what_was_at_its_target(database: Path, copy: Path) -> None:
    work(database)
    back_up(database, copy)
    # Restored twice: each time the mark of the former life lies there.
    for epoch in (3, 4):
        database.unlink()
        assert back_up(copy, database).epoch == epoch
        work(database)
        assert f" {epoch} " in Path(f"{database}.mark").read_text(encoding="ascii")
    # Copied by hand it would be the first life once more.
    database.write_bytes(copy.read_bytes())
    with pytest.raises(StoreBehindError, match="older than what was acknowledged"):
        work(database)


def test_a_mark_that_would_refuse_the_copy_refuses_the_backup(database: Path, copy: Path) -> None:
    work(database)
    work(copy)
    copy.unlink()
    with pytest.raises(StoreBehindError, match="another store"):
        back_up(database, copy)
    Path(f"{copy}.mark").write_text(1024 * "x")
    with pytest.raises(StoreError, match="can't be read"):
        back_up(database, copy)
    assert not copy.exists()


def test_a_copy_that_keeps_a_journal_is_refused(database: Path) -> None:
    work(database, 1)
    connection = apsw.Connection(str(database))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    with closing(connection), pytest.raises(StoreError, match="journal mode"):
        fence(str(database), connection, epoch_min=0, is_served=False)
