"""Two processes on one store, stopped and killed: nothing is lost, repeated, or taken from a former owner."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from attrs import evolve, frozen

import meerkat_actors as meerkat
from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.records.events import IdentityBroke, LeaseLost, OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from tests.crashes.history import Acknowledged, Consumed, GivenUp
from tests.crashes.takeover_checker import check_shared, read_copy
from tests.crashes.takeover_lines import (
    Complained,
    LeaseEnded,
    Log,
    LogReader,
    Note,
    Noted,
    Sending,
    Serving,
    TurnBegan,
    read_logs,
)
from tests.crashes.takeover_rounds import SOON_SECONDS, Budget, Takeovers
from tests.crashes.takeover_work import KIND, Client, finish, limits, observer, serve
from tests.crashes.test_checker import AGAIN, STRANGER, Plant, harm, in_body, sql

AGENT: Final = AgentIdentity("agent-00")
WAL_PAGES: Final = 50
"""So few that both processes checkpoint all the time, now and then at once."""


@pytest.mark.alone
@pytest.mark.slow
def test_pauses_and_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    seed = os.environ.get("MEERKAT_SEED", "takeover-1")
    tally = Takeovers(Budget(pauses=3, kills=3, seed=seed, wal_pages=WAL_PAGES), tmp_path).run()
    told = f"seed={seed}\n{tally}"
    print(told)
    assert tally.violations == [], told
    assert (len(tally.blows(kills=False)), len(tally.blows(kills=True))) == (3, 3), told
    # It was work that they met, and somebody else went on with it.
    assert tally.inputs > 100, told
    assert tally.begun > tally.turns, told
    assert len(tally.takeovers(kills=True)) == 3, told
    assert min(tally.takeovers(kills=True)) <= SOON_SECONDS, told


def test_a_process_that_dies_by_itself_is_a_violation(tmp_path: Path) -> None:
    tally = Takeovers(Budget(pauses=1, kills=0, seed="dies", wal_pages=0), tmp_path).run()
    (violation,) = tally.violations
    assert violation.startswith("round dies/0: stuck: process ")
    assert "wal_pages_max=0" in violation
    assert (tmp_path / "round-0").is_dir()


# -- the checker --------------------------------------------------------------------------


@frozen(kw_only=True)
class Shared:
    """What two runtimes did that nobody disturbed."""

    database: Path
    notes: tuple[Note, ...]

    def one(self, kind: type[Noted]) -> Note:
        """Some note of a kind."""
        return next(note for note in self.notes if isinstance(note.noted, kind))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("calm")
    trio.run(_live, folder)
    return Shared(database=folder / "shared.db", notes=tuple(read_logs(folder)))


@pytest.fixture
def shared(calm: Shared, tmp_path: Path) -> Shared:
    """A copy to do harm to."""
    return evolve(calm, database=Path(shutil.copy(calm.database, tmp_path)))


async def _live(folder: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, folder, "left", 40)
        nursery.start_soon(_serve, folder, "right", 40)
    await _serve(folder, "last", 0)


async def _serve(folder: Path, name: str, inputs: int) -> None:
    log = Log(folder / f"{name}.log")
    async with meerkat.open_runtime(
        folder / "shared.db",
        agents={KIND: AgentKind(serve, resources=log)},
        ownership="shared",
        limits=limits(),
        observers=(observer(log),),
    ) as runtime:
        log.note(Serving())
        if inputs:
            await Client(runtime, log, name, random.Random(name)).run(inputs)
        else:
            await finish(runtime, log, read_logs(folder))
    log.close()


def found(shared: Shared, notes: Sequence[Note] | None = None) -> set[str]:
    rows = read_copy(shared.database, shared.database.with_name("copy.db"))
    lines = shared.notes if notes is None else notes
    return {violation.rule for violation in check_shared(rows, lines, is_ended=True)}


def swap_mail(connection: sqlite3.Connection) -> None:
    """Let two messages of one to another have come in the wrong order."""
    first, second = connection.execute("""
        SELECT min(seq), max(seq) FROM input WHERE sender IS NOT NULL GROUP BY sender, identity HAVING count(*) > 1
    """).fetchone()
    ((earlier,), (later,)) = connection.execute(
        "SELECT admission FROM input WHERE seq IN (?, ?) ORDER BY seq", (first, second)
    ).fetchall()
    for sequence, admission in ((first, None), (second, earlier), (first, later)):
        connection.execute("UPDATE input SET admission = ? WHERE seq = ?", (admission, sequence))


def tell_twice(body: dict[str, Any]) -> None:
    body["log"].insert(0, body["log"][0])


def test_what_nobody_disturbed_has_no_violations(shared: Shared) -> None:
    assert found(shared) == set()
    kinds = [type(note.noted) for note in shared.notes]
    assert kinds.count(Acknowledged) == kinds.count(Sending) >= 80
    assert kinds.count(Consumed) >= 80
    assert kinds.count(TurnBegan) >= 80
    # Both served, and agents went from one to the other.
    with closing(sqlite3.connect(shared.database)) as connection:
        assert connection.execute("SELECT max(token) FROM turn").fetchone() > (1,)


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("acknowledged", sql("DELETE FROM input WHERE seq = (SELECT min(seq) FROM input)")),
        ("consumed once", sql("UPDATE input SET turn = (SELECT max(seq) FROM turn)")),
        ("versions", sql("UPDATE turn SET token = 99 WHERE version = 1")),
        ("versions", sql("UPDATE head SET token = 0")),
        ("versions", sql("DELETE FROM turn WHERE version = 1")),
        ("chain", in_body(lambda body: body["log"][-1].update(content="another answer"))),
        ("memory", in_body(lambda body: body["log"][-1].update(content="another answer"))),
        ("memory", in_body(lambda body: body["log"].pop(0))),
        ("doubled", in_body(tell_twice)),
        ("order", swap_mail),
        ("order", sql("UPDATE input SET admission = NULL WHERE number = 1")),
        ("mail", sql(AGAIN.format(more=0))),
        ("mail", sql("DELETE FROM input WHERE seq = (SELECT max(seq) FROM input WHERE sender IS NOT NULL)")),
        ("given up", sql("UPDATE input SET attempts = 1 WHERE seq = (SELECT max(seq) FROM input)")),
        ("unfinished", sql("UPDATE input SET state = 1, turn = NULL WHERE seq = (SELECT max(seq) FROM input)")),
        ("told", sql("UPDATE turn SET digest = zeroblob(32)")),
        ("integrity", sql("UPDATE turn SET identity = 987654 WHERE version = 1")),
    ],
)
def test_a_planted_violation_is_found(shared: Shared, rule: str, plant: Plant) -> None:
    harm(shared.database, plant)
    assert rule in found(shared)


@pytest.mark.parametrize(
    ("rule", "kind", "changes"),
    [
        ("told", Consumed, {"version": 987}),
        ("told", Consumed, {"identity": "agent-99"}),
        ("one input", Acknowledged, {"input_id": STRANGER}),
        ("acknowledged", Acknowledged, {"path": "left-987"}),
    ],
)
def test_a_note_that_contradicts_is_found(
    shared: Shared, rule: str, kind: type[Noted], changes: Mapping[str, object]
) -> None:
    note = shared.one(kind)
    noted: Any = note.noted
    assert rule in found(shared, [*shared.notes, evolve(note, noted=evolve(noted, **changes))])


@pytest.mark.parametrize(
    ("rule", "noted"),
    [
        ("complaint", Complained(event="what must not be")),
        ("given up", GivenUp(identity=AGENT, input_id=STRANGER, reason="why")),
    ],
)
def test_a_note_of_what_must_not_happen_is_found(shared: Shared, rule: str, noted: Noted) -> None:
    assert found(shared, [*shared.notes, evolve(shared.notes[0], noted=noted)]) == {rule}


def test_an_input_that_was_acknowledged_to_nobody_is_found(shared: Shared) -> None:
    forgotten = shared.one(Acknowledged)
    assert found(shared, [note for note in shared.notes if note != forgotten]) == {"phantom"}


def test_before_there_is_a_database_nothing_is_wrong(tmp_path: Path) -> None:
    rows = read_copy(tmp_path / "none.db", tmp_path / "copy.db")
    assert check_shared(rows, [], is_ended=True) == []
    assert list(tmp_path.iterdir()) == []


# -- the logs -----------------------------------------------------------------------------


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    reader = LogReader(path)
    assert reader.read() == []
    log = Log(path)
    log.note(Serving())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-5])
    assert [note.noted for note in reader.read()] == [Serving()]
    path.write_bytes(whole + whole)
    assert [note.noted for note in reader.read()] == [Serving(), Serving()]
    log.close()


def test_of_what_observers_are_told_a_lost_fence_is_no_complaint(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.log")
    observe = observer(log)
    lost = meerkat.OwnershipLostError(identity=AGENT, reason="stale_owner")
    observe(OwnerCrashed(identity=AGENT, error=str(lost)))
    observe(LeaseLost(live=3))
    observe(OwnerCrashed(identity=AGENT, error="AssertionError()"))
    observe(IdentityBroke(identity=AGENT, reason="store", detail="why"))
    log.close()
    ended, *complaints = [note.noted for note in read_logs(tmp_path)]
    assert ended == LeaseEnded(live=3)
    assert [type(noted) for noted in complaints] == [Complained, Complained]
