"""The checker sees each thing that it is there to see, and nothing in what is sound."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve, frozen

from meerkat_actors.examples.review.folder import read_folder
from meerkat_actors.examples.review.job import Job, review_folder
from meerkat_actors.examples.review.progress import Phase, ProgressEvent
from meerkat_actors.examples.review.team import load_team
from tests.crashes.checker import NOTHING, check_ended, check_later, check_report, check_rows, read_rows
from tests.crashes.driver import line_of
from tests.crashes.history import (
    Acknowledged,
    Consumed,
    GivenUp,
    Line,
    PhaseBegan,
    Ready,
    Written,
    decode_line,
    encode_line,
)
from tests.crashes.sources import write_sources

Plant = Callable[[sqlite3.Connection], object]
STRANGER = "01a1fde6-0000-7000-8000-000000000000"


@frozen(kw_only=True)
class Finished:
    """A job that nobody disturbed."""

    database: Path
    told: tuple[Line, ...]
    report: Path

    @property
    def acknowledged(self) -> list[Acknowledged]:
        return [line for line in self.told if isinstance(line, Acknowledged)]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("calm")
    job = Job(folder=read_folder(write_sources(folder / "src", 8)), team=load_team(None), out=folder / "out")
    told: list[Line] = []

    def tell(event: ProgressEvent) -> None:
        told.append(line_of(event))

    trio.run(review_folder, job, tell)
    return Finished(database=job.database, told=tuple(told), report=job.report)


@pytest.fixture
def finished(calm: Finished, tmp_path: Path) -> Finished:
    """A copy to do harm to."""
    return evolve(
        calm,
        database=Path(shutil.copy(calm.database, tmp_path)),
        report=Path(shutil.copy(calm.report, tmp_path)),
    )


def harm(database: Path, plant: Plant) -> None:
    with closing(sqlite3.connect(database)) as connection:
        # The tables would not let most of this happen.
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA foreign_keys = OFF")
        plant(connection)
        connection.commit()


def found(finished: Finished, told: Sequence[Line] | None = None) -> set[str]:
    lines = finished.told if told is None else told
    rows = read_rows(finished.database)
    return {violation.rule for violation in (*check_rows(rows, lines), *check_ended(rows, lines))}


def sql(text: str) -> Plant:
    return lambda connection: connection.execute(text)


def in_body(change: Callable[[dict[str, Any]], object], which: str = "min(seq)") -> Plant:
    """Change the JSON of one boundary."""

    def plant(connection: sqlite3.Connection) -> None:
        sequence, body = connection.execute(
            f"SELECT seq, body FROM turn WHERE seq = (SELECT {which} FROM turn)"
        ).fetchone()
        decoded = orjson.loads(body)
        change(decoded)
        connection.execute(
            "UPDATE turn SET body = ? WHERE seq = ?", (orjson.dumps(decoded, option=orjson.OPT_SORT_KEYS), sequence)
        )

    return plant


def consume_twice(connection: sqlite3.Connection) -> None:
    """Let another turn have consumed an input, too."""
    ((first,),) = connection.execute("SELECT body FROM turn ORDER BY seq LIMIT 1").fetchall()
    entry = orjson.loads(first)["log"][0]
    in_body(lambda body: body["log"].append(entry), "max(seq)")(connection)


def forget_inputs(body: dict[str, Any]) -> None:
    """Let a turn say as much as it did, and name no input."""
    for entry in body["log"]:
        entry.pop("input", None)


# The mail of one turn, sent once more.
AGAIN = """
INSERT INTO input (seq, identity, input_id, kind, state, sender, number, digest, content)
SELECT (SELECT max(seq) FROM input) + 1, identity, randomblob(16), kind, 0, sender, number + {more}, digest, content
  FROM input WHERE sender IS NOT NULL ORDER BY seq LIMIT 1
"""


def test_a_sound_job_has_no_violations(finished: Finished) -> None:
    assert found(finished) == set()
    rows = read_rows(finished.database)
    assert len(finished.acknowledged) == 8
    assert len(rows.inputs) == 16
    assert check_later(NOTHING, rows) == check_later(rows, rows) == []
    assert check_report(finished.report, finished.report.read_bytes(), finished.told, is_ended=True) == []


def test_where_nothing_was_acknowledged_nothing_need_be(tmp_path: Path) -> None:
    rows = read_rows(tmp_path / "none.db")
    assert rows is NOTHING
    assert check_rows(rows, [PhaseBegan(phase=Phase.SET_UP)]) == []
    assert check_report(tmp_path / "none.md", b"", [], is_ended=False) == []


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("acknowledged", sql("DELETE FROM input WHERE seq = (SELECT min(seq) FROM input)")),
        ("acknowledged", sql("UPDATE input SET idempotency = 'other' || seq WHERE sender IS NULL")),
        ("acknowledged", sql("UPDATE input SET admission = NULL WHERE sender IS NULL")),
        ("content", sql("UPDATE input SET digest = zeroblob(32) WHERE sender IS NOT NULL")),
        ("consumed once", consume_twice),
        ("consumed once", sql("UPDATE input SET turn = (SELECT max(seq) FROM turn) WHERE sender IS NULL")),
        ("consumed once", sql("UPDATE input SET turn = NULL, state = 1 WHERE sender IS NULL")),
        ("consumed once", in_body(forget_inputs)),
        ("consumed once", in_body(lambda body: body["log"].append(body["log"][0]))),
        ("consumed once", in_body(lambda body: body["log"][0].update(content="another text"))),
        ("consumed once", in_body(lambda body: body["log"][0].update(role="notice"))),
        ("consumed once", sql("UPDATE turn SET run = zeroblob(16) WHERE version = 1")),
        ("admitted", in_body(lambda body: body["log"][0].update(input=STRANGER))),
        ("admitted", sql("UPDATE input SET admission = NULL WHERE sender IS NOT NULL")),
        ("given up", sql("UPDATE input SET state = 6, turn = NULL, ending = x'7b7d' WHERE sender IS NULL")),
        ("given up", sql("UPDATE input SET attempts = 1 WHERE seq = (SELECT max(seq) FROM input)")),
        ("chain", in_body(lambda body: body["log"][-1].update(content="another answer"))),
        ("chain", in_body(lambda body: body["log"].pop())),
        ("chain", in_body(lambda body: body.update(count=body["count"] + 1))),
        ("chain", sql("UPDATE turn SET digest = zeroblob(32) WHERE seq = (SELECT max(seq) FROM turn)")),
        ("chain", sql("UPDATE turn SET previous = 0")),
        ("chain", sql("UPDATE head SET digest = zeroblob(32)")),
        ("chain", sql("UPDATE head SET message_count = message_count + 1")),
        ("versions", sql("DELETE FROM turn WHERE version = 1")),
        ("versions", sql("UPDATE turn SET version = version + 1 WHERE version > 1")),
        ("versions", sql("UPDATE head SET version = version + 1")),
        ("versions", sql("UPDATE turn SET token = 9 WHERE version = 1")),
        ("versions", sql("UPDATE turn SET generation = generation + 1")),
        ("versions", in_body(lambda body: body.update(sequence=2))),
        ("mail", sql(AGAIN.format(more=0))),
        ("mail", sql(AGAIN.format(more=100))),
        ("mail", sql("DELETE FROM input WHERE sender IS NOT NULL")),
        ("member", sql("DELETE FROM head WHERE kind = 'lead'")),
        ("unfinished", sql("UPDATE input SET state = 2, turn = NULL WHERE sender IS NOT NULL")),
        (
            "unfinished",
            sql(
                "INSERT INTO journal (identity, run, name, nth, arguments, result)"
                " SELECT key, zeroblob(16), 's', 1, x'00', x'00' FROM head LIMIT 1"
            ),
        ),
        ("told", sql("UPDATE turn SET digest = zeroblob(32)")),
        ("told", in_body(forget_inputs)),
    ],
)
def test_a_planted_violation_is_found(finished: Finished, rule: str, plant: Plant) -> None:
    harm(finished.database, plant)
    assert rule in found(finished)


def test_a_damaged_file_is_found(finished: Finished) -> None:
    with finished.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    assert "integrity" in found(finished)


def test_a_body_that_does_not_decode_is_found(finished: Finished) -> None:
    harm(finished.database, sql("UPDATE turn SET body = x'7b'"))
    assert "integrity" in found(finished)


def test_a_lost_database_is_found(finished: Finished) -> None:
    finished.database.unlink()
    assert {"acknowledged", "member", "told"} <= found(finished)


def test_a_second_input_for_one_request_is_found(finished: Finished) -> None:
    first, second, *_ = finished.acknowledged
    assert found(finished, [*finished.told, evolve(first, input_id=second.input_id)]) == {"one input", "acknowledged"}


def test_an_input_that_was_acknowledged_to_nobody_is_found(finished: Finished) -> None:
    forgotten = finished.acknowledged[0]
    assert found(finished, [line for line in finished.told if line != forgotten]) == {"phantom"}


def test_a_told_outcome_that_is_not_stored_is_found(finished: Finished) -> None:
    outcome = next(line for line in finished.told if isinstance(line, Consumed))
    assert found(finished, [*finished.told, evolve(outcome, version=outcome.version + 1)]) == {"told"}
    given_up = GivenUp(identity=outcome.identity, input_id=outcome.input_id, reason="why")
    assert found(finished, [*finished.told, given_up]) == {"given up"}


@pytest.mark.parametrize(
    "plant",
    [
        sql("DELETE FROM input WHERE seq = (SELECT max(seq) FROM input)"),
        sql("UPDATE input SET state = 2, turn = NULL WHERE seq = (SELECT max(seq) FROM input)"),
        sql("UPDATE input SET turn = turn + 1 WHERE seq = (SELECT max(seq) FROM input)"),
        sql("UPDATE head SET version = version - 1 WHERE kind = 'lead'"),
        sql("UPDATE head SET token = token - 1"),
        sql("UPDATE meta SET incarnation = 0"),
    ],
)
def test_what_was_undone_is_found(finished: Finished, plant: Plant) -> None:
    earlier = read_rows(finished.database)
    harm(finished.database, plant)
    assert {violation.rule for violation in check_later(earlier, read_rows(finished.database))} == {"undone"}


def test_a_report_that_differs_or_is_missing_is_found(finished: Finished) -> None:
    page = finished.report.read_bytes()
    (differs,) = check_report(finished.report, page + b"\n", [], is_ended=False)
    assert differs.rule == "report"
    finished.report.unlink()
    assert check_report(finished.report, page, [], is_ended=False) == []
    assert [str(it) for it in check_report(finished.report, page, [], is_ended=True)] == ["report: is missing"]
    assert [str(it) for it in check_report(finished.report, page, [Written()], is_ended=False)] == [
        "report: is missing"
    ]


def test_a_line_survives_its_pipe(finished: Finished) -> None:
    kinds = {type(line) for line in finished.told}
    assert kinds >= {PhaseBegan, Ready, Acknowledged, Consumed, Written}
    for line in finished.told:
        encoded = encode_line(line)
        assert encoded.endswith(b"\n")
        assert encoded.count(b"\n") == 1
        assert decode_line(encoded[:-1]) == line
