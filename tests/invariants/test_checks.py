"""Each invariant's check finds at least one violation that is put there, and none in what was not harmed."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.simulation.checks import (
    CHECKS,
    Check,
    Contents,
    Evidence,
    read_tables,
    tables_of,
    violations,
)
from meerkat_actors.simulation.history import CHECKS as HISTORY_CHECKS
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.invariants.exempt import EXEMPT
from tests.invariants.harms import HARMS
from tests.invariants.living import evidence_of
from tests.invariants.places import HELD_BY, PROMISES, SECTION_FOUR
from tests.invariants.watching import Served, Watching

HERE: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def healthy() -> Evidence:
    """What that life left."""
    return evidence_of(MemoryStore())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:9])
def test_a_check_finds_what_was_put_there(check: Check, healthy: Evidence) -> None:
    assert list(check(healthy)) == []
    for harm in HARMS[check.__name__[6:9]]:
        assert list(check(harm(healthy))), harm


@pytest.mark.parametrize("name", HARMS)
def test_who_asks_for_all_violations_is_told_of_each_whatever_else_is_wrong(name: str, healthy: Evidence) -> None:
    assert violations(healthy) == []
    for harm in HARMS[name]:
        assert any(problem.startswith(f"{name} ") for problem in violations(harm(healthy))), harm


def test_both_stores_are_read_alike_and_break_nothing(tmp_path: Path) -> None:
    memory, database = evidence_of(MemoryStore()), evidence_of(FaultyStore(open_sqlite(tmp_path / "team.db")))
    for check in CHECKS:
        assert list(check(memory)) == list(check(database)) == []
    assert shape_of(memory.contents) == shape_of(database.contents)
    assert [call.verb for call in memory.calls] == [call.verb for call in database.calls]


def shape_of(contents: Contents) -> object:
    """What depends neither on which ids were minted, nor on who came first."""
    rows = [(row.identity, row.state, row.admission, row.lane, row.key, row.sender) for row in contents.inputs]
    return (
        [(row.name, row.kind, row.generation, row.is_buried, row.desired) for row in contents.heads.values()],
        sorted(rows, key=repr),
        {key: rows[-1].generation for key, rows in contents.turns_of.items()},
        len(contents.open_index),
    )


def test_what_a_store_was_told_by_another_life_of_it_is_looked_at_together() -> None:
    """A restart is the same store: what the first life's callers were told binds the second."""
    store = MemoryStore()
    watching = Watching()
    watching.install()
    try:
        for _ in range(2):
            store.begin()
            store.end(clean=True)
    finally:
        watching.remove()
    assert [type(served) for served in watching.watch.served.values()] == [Served]


def test_every_invariant_has_its_check_or_tests() -> None:
    checked = {int(check.__name__[7:9]) for check in CHECKS}
    assert checked | HELD_BY.keys() == set(range(1, 35))
    assert {check.__name__[6:9] for check in CHECKS} == HARMS.keys()
    names = names_of_tests()
    missing = [
        wanted for tests in HELD_BY.values() for wanted in tests if not any(map(re.compile(wanted).match, names))
    ]
    assert missing == []


def test_every_promise_has_its_place() -> None:
    assert [*SECTION_FOUR] == [*range(1, 25)]
    assert [*PROMISES] == ["P1", "P2", "P3", "P4", "P5"]
    root = HERE.parent.parent
    places = {place for found in (*SECTION_FOUR.values(), *PROMISES.values()) for place in found}
    assert all(SECTION_FOUR.values())
    missing = [
        place
        for place in sorted(places)
        if place.rpartition("::")[2] not in functions_of(root / place.partition("::")[0])
    ]
    assert missing == []


def test_what_a_simulation_is_held_to_has_its_place() -> None:
    named = {place.rpartition("::")[2] for places in SECTION_FOUR.values() for place in places}
    assert {check.__name__ for check in HISTORY_CHECKS} <= named


def test_who_is_exempt_is_there() -> None:
    root = HERE.parent.parent
    names = names_of_tests()
    for beginning, reason in EXEMPT.items():
        path, _, name = beginning.partition("::")
        assert (root / path).exists(), beginning
        assert reason
        assert any(each.startswith(name) for each in names), beginning


def names_of_tests() -> frozenset[str]:
    names = (name for path in HERE.parent.rglob("test_*.py") for name in functions_of(path))
    return frozenset(name for name in names if name.startswith("test_"))


def functions_of(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_an_empty_memory_store_breaks_nothing() -> None:
    store = MemoryStore()
    contents = read_tables(tables_of(store))
    assert [list(check(Evidence(contents=contents))) for check in CHECKS] == [[]] * len(CHECKS)
