"""Whose timers are due: one look at those of everybody, and the next."""

from __future__ import annotations

from types import MappingProxyType

from meerkat_actors.records.effects import Bury, SetDesired
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.timers import NOON, due, firing, looked, setting
from meerkat_actors.testing.conformance.writing import created


@check_each(MappingProxyType({str(limit): limit for limit in (1, 2, 3, 99)}))
def looks_of_any_size_meet_everybody_who_is_due(store: Store, limit: int) -> None:
    """In the order of their times; whoever has several in one look is named once in it."""
    writers = [created(store, f"a{number}") for number in range(4)]
    for number, writer in enumerate(writers):
        writer.must_commit(setting("t", NOON + 10 - number), setting("u", NOON + 10 - number))
        writer.must_commit(setting("later", NOON + 100 + number))
    names, following = looked(store, NOON + 10, limit)
    assert [*dict.fromkeys(names)] == ["a3", "a2", "a1", "a0"]
    assert following == NOON + 100
    names, following = looked(store, NOON + 8, limit)
    assert [*dict.fromkeys(names)] == ["a3", "a2"]
    assert following == NOON + 9


@check
def a_look_goes_on_from_where_the_last_one_came_to(store: Store) -> None:
    """What fires in between is not there, and what is set in between is met if it is later."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(setting("1", NOON + 1))
    bob.must_commit(setting("2", NOON + 2), setting("4", NOON + 4))
    look = store.due_timers(now_ms=NOON + 9, after=None, limit=1)
    assert (look.identities, look.next_due_ms) == (("alice",), None)
    bob.must_commit(firing("2", NOON + 2))
    alice.must_commit(setting("3", NOON + 3), setting("0", NOON))
    look = store.due_timers(now_ms=NOON + 9, after=look.cursor, limit=1)
    assert look.identities == ("alice",)
    look = store.due_timers(now_ms=NOON + 9, after=look.cursor, limit=1)
    assert look.identities == ("bob",)


@check_each(MappingProxyType({word.value: word for word in Desired if word is not Desired.DESTROYED}))
def only_of_who_takes_something_in_timers_are_due(store: Store, word: Desired) -> None:
    """Who is stopped or retired fires nothing, and nobody is woken for it; its timers are there when it is opened."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(setting("t", NOON), setting("u", NOON + 5))
    bob.must_commit(setting("t", NOON + 7))
    alice.must_commit(SetDesired(word))
    is_out = word in {Desired.STOPPED, Desired.RETIRED}
    assert looked(store, NOON) == ([] if is_out else ["alice"], NOON + 7 if is_out else NOON + 5)
    assert due(store, alice, NOON) == ["t"]
    alice.must_commit(SetDesired(Desired.OPEN))
    assert looked(store, NOON) == (["alice"], NOON + 5)


@check
def timers_of_the_dead_are_not_due(store: Store) -> None:
    """Whoever forgot to drop them."""
    alice = created(store, "alice")
    alice.must_commit(setting("t", NOON))
    alice.must_commit(Bury())
    assert looked(store, NOON) == ([], None)
