"""Mail that nobody can take any more, and whom there is mail for at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.effects import BeginGeneration, Bury, SetDesired
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, InputId
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.mail import Returnable, derived_id
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.timers import NOON
from meerkat_actors.testing.conformance.writing import (
    Writer,
    created,
    identity,
    new_input_id,
    new_session_id,
    read,
    send,
    take,
)


def stop(writer: Writer) -> None:
    writer.must_commit(SetDesired(Desired.STOPPED))


def reset(writer: Writer) -> None:
    writer.must_commit(BeginGeneration(new_session_id()))


def retire(writer: Writer) -> None:
    writer.must_commit(SetDesired(Desired.RETIRED))


def destroy(writer: Writer) -> None:
    writer.must_commit(Bury())


ENDS: Final[Mapping[str, Callable[[Writer], None]]] = MappingProxyType(
    {"stopped": stop, "reset": reset, "retired": retire, "destroyed": destroy}
)


def id_at(now_ms: int, number: int) -> InputId:
    """The id of something that was made then."""
    return derived_id(now_ms, str(number))


def undeliverable(store: Store, name: str, *, before_ms: int = NOON, limit: int = 99) -> tuple[Returnable, ...]:
    return store.undeliverable_mail(identity(name), absent_before_ms=before_ms, limit=limit)


def recipients(store: Store, after: int = 0, limit: int = 99) -> list[AgentIdentity]:
    return [each.identity for each in store.recipients_with_mail(after=after, limit=limit)]


@check_each({name: (name, end) for name, end in ENDS.items()})
def what_waits_for_who_is_gone_is_found_with_why(store: Store, case: tuple[str, Callable[[Writer], None]]) -> None:
    """All of it, in the order in which it was sent, whatever its lane."""
    name, end = case
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("alice", 2, lane=Lane.STEER), send("alice", 3), send("bob", 4))
    mail = sorted(store.pending_mail(alice.fence.key, limit=9), key=lambda one: one.sequence)
    assert undeliverable(store, "alice") == ()
    end(alice)
    assert [each.mail for each in undeliverable(store, "alice")] == mail
    assert {each.abandoned.reason for each in undeliverable(store, "alice")} == {AbandonReason(name)}
    for limit in (0, 1, 2):
        assert [each.mail for each in undeliverable(store, "alice", limit=limit)] == mail[:limit]
    assert undeliverable(store, "bob") == ()


@check
def what_was_sent_above_the_floor_may_be_taken_yet(store: Store) -> None:
    """Who was stopped may be opened again; of what was below, the reason is what is wanted of it now."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (below,) = store.pending_mail(alice.fence.key, limit=9)
    stop(alice)
    bob.must_commit(send("alice", 2), send("alice", 3, lane=Lane.STEER))
    (only,) = undeliverable(store, "alice")
    assert (only.mail, only.abandoned.reason) == (below, AbandonReason.STOPPED)
    alice.must_commit(SetDesired(Desired.OPEN))
    (only,) = undeliverable(store, "alice")
    assert (only.mail, only.abandoned.reason) == (below, AbandonReason.RESET)


@check
def who_retires_or_is_destroyed_takes_nothing_that_came_later(store: Store) -> None:
    """Nor what was below a floor before: one reason holds for all of it."""
    alice, carol, bob = created(store, "alice"), created(store, "carol"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("carol", 2))
    stop(alice)
    stop(carol)
    retire(alice)
    destroy(carol)
    bob.must_commit(send("alice", 3), send("carol", 4))
    assert [each.abandoned.reason for each in undeliverable(store, "alice")] == [AbandonReason.RETIRED] * 2
    assert [each.abandoned.reason for each in undeliverable(store, "carol")] == [AbandonReason.DESTROYED] * 2


@check
def mail_for_nobody_is_found_when_it_is_old(store: Store) -> None:
    """Its id, a UUIDv7, says when it was made; of another id nobody knows, so it waits on."""
    bob = created(store, "bob")
    old, young = id_at(NOON - 1, 1), id_at(NOON, 2)
    bob.must_commit(
        send("later", 1, input_id=young), send("later", 2, input_id=old), send("later", 3, input_id=new_input_id())
    )
    (only,) = undeliverable(store, "later")
    assert (only.mail.input_id, only.abandoned.reason) == (old, AbandonReason.UNDELIVERABLE)
    assert undeliverable(store, "later", before_ms=NOON - 1) == ()
    assert [each.mail.input_id for each in undeliverable(store, "later", before_ms=NOON + 1)] == [young, old]
    assert undeliverable(store, "nobody wrote to") == ()
    created(store, "later")
    assert undeliverable(store, "later", before_ms=COUNTER_MAX) == ()


@check
def recipients_are_paged_by_their_keys(store: Store) -> None:
    """Whoever has mail is one, whether it can be taken, and whether anybody was created under the name."""
    bob, alice = created(store, "bob"), created(store, "alice")
    for number, name in enumerate(("alice", "nobody", "alice", "bob"), 1):
        bob.must_commit(send(name, number, lane=Lane(number % 2)))
    created(store, "carol")
    destroy(alice)
    everybody = store.recipients_with_mail(after=0, limit=99)
    assert {each.identity for each in everybody} == {"alice", "bob", "nobody"}
    assert [each.key for each in everybody] == sorted({each.key for each in everybody})
    assert all(each.key == read(store, each.identity).key for each in everybody)
    seen: list[AgentIdentity] = []
    after = 0
    while page := store.recipients_with_mail(after=after, limit=1):
        seen += [each.identity for each in page]
        assert len(seen) <= len(everybody)
        after = page[-1].key
    assert seen == [each.identity for each in everybody]
    assert recipients(store, limit=0) == recipients(store, after=COUNTER_MAX) == []


@check
def who_took_all_of_its_mail_is_no_recipient(store: Store) -> None:
    """What is admitted waits for nobody."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("alice", 2))
    first, second = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(first, 1))
    assert recipients(store) == ["alice"]
    alice.must_commit(take(second, 2))
    assert recipients(store) == []
