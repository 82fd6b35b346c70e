"""A unit is all or nothing, whichever effect is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from attrs import frozen

from meerkat_actors.records.commits import Committed, DuplicateInput, Refused
from meerkat_actors.records.effects import BeginGeneration, CreateIdentity, DropJournal, Effect, SetDesired, TakeMail
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, InputId, RunId
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.looking import picture
from meerkat_actors.testing.conformance.writing import (
    CANCELLED,
    GIVEN_UP,
    Writer,
    charge,
    created,
    end,
    insert,
    intent,
    new_input_id,
    new_run_id,
    new_session_id,
    noted,
    read,
    resolve,
    send,
    settle,
    stage,
    step,
    supersede,
    take,
    unborn,
    unstage,
)


@frozen
class Scene:
    """Alice has run ``run`` on admission 1 with a recorded step, admission 2 queued, a dead letter, and bob's mail."""

    alice: Writer
    run: RunId
    known: InputId

    def every_move(self) -> tuple[Effect, ...]:
        """One of each effect, all of which are possible here, in an order that they don't run in."""
        (mail,) = self.alice.store.pending_mail(self.alice.fence.key, limit=10)
        later = new_run_id()
        return (
            SetDesired(Desired.PAUSED),
            self.alice.boundary(self.run, state=7, sends=2),
            send("carol", 1, header=Header(correlation_id="7")),
            send("dave", 2),
            DropJournal(self.run),
            end(1, self.run),
            resolve(later, b"1"),
            intent(2, later),
            settle(7),
            take(mail, 3, later, policy=8, lane=Lane.STEER),
            stage(2, later, 1),
            charge(2, later),
            step(2, later),
            insert(4, key="new", header=Header(correlation_id="7"), policy=8, lane=Lane.STEER),
            noted(5),
            supersede(6, self.known),
        )


def scene_in(store: Store) -> Scene:
    """The scene, in a new store."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run, known = new_run_id(), new_input_id()
    alice.must_commit(insert(1, run=run, input_id=known, key="known"), insert(2), insert(6), insert(7, run=run))
    alice.must_commit(step(1, run), end(7, run, GIVEN_UP))
    bob.must_commit(send("alice", 1))
    return Scene(alice, run, known)


IMPOSSIBLE: Final = MappingProxyType[str, Callable[[Scene], Effect]](
    {
        "an input id is used": lambda scene: insert(9, input_id=scene.known),
        "an idempotency key is used": lambda scene: insert(9, key="known"),
        "an admission is used": lambda _: insert(1),
        "no such mail": lambda scene: TakeMail(1_000_000, scene.alice.fence.key, AdmissionSequence(9), None),
        "a staged input can't be staged": lambda scene: stage(1, scene.run),
        "another run is charged": lambda _: charge(1, new_run_id()),
        "another run is ended": lambda _: end(1, new_run_id(), GIVEN_UP),
        "a step is recorded": lambda scene: step(1, scene.run),
        "a member does not move from another run": lambda _: unstage(1, new_run_id()),
        "what is staged is not displaced": lambda scene: supersede(1, scene.known),
        "what lives is no letter": lambda _: settle(1),
        "what is known is no intent": lambda scene: resolve(scene.run, b"2", "fetch"),
        "nothing was intended": lambda scene: resolve(scene.run, None),
        "a mail's id is used": lambda scene: send("erin", 3, input_id=scene.known),
    }
)


@check
def every_effect_of_a_unit_is_done_in_its_fixed_order(store: Store) -> None:
    """Effects run in the order of the union ``Effect``, in whichever order a unit names them."""
    scene = scene_in(store)
    alice = scene.alice
    alice.must_commit(*scene.every_move())

    now = read(alice.store, "alice")
    assert now.head is not None
    assert (now.head.version, now.head.sends, now.state) == (1, 2, b"7")
    assert now.run is not None
    assert [(member.position, member.admission) for member in now.run.members] == [(0, 3), (1, 2)]
    assert now.run.attempts == 1
    assert {step: entry.result for step, entry in now.run.journal.items()} == {("fetch", 1): b"1", ("pay", 1): b"1"}
    assert [(waiting.admission, waiting.lane) for waiting in now.queued] == [(4, Lane.STEER)]
    assert (now.admissions, now.head.desired) == (7, Desired.PAUSED)
    assert store.page_letters(None, after=0, limit=9) == ()
    assert not now.has_mail
    assert read(alice.store, "carol").has_mail


@check_each(IMPOSSIBLE)
def a_refused_unit_leaves_nothing(store: Store, impossible: Callable[[Scene], Effect]) -> None:
    """One impossible effect undoes all others of its unit, and the refusal names it by its index."""
    scene = scene_in(store)
    before = picture(scene.alice.store, "alice", "bob", "carol", "dave", "erin")
    effects = (*scene.every_move(), impossible(scene))

    outcome = scene.alice.commit(*effects)

    assert isinstance(outcome, Refused | DuplicateInput), outcome
    assert outcome.effect == len(effects) - 1
    assert picture(scene.alice.store, "alice", "bob", "carol", "dave", "erin") == before


@check_each(IMPOSSIBLE)
def a_refused_reset_leaves_the_generation(store: Store, impossible: Callable[[Scene], Effect]) -> None:
    """One impossible effect beside it keeps the generation from beginning."""
    scene = scene_in(store)
    before = picture(store, "alice", "bob", "erin")
    effects = (
        BeginGeneration(new_session_id()),
        end(1, scene.run, CANCELLED),
        DropJournal(scene.run),
        impossible(scene),
    )

    outcome = scene.alice.commit(*effects)

    assert isinstance(outcome, Refused | DuplicateInput), outcome
    # An ending of what is over already is the second one's fault.
    assert outcome.effect == len(effects) - 1
    assert picture(store, "alice", "bob", "erin") == before


@check_each(IMPOSSIBLE)
def a_refused_unit_does_not_disturb_its_neighbours(store: Store, impossible: Callable[[Scene], Effect]) -> None:
    """Units before and after a refused one commit as if it were not there."""
    scene = scene_in(store)
    first, last = created(store, "first"), created(store, "last")
    units = [
        first.unit(insert(1)),
        scene.alice.unit(insert(8), impossible(scene)),
        last.unit(insert(1), last.boundary()),
    ]

    outcomes = store.commit(units)

    assert outcomes[0] == Committed(first.fence.version)
    assert isinstance(outcomes[1], Refused | DuplicateInput)
    assert outcomes[2] == Committed(last.boundary().version)
    assert read(store, "alice").admissions == 7
    assert read(store, "first").admissions == read(store, "last").admissions == 1


@check
def a_unit_that_creates_and_is_refused_creates_nothing(store: Store) -> None:
    """A refused unit's identity does not exist, and its name and key are as free as before."""
    scene = scene_in(store)
    new = unborn(store, "new")
    outcome = new.commit(CreateIdentity("worker", new.session_id), insert(1, input_id=scene.known))
    assert isinstance(outcome, DuplicateInput)
    assert read(store, "new").head is None
    new.must_commit(CreateIdentity("worker", new.session_id), insert(1))
    assert read(store, "new").admissions == 1


@check
def no_units_are_committed_to_nothing(store: Store) -> None:
    """An empty batch has an empty list of outcomes."""
    assert store.commit([]) == []
