"""An examination of what is yet to be done: what is sound is, and what is not is told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.records.effects import Bury
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.examining import Check, examine
from meerkat_actors.testing.conformance.writing import created, send, take
from tests.store.sqlite.agenda import AGENDA, ASKING, OWED, live_agenda
from tests.store.sqlite.damage import change


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "store.db"
    store = open_sqlite(path)
    live_agenda(store, store.begin().incarnation)
    store.end(clean=True)
    store.close()
    return path.read_bytes()


@pytest.fixture
def agenda(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "store.db"
    path.write_bytes(sound)
    return path


def test_what_is_sound_is_found_sound(agenda: Path) -> None:
    found = examine(agenda)
    assert found.findings == ()
    assert (found.identities, found.boundaries, found.inputs) == (2, 1, 5)


def test_a_name_whose_mail_was_returned_is_a_name(agenda: Path) -> None:
    nobody = "INSERT INTO name (key, name) VALUES (500, 'nobody')"
    change(agenda, nobody, f"UPDATE input SET identity = {of('nobody')} WHERE state IN (0, 6) AND admission IS NULL")
    assert examine(agenda).findings == ()


def test_mail_that_steers_is_taken_before_what_is_older(database: Path) -> None:
    store = open_sqlite(database)
    store.begin()
    ann, ben = created(store, "ann"), created(store, "ben")
    ben.must_commit(send("ann", 1), send("ann", 2))
    change(database, "UPDATE input SET lane = 1 WHERE number = 2", "UPDATE head SET sends = 2 WHERE key = 2")
    steered, _ = store.pending_mail(ann.fence.key, limit=9)
    ann.must_commit(take(steered, 1))
    change(database, "UPDATE input SET lane = 1, policy = 8 WHERE admission = 1")
    assert examine(database).findings == ()
    store.close()


def test_what_waits_below_the_floor_was_overtaken_by_nobody(agenda: Path) -> None:
    """Whatever is above it is taken; and the same above the floor is a finding."""
    change(agenda, f"UPDATE input SET seq = seq + 900, policy = 0 WHERE admission = {OWED}")
    assert "was taken before" not in told(agenda)
    change(agenda, "UPDATE head SET mail_floor = 0")
    assert "was taken before an older message" in told(agenda)


def told(path: Path) -> str:
    return "\n".join(finding.detail for finding in examine(path).findings)


def of(name: str) -> str:
    return f"(SELECT key FROM name WHERE name = '{name}')"


ROT: Final = {
    "an answer of what is open": (
        f"UPDATE input SET owed = 1 WHERE identity = {of(AGENDA)} AND admission = 3",
        Check.INPUT,
        "an answer is owed to nobody",
    ),
    "an answer to a message": (
        f"UPDATE input SET kind = 'peer_message' WHERE identity = {of(AGENDA)} AND admission = {OWED}",
        Check.INPUT,
        "an answer is owed to nobody",
    ),
    "an answer to nobody": (
        f"UPDATE input SET sender = NULL, number = NULL WHERE identity = {of(AGENDA)} AND admission = {OWED}",
        Check.INPUT,
        "an answer is owed to nobody",
    ),
    "half an answer": ("UPDATE input SET owed = 7", Check.FORM, "owed is 7"),
    "a consumed input of no admission": (
        f"UPDATE input SET admission = NULL WHERE identity = {of(AGENDA)} AND admission = {OWED}",
        Check.INPUT,
        "only mail has no admission",
    ),
    "mail that was admitted": ("UPDATE input SET admission = 77 WHERE state = 0", Check.INPUT, "has no admission"),
    "a run of what was never admitted": (
        "UPDATE input SET run = zeroblob(16) WHERE admission IS NULL AND state = 6",
        Check.INPUT,
        "it was never admitted, and is in a run",
    ),
    "mail that waits in no lane": ("UPDATE input SET lane = 2 WHERE state = 0", Check.INPUT, "waits in no lane"),
    "a timer of who was destroyed": (f"UPDATE head SET tombstone = 1 WHERE key = {of(AGENDA)}", Check.TIMER, "of what"),
    "a timer of a facade's": (
        f"UPDATE head SET kind = '@continuity' WHERE key = {of(AGENDA)}",
        Check.TIMER,
        "of what is no agent",
    ),
    "a timer of nobody": ("UPDATE timer SET identity = 77", Check.REFERENCES, "names one that head has not"),
    "a timer of no name": ("UPDATE timer SET name = '' WHERE name = 'a'", Check.FORM, "name is"),
    "a timer that never fired": ("UPDATE timer SET fired = 0 WHERE name = 'a'", Check.TIMER, "fired input 3"),
    "a timer of no plan": ("UPDATE timer SET body = x'7b7d' WHERE name = 'a'", Check.TIMER, "what it fires"),
    "a timer that was changed": (
        "UPDATE timer SET body = CAST(body || ' ' AS BLOB) WHERE name = 'a'",
        Check.TIMER,
        "what it fires",
    ),
    "a timer before all time": ("UPDATE timer SET due = -1 WHERE name = 'a'", Check.FORM, "due is -1"),
    "a timer at another time than its own": (
        "UPDATE timer SET due = due + 1 WHERE name = 'a'",
        Check.TIMER,
        "which is none of its times",
    ),
    "an operation that is none": ("UPDATE operation SET body = x'7b7d'", Check.OPERATION, "does not decode"),
    "another operation": (
        "UPDATE operation SET body = (SELECT max(body) FROM operation)",
        Check.OPERATION,
        "is another, or was changed",
    ),
    "an operation from the future": (
        "UPDATE operation SET body = CAST(replace(CAST(body AS TEXT), '\"owner\":1', '\"owner\":9') AS BLOB)",
        Check.OPERATION,
        "began under incarnation 9",
    ),
    "an event of no facts": ("UPDATE event SET body = x'7b7d'", Check.EVENT, "does not tell any facts"),
    "an event of an unknown fact": (
        'UPDATE event SET body = CAST(\'[{"fact":"Miracle"}]\' AS BLOB)',
        Check.EVENT,
        "does not tell any facts",
    ),
    "an event of nobody": (f"UPDATE event SET identity = {of('nobody')}", Check.EVENT, "of what was never created"),
    "a boundary of an unknown fact": (
        "UPDATE turn SET body = CAST(replace(CAST(body AS TEXT), '\"Emitted\"', '\"Miracle\"') AS BLOB)",
        Check.BODY,
        "does not decode",
    ),
    "an event's number given twice": (
        f"UPDATE event SET seq = (SELECT max(seq) FROM input WHERE sender = {of(ASKING)})"
        " WHERE seq = (SELECT max(seq) FROM event)",
        Check.SEQUENCE,
        "is that of two rows",
    ),
    "events beyond what was given out": ("UPDATE event SET seq = seq + 900", Check.META, "was given out"),
    "a floor beyond what was given out": ("UPDATE meta SET event_floor = 900", Check.META, "900 was given out"),
    "a floor below the first": ("UPDATE meta SET event_floor = -1", Check.META, "event_floor is -1"),
}


@pytest.mark.parametrize("what", ROT)
def test_rot_is_told(agenda: Path, what: str) -> None:
    statement, check, detail = ROT[what]
    change(agenda, "INSERT INTO name (key, name) VALUES (500, 'nobody')", statement)
    findings = examine(agenda).findings
    assert any(found.check is check and detail in found.detail for found in findings), findings


def test_who_is_destroyed_takes_its_timers_along_or_is_told_of(database: Path) -> None:
    store = open_sqlite(database)
    live_agenda(store, store.begin().incarnation)
    ann = created(store, "ann")
    ann.must_commit(Bury())
    change(database, f"UPDATE timer SET identity = {of('ann')}")
    store.close()
    assert {finding.identity for finding in examine(database).findings if finding.check is Check.TIMER} == {"ann"}
