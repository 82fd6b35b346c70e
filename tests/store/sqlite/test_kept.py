"""One database of every released schema is kept: each opens here, reads as it was written, and its agents go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import OperationsEpochRetiredError, RecordDeletedError
from meerkat_actors.records.agenda_codec import decode_operation, encode_facts
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import StoredEventKind
from meerkat_actors.records.timers import Timer
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import RuntimeStore, SqliteStore, open_sqlite
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from meerkat_actors.store.sqlite.versions import FORMER, objects_of
from tests.actors.world import echo, said, told
from tests.store.continuity_calling import BEN, caller, record
from tests.store.runtime_writing import RUN, input_id, queued, receipt, session
from tests.store.runtime_writing import said as messages
from tests.store.sqlite.agenda import AGENDA, ASKING, HOUR_MS, OWED
from tests.store.sqlite.keeping import (
    FLOWS,
    KEPT,
    OPS,
    content,
    counter,
    dump,
    execute_dump,
    failing,
    kept_file,
    live,
    rebuild,
    schema,
    version_of,
)
from tests.store.sqlite.lives import AGAIN, ENDED, LIVES, MUTE, given
from tests.store.writing import identity, read

VERSIONS: Final = (*FORMER, SCHEMA_VERSION)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"schema {version}")
def kept(request: pytest.FixtureRequest, database: Path) -> Path:
    """A kept database as a file."""
    return rebuild(request.param, database)


@pytest.fixture
def store(kept: Path) -> Iterator[SqliteStore]:
    opened = open_sqlite(kept)
    opened.begin()
    yield opened
    opened.close()


# -- what is kept -------------------------------------------------------------------------


def test_a_database_of_every_schema_is_kept() -> None:
    assert set(KEPT.iterdir()) == {kept_file(version) for version in VERSIONS}
    assert tuple(range(3, SCHEMA_VERSION + 1)) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_kept_has_the_schema_that_the_code_says_it_has(database: Path, version: int) -> None:
    texts = {name: text for _, name, _, text in schema(rebuild(version, database)) if text is not None}
    assert texts == {name: text.strip() for name, text in objects_of(version).items()}


def test_what_is_kept_has_something_of_everything_but_leases(kept: Path) -> None:
    """Else a migration could lose it unseen. Leases end with their runtimes."""
    rows = content(kept)
    assert {name for name, found in rows.items() if not found} == {"owner"} & rows.keys()


def test_what_is_kept_can_be_made_anew(database: Path) -> None:
    live(database)
    text = dump(database)
    again = database.with_name("again.db")
    execute_dump(text, again)
    assert content(again) == content(database)
    assert (schema(again), version_of(again)) == (schema(database), SCHEMA_VERSION)
    assert dump(again) == text


# -- how it reads -------------------------------------------------------------------------


def test_agents_are_as_they_were(store: SqliteStore) -> None:
    rows = store.page_identities(after=None, limit=99)
    assert [(row.identity, row.kind, row.version) for row in rows if not row.kind.startswith(("@", MUTE))] == [
        ("busy", "worker", 0),
        ("tally", "counter", 3),
        ("unlucky", "failing", 0),
    ]
    # Of those that work: whoever has an operation in progress has to learn what became of it.
    assert [name for name in store.identities_with_work() if name not in {LIVES, AGENDA}] == ["busy"]
    tally, busy, absent = (read(store, name) for name in ("tally", "busy", "absent"))
    assert tally.head is not None
    assert (tally.head.message_count, tally.head.sends, tally.state) == (6, 3, b"3")
    assert tally.config is not None
    assert (tally.config.version, tally.config.body) == (2, b'{"unit":"letters"}')
    assert [row.version for row in store.page_turns(identity("tally"), before=None, limit=9)] == [3, 2, 1]
    assert busy.run is not None
    assert [one.content for one in busy.run.members] == [b'"job 1"']
    assert {name: entry.result for (name, _), entry in busy.run.journal.items()} == {"fetch": b'"fetched job 1"'}
    assert [one.content for one in busy.queued] == [b'"job 2"', b'"job 3"']
    assert absent.head is None
    assert [mail.content for mail in store.pending_mail(absent.key, limit=9)] == [
        b'"mail 1"',
        b'"mail 2"',
        b'"mail 3"',
    ]


def test_inputs_are_in_the_states_they_were_in(store: SqliteStore) -> None:
    def states(name: str) -> list[InputState]:
        rows = store.page_inputs(identity(name), after=None, limit=9, newest_first=False)
        return [row.state for row in rows]

    assert states("tally") == [InputState.CONSUMED] * 3
    assert states("unlucky") == [InputState.ABANDONED]
    assert states("busy") == [InputState.STAGED, InputState.QUEUED, InputState.QUEUED]
    others = {LIVES, ENDED, AGAIN, ASKING, AGENDA, "somebody"}
    kinds = [event.kind for event in store.page_events(after=0, limit=99) if event.identity not in others]
    assert Counter(kind for kind in kinds if kind is not StoredEventKind.FACTS) == {
        StoredEventKind.ADMITTED: 9,
        StoredEventKind.SENT: 3,
        StoredEventKind.TURN: 4,
    }


def test_what_was_given_up_is_a_dead_letter_where_that_was_known(store: SqliteStore) -> None:
    """Not in a file that was migrated: nobody looks through all of its history."""
    letters = [(letter.identity, letter.row.admission) for letter in store.page_letters(None, after=0, limit=99)]
    assert letters == ([("unlucky", 1), (LIVES, 11)] if store.find_input(identity(LIVES), given(101)) else [])


def test_lives_go_on_where_they_were(store: SqliteStore) -> None:
    if store.find_input(identity(LIVES), given(101)) is None:
        assert store.activate(identity(LIVES)).identity == LIVES
        return
    lives, again = read(store, LIVES), read(store, AGAIN)
    assert lives.head is not None
    assert (lives.head.generation, lives.head.version, lives.head.desired) == (1, 1, Desired.PAUSED)
    assert (lives.run is None, lives.parked is None, [one.admission for one in lives.queued]) == (False, False, [16])
    assert again.head is not None
    assert (again.head.token, again.head.generation, again.config) == (2, 1, AgentConfig(1, b'{"again":true}'))
    assert [row.version for row in store.page_turns(identity(LIVES), before=None, limit=9)] == [1, 3, 2, 1]


def test_what_is_yet_to_be_done_is_as_it_was(store: SqliteStore) -> None:
    """Nothing, where a version knew nothing of it."""
    agenda = read(store, AGENDA)
    names = [(timer.name, timer.due_ms, timer.last, timer.fired) for timer in timers(store)]
    facts = [event.body for event in store.page_events(after=0, limit=999) if event.kind is StoredEventKind.FACTS]
    if agenda.head is None:
        assert (agenda.owed, agenda.operations, names, facts) == ((), (), [], [])
        return
    assert [(owed.admission, owed.sender, owed.correlation_id) for owed in agenda.owed] == [(OWED, ASKING, "c-2")]
    assert [decode_operation(body).name for body in agenda.operations] == ["fetch", "write"]
    assert (agenda.next_due_ms, names) == (5_000, [("a", 5_000 + HOUR_MS, 3, 1), ("c", 5_000, 0, 0)])
    assert (agenda.has_mail, store.pending_mail(agenda.key, limit=9)) == (False, ())
    (late,) = store.undeliverable_mail(identity(AGENDA), absent_before_ms=0, limit=9)
    assert late.mail.content == b'"input 4"'
    returned = store.find_input(identity(AGENDA), given(713))
    assert returned is not None
    assert (returned.state, returned.admission) == (InputState.ABANDONED, None)
    assert encode_facts([Emitted("answered", b"{}")]) in facts


def timers(store: SqliteStore) -> tuple[Timer, ...]:
    """Of the one agent that has any."""
    return store.page_timers(identity(AGENDA), after=None, limit=9)


def test_the_continuity_facade_finds_its_records_and_documents(store: SqliteStore) -> None:
    ann = caller(store, 5, "a")
    assert ann.head() == (5, 1, 1)
    assert [ann.text(1), ann.text(0), ann.text(0, back=1)] == ["v1", "v3", "v2"]
    assert ann.gone(BEN).fencing_token == 5
    with pytest.raises(RecordDeletedError):
        ann.upsert(record(identity=BEN, number=9))
    ann.save(2, ann.ready().record)
    assert ann.head() == (5, 1, 2)


def test_the_runtime_store_facade_finds_its_documents_and_receipts(store: SqliteStore) -> None:
    runtime = RuntimeStore(store)
    assert runtime.load_session_snapshot("facade") == session(*messages("a"))
    states = runtime.load_input_states("facade")
    assert [(state.input_id, state.state, state.attempts) for state in states] == [
        (input_id(1), InputState.CONSUMED, 0),
        (input_id(2), InputState.STAGED, 2),
    ]
    found = runtime.load_boundary_receipt("facade", RUN, 1)
    assert found is not None
    assert (found.contributing_input_ids, found.message_count, found.checkpoint_version) == ((input_id(1),), 1, 1)
    assert runtime.load_runtime_state("facade") is RuntimeState.IDLE
    assert runtime.load_ops_lifecycle("facade") == OPS
    assert runtime.load_auth_oauth_flow_snapshot() == FLOWS
    with pytest.raises(OperationsEpochRetiredError):
        runtime.persist_ops_lifecycle("other", OPS)
    runtime.atomic_apply("facade", None, receipt(2, input_id(3), count=1), [queued(3)], None)
    assert len(runtime.load_input_states("facade")) == 3


# -- how it goes on -----------------------------------------------------------------------


async def test_agents_go_on_with_what_they_had(kept: Path) -> None:
    fetched: list[str] = []

    def fetch(what: str) -> str:
        fetched.append(what)
        return f"fetched {what}"

    async def worker(turn: Turn) -> str:
        return await turn.step("fetch", fetch, turn.text)

    kinds = {"counter": counter, "failing": failing, "worker": worker, "echo": echo}
    with trio.fail_after(20):
        async with open_runtime(kept, agents=kinds, observers=()) as runtime:
            await runtime.wait_idle()
            busy = await runtime.agent("busy")
            assert await told(busy) == ["job 1", "job 2", "job 3"]
            assert await said(busy) == ["fetched job 1", "fetched job 2", "fetched job 3"]
            # The first of them was fetched by the version that kept it.
            assert fetched == ["job 2", "job 3"]
            absent = await runtime.agent("absent", kind="echo")
            await runtime.wait_idle()
            assert await told(absent) == ["mail 1", "mail 2", "mail 3"]
            tally = await runtime.agent("tally")
            assert (await tally.ask("one", idempotency_key="one")).text == "1"
            assert (await tally.ask("four")).text == "4"
            unlucky = await runtime.agent("unlucky")
            (row,) = [record async for record in unlucky.inputs()]
            assert isinstance(row.outcome, Abandoned)
            assert row.outcome.reason is AbandonReason.ATTEMPTS_EXHAUSTED
