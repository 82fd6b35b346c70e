"""Each invariant's check finds at least one violation that is put there, and none in what was not harmed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from attrs import evolve

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import MailboxFullError
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import echo, gathered, hang, running
from tests.invariants.checks import CHECKS, HELD_BY
from tests.invariants.contents import Contents, InputSeen
from tests.invariants.evidence import Call, Check, Evidence
from tests.invariants.exempt import EXEMPT
from tests.invariants.reading import read_tables, tables_of
from tests.invariants.watching import Served, Watching

HERE: Final = Path(__file__).parent
RUN: Final = "0199f5a8-5a5e-7000-8000-000000000001"


async def live(store: Store, watching: Watching) -> Served:
    """A short life: two agents, mail between them, a run that was interrupted, one in progress, a queue and a key."""

    async def tell(turn: Turn) -> str:
        turn.send("b", "from a")
        turn.send("b", "and again")
        return turn.text

    watch = watching.watch
    async with running(store, {"tell": tell, "echo": echo, "hang": hang}) as runtime:
        a = await runtime.agent("a", kind="tell")
        b = await runtime.agent("b", kind="echo")
        c = await runtime.agent("c", kind="hang")
        await a.ask("hello", idempotency_key="k")
        await a.ask("once more")
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


def with_inputs(seen: Evidence, change: Callable[[InputSeen], InputSeen]) -> Evidence:
    return with_contents(seen, inputs=tuple(change(row) for row in seen.contents.inputs))


def with_contents(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    return evolve(seen, contents=evolve(seen.contents, **changes))


def changed(seen: Evidence, was: InputState, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    """The last input of that state, changed."""
    last = [row for row in seen.contents.inputs if row.state is was][-1]
    return with_inputs(seen, lambda row: evolve(row, **changes) if row is last else row)


def with_turns(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    """The last boundary of an agent with two of them, changed."""
    last = next(rows[-1] for rows in seen.contents.turns_of.values() if len(rows) > 1)
    return with_contents(
        seen, turns=tuple(evolve(row, **changes) if row is last else row for row in seen.contents.turns)
    )


def with_heads(seen: Evidence, name: str, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    heads = {key: evolve(row, **changes) if row.name == name else row for key, row in seen.contents.heads.items()}
    return with_contents(seen, heads=heads)


def with_call(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    call = Call(
        verb="send",
        identity="a",
        input_id=None,
        key=None,
        admission=None,
        outcome=None,
        error=None,
        begun=900,
        ended=901,
    )
    return evolve(seen, calls=(*seen.calls, evolve(call, **changes)))


def first(seen: Evidence, state: InputState) -> InputSeen:
    return next(row for row in seen.contents.inputs if row.state is state)


def admitted(input_id: str) -> Admission:
    return Admission(InputId(input_id), AdmissionSequence(1), duplicate=False, durable=True)


def without_row(seen: Evidence) -> Evidence:
    row = next(row for row in seen.contents.inputs if row.key == "k")
    call = with_call(seen, admission=admitted(row.input_id), input_id=row.input_id)
    return with_contents(call, inputs=tuple(each for each in seen.contents.inputs if each is not row))


def key_twice(seen: Evidence) -> Evidence:
    mine = [row for row in seen.contents.inputs if seen.contents.name(row.identity) == "a"]
    return with_inputs(seen, lambda row: evolve(row, key="k") if row is mine[-1] else row)


def two_queued_ahead(seen: Evidence) -> Evidence:
    staged = first(seen, InputState.STAGED)
    return with_inputs(seen, lambda row: evolve(row, admission=900) if row is staged else row)


def second_run(seen: Evidence) -> Evidence:
    return changed(seen, InputState.QUEUED, state=InputState.STAGED, run=RUN)


def replayed(seen: Evidence) -> Evidence:
    run = next(rows[-1].run for key, rows in seen.contents.turns_of.items() if seen.contents.name(key) == "c")
    staged = first(seen, InputState.STAGED)
    return with_inputs(seen, lambda row: evolve(row, run=run) if row is staged else row)


def half_a_batch(seen: Evidence) -> Evidence:
    staged = first(seen, InputState.STAGED)
    queued = first(seen, InputState.QUEUED)
    lost = evolve(queued, state=InputState.ABANDONED, run=staged.run, ending=b'{"detail":"","reason":"crash_loop"}')
    return with_inputs(seen, lambda row: lost if row is queued else row)


def told_otherwise(seen: Evidence) -> Evidence:
    row = first(seen, InputState.CONSUMED)
    return with_call(seen, input_id=row.input_id, outcome=Abandoned(AbandonReason.STOPPED, ""))


def taken_ahead(seen: Evidence) -> Evidence:
    mail = [row for row in seen.contents.inputs if row.sender is not None]
    untaken = evolve(mail[0], state=InputState.SENT, admission=None, run=None, turn=0)
    return with_inputs(seen, lambda row: untaken if row is mail[0] else row)


def out_of_the_blue(seen: Evidence) -> Evidence:
    """As if no one had asked for the interruption, and somebody had given up waiting."""
    row = first(seen, InputState.ABANDONED)
    calls = tuple(call for call in seen.calls if call.verb != "interrupt")
    return with_call(evolve(seen, calls=calls), verb="wait", identity="c", input_id=row.input_id, error=trio.Cancelled)


HARMS: Final[dict[str, tuple[Callable[[Evidence], Evidence], ...]]] = {
    "i01": (without_row, lambda seen: with_call(seen, admission=admitted(RUN))),
    "i02": (
        lambda seen: with_call(
            seen, error=MailboxFullError, input_id=next(row.input_id for row in seen.contents.inputs if row.sender)
        ),
    ),
    "i03": (key_twice, lambda seen: with_call(seen, key="k", admission=admitted(RUN))),
    "i04": (
        lambda seen: changed(seen, InputState.STAGED, run=None),
        lambda seen: changed(seen, InputState.QUEUED, run=RUN),
        lambda seen: changed(seen, InputState.QUEUED, state=InputState.SENT),
        lambda seen: changed(seen, InputState.QUEUED, lane=Lane.NONE),
    ),
    "i05": (
        lambda seen: with_contents(seen, open_index=frozenset({1})),
        lambda seen: with_contents(seen, tables=frozenset({"lane"})),
    ),
    "i06": (two_queued_ahead, lambda seen: changed(seen, InputState.QUEUED, admission=2)),
    "i07": (
        lambda seen: changed(seen, InputState.CONSUMED, ending=b"{}"),
        lambda seen: changed(seen, InputState.ABANDONED, ending=None),
        lambda seen: changed(seen, InputState.QUEUED, turn=1),
        told_otherwise,
    ),
    "i08": (
        lambda seen: changed(seen, InputState.CONSUMED, turn=900),
        lambda seen: changed(seen, InputState.CONSUMED, run=RUN),
        lambda seen: changed(seen, InputState.CONSUMED, input_id=RUN),
    ),
    "i09": (
        lambda seen: changed(seen, InputState.CONSUMED, turn=0),
        lambda seen: with_turns(seen, body=b'{"count":4,"log":[]}'),
    ),
    "i10": (
        lambda seen: with_turns(seen, body=b'{"count":4,"log":[],"sequence":2}'),
        lambda seen: with_contents(seen, receipts={(1, RUN): {1: 900}}),
        lambda seen: with_turns(seen, run=seen.contents.turns[0].run),
    ),
    "i11": (
        lambda seen: with_heads(seen, "a", last_turn=1),
        lambda seen: with_heads(seen, "a", digest=bytes(32)),
        lambda seen: with_heads(seen, "a", message_count=3),
        lambda seen: with_heads(seen, "c", version=2),
        lambda seen: with_turns(seen, body=b'{"count":5,"log":[]}'),
    ),
    "i12": (
        replayed,
        lambda seen: with_turns(seen, body=seen.contents.turns[0].body),
        lambda seen: with_contents(seen, journals=frozenset({(row.identity, row.run) for row in seen.contents.turns})),
    ),
    "i13": (second_run, lambda seen: changed(seen, InputState.STAGED, position=1)),
    "i14": (
        lambda seen: changed(seen, InputState.STAGED, attempts=3),
        lambda seen: changed(seen, InputState.CONSUMED, attempts=4),
        lambda seen: changed(seen, InputState.QUEUED, not_before=1),
    ),
    "i16": (lambda seen: with_call(seen, input_id=RUN, outcome=Abandoned(AbandonReason.STOPPED, "")),),
    "i17": (lambda seen: evolve(seen, unanswered=1), lambda seen: with_call(seen, error=KeyError)),
    "i18": (
        lambda seen: with_heads(seen, "b", is_buried=True),
        lambda seen: with_heads(seen, "a", desired=Desired.OPEN),
    ),
    "i22": (
        lambda seen: changed(seen, InputState.ABANDONED, letter=1),
        lambda seen: changed(seen, InputState.ABANDONED, state=InputState.QUEUED, run=None, ending=None),
    ),
    "i23": (
        lambda seen: with_turns(seen, version=3),
        lambda seen: with_turns(seen, generation=1),
        lambda seen: with_turns(seen, previous=0),
        lambda seen: with_contents(seen, snapshots=((next(iter(seen.contents.heads)), 0, 900, 1),)),
    ),
    "i24": (lambda seen: with_heads(seen, "c", desired=Desired.STOPPED),),
    "i25": (
        lambda seen: with_turns(seen, token=9),
        lambda seen: with_heads(seen, "a", owner=900),
        lambda seen: with_contents(seen, snapshots=((next(iter(seen.contents.heads)), 0, 1, 900),)),
    ),
    "i26": (
        lambda seen: with_contents(seen, sequence=1),
        taken_ahead,
        lambda seen: with_inputs(seen, lambda row: row if row.sender is None else evolve(row, number=900)),
    ),
    "i27": (half_a_batch,),
    "i28": (out_of_the_blue,),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:9])
def test_a_check_finds_what_was_put_there(check: Check, healthy: Evidence) -> None:
    assert list(check(healthy)) == []
    for harm in HARMS[check.__name__[6:9]]:
        assert list(check(harm(healthy))), harm


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
    assert checked | HELD_BY.keys() == set(range(1, 29))
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
