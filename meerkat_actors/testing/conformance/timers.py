"""Timers: each is due at its time, fires once for it, and is its identity's alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meerkat_actors.records.agenda_effects import DropTimer, DropTimers, FireTimer, SetTimer
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity
from meerkat_actors.records.timers import Timer
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    Writer,
    changed,
    created,
    identity,
    insert,
    new_session_id,
    read,
    reason,
)

CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT
NOON: Final = 1_800_000_000_000
"""Some time of the wall clock, in milliseconds."""
PLAN: Final = b'{"plan":1}'
"""What a store does not look into."""


def timer(name: str, due_ms: int, *, body: bytes = PLAN, last: int = 0, fired: int = 0) -> Timer:
    return Timer(name, due_ms, body, AdmissionSequence(last), fired)


def setting(name: str, due_ms: int, body: bytes = PLAN) -> SetTimer:
    return SetTimer(name, due_ms, body)


def firing(name: str, was_due_ms: int, due_ms: int | None = None, last: int = 0) -> FireTimer:
    return FireTimer(name, was_due_ms, due_ms, AdmissionSequence(last))


def timers(store: Store, name: str = "alice") -> list[Timer]:
    return [*store.page_timers(identity(name), after=None, limit=99)]


def due(store: Store, writer: Writer, now_ms: int, limit: int = 99) -> list[str]:
    return [each.name for each in store.due_timers_of(writer.fence.key, now_ms=now_ms, limit=limit)]


def looked(store: Store, now_ms: int, limit: int = 99) -> tuple[list[AgentIdentity], int | None]:
    """Whose timers are due, by as many looks as it takes, and when the next one is."""
    names: list[AgentIdentity] = []
    look = store.due_timers(now_ms=now_ms, after=None, limit=limit)
    for _ in range(99):
        assert len(set(look.identities)) == len(look.identities) <= limit
        names += look.identities
        if look.cursor is None:
            return names, look.next_due_ms
        assert look.next_due_ms is None
        look = store.due_timers(now_ms=now_ms, after=look.cursor, limit=limit)
    problem = "the looks come to no end"
    raise AssertionError(problem)


# -- when it is due -----------------------------------------------------------------------


@check
def a_timer_is_due_at_its_time(store: Store) -> None:
    """Not a millisecond earlier; until it is dropped or fires it stays due."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    assert timers(store) == [timer("t", NOON)]
    assert read(store, "alice").next_due_ms == NOON
    assert due(store, alice, NOON - 1) == []
    assert looked(store, NOON - 1) == ([], NOON)
    for now_ms in (NOON, NOON + 1, COUNTER_MAX):
        assert store.due_timers_of(alice.fence.key, now_ms=now_ms, limit=9) == (timer("t", NOON),)
        assert looked(store, now_ms) == (["alice"], None)
    assert store.identities_with_work() == ()


@check
def without_timers_nothing_is_due(store: Store) -> None:
    """Of anybody."""
    alice = created(store, "alice")
    assert (timers(store), timers(store, "nobody")) == ([], [])
    assert due(store, alice, COUNTER_MAX) == []
    assert looked(store, COUNTER_MAX) == ([], None)
    assert (read(store, "alice").next_due_ms, read(store, "nobody").next_due_ms) == (0, 0)


@check
def timers_of_one_come_in_the_order_of_their_times_and_names(store: Store) -> None:
    """Those that are due, and as many as were asked for; the first of them is the next."""
    alice = created(store, "alice")
    alice.must_commit(setting("c", NOON + 2), setting("b", NOON + 1), setting("a", NOON + 3))
    alice.must_commit(setting("d", NOON + 1), setting("B", NOON + 1))
    assert due(store, alice, NOON + 3) == ["B", "b", "d", "c", "a"]
    assert due(store, alice, NOON + 1) == ["B", "b", "d"]
    assert due(store, alice, NOON + 3, limit=2) == ["B", "b"]
    assert due(store, alice, NOON + 3, limit=0) == []
    assert read(store, "alice").next_due_ms == NOON + 1


@check
def timers_are_paged_by_their_names(store: Store) -> None:
    """Whenever they are due; from beyond any name."""
    alice = created(store, "alice")
    names = ["a", "b/1", "b/2", "ä", "😀"]
    for number, name in enumerate(names):
        alice.must_commit(setting(name, NOON - number))
    assert [each.name for each in timers(store)] == names
    for limit in (1, 2, 9):
        seen: list[str] = []
        while page := store.page_timers(identity("alice"), after=seen[-1] if seen else None, limit=limit):
            seen += [each.name for each in page]
            assert len(seen) <= len(names)
        assert seen == names
    assert [each.name for each in store.page_timers(identity("alice"), after="b", limit=1)] == ["b/1"]
    assert store.page_timers(identity("alice"), after=None, limit=0) == ()


@check
def each_has_its_own_timers(store: Store) -> None:
    """Names are an identity's; who fires or drops touches nobody else's."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(setting("t", NOON))
    bob.must_commit(setting("t", NOON), setting("u", NOON))
    alice.must_commit(DropTimer("u"))
    alice.must_commit(DropTimers())
    assert (timers(store), len(timers(store, "bob"))) == ([], 2)
    assert reason(alice.commit(firing("t", NOON))) is CONFLICT
    bob.must_commit(firing("t", NOON))
    assert timers(store, "bob") == [timer("u", NOON)]


# -- setting, firing, dropping ------------------------------------------------------------


@check
def a_name_that_is_set_again_is_another_timer(store: Store) -> None:
    """It has not fired, and nothing is due at the former time."""
    alice = created(store, "alice")
    alice.must_commit(insert(1), setting("t", NOON))
    alice.must_commit(firing("t", NOON, NOON + 10, last=1))
    assert timers(store) == [timer("t", NOON + 10, last=1, fired=1)]
    alice.must_commit(setting("t", NOON + 5, b'"other"'))
    assert timers(store) == [timer("t", NOON + 5, body=b'"other"')]
    assert due(store, alice, NOON + 4) == []
    assert looked(store, NOON + 5) == (["alice"], None)
    assert reason(alice.commit(firing("t", NOON + 10))) is CONFLICT
    alice.must_commit(setting("t", NOON + 20))
    assert looked(store, NOON + 19) == ([], NOON + 20)


@check
def a_timer_fires_once_for_each_of_its_times(store: Store) -> None:
    """Firing moves it to its next time, and tells the input that it fired last and how often it fired."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    alice.must_commit(insert(1), firing("t", NOON, NOON + 10, last=1))
    assert timers(store) == [timer("t", NOON + 10, last=1, fired=1)]
    assert (due(store, alice, NOON + 9), read(store, "alice").next_due_ms) == ([], NOON + 10)
    for wrong in (NOON, NOON + 9, NOON + 11):
        outcome = alice.commit(insert(2), firing("t", wrong, NOON + 20, last=2))
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    alice.must_commit(firing("t", NOON + 10, NOON + 20, last=1))  # skipped
    assert timers(store) == [timer("t", NOON + 20, last=1, fired=2)]
    assert [held.admission for held in read(store, "alice").queued] == [1]


@check
def a_timer_without_a_next_time_ends(store: Store) -> None:
    """What fires once is there no more."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON), setting("u", NOON + 1))
    alice.must_commit(insert(1), firing("t", NOON, last=1))
    assert timers(store) == [timer("u", NOON + 1)]
    assert looked(store, NOON) == ([], NOON + 1)
    assert reason(alice.commit(firing("t", NOON))) is CONFLICT


@check
def what_is_not_set_does_not_fire(store: Store) -> None:
    """Whenever it is said to be due."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    alice.must_commit(DropTimer("t"))
    for name in ("t", "never"):
        assert reason(alice.commit(firing(name, NOON, NOON + 1))) is CONFLICT
    assert timers(store) == []


@check
def dropping_what_is_not_there_is_nothing(store: Store) -> None:
    """One or all."""
    alice = created(store, "alice")
    alice.must_commit(DropTimer("t"))
    alice.must_commit(DropTimers())
    alice.must_commit(setting("t", NOON), setting("u", NOON), setting("v", NOON))
    alice.must_commit(DropTimer("u"))
    assert [each.name for each in timers(store)] == ["t", "v"]
    alice.must_commit(DropTimers())
    assert (timers(store), looked(store, NOON), read(store, "alice").next_due_ms) == ([], ([], None), 0)


@check
def a_unit_that_only_drops_is_fenced_too(store: Store) -> None:
    """Whoever believes wrongly changes nothing, though nothing of it is counted."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    for belief in ({"token": 2}, {"generation": 1}, {"version": 1}):
        stale = alice.forged(**belief)
        assert isinstance(stale.commit(DropTimer("t")), Refused)
        assert isinstance(stale.commit(DropTimers()), Refused)
        assert isinstance(stale.commit(setting("u", NOON)), Refused)
        assert isinstance(stale.commit(firing("t", NOON)), Refused)
    assert timers(store) == [timer("t", NOON)]


@check
def a_refused_unit_leaves_timers_as_they_were(store: Store) -> None:
    """What it set is not there, and what it fired or dropped is due."""
    alice = created(store, "alice")
    alice.must_commit(insert(1), setting("t", NOON), setting("u", NOON))
    for effect in (setting("new", NOON), setting("t", NOON + 9), firing("t", NOON, NOON + 9), DropTimer("t")):
        assert isinstance(alice.commit(effect, firing("v", NOON)), Refused)
        assert isinstance(alice.commit(effect, insert(1)), Refused)
    assert isinstance(alice.commit(DropTimers(), BeginGeneration(alice.session_id)), Refused)
    assert timers(store) == [timer("t", NOON), timer("u", NOON)]
    assert (due(store, alice, NOON), looked(store, NOON)) == (["t", "u"], (["alice"], None))
    assert read(store, "alice").next_due_ms == NOON


@check
def timers_go_on_across_boundaries_claims_and_generations(store: Store) -> None:
    """Until a unit drops them."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON), alice.boundary())
    successor, claim = alice.claiming()
    successor.must_commit(claim)
    successor.must_commit(BeginGeneration(new_session_id()))
    assert timers(store) == [timer("t", NOON)]
    successor.must_commit(DropTimers(), BeginGeneration(new_session_id()))
    assert timers(store) == []


@check_restarting
def timers_outlive_their_process(store: Store, restart: Restart) -> None:
    """And fire once, in whichever."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON), setting("u", NOON + 1))
    alice.must_commit(firing("t", NOON, NOON + 2, last=1))
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert timers(store) == [timer("t", NOON + 2, last=1, fired=1), timer("u", NOON + 1)]
        assert looked(store, NOON + 1) == (["alice"], NOON + 2)
    again = Writer(store, alice.fence, alice.session_id)
    assert reason(again.commit(firing("t", NOON))) is CONFLICT


# -- ranges -------------------------------------------------------------------------------

_NAMES: Final = MappingProxyType({"empty": "", "long": "x" * 513, "NUL": "\0x", "surrogate": "\ud800"})


@check_each(_NAMES)
def a_name_that_no_row_takes_is_out_of_range(store: Store, name: str) -> None:
    """A name is 1 to 512 characters."""
    alice = created(store, "alice")
    for effect in (setting(name, NOON), firing(name, NOON), DropTimer(name)):
        assert reason(alice.commit(insert(1), effect)) is RefusalReason.OUT_OF_RANGE
    alice.must_commit(setting("x" * 512, NOON))
    assert timers(store) == [timer("x" * 512, NOON)]


@check_each({str(number): number for number in (-1, COUNTER_MAX + 1, True)})
def a_time_is_a_counter(store: Store, number: int) -> None:
    """As is the admission of what fired."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    assert reason(alice.commit(setting("t", number))) is RefusalReason.OUT_OF_RANGE
    for field in ("was_due_ms", "due_ms", "last"):
        odd = changed(firing("t", NOON, NOON), **{field: number})
        assert reason(alice.commit(odd)) is RefusalReason.OUT_OF_RANGE
    assert timers(store) == [timer("t", NOON)]
