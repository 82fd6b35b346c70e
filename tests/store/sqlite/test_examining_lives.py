"""An examination of whatever governs, ends and begins lives: what is sound is, and what is not is told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import OwnerUnit, PostInput
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.examining import Check, examine
from meerkat_actors.testing.conformance.writing import HELLO, created, insert, new_input_id, take
from tests.store.sqlite.damage import change
from tests.store.sqlite.lives import AGAIN, ENDED, LIVES, live_lives


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "store.db"
    store = open_sqlite(path)
    store.begin()
    live_lives(store)
    store.end(clean=True)
    store.close()
    return path.read_bytes()


@pytest.fixture
def lives(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "store.db"
    path.write_bytes(sound)
    return path


def test_what_is_sound_is_found_sound(lives: Path) -> None:
    found = examine(lives)
    assert found.findings == ()
    assert (found.identities, found.boundaries, found.inputs) == (4, 7, 23)


def test_inputs_before_any_boundary_are_sound_and_so_is_what_others_posted(database: Path) -> None:
    store = open_sqlite(database)
    owner = OwnerFence(store.begin().incarnation)
    ann = created(store, "ann")
    for key in (None, "key"):
        post = PostInput(ann.fence.identity, new_input_id(), InputKind.PROMPT, HELLO, content_digest(HELLO), key)
        assert isinstance(store.post(OwnerUnit(owner, post)), Committed)
    assert examine(database).findings == ()
    ann.must_commit(insert(1))
    mail, _ = store.pending_mail(ann.fence.key, limit=9)
    ann.must_commit(take(mail, 2))
    assert examine(database).findings == ()
    store.close()


def of(name: str) -> str:
    return f"(SELECT key FROM name WHERE name = '{name}')"


def at(admission: int) -> str:
    return f"WHERE identity = {of(LIVES)} AND admission = {admission}"


def body(old: str, new: str) -> str:
    return f"body = CAST(replace(CAST(body AS TEXT), '{old}', '{new}') AS BLOB)"


HEAD: Final = f"WHERE key = {of(LIVES)}"
LAST: Final = f"WHERE seq = (SELECT last_turn FROM head {HEAD})"
INTERRUPTED: Final = f"WHERE identity = {of(LIVES)} AND generation = 0 AND version = 3"

ROT: Final = {
    "a header that is none": (f"UPDATE input SET header = x'7b7d' {at(1)}", Check.INPUT, "the header of"),
    "a policy that is none": (f"UPDATE input SET policy = 99 {at(1)}", Check.INPUT, "has policy 99"),
    "a policy of another lane": (f"UPDATE input SET policy = 8 {at(16)}", Check.INPUT, "is in lane 0"),
    "a lane of another policy": (f"UPDATE input SET lane = 0 {at(17)}", Check.INPUT, "is in lane 0"),
    "a policy of what was not admitted": (
        "UPDATE input SET policy = 12 WHERE state = 0",
        Check.INPUT,
        "was not admitted, and has a policy",
    ),
    "a lane that is none": (f"UPDATE input SET lane = 3 {at(16)}", Check.FORM, "lane is 3"),
    "what nothing consumed": (f"UPDATE input SET lane = 0 {at(6)}", Check.INPUT, "only a boundary consumes"),
    "a run of what was consumed at once": (
        f"UPDATE input SET run = zeroblob(16) {at(6)}",
        Check.INPUT,
        "it was consumed as it was admitted",
    ),
    "a failure of what was consumed at once": (
        f"UPDATE input SET attempts = 1, not_before = 1 {at(6)}",
        Check.INPUT,
        "was not begun, and was counted as failed",
    ),
    "a failure of a prompt that waits": (
        f"UPDATE input SET interruptions = 1 {at(16)}",
        Check.INPUT,
        "was not begun, and was counted as failed",
    ),
    "a checkpoint of no run": (
        f"UPDATE input SET position = 1 {at(16)}",
        Check.INPUT,
        "a checkpoint bound it to no run",
    ),
    "a checkpoint of a run of nothing else": (
        f"UPDATE input SET position = 1 {at(17)}",
        Check.RUN,
        "for a run of nothing else",
    ),
    "two runs of a lane": (
        f"UPDATE input SET lane = 0, policy = 0, header = NULL {at(17)}",
        Check.RUN,
        "staged for 2 runs at once",
    ),
    "three runs": (
        f"UPDATE input SET state = 2, run = zeroblob(16) {at(16)}",
        Check.RUN,
        "staged for 3 runs at once",
    ),
    "a turn ahead of an older input": (
        f"UPDATE input SET state = 1, run = NULL, turn = NULL {at(2)}",
        Check.RUN,
        "is ahead of an older one that is open",
    ),
    "another order of a batch": (
        f"UPDATE input SET position = 3 {at(2)}",
        Check.RECEIPT,
        "consumed 4 inputs, and others (4) name it",
    ),
    "a dead letter that was consumed": (
        f"UPDATE input SET letter = 1 {at(1)}",
        Check.INPUT,
        "only what was given up is a dead letter",
    ),
    "a dead letter that was asked for": (
        f"UPDATE input SET letter = 1 {at(8)}",
        Check.INPUT,
        "was given up as somebody asked",
    ),
    "a dead letter that is none": (f"UPDATE input SET letter = 3 {at(11)}", Check.FORM, "letter is 3"),
    "a dead letter of no run": (f"UPDATE input SET run = NULL {at(11)}", Check.INPUT, "was given up by no run"),
    "a successor of what was in a run": (
        f"UPDATE input SET run = zeroblob(16) {at(9)}",
        Check.INPUT,
        "is in a run, and a newer one took its place",
    ),
    "a successor that is none": (
        f"UPDATE input SET ending = CAST('{{\"successor\": 1}}' AS BLOB) {at(9)}",
        Check.INPUT,
        "the ending of",
    ),
    "an input that an interrupted turn consumed": (
        f"UPDATE input SET state = 3, ending = NULL, turn = (SELECT seq FROM turn {INTERRUPTED}) {at(10)}",
        Check.RECEIPT,
        "was interrupted, and 1 inputs name it",
    ),
    "an input that an interrupted turn did not give up": (
        f"UPDATE input SET run = zeroblob(16) {at(10)}",
        Check.RECEIPT,
        "did not give up input",
    ),
    "an outcome that is none": (
        f"UPDATE turn SET {body('interrupted', 'forgotten')} {INTERRUPTED}",
        Check.BODY,
        "holds what no interrupted turn keeps",
    ),
    "a turn that was not interrupted": (
        "UPDATE turn SET " + body('"outcome":"interrupted",', "") + f" {INTERRUPTED}",
        Check.RECEIPT,
        "consumed 1 inputs, and others (0) name it",
    ),
    "an input that was not told": (
        f"UPDATE input SET kind = 'external_event', policy = 8 {at(5)}",
        Check.RECEIPT,
        "and does not tell it",
    ),
    "a receipt of others": (
        "UPDATE turn SET " + body('{"contributors":["0', '{"contributors":["1') + " WHERE version = 2",
        Check.RECEIPT,
        "name others than its receipt",
    ),
    "a boundary that begins a chain": (f"UPDATE turn SET previous = 0 {LAST}", Check.CHAIN, "follows 0"),
    "a generation that goes on": (
        f"UPDATE turn SET version = 4 {LAST}",
        Check.CHAIN,
        "is version 4, and 1 is next",
    ),
    "a session of a generation that is lost": (
        f"DELETE FROM session WHERE identity = {of(LIVES)} AND generation = 0",
        Check.SESSION,
        "an agent has one session a generation",
    ),
    "a session of a generation to come": (
        f"UPDATE session SET generation = 7 WHERE identity = {of(LIVES)} AND generation = 0",
        Check.SESSION,
        "that never began",
    ),
    "a wish that is none": (f"UPDATE head SET desired = 'gone' {HEAD}", Check.FORM, "desired is"),
    "a tombstone of what nobody destroyed": (
        f"UPDATE head SET tombstone = 1 {HEAD}",
        Check.HEAD,
        "deleted, and it was never buried",
    ),
    "a generation that lost its boundary": (
        f"DELETE FROM turn WHERE identity = {of(AGAIN)} AND generation = 1",
        Check.HEAD,
        "last_turn is",
    ),
    "a buried one that lost its boundary": (
        f"DELETE FROM turn WHERE identity = {of(ENDED)}",
        Check.HEAD,
        "last_turn is",
    ),
    "an intent of a step that is not": ("UPDATE journal SET once = 2", Check.FORM, "once is 2"),
    "a step without a result": ("UPDATE journal SET once = 0", Check.JOURNAL, "was changed"),
    "half a checkpoint": ("UPDATE journal SET name = ''", Check.JOURNAL, "is half a checkpoint"),
}


@pytest.mark.parametrize("what", ROT)
def test_damage_is_told(lives: Path, what: str) -> None:
    statement, check, told = ROT[what]
    change(lives, statement)
    findings = examine(lives).findings
    assert any(finding.check is check and told in finding.detail for finding in findings), findings
