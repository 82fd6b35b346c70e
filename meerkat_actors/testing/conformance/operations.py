"""Operations: kept as they were put until they are dropped, for whoever owns their identity next."""

from __future__ import annotations

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.agenda_codec import encode_operation
from meerkat_actors.records.agenda_effects import DropOperation, PutOperation
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.operation import Operation, OperationStatus
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    Writer,
    created,
    identity,
    insert,
    new_session_id,
    read,
    reason,
    uuid_of,
)

FIRST, SECOND, THIRD = (OperationId(uuid_of(number)) for number in (1, 2, 3))


def body(operation_id: OperationId, status: OperationStatus = OperationStatus.RUNNING) -> bytes:
    return encode_operation(Operation(operation_id, "fetch", status=status))


def putting(operation_id: OperationId, status: OperationStatus = OperationStatus.RUNNING) -> PutOperation:
    return PutOperation(operation_id, body(operation_id, status), not status.is_terminal)


@check
def operations_come_back_as_they_were_put(store: Store) -> None:
    """Byte for byte, in the order of their ids, to the owner of their identity and nobody else."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(putting(THIRD), putting(FIRST))
    bob.must_commit(putting(FIRST, OperationStatus.FAILED))
    alice.must_commit(putting(SECOND), alice.boundary())
    assert read(store, "alice").operations == (body(FIRST), body(SECOND), body(THIRD))
    assert read(store, "bob").operations == (body(FIRST, OperationStatus.FAILED),)
    created(store, "carol")
    assert read(store, "carol").operations == read(store, "nobody").operations == ()


@check
def an_operation_is_kept_in_place_of_what_it_was(store: Store) -> None:
    """However often it changes."""
    alice = created(store, "alice")
    alice.must_commit(putting(FIRST), putting(SECOND))
    for status in (OperationStatus.RETIRING, OperationStatus.RETIRED):
        alice.must_commit(putting(FIRST, status))
        assert read(store, "alice").operations == (body(FIRST, status), body(SECOND))


@check
def who_has_an_operation_that_ends_with_its_process_has_work(store: Store) -> None:
    """Until it has ended, or is forgotten; one that goes on elsewhere is no work."""
    alice, bob = created(store, "alice"), created(store, "bob")
    assert store.identities_with_work() == ()
    alice.must_commit(putting(FIRST), putting(SECOND))
    bob.must_commit(PutOperation(THIRD, body(THIRD), is_bound=False))
    assert store.identities_with_work() == (identity("alice"),)
    alice.must_commit(putting(FIRST, OperationStatus.COMPLETED))
    assert store.identities_with_work() == (identity("alice"),)
    alice.must_commit(DropOperation(SECOND))
    assert store.identities_with_work() == ()


@check
def a_dropped_operation_is_forgotten(store: Store) -> None:
    """To drop one that is not there is nothing; it may be put again."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(putting(FIRST))
    alice.must_commit(putting(FIRST), putting(SECOND))
    alice.must_commit(DropOperation(FIRST), DropOperation(THIRD))
    alice.must_commit(DropOperation(FIRST))
    assert read(store, "alice").operations == (body(SECOND),)
    assert read(store, "bob").operations == (body(FIRST),)
    alice.must_commit(putting(FIRST))
    assert read(store, "alice").operations == (body(FIRST), body(SECOND))


@check
def a_refused_unit_leaves_operations_as_they_were(store: Store) -> None:
    """Also one that only drops, which counts nothing."""
    alice = created(store, "alice")
    alice.must_commit(insert(1), putting(FIRST))
    for effect in (putting(SECOND), putting(FIRST, OperationStatus.FAILED), DropOperation(FIRST)):
        assert reason(alice.commit(effect, insert(1))) is RefusalReason.INPUT_STATE_CONFLICT
        assert isinstance(alice.commit(effect, BeginGeneration(alice.session_id)), Refused)
        for belief in ({"token": 2}, {"generation": 1}, {"version": 1}):
            assert isinstance(alice.forged(**belief).commit(effect), Refused)
    assert read(store, "alice").operations == (body(FIRST),)


@check_each({"no JSON": b"operation", "no object": b"1", "no operation": b"{}"})
def an_operation_that_can_not_be_read_breaks_its_identity_only(store: Store, rotten: bytes) -> None:
    """Its owner would stumble over it, again and again; its neighbours are served."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(putting(FIRST))
    alice.must_commit(putting(FIRST), PutOperation(SECOND, rotten))
    assert isinstance(store.activate(identity("alice")), Broken)
    assert isinstance(store.activate(identity("bob")), Activation)
    alice.must_commit(DropOperation(SECOND))
    assert read(store, "alice").operations == (body(FIRST),)


@check_each({"empty": "", "no UUID": "operation", "upper case": uuid_of(0xAB).upper()})
def an_operation_has_a_uuid(store: Store, name: str) -> None:
    """In canonical text."""
    alice = created(store, "alice")
    for effect in (PutOperation(OperationId(name), b"{}"), DropOperation(OperationId(name))):
        outcome = alice.commit(insert(1), effect)
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 1)
    assert read(store, "alice").operations == ()


@check_restarting
def operations_outlive_their_process_and_generation(store: Store, restart: Restart) -> None:
    """What ends them is a matter of their owner."""
    alice = created(store, "alice")
    alice.must_commit(putting(FIRST), putting(SECOND))
    alice.must_commit(DropOperation(SECOND), putting(THIRD))
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert read(store, "alice").operations == (body(FIRST), body(THIRD))
    Writer(store, alice.fence, alice.session_id).must_commit(BeginGeneration(new_session_id()))
    assert read(store, "alice").operations == (body(FIRST), body(THIRD))
