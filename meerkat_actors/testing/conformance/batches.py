"""A batch is one transaction of independent units: whatever is refused, wherever it stands, the others commit."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity, Unit
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    Writer,
    created,
    identity,
    insert,
    new_input_id,
    new_run_id,
    read,
    send,
    stage,
    take,
    unborn,
)

SIZE: Final = 64

Bad = tuple[Callable[[Writer], Unit], type[CommitOutcome]]

BAD: Final = MappingProxyType[str, Bad](
    {
        "stale": (lambda writer: writer.forged(version=7).unit(insert(1)), Refused),
        "out of range": (lambda writer: writer.forged(token=0).unit(insert(1)), Refused),
        "used key": (lambda writer: writer.unit(insert(2, key="used")), DuplicateInput),
        "nothing to stage": (lambda writer: writer.unit(stage(5, new_run_id())), Refused),
        "created before": (lambda writer: writer.unit(CreateIdentity("worker", writer.session_id)), Refused),
        "stale, without effects": (lambda writer: writer.forged(version=7).unit(), Refused),
    }
)
"""Units that are refused, and how."""

WHERE: Final = MappingProxyType(
    {
        "the first": {0},
        "the last": {SIZE - 1},
        "one in the middle": {SIZE // 2},
        "some": {3, 4, 40},
        "every other one": set(range(0, SIZE, 2)),
        "all": set(range(SIZE)),
    }
)
"""Which units of the batch they are."""

PLACED: Final = MappingProxyType(
    {f"{what}: {where}": (bad, places) for what, bad in BAD.items() for where, places in WHERE.items()}
)


def writers_in(store: Store) -> list[Writer]:
    """Each has one input under the key "used"."""
    made = [unborn(store, f"agent-{number}") for number in range(SIZE)]
    outcomes = store.commit(
        [made[n].unit(CreateIdentity("worker", made[n].session_id), insert(1, key="used")) for n in range(SIZE)]
    )
    assert all(isinstance(outcome, Committed) for outcome in outcomes)
    return made


def good(writer: Writer) -> Unit:
    return writer.unit(insert(2), writer.boundary())


@check_each(PLACED)
def bad_units_are_refused_and_all_others_commit(store: Store, placed: tuple[Bad, set[int]]) -> None:
    """Wherever units that are refused stand in a large batch, and however many: one outcome each, in order."""
    writers = writers_in(store)
    (make, refusal), where = placed
    outcomes = store.commit([make(writer) if n in where else good(writer) for n, writer in enumerate(writers)])
    assert [type(outcome) for outcome in outcomes] == [refusal if n in where else Committed for n in range(SIZE)]
    for number in range(SIZE):
        now = read(store, f"agent-{number}")
        assert now.head is not None
        assert (now.admissions, now.head.version) == ((1, 0) if number in where else (2, 1))


@check
def units_of_one_identity_commit_in_their_order(store: Store) -> None:
    """A unit sees what those before it in its batch committed, the checkpoint version first of all."""
    alice, bob = created(store, "alice"), created(store, "bob")
    first = alice.boundary()
    after = alice.forged(version=1)
    outcomes = store.commit(
        [
            alice.unit(insert(1), first),
            bob.unit(insert(1)),
            after.unit(insert(2), after.boundary()),
            alice.unit(insert(3)),  # the first unit moved the version on
            after.forged(version=2).unit(insert(3)),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Committed, Committed, Refused, Committed]
    assert outcomes[3] == Refused(reason=RefusalReason.STALE_CHECKPOINT_VERSION, effect=-1, current="version 2")
    assert read(store, "alice").admissions == 3


@check
def a_unit_may_build_on_another_of_its_batch(store: Store) -> None:
    """An identity that one unit creates can be written to, and written by, in the next."""
    alice, newborn = created(store, "alice"), unborn(store, "newborn")
    outcomes = store.commit(
        [
            newborn.unit(CreateIdentity("worker", newborn.session_id)),
            alice.unit(send("newborn", 1)),
            newborn.unit(insert(1)),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed] * 3
    assert read(store, "newborn").key == newborn.fence.key
    assert read(store, "newborn").has_mail


@check
def a_refused_take_leaves_the_rest_of_the_batch(store: Store) -> None:
    """Mail that is another's is refused to its taker only."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1), send("carol", 2))
    (for_alice,) = store.pending_mail(alice.fence.key, limit=9)
    (for_carol,) = store.pending_mail(carol.fence.key, limit=9)
    outcomes = store.commit([alice.unit(take(for_carol, 1)), carol.unit(take(for_carol, 1)), bob.unit(insert(1))])
    assert [type(outcome) for outcome in outcomes] == [Refused, Committed, Committed]
    alice.must_commit(take(for_alice, 1))


@check
def the_same_id_all_over_a_batch_is_admitted_once(store: Store) -> None:
    """The first unit of a batch that uses an input id has it; each other one is told whose it is."""
    writers = writers_in(store)
    known = new_input_id()
    outcomes = store.commit([writer.unit(insert(2, input_id=known)) for writer in writers])
    assert outcomes[0] == Committed(writers[0].fence.version)
    assert outcomes[1:] == [
        DuplicateInput(effect=0, identity=identity("agent-0"), first=known, admission=2, same_content=False)
    ] * (SIZE - 1)
