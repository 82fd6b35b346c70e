"""The same input again: an id is used once in the store, a key once in its identity."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meerkat_actors.records.commits import DuplicateInput, RefusalReason
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    created,
    duplicate,
    end,
    identity,
    insert,
    new_input_id,
    new_run_id,
    read,
    reason,
    send,
    take,
)

KEYS: Final = MappingProxyType({"not ASCII": "ключ", "with NUL": "a\0b", "long": "x" * 256, "empty": ""})


@check
def the_same_id_again_names_the_first(store: Store) -> None:
    """A used input id is answered with the first input, and with whether the content was the same."""
    alice = created(store, "alice")
    known = new_input_id()
    alice.must_commit(insert(1, input_id=known))
    assert alice.commit(insert(2, input_id=known)) == DuplicateInput(
        effect=0, identity=identity("alice"), first=known, admission=1, same_content=True
    )
    assert not duplicate(alice.commit(insert(2, input_id=known, content=b"2"))).same_content


@check
def the_same_key_again_names_the_first(store: Store) -> None:
    """A used idempotency key is answered with the first input, though the new input's id is another."""
    alice = created(store, "alice")
    first = insert(1, key="job-1")
    alice.must_commit(first)
    assert alice.commit(insert(2, key="job-1")) == DuplicateInput(
        effect=0, identity=identity("alice"), first=first.input_id, admission=1, same_content=True
    )
    assert not duplicate(alice.commit(insert(2, key="job-1", content=b'"other"'))).same_content
    alice.must_commit(insert(2, key="job-2"))


@check
def the_id_is_looked_at_before_the_key(store: Store) -> None:
    """Where id and key name different inputs, the id's is the first one."""
    alice = created(store, "alice")
    one, two = insert(1, key="one"), insert(2, key="two")
    alice.must_commit(one, two)
    assert duplicate(alice.commit(insert(3, input_id=one.input_id, key="two"))).first == one.input_id


@check
def an_id_and_a_key_given_together_must_name_the_same_input(store: Store) -> None:
    """An id and a key that name different inputs are a conflict, and no repetition of either."""
    alice = created(store, "alice")
    with_key, without = insert(1, key="one"), insert(2)
    alice.must_commit(with_key, without)
    assert duplicate(alice.commit(insert(3, input_id=with_key.input_id, key="one"))).same_content
    assert duplicate(alice.commit(insert(3, input_id=with_key.input_id))).same_content
    assert not duplicate(alice.commit(insert(3, input_id=with_key.input_id, key="two"))).same_content
    assert not duplicate(alice.commit(insert(3, input_id=without.input_id, key="one"))).same_content


@check_restarting
def a_key_stands_for_its_input_for_ever(store: Store, restart: Restart) -> None:
    """An idempotency key outlives its input's end and the process."""
    alice = created(store, "alice")
    run = new_run_id()
    first = insert(1, key="job", run=run)
    alice.must_commit(first)
    alice.must_commit(end(1, run, GIVEN_UP))
    alice.store = restart(clean=False)
    alice.store.begin()
    assert duplicate(alice.commit(insert(2, key="job"))).first == first.input_id


@check
def another_identity_may_use_the_same_key(store: Store) -> None:
    """Idempotency keys are each identity's own."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(insert(1, key="job"))
    bob.must_commit(insert(1, key="job"))


@check
def another_identitys_id_is_refused_whatever_it_holds(store: Store) -> None:
    """Input ids are used once in the whole store, and never by another identity as the same input."""
    alice, bob = created(store, "alice"), created(store, "bob")
    known = new_input_id()
    alice.must_commit(insert(1), insert(2, input_id=known))
    assert bob.commit(insert(1), insert(2, input_id=known)) == DuplicateInput(
        effect=1, identity=identity("alice"), first=known, admission=2, same_content=False
    )


@check
def mail_that_was_not_taken_has_admission_zero(store: Store) -> None:
    """A duplicate of waiting mail has admission 0, and the one it was taken under from then on."""
    alice, bob = created(store, "alice"), created(store, "bob")
    known = new_input_id()
    bob.must_commit(send("alice", 1, input_id=known))
    again = duplicate(alice.commit(insert(1, input_id=known)))
    assert (again.admission, again.same_content) == (0, True)
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    alice.must_commit(take(mail, 1))
    assert duplicate(alice.commit(insert(2, input_id=known))).admission == 1


@check
def mail_is_not_sent_twice(store: Store) -> None:
    """Mail under a used id is a duplicate, and the boundary that would send it does not commit."""
    bob = created(store, "bob")
    known = new_input_id()
    bob.must_commit(send("alice", 1, input_id=known))
    again = duplicate(bob.commit(send("alice", 2, input_id=known), bob.boundary()))
    assert (again.identity, again.admission, again.same_content) == ("alice", 0, True)
    assert not duplicate(bob.commit(send("carol", 2, input_id=known))).same_content
    assert bob.fence.version == 0


@check
def a_duplicate_within_one_unit_is_one_too(store: Store) -> None:
    """Two inputs of one unit may not share a key, and neither is admitted."""
    alice = created(store, "alice")
    again = duplicate(alice.commit(insert(1, key="job"), insert(2, key="job")))
    assert (again.effect, again.admission) == (1, 1)
    assert read(store, "alice").admissions == 0


@check
def the_first_of_two_in_one_batch_wins(store: Store) -> None:
    """Units of a batch meet each other's input ids in order."""
    alice, bob = created(store, "alice"), created(store, "bob")
    known = new_input_id()
    first, second = store.commit([alice.unit(insert(1, input_id=known)), bob.unit(insert(1, input_id=known))])
    assert not isinstance(first, DuplicateInput)
    assert duplicate(second).identity == "alice"


@check
def mail_and_admission_of_one_id_in_one_batch_are_in_the_batchs_order(store: Store) -> None:
    """Ids of mail and of admissions are of one kind."""
    alice, bob = created(store, "alice"), created(store, "bob")
    known = new_input_id()
    first, second = store.commit([bob.unit(send("alice", 1, input_id=known)), alice.unit(insert(1, input_id=known))])
    assert not isinstance(first, DuplicateInput)
    assert duplicate(second).admission == 0


@check
def an_admission_is_given_once(store: Store) -> None:
    """An identity's admission number is taken by one input or one mail; other identities have their own."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    alice.must_commit(insert(1))
    assert reason(alice.commit(insert(1))) is RefusalReason.INPUT_STATE_CONFLICT
    assert reason(alice.commit(take(mail, 1))) is RefusalReason.INPUT_STATE_CONFLICT
    bob.must_commit(insert(1))


@check_each(KEYS)
def a_key_is_any_text(store: Store, key: str) -> None:
    """Idempotency keys are compared as they are: with NUL, empty, long, or not in ASCII."""
    alice = created(store, "alice")
    alice.must_commit(insert(1, key=key))
    assert duplicate(alice.commit(insert(2, key=key))).admission == 1
    alice.must_commit(insert(2, key=f"{key}!"))
