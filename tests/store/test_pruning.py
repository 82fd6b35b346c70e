"""Pruning, over both stores: the same of the same, for the next process too, and nothing that anybody asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.agenda_effects import RecordEvents
from meerkat_actors.records.effects import Bury, OwnerUnit, ReturnMail, SetDesired
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.pruning import PruneKind, PrunePolicy, minted_ms
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore, RuntimeStore, Store, open_sqlite
from meerkat_actors.testing.conformance import looking
from tests.store.conftest import Restart
from tests.store.pruning_life import DAY_MS, EVERYTHING, NAMES, NOW_MS, POLICIES, live, minted, prune
from tests.store.runtime_writing import RUN, seen
from tests.store.writing import created, duplicate, end, identity, insert, new_input_id, new_run_id, send, uuid_of


def test_both_stores_forget_the_same(database: Path) -> None:
    """Whatever the life, the policy and the chunks: each pair prunes the same, and shows the same afterwards."""
    for number in range(12):
        random = Random(number)
        memory, sqlite = MemoryStore(), open_sqlite(database.with_name(f"{number}.db"), synchronous="normal")
        try:
            pictures: list[object] = []
            reports: list[object] = []
            limits = [random.choice((1, 7, 1_000)) for _ in POLICIES]
            for store in (memory, sqlite):
                store.begin()
                live(store, str(number), inputs=5)
                reports.append(
                    [prune(store, policy, limit=limit) for policy, limit in zip(POLICIES, limits, strict=True)]
                )
                pictures.append(_shape(store))
            assert reports[0] == reports[1]
            assert pictures[0] == pictures[1]
        finally:
            sqlite.close()


def test_both_stores_forget_the_same_facts_and_returned_mail(database: Path) -> None:
    for number in range(8):
        memory, sqlite = MemoryStore(), open_sqlite(database.with_name(f"{number}.db"), synchronous="normal")
        try:
            shown = [_pruned_facts(store, Random(number)) for store in (memory, sqlite)]
            assert shown[0] == shown[1]
        finally:
            sqlite.close()


def _pruned_facts(store: Store, random: Random) -> list[object]:
    owner = store.begin().incarnation
    alice, gone = created(store, "alice"), created(store, "gone")
    for admission in range(1, 20):
        if random.random() < 0.7:
            alice.must_commit(SetDesired(Desired.PAUSED), RecordEvents(b"[%d]" % admission))
        made = minted(NOW_MS - random.randrange(9) * DAY_MS) if random.random() < 0.9 else new_input_id()
        alice.must_commit(insert(admission, input_id=made), send("gone", admission, content=b"[%d]" % admission))
    gone.must_commit(insert(1), Bury())
    found = store.undeliverable_mail(gone.fence.identity, absent_before_ms=0, limit=random.randrange(20))
    effects = tuple(ReturnMail(each.mail.sequence, gone.fence.identity, each.abandoned, 0) for each in found)
    store.post(OwnerUnit(OwnerFence(owner), effects))
    shown: list[object] = []
    for policy in (
        PrunePolicy(events_older_than_seconds=5 * 86_400, keep_inputs=1, dead_letters=True),
        PrunePolicy(keep_inputs=0),
        PrunePolicy(events_older_than_seconds=2 * 86_400, keep_inputs=0, dead_letters=True),
    ):
        shown.append(prune(store, policy, limit=random.choice((1, 7, 1_000))))
        events, floor = store.page_events(after=0, limit=1_000), store.event_bounds().floor
        shown.append([(event.kind, event.identity, event.body, event.sequence <= floor) for event in events])
    return shown


def _shape(store: Store) -> list[object]:
    # Ids are new ones in each store: what is compared is what became of each row.
    return [
        (row.admission, row.state, row.content, row.idempotency_key, row.ending, row.attempts)
        for name in NAMES
        for row in store.page_inputs(identity(name), after=None, limit=99, newest_first=False)
    ]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(POLICIES.index(policy)))
def test_only_content_goes(store: Store, policy: PrunePolicy) -> None:
    live(store)
    before = looking.picture(store, *NAMES)
    facade = seen(RuntimeStore(store), "facade")
    told = prune(store, policy, is_dry_run=True)
    assert looking.picture(store, *NAMES) == before
    report = prune(store, policy, limit=5)
    assert [report.of(kind) for kind in PruneKind] == [told.of(kind) for kind in PruneKind]
    assert prune(store, policy).rows == 0
    after = looking.picture(store, *NAMES)
    # Standings with the session documents that hold, boundaries with their digests, events: all as they were.
    assert after[1:] == before[1:]
    for name in NAMES:
        was, now = before[0][name], after[0][name]
        assert (now[0], now[1], now[3]) == (was[0], was[1], was[3])
        assert [_without_content(row) for row in now[2]] == [_without_content(row) for row in was[2]]
    then = seen(RuntimeStore(store), "facade")
    assert (then[0], *then[2:]) == (facade[0], *facade[2:])
    assert (then[1] is None) == policy.former_snapshots


def _without_content(row: object) -> object:
    return {name: getattr(row, name) for name in row.__slots__ if name not in {"content", "__weakref__"}}  # type: ignore[attr-defined]


@pytest.mark.parametrize("clean", [True, False], ids=["a clean end", "no end"])
def test_a_pruned_key_is_recognised_by_the_next_process(store: Store, restart: Restart, clean: bool) -> None:
    alice = created(store, "alice")
    run, one = new_run_id(), minted(NOW_MS)
    alice.must_commit(insert(1, run=run, key="job", input_id=one))
    alice.must_commit(end(1, run), alice.boundary(run))
    assert prune(store, EVERYTHING).inputs.rows == 1
    alice.store = restart(clean)
    alice.store.begin()
    first = duplicate(alice.commit(insert(2, key="job")))
    assert (first.first, first.same_content) == (one, True)
    assert not duplicate(alice.commit(insert(2, key="job", content=b"2"))).same_content
    row = alice.store.find_input(identity("alice"), one)
    assert row is not None
    assert (row.state, row.is_pruned, row.turn is not None) == (InputState.CONSUMED, True, True)
    alice.must_commit(insert(2, key="other"))
    assert prune(alice.store, EVERYTHING).rows == 0


def test_the_runtime_facade_goes_on_with_what_is_left(store: Store) -> None:
    live(store)
    prune(store, EVERYTHING)
    facade = RuntimeStore(store)
    assert facade.load_former_session_snapshot("facade") is None
    assert [len(state.content) > 0 for state in facade.load_input_states("facade")] == [True] * 3
    assert facade.load_boundary_receipt("facade", RUN, 1) is not None
    current = facade.load_session_snapshot("facade")
    assert current is not None
    facade.clear_session_snapshot("facade")
    assert facade.load_former_session_snapshot("facade") == current
    assert prune(store, EVERYTHING).documents.rows == 0


# -- what a policy may say ----------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: PrunePolicy(keep_inputs=-1),
        lambda: PrunePolicy(keep_inputs=True),
        lambda: PrunePolicy(keep_inputs=2**63),
        lambda: PrunePolicy(older_than_seconds=-1),
        lambda: PrunePolicy(older_than_seconds=float("nan")),
        lambda: PrunePolicy(older_than_seconds=float("inf")),
        lambda: PrunePolicy(older_than_seconds="30d"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        lambda: PrunePolicy(dead_letters=1),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        lambda: PrunePolicy(former_snapshots=None),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ],
)
def test_a_policy_of_another_form_is_refused(make: Callable[[], PrunePolicy]) -> None:
    with pytest.raises(InvalidValueError, match=r"^PrunePolicy\(\w+=.*\): use "):
        make()


def test_an_id_of_version_7_tells_its_time_and_no_other_does() -> None:
    assert minted_ms(bytes.fromhex(minted(NOW_MS).replace("-", ""))) == NOW_MS
    assert minted_ms(bytes.fromhex(uuid_of(7).replace("-", ""))) is None
