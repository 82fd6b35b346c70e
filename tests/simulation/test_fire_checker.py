"""The checker of the campaigns under fire sees each kind of harm, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.crashes.fire_client import Client
from tests.crashes.fire_history import Answer, Asked, History, check
from tests.crashes.fire_rows import read_rows
from tests.crashes.fire_script import script

LAPS = 3


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    path = tmp_path_factory.mktemp("lived") / "store.db"
    client = Client(str(path), script(LAPS), History(), lambda: 0)
    client.go_on()
    return path, client.history


def test_a_life_without_harm_has_none(lived: tuple[Path, History]) -> None:
    path, history = lived
    assert check(history, read_rows(str(path))) == []
    assert {one.answer for one in history.asked} == {Answer.COMMITTED, Answer.REFUSED}


HARMS = {
    "an acknowledged input is missing": "DELETE FROM input WHERE idempotency = '1 first'",
    "an input that nobody asked for": (
        "INSERT INTO input (seq, identity, admission, input_id, kind, state, digest, content)"
        " SELECT 900, identity, 90, randomblob(16), kind, 1, digest, content FROM input LIMIT 1"
    ),
    "an input is not what was sent": "UPDATE input SET content = x'7B7D' WHERE seq = (SELECT max(seq) FROM input)",
    "an input went back into the lane": "UPDATE input SET state = 1, ending = NULL WHERE state = 6",
    "an input names another turn": "UPDATE input SET turn = (SELECT max(seq) FROM turn) WHERE turn IS NOT NULL",
    "a counter of an input is lost": "UPDATE input SET attempts = 0",
    "a boundary is missing": "DELETE FROM turn WHERE seq = (SELECT max(seq) FROM turn)",
    "a boundary is there twice": (
        "INSERT INTO turn"
        " SELECT 901, identity, version, generation, token, previous, run, digest, body FROM turn LIMIT 1"
    ),
    "a boundary says something else": (
        "UPDATE turn SET body = CAST(replace(CAST(body AS TEXT), 'lap 1', 'lap 9') AS BLOB)"
    ),
    "a boundary follows another": "UPDATE turn SET previous = 0",
    "a sequence was given out twice": (
        "UPDATE turn SET seq = (SELECT max(seq) FROM input) WHERE version = 1 AND identity = 1"
    ),
    "a head is behind its log": "UPDATE head SET version = version - 1 WHERE version > 0",
    "a head is before its log": "UPDATE head SET version = version + 1",
    "a token fell": "UPDATE head SET token = 1",
    "a token was written under that nobody held": "UPDATE turn SET token = 9",
    "a digest is another": "UPDATE head SET digest = zeroblob(32)",
    "a state is lost": "UPDATE head SET last_state = 0",
    "a configuration is missing": "DELETE FROM agent_config",
    "a document is an older one": "UPDATE document SET generation = generation - 1",
    "a document is not what its digest says": "UPDATE document SET digest = zeroblob(32) WHERE digest IS NOT NULL",
    "a dropped document is back": "UPDATE document SET body = x'78', digest = zeroblob(32)",
    "a receipt is missing": "DELETE FROM receipt",
    "a snapshot is missing": "DELETE FROM snapshot WHERE version = (SELECT max(version) FROM snapshot)",
    "a pruned snapshot is back": (
        "INSERT INTO snapshot SELECT identity, generation, 1, session, token, size, digest, data FROM snapshot LIMIT 1"
    ),
    "a grant is another's": "UPDATE continuity SET holder = 'other'",
    "a session is bound to another": "UPDATE session SET generation = 3",
    "a step of an ended run is back": (
        "INSERT INTO journal (identity, run, name, nth, arguments, result)"
        " SELECT identity, run, 'fetch', 1, zeroblob(32), x'31' FROM turn LIMIT 1"
    ),
    "a key without its row": "UPDATE turn SET identity = 77",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS.keys())
def test_a_harm_is_seen(lived: tuple[Path, History], tmp_path: Path, harm: str) -> None:
    path, history = lived
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    connection = apsw.Connection(str(copy))
    connection.execute("PRAGMA ignore_check_constraints = 1").fetchall()
    connection.execute(harm)
    assert connection.total_changes() > 0, "the harm was done"
    connection.close()
    assert check(history, read_rows(str(copy))) != []


def test_a_damaged_index_is_seen(lived: tuple[Path, History], tmp_path: Path) -> None:
    path, history = lived
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    connection = apsw.Connection(str(copy))
    connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'input_id'")
    connection.execute(
        "INSERT INTO sqlite_schema VALUES ('index', 'input_id', 'input',"
        " (SELECT rootpage FROM sqlite_schema WHERE name = 'snapshot_session'),"
        " 'CREATE UNIQUE INDEX input_id ON input (input_id)')"
    )
    connection.close()
    assert any("integrity_check" in one for one in check(history, read_rows(str(copy))))


def test_what_is_unknown_may_be_there_or_not_and_nothing_between(lived: tuple[Path, History]) -> None:
    path, history = lived
    rows = read_rows(str(path))
    last = max(place for place, one in enumerate(history.asked) if one.answer is Answer.COMMITTED)
    doubted = [one if place != last else unknown(one) for place, one in enumerate(history.asked)]
    assert check(History(doubted), rows) == [], "it is there"
    never = History([*history.asked, unknown(next(one for one in history.asked if one.is_wrong))])
    assert check(never, rows) == [], "and this is not"


def test_a_wrong_unit_that_was_acknowledged_is_a_violation(lived: tuple[Path, History]) -> None:
    path, history = lived
    wrong = next(one for one in history.asked if one.is_wrong)
    told = Asked(wrong.step, wrong.unit, is_wrong=True, asked_at=0, answer=Answer.COMMITTED)
    assert any("stale or a repetition" in one for one in check(History([*history.asked, told]), read_rows(str(path))))


def unknown(one: Asked) -> Asked:
    return Asked(one.step, one.unit, one.is_wrong, one.asked_at)
