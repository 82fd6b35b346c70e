"""Each invariant's check finds at least one violation that is put there, and none in what was not harmed."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.checks import (
    CHECKS,
    Check,
    Contents,
    Evidence,
    read_tables,
    tables_of,
    violations,
)
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import echo, gathered, hang, running
from tests.invariants.exempt import EXEMPT
from tests.invariants.harms import HARMS
from tests.invariants.watching import Served, Watching

HERE: Final = Path(__file__).parent

HELD_BY: Final = MappingProxyType(
    {
        15: ("test_r10_", "test_mail_that_is_committed_while_its_recipient_comes_back_is_taken"),
        16: ("test_i16_",),
        18: ("test_i18_",),
        19: ("test_rt08_", "test_rt13_", "test_r08_", "test_r09_"),
        20: ("test_rt09_", "test_rt18_", "test_r03_"),
        21: ("test_rt11_",),
        26: ("test_w07_",),
        28: ("test_i28_",),
    }
)
"""What no store shows, or not when it became true: the tests that hold it, by the beginning of their names."""


async def live(store: Store, watching: Watching) -> Served:
    """A short life: mail, a request, a timer and an operation, a run that was interrupted, one in progress, a queue."""

    async def tell(turn: Turn) -> str:
        turn.send("b", "from a")
        turn.send("b", "and again")
        return turn.text

    async def plan(turn: Turn) -> str:
        if turn.inputs[0].kind is InputKind.PROMPT:
            turn.request("b", "how are you?")
            turn.after(9_000, "rings late", name="late")
            turn.start_operation("outside", external=True)
        return turn.text

    watch = watching.watch
    async with running(store, {"tell": tell, "echo": echo, "hang": hang, "plan": plan}) as runtime:
        a = await runtime.agent("a", kind="tell")
        b = await runtime.agent("b", kind="echo")
        c = await runtime.agent("c", kind="hang")
        await a.ask("hello", idempotency_key="k")
        await a.ask("once more")
        d = await runtime.agent("d", kind="plan")
        await d.ask("go")
        await d.operations.complete((await d.operations.list())[0].operation_id)
        await d.schedule("bell", "rings", at=datetime(2000, 1, 1, tzinfo=UTC))
        await trio.sleep(1)
        await runtime.wait_idle()
        await b.steer("quick")
        await c.send("interrupted")
        await trio.sleep(1)
        await c.interrupt()
        await gathered(*(lambda each=each: c.send(each) for each in ("goes on", "queued 1", "queued 2")))
        await trio.sleep(1)
        await a.pause()
    (served,) = watch.served.values()
    return served


@pytest.fixture(scope="module")
def healthy() -> Evidence:
    """What that life left."""
    return evidence_of(MemoryStore())


def evidence_of(store: Store) -> Evidence:
    watching = Watching()
    watching.install()
    try:
        served = trio.run(live, store, watching, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        watching.remove()
    contents = served.read()
    assert contents is not None
    return Evidence(contents=contents, calls=tuple(served.calls), attempts_max=served.attempts_max)


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


def test_who_is_exempt_is_there() -> None:
    root = HERE.parent.parent
    names = names_of_tests()
    for beginning, reason in EXEMPT.items():
        path, _, name = beginning.partition("::")
        assert (root / path).exists(), beginning
        assert reason
        assert any(each.startswith(name) for each in names), beginning


def names_of_tests() -> frozenset[str]:
    return frozenset(
        node.name
        for path in HERE.parent.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_an_empty_memory_store_breaks_nothing() -> None:
    store = MemoryStore()
    contents = read_tables(tables_of(store))
    assert [list(check(Evidence(contents=contents))) for check in CHECKS] == [[]] * len(CHECKS)
