"""What is yet to be done, on disk: what it costs, what rot of it breaks, and where floors and sequences are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.agenda_effects import DropTimer, FireTimer, PutOperation, RecordEvents, SetTimer
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import BeginGeneration, Bury, Effect, OwnerUnit, ReturnMail, SetDesired
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, OperationId
from meerkat_actors.records.inputs import InputKind, Lane
from meerkat_actors.records.mail import derived_id
from meerkat_actors.records.pruning import PruneCursor, PruneKind, PrunePolicy
from meerkat_actors.records.status import Desired
from meerkat_actors.records.timers import TimerCursor
from meerkat_actors.store import SqliteStore, open_reader, open_sqlite
from meerkat_actors.store.recovery import ROW_UNREADABLE
from tests.store.sqlite.keeping import content, execute
from tests.store.writing import created, end, identity, insert, new_run_id, new_session_id, send, take, uuid_of

ALICE: Final = identity("alice")
FACTS: Final = RecordEvents(b"[]")


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    opened = open_sqlite(database, synchronous="normal")
    opened.begin()
    yield opened
    opened.close()


# -- what it costs ------------------------------------------------------------------------


def crowded(path: Path, waiting: int) -> dict[str, int]:
    """Steps of SQLite's machine for each act, where so much mail waits for one, and as many timers for each of two."""
    seen: list[apsw.Connection] = []
    apsw.connection_hooks.append(seen.append)
    store = open_sqlite(path, synchronous="normal")
    apsw.connection_hooks.remove(seen.append)
    owner = OwnerFence(store.begin().incarnation)
    alice, bob, carol = (created(store, name) for name in ("alice", "bob", "carol"))
    for number in range(waiting):
        lane = Lane.STEER if number % 10 == 0 else Lane.QUEUE
        bob.must_commit(send("alice", number, lane=lane), send("absent", number))
    alice.must_commit(*(SetTimer(f"{nth:06}", 5, b"{}") for nth in range(waiting)))
    carol.must_commit(*(SetTimer(f"{nth:06}", 5 + nth, b"{}") for nth in range(waiting)))
    costs: dict[str, int] = {}

    def costing(act: Callable[[], object]) -> int:
        ticks = 0

        def tick() -> bool:
            nonlocal ticks
            ticks += 1
            return False

        seen[-1].set_progress_handler(tick, 1)
        act()
        seen[-1].set_progress_handler(None)
        return ticks

    def cost(name: str, act: Callable[[], object]) -> None:
        act()  # what is compiled or looked up once is no cost of the act
        costs[name] = costing(act)

    key, admissions = alice.fence.key, iter(range(1, 1_000))

    def take_some() -> None:
        mail = store.pending_mail(key, limit=2)
        alice.must_commit(*(take(each, next(admissions)) for each in mail))

    def return_some() -> None:
        found = store.undeliverable_mail(ALICE, absent_before_ms=0, limit=2)
        assert len(found) == 2
        store.post(OwnerUnit(owner, tuple(ReturnMail(each.mail.sequence, ALICE, each.abandoned, 0) for each in found)))

    middle = TimerCursor(due_ms=5, rowid=waiting // 2)
    cost("mail that steers is taken", take_some)
    for _ in range(waiting // 20):
        take_some()
    cost("mail of the queue is taken", take_some)
    cost("it is activated", lambda: store.activate(AgentIdentity("carol")))
    cost("recipients are listed", lambda: store.recipients_with_mail(after=0, limit=9))
    cost("work is looked for", store.identities_with_work)
    cost("nothing is undeliverable", lambda: store.undeliverable_mail(ALICE, absent_before_ms=0, limit=9))
    cost("timers of all", lambda: store.due_timers(now_ms=10, after=None, limit=3))
    cost("timers of all, amid many of one time", lambda: store.due_timers(now_ms=10, after=middle, limit=3))
    cost("no timer is due", lambda: store.due_timers(now_ms=4, after=None, limit=3))
    cost("timers of one", lambda: store.due_timers_of(key, now_ms=9, limit=3))
    cost("timers by name", lambda: store.page_timers(ALICE, after="000007", limit=3))
    cost("a timer is set", lambda: carol.must_commit(SetTimer("new", 7, b"{}")))
    cost("a timer fires", lambda: carol.must_commit(FireTimer("new", 7, 7, AdmissionSequence(1))))
    cost("a timer is dropped", lambda: carol.must_commit(DropTimer("new"), SetTimer("new", 7, b"{}")))
    cost("events", lambda: store.page_events(after=waiting, limit=3))
    alice.must_commit(SetDesired(Desired.STOPPED))
    cost("nothing above the floor", lambda: store.pending_mail(key, limit=9))
    cost("mail is returned", return_some)
    store.close()
    return costs


@pytest.mark.slow
def test_nothing_grows_with_what_waits(tmp_path: Path) -> None:
    few, many = (crowded(tmp_path / f"{waiting}.db", waiting) for waiting in (60, 4_000))
    # Statements run a few steps more or less where a page ends.
    assert {name: (few[name], cost) for name, cost in many.items() if cost > few[name] + 60} == {}


# -- rot ----------------------------------------------------------------------------------

ROT: Final = {
    "an answer owed to nobody": "UPDATE input SET sender = NULL, number = NULL WHERE owed = 1",
    "a request of no known kind": "UPDATE input SET kind = 'telepathy' WHERE owed = 1",
    "a request whose header is none": "UPDATE input SET header = x'7b7d' WHERE owed = 1",
    "an operation that is none": "UPDATE operation SET body = x'00'",
    "an operation without a name": "UPDATE operation SET body = x'7b7d'",
}


@pytest.mark.parametrize("what", ROT)
def test_rot_breaks_its_identity_only(store: SqliteStore, database: Path, what: str) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, kind=InputKind.PEER_REQUEST), SetTimer("a", 7, b"{}"))
    (mail,), run = store.pending_mail(alice.fence.key, limit=9), new_run_id()
    alice.must_commit(take(mail, 1, run))
    alice.must_commit(end(1, run, owes=True), alice.boundary(run))
    operation = OperationId(uuid_of(1))
    body = b'{"name":"fetch","operation_id":"%b"}' % operation.encode()
    alice.must_commit(PutOperation(operation, body))
    sound = store.activate(ALICE)
    assert isinstance(sound, Activation)
    assert ([owed.input_id for owed in sound.owed], sound.operations) == ([mail.input_id], (body,))
    execute(database, "PRAGMA ignore_check_constraints = ON", ROT[what], keep_log=True)
    found = store.activate(ALICE)
    assert isinstance(found, Broken)
    assert (found.identity, found.reason) == ("alice", ROW_UNREADABLE)
    other = store.activate(identity("bob"))
    assert isinstance(other, Activation)
    assert other.next_due_ms == 7
    bob.must_commit(send("alice", 2))


# -- floors and sequences -----------------------------------------------------------------


@pytest.mark.parametrize(
    "sets",
    [SetDesired(Desired.STOPPED), BeginGeneration(new_session_id()), Bury()],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("comes_first", [True, False], ids=["before", "behind"])
def test_a_floor_is_above_all_that_its_own_unit_sends(
    store: SqliteStore, database: Path, sets: Effect, comes_first: bool
) -> None:
    """Wherever it stands in its unit, and whoever is beside it: what others send after it is above."""
    alice, bob = created(store, "alice"), created(store, "bob")
    unit = (sets, send("alice", 1)) if comes_first else (send("alice", 1), sets)
    outcomes = store.commit([alice.unit(*unit), bob.unit(send("alice", 1))])
    assert [type(outcome) for outcome in outcomes] == [Committed, Committed]
    rows = {row["key"]: row for row in content(database)["head"]}
    (own, others) = [row["seq"] for row in content(database)["input"]]
    assert own == rows[alice.fence.key]["mail_floor"]
    assert [mail.sequence for mail in store.pending_mail(alice.fence.key, limit=9)] == [others]


def test_events_are_as_old_as_what_came_next(store: SqliteStore) -> None:
    alice = created(store, "alice")
    alice.must_commit(insert(1, input_id=minted(5)), FACTS)
    alice.must_commit(insert(2, input_id=minted(9)), FACTS)
    alice.must_commit(insert(3, input_id=minted(10)))
    alice.must_commit(DropTimer("none"), FACTS)
    first, second, third = (event.sequence for event in store.page_events(after=0, limit=9) if event.body is not None)
    assert prune_events(store, older_than=0.011) == 0
    assert (prune_events(store, older_than=0.01), prune_events(store, older_than=0.01)) == (1, 0)
    assert store.event_bounds().floor == first
    assert prune_events(store, is_dry_run=True) == 1
    assert prune_events(store) == 1
    assert store.event_bounds().floor == second
    # While nothing came after it, nobody knows how old it is.
    assert [event.sequence for event in store.page_events(after=0, limit=9) if event.body is not None] == [third]


def test_who_only_looks_sees_timers_and_where_events_begin(store: SqliteStore, database: Path) -> None:
    alice = created(store, "alice")
    alice.must_commit(SetTimer("a", 7, b"{}"), SetTimer("b", 6, b"{}"), FACTS)
    looker = open_reader(database)
    assert looker.page_timers(ALICE, after="a", limit=9) == store.page_timers(ALICE, after="a", limit=9) != ()
    assert looker.event_bounds() == store.event_bounds()
    assert looker.page_events(after=0, limit=9) == store.page_events(after=0, limit=9) != ()
    looker.close()


def minted(at_ms: int) -> InputId:
    """An id that was made then."""
    return derived_id(at_ms, "input")


def prune_events(store: SqliteStore, *, older_than: float = 0.0, is_dry_run: bool = False) -> int:
    """How many events went, or would, of those that are older, at a time of 20 ms."""
    order = PrunePolicy(events_older_than_seconds=older_than).order(20, is_dry_run=is_dry_run)
    step = store.prune(order, PruneCursor(PruneKind.EVENTS), limit=9)
    assert (step.kind, step.following) == (PruneKind.EVENTS, None)
    return step.rows
