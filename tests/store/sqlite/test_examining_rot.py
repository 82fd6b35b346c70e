"""Each kind of rot, by the check that finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.store.sqlite.examining import Check, examine
from meerkat_actors.store.sqlite.examining_columns import INPUT, fault_of
from meerkat_actors.store.sqlite.sharing import boot_of_machine
from tests.store.sqlite.damage import change
from tests.store.sqlite.damage_sample import write_files

TALLY: Final = "(SELECT key FROM name WHERE name = 'tally')"
MIDDLE: Final = f"(SELECT seq FROM turn WHERE identity = {TALLY} AND version = 2)"

ROT: Final = {
    "a lost meta row": ("DELETE FROM meta", Check.META),
    "a store id of nothing": ("UPDATE meta SET store_id = ''", Check.META),
    "another store's mark": (
        "UPDATE meta SET store_id = '00000000-0000-0000-0000-000000000000'",
        Check.MARK,
    ),
    "an older incarnation than the mark's": ("UPDATE meta SET incarnation = 1", Check.MARK),
    "a sequence that was passed": ("UPDATE meta SET sequence = 3", Check.META),
    "an owner of a store that was closed": (
        "INSERT INTO owner VALUES (1, 'process 1', 'a boot', 1, 1)",
        Check.LEASES,
    ),
    "an owner that was never begun": ("INSERT INTO owner VALUES (99, 'process 1', 'a boot', 1, 1)", Check.LEASES),
    "an owner without a name": ("INSERT INTO owner VALUES (1, '', 'a boot', 1, 1)", Check.LEASES),
    "a number given twice": (
        f"UPDATE input SET seq = {MIDDLE} WHERE identity = {TALLY} AND admission = 1",
        Check.SEQUENCE,
    ),
    "a name that is none": ("UPDATE name SET name = 'no name' WHERE name = 'tally'", Check.FORM),
    "a lost name": ("DELETE FROM name WHERE name = 'tally'", Check.NAME),
    "a name of nothing": ("INSERT INTO name VALUES (999, 'ghost')", Check.NAME),
    "a reference to nothing": ("DELETE FROM name WHERE name = 'tally'", Check.REFERENCES),
    "a lost authority row": (f"DELETE FROM head WHERE key = {TALLY}", Check.HEAD),
    "an authority that is ahead": (f"UPDATE head SET version = 9 WHERE key = {TALLY}", Check.HEAD),
    "an authority of another boundary": (f"UPDATE head SET last_turn = {MIDDLE} WHERE key = {TALLY}", Check.HEAD),
    "an authority of another state": (f"UPDATE head SET last_state = {MIDDLE} WHERE key = {TALLY}", Check.HEAD),
    "an authority of another transcript": (f"UPDATE head SET digest = zeroblob(32) WHERE key = {TALLY}", Check.HEAD),
    "an authority of a longer transcript": (f"UPDATE head SET message_count = 7 WHERE key = {TALLY}", Check.HEAD),
    "a deletion that never was": (f"UPDATE head SET tombstone = 1 WHERE key = {TALLY}", Check.HEAD),
    "an unknown facade": (f"UPDATE head SET kind = '@other' WHERE key = {TALLY}", Check.HEAD),
    "an owner from the future": (f"UPDATE head SET owner = 99 WHERE key = {TALLY}", Check.FENCE),
    "a fence that fell": (f"UPDATE head SET token = 1 WHERE key = {TALLY}", None),
    "a boundary of a later owner": (f"UPDATE turn SET token = 99 WHERE seq = {MIDDLE}", Check.FENCE),
    "an operator's wish that is none": (f"UPDATE head SET desired = 'x' WHERE key = {TALLY}", Check.FORM),
    "a session of nobody": (f"DELETE FROM session WHERE identity = {TALLY}", Check.SESSION),
    "a session of a generation to come": (f"UPDATE session SET generation = 4 WHERE identity = {TALLY}", Check.SESSION),
    "a lost configuration": (f"DELETE FROM agent_config WHERE identity = {TALLY} AND version = 1", Check.CONFIG),
    "a configuration that is no JSON": (f"UPDATE agent_config SET body = x'00' WHERE identity = {TALLY}", Check.CONFIG),
    "a lost boundary": (f"DELETE FROM turn WHERE seq = {MIDDLE}", Check.CHAIN),
    "a boundary behind another": (f"UPDATE turn SET previous = 0 WHERE seq = {MIDDLE}", Check.CHAIN),
    "a boundary of another version": (f"UPDATE turn SET version = 7 WHERE seq = {MIDDLE}", Check.CHAIN),
    "a message that was changed": (
        f"UPDATE turn SET body = CAST(replace(CAST(body AS TEXT), '\"2\"', '\"3\"') AS BLOB) WHERE seq = {MIDDLE}",
        Check.DIGEST,
    ),
    "a body that is no JSON": (f"UPDATE turn SET body = x'00' WHERE seq = {MIDDLE}", Check.BODY),
    "a body with a blank": (f"UPDATE turn SET body = CAST(body || ' ' AS BLOB) WHERE seq = {MIDDLE}", Check.BODY),
    "an input of another boundary": (f"UPDATE input SET turn = turn + 1 WHERE turn = {MIDDLE}", Check.RECEIPT),
    "an input of another run": (f"UPDATE input SET run = zeroblob(16) WHERE turn = {MIDDLE}", Check.RECEIPT),
    "a consumed input that is lost": (f"DELETE FROM input WHERE turn = {MIDDLE}", Check.RECEIPT),
    "a lost admission": (f"DELETE FROM input WHERE turn = {MIDDLE}", Check.ADMISSION),
    "a floor above what is there": (f"UPDATE head SET admissions = 2 WHERE key = {TALLY}", Check.ADMISSION),
    "a lost receipt": ("DELETE FROM receipt", Check.RECEIPT),
    "another content": ("UPDATE input SET content = CAST('\"x\"' AS BLOB) WHERE admission = 1", Check.CONTENT),
    "content that is no JSON": ("UPDATE input SET content = x'00' WHERE admission = 1", Check.CONTENT),
    "an input that is in no lane": ("UPDATE input SET lane = 3 WHERE admission = 1", Check.FORM),
    "an input of an unknown kind": ("UPDATE input SET kind = 'telepathy' WHERE admission = 1", Check.FORM),
    "a prompt from an agent": ("UPDATE input SET kind = 'prompt' WHERE sender IS NOT NULL", Check.INPUT),
    "an ending that is none": ("UPDATE input SET ending = x'7b7d' WHERE state = 6", Check.INPUT),
    "a failure without a wait": ("UPDATE input SET attempts = 2 WHERE state = 3", Check.INPUT),
    "two live runs": ("UPDATE input SET state = 2, run = randomblob(16) WHERE state = 1", Check.RUN),
    "an input ahead of an older one": (
        "UPDATE input SET state = 1, run = NULL WHERE state = 2 AND admission = 1",
        Check.JOURNAL,
    ),
    "a step of no live run": ("UPDATE journal SET run = zeroblob(16)", Check.JOURNAL),
    "a step whose first use is lost": ("UPDATE journal SET nth = 2", Check.JOURNAL),
    "a result that was cut": ("UPDATE journal SET result = x'22'", Check.JOURNAL),
    "lost mail": ("DELETE FROM input WHERE state = 0 AND number = 2", Check.MAIL),
    "mail numbered twice": ("UPDATE input SET number = 1 WHERE state = 0", Check.MAIL),
    "a lost holder": ("DELETE FROM continuity WHERE identity = 1", Check.CONTINUITY),
    "a floor that never was": ("UPDATE continuity SET floor = 9 WHERE identity = 1", Check.CONTINUITY),
    "a way back to nowhere": ("UPDATE continuity SET former_generation = 7 WHERE identity = 1", Check.CONTINUITY),
    "a holder with a token to come": ("UPDATE continuity SET token = 9 WHERE identity = 1", Check.FENCE),
    "a document that was changed": ("UPDATE snapshot SET data = x'00'", Check.SNAPSHOT),
    "a newest document that is lost": (
        "DELETE FROM snapshot WHERE generation = 0 AND version = 3",
        Check.SNAPSHOT,
    ),
    "three documents of a session": (
        "INSERT INTO snapshot SELECT identity, generation, 1, session, token, size, digest, data FROM snapshot"
        " WHERE generation = 0 AND version = 2",
        Check.SNAPSHOT,
    ),
    "a facade's document that was changed": (
        "UPDATE document SET body = x'00' WHERE kind = 'runtime.session'",
        Check.DOCUMENT,
    ),
    "a facade's document that is lost": ("DELETE FROM document WHERE kind = 'runtime.session'", Check.DOCUMENT),
    "a facade's document of no kind": (
        "UPDATE document SET kind = 'runtime.operati' WHERE identity = 4 AND body IS NULL",
        Check.DOCUMENT,
    ),
    "text that is not UTF-8": (f"UPDATE head SET kind = CAST(x'ff' AS TEXT) WHERE key = {TALLY}", Check.UNREADABLE),
}


@pytest.fixture
def store(tmp_path: Path, clean: dict[str, bytes]) -> Path:
    return write_files(tmp_path / "store", clean)


@pytest.mark.parametrize("what", ROT)
def test_damage_is_found_by_its_check(store: Path, what: str) -> None:
    statement, check = ROT[what]
    change(store, statement)
    found = examine(store)
    if check is None:
        assert found.number == 0, "it is the first token that was ever claimed"
    else:
        assert check in {finding.check for finding in found.findings}, found.findings


# The same, where several things are said under one check: this is among them.
TOLD: Final = {
    "a last boundary above the fence": (
        f"UPDATE turn SET token = 99 WHERE identity = {TALLY} AND version = 3",
        "was written under token 99",
    ),
    "boundaries of a generation to come": (
        f"UPDATE turn SET generation = 2 WHERE identity = {TALLY} AND version = 3",
        "has boundaries of 2",
    ),
    "boundaries of a generation that was over": (
        f"UPDATE turn SET generation = 2 WHERE identity = {TALLY} AND version = 2",
        "is of generation 0, and 2 had begun",
    ),
    "two sessions of an agent": (
        f"INSERT INTO session VALUES (zeroblob(16), {TALLY}, 0)",
        "an agent has one session",
    ),
    "a receipt that is not the next": ("UPDATE receipt SET sequence = 2", "is not its next"),
    "a document of another's session": (
        "UPDATE snapshot SET session = (SELECT session FROM head WHERE key = 2) WHERE version = 2",
        "which is another's",
    ),
    "a document of an older token": ("UPDATE snapshot SET token = 4 WHERE version = 3", "under an older token"),
    "a document above the fence": (
        "UPDATE snapshot SET token = 8 WHERE generation = 1",
        "under token 8, above its own",
    ),
    "documents of who was deleted": ("UPDATE head SET tombstone = 1 WHERE key = 1", "or it was deleted"),
    "documents of an agent": (
        f"UPDATE document SET identity = {TALLY} WHERE identity = 5",
        "is not the runtime-store facade's",
    ),
    "a document that changed too rarely": ("UPDATE document SET epoch = 3 WHERE identity = 5", "times in 3 lives"),
    "an input behind the last boundary": (
        f"UPDATE input SET turn = 9999 WHERE identity = {TALLY} AND admission = 3",
        "which is none of its own",
    ),
    "an input that came after its boundary": (
        f"UPDATE input SET seq = 9999 WHERE identity = {TALLY} AND admission = 1",
        "which came later",
    ),
    "a body with more than a turn writes": (
        "UPDATE turn SET body = CAST(substr(CAST(body AS TEXT), 1, length(CAST(body AS TEXT)) - 1) || ',\"zoo\":1}'"
        f" AS BLOB) WHERE seq = {MIDDLE}",
        "holds what no turn writes",
    ),
    "a result that is no text": (
        "UPDATE turn SET body = CAST(substr(CAST(body AS TEXT), 1, length(CAST(body AS TEXT)) - 1) || ',\"text\":1}'"
        f" AS BLOB) WHERE seq = {MIDDLE}",
        "has no result",
    ),
    "a log without an input": (
        f'UPDATE turn SET body = CAST(\'{{"count":4,"log":[],"text":null}}\' AS BLOB) WHERE seq = {MIDDLE}',
        "consumed nothing",
    ),
    "another sender": (
        "UPDATE input SET sender = 1 WHERE seq = (SELECT min(seq) FROM input WHERE sender IS NOT NULL AND state = 3)",
        "has another sender",
    ),
    "a lease renewed in the future": (
        f"INSERT INTO owner VALUES (1, 'process 1', '{boot_of_machine()}', {2**62}, 15000)",
        "renewed its lease in the future",
    ),
    "an ending that the runtime has not": (
        'UPDATE input SET state = 4, ending = CAST(\'{"successor":"00000000-0000-0000-0000-000000000001"}\' AS BLOB)'
        f" WHERE identity = {TALLY} AND admission = 1",
        "is in a run, and a newer one took its place",
    ),
    "a successor that is none": (
        "UPDATE input SET state = 4, ending = CAST('{\"successor\":7}' AS BLOB) WHERE state = 6",
        "is none",
    ),
    "an abandoned input of no run": ("UPDATE input SET run = NULL WHERE state = 6", "was given up by no run"),
    "an admission that is no number": (
        f"UPDATE input SET admission = -4 WHERE identity = {TALLY} AND admission = 1",
        "admission is -4",
    ),
    "mail that was overtaken": (
        "UPDATE input SET state = 0, admission = NULL, turn = NULL, run = NULL"
        " WHERE seq = (SELECT min(seq) FROM input WHERE sender = (SELECT key FROM name WHERE name = 'talker-0')"
        " AND identity = (SELECT identity FROM input WHERE state = 3 AND sender ="
        " (SELECT key FROM name WHERE name = 'talker-0') GROUP BY identity HAVING count(*) > 1))",
        "was taken before an older message",
    ),
    "text that is not UTF-8 in meta": ("UPDATE meta SET store_id = CAST(x'ff' AS TEXT)", "UnicodeDecodeError"),
}


@pytest.mark.parametrize("what", TOLD)
def test_damage_is_told(store: Path, what: str) -> None:
    statement, told = TOLD[what]
    change(store, statement)
    found = examine(store)
    assert any(told in finding.detail for finding in found.findings), found.findings


def test_damage_is_told_of_its_identity_only(store: Path) -> None:
    change(store, f"UPDATE turn SET body = x'00' WHERE seq = {MIDDLE}")
    found = examine(store)
    assert {finding.identity for finding in found.findings} == {"tally"}
    assert found.identities == 22


def test_a_column_says_what_is_wrong_with_it() -> None:
    row: tuple[object, ...] = (
        6,
        None,
        None,
        7,
        bytes(16),
        "prompt",
        0,
        1,
        0,
        0,
        0,
        0,
        None,
        None,
        None,
        None,
        None,
        bytes(32),
        b"1",
        0,
        0,
        None,
        0,
        None,
    )
    assert fault_of(INPUT, row) is None
    for place, (name, _) in enumerate(INPUT):
        wrongs: tuple[object, ...] = (1.5, True, -1, 2**64, "\x1b", b"", ())
        for wrong in wrongs:
            if (name, wrong) == ("content", b""):  # it was pruned
                continue
            fault = fault_of(INPUT, (*row[:place], wrong, *row[place + 1 :]))
            assert fault is not None
            assert fault.startswith(name)
