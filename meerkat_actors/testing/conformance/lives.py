"""What is wanted of an identity, and its generations."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import (
    BeginGeneration,
    Bury,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    InsertInput,
    Recreate,
    SetConfig,
    SetDesired,
)
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, FencingToken, RunId, SessionId
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import BindSession
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    Writer,
    changed,
    created,
    end,
    identity,
    insert,
    new_run_id,
    new_session_id,
    noted,
    put,
    read,
    reason,
    resolve,
    send,
    settle,
    stage,
    step,
    unborn,
)

ALICE: Final = identity("alice")
OTHER: Final = SessionId("00000000-0000-7000-8000-00000000001e")
RUN: Final = RunId("00000000-0000-7000-8000-00000000001f")
RESET: Final = Abandoned(AbandonReason.RESET, "")


def lived(store: Store, name: str = "alice") -> Writer:
    """Somebody with two boundaries, state, a configuration, a document and mail that was sent."""
    writer = created(store, name)
    run = new_run_id()
    writer.must_commit(insert(1, run=run, key="job"), SetConfig(1, b"{}"), put(b"1", 0))
    writer.must_commit(end(1, run), send("bob", 1), writer.boundary(run, state=7, sends=1))
    writer.must_commit(writer.boundary(sends=1))
    return writer


def turns(store: Store) -> list[tuple[int, int]]:
    """Generations and versions of Alice's boundaries, newest first, and that they lead to one another."""
    rows = store.page_turns(ALICE, before=None, limit=9)
    assert [row.previous for row in rows] == [*(row.sequence for row in rows[1:]), 0]
    for row in rows:
        assert store.page_turns(ALICE, before=row.sequence, limit=1) == (row,)
    return [(row.generation, row.version) for row in rows]


# -- what is wanted -----------------------------------------------------------------------


@check_each({desired.value: desired for desired in Desired if desired is not Desired.OPEN})
def what_is_wanted_of_an_identity_is_remembered(store: Store, desired: Desired) -> None:
    """The operator's word is durable, moves no counter, and stays through claims and boundaries."""
    alice = created(store, "alice")
    assert store_wants(store) is Desired.OPEN
    alice.must_commit(SetDesired(desired))
    assert alice.fence.version == 0
    successor, claim = alice.claiming()
    successor.must_commit(claim)
    successor.must_commit(successor.boundary())
    assert store_wants(store) is desired
    successor.must_commit(SetDesired(Desired.OPEN))
    assert store_wants(store) is Desired.OPEN


@check
def a_boundary_may_say_what_is_wanted_after_it(store: Store) -> None:
    """A turn's end and the operator's word commit together, in either order."""
    alice = created(store, "alice")
    alice.must_commit(alice.boundary(), SetDesired(Desired.STOPPED))
    assert (store_wants(store), alice.fence.version) == (Desired.STOPPED, 1)
    alice.must_commit(SetDesired(Desired.RETIRED), alice.boundary())
    assert (store_wants(store), alice.fence.version) == (Desired.RETIRED, 2)


def store_wants(store: Store) -> Desired:
    """What is wanted of Alice."""
    head = read(store, "alice").head
    assert head is not None
    return head.desired


@check
def a_new_owner_governs_as_it_claims(store: Store) -> None:
    """A claim comes first in its unit, whatever the unit wants of the identity."""
    words: tuple[Effect, ...] = (SetDesired(Desired.PAUSED), BeginGeneration(new_session_id()), Bury())
    for number, word in enumerate(words):
        writer = created(store, f"agent-{number}")
        successor, claim = writer.claiming()
        successor.must_commit(word, claim)
        assert reason(writer.commit(insert(1))) is RefusalReason.STALE_FENCING_TOKEN
    assert [(row.identity, row.generation) for row in store.page_identities(after=None, limit=9)] == [
        ("agent-0", 0),
        ("agent-1", 1),
    ]


@check
def many_are_governed_in_one_batch(store: Store) -> None:
    """Each unit tells the version that it leaves, and the next one of its identity builds on it."""
    several = [created(store, f"agent-{number}") for number in range(12)]
    for writer in several:
        writer.must_commit(writer.boundary())
    words = [
        word for _ in several[::3] for word in (SetDesired(Desired.RETIRED), BeginGeneration(new_session_id()), Bury())
    ]
    outcomes = store.commit([writer.unit(word) for writer, word in zip(several, words, strict=True)])
    assert outcomes == [Committed(CheckpointVersion(version)) for version in (1, 0, 1)] * 4
    reborn = [writer.recreating() for writer in several[2::3]]
    outcomes = store.commit([writer.unit(SetConfig(1, b"{}"), recreation) for writer, recreation in reborn])
    assert outcomes == [Committed(CheckpointVersion(0))] * 4
    rows = store.page_identities(after=None, limit=99)
    assert Counter((row.generation, row.version) for row in rows) == {(0, 1): 4, (1, 0): 8}


@check
def a_unit_builds_on_the_generation_that_one_before_it_began(store: Store) -> None:
    """In one batch an identity is reset, written to, buried and recreated, and each stale unit is refused."""
    alice = created(store, "alice")
    reborn = alice.forged(generation=1)
    dead = reborn.forged(version=1)
    successor, recreation = dead.recreating()
    outcomes = store.commit(
        [
            alice.unit(BeginGeneration(new_session_id())),
            alice.unit(insert(1)),
            reborn.unit(insert(1), reborn.boundary(), Bury()),
            dead.unit(insert(2)),
            successor.unit(recreation),
            successor.forged(generation=2, version=0).unit(insert(2)),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed, Refused, Committed, Committed]
    assert [reason(outcome) for outcome in outcomes if isinstance(outcome, Refused)] == [
        RefusalReason.STALE_GENERATION,
        RefusalReason.DELETED,
    ]
    assert turns(store) == [(1, 1)]


@check
def nobody_governs_who_was_never_created(store: Store) -> None:
    """Neither a word, a reset nor a burial, a letter or an intent makes an identity."""
    nobody = unborn(store, "nobody")
    for effect in (SetDesired(Desired.PAUSED), BeginGeneration(OTHER), Bury(), settle(1), resolve(RUN, None)):
        outcome = nobody.commit(effect)
        assert isinstance(outcome, Refused), effect
        assert (outcome.reason, outcome.effect) == (RefusalReason.NOT_FOUND, -1), effect
    assert read(store, "nobody").head is None
    nobody.must_commit(CreateIdentity("worker", OTHER))


# -- generations --------------------------------------------------------------------------


@check
def a_generation_begins_with_nothing_of_the_conversation(store: Store) -> None:
    """Version, digest, messages, state and the operator's word begin anew; token and send counter go on."""
    alice = lived(store)
    alice.must_commit(SetDesired(Desired.PAUSED))
    session = new_session_id()
    outcome = alice.commit(BeginGeneration(session))
    assert outcome == Committed(alice.fence.version)
    assert (alice.fence.generation, alice.fence.version) == (1, 0)
    now = read(store, "alice")
    head = now.head
    assert head is not None
    assert (head.token, head.generation, head.version, head.sends, head.kind) == (1, 1, 0, 1, "worker")
    assert (head.session_id, head.digest, head.message_count) == (session, DIGEST_ZERO, 0)
    assert (head.desired, now.state, now.admissions) == (Desired.OPEN, None, 1)
    assert now.config is not None
    assert store.find_document(ALICE, "kind", "key") is not None


@check
def what_was_before_a_generation_stays_readable(store: Store) -> None:
    """Boundaries of former generations follow those of the current one; their inputs and keys stay."""
    alice = lived(store)
    alice.must_commit(BeginGeneration(new_session_id()))
    assert turns(store) == [(0, 2), (0, 1)]
    run = new_run_id()
    alice.must_commit(insert(2, run=run))
    alice.must_commit(end(2, run), alice.boundary(run, sends=1))
    assert turns(store) == [(1, 1), (0, 2), (0, 1)]
    alice.must_commit(BeginGeneration(new_session_id()))
    alice.must_commit(alice.boundary(sends=1))
    assert turns(store) == [(2, 1), (1, 1), (0, 2), (0, 1)]
    first, second = store.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    assert first.turn is not None
    assert second.turn is not None
    assert (first.turn.generation, second.turn.generation) == (0, 1)
    assert not isinstance(alice.commit(insert(3, key="job")), Committed)


@check
def a_writer_of_the_former_generation_is_stale(store: Store) -> None:
    """Whoever did not hear of the reset is refused for its generation, whatever the version."""
    alice = lived(store)
    alice.must_commit(BeginGeneration(new_session_id()))
    for version in (0, 2):
        late = alice.forged(generation=0, version=version)
        for effects in ((insert(2),), (late.boundary(),), (BeginGeneration(new_session_id()),), (Bury(),), ()):
            assert reason(late.commit(*effects)) is RefusalReason.STALE_GENERATION
    assert reason(alice.forged(version=2).commit(insert(2))) is RefusalReason.STALE_CHECKPOINT_VERSION
    alice.must_commit(insert(2), alice.boundary(state=9))
    assert read(store, "alice").state == b"9"


@check
def a_reset_ends_what_is_open_in_its_own_unit(store: Store) -> None:
    """Inputs end, journals go and letters stay, under the fence of the generation that ends."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2), step(1, run))
    alice.must_commit(stage(2, run, 1))
    alice.must_commit(
        BeginGeneration(new_session_id()), end(1, run, RESET), end(2, run, RESET), DropJournal(run), noted(3)
    )
    now = read(store, "alice")
    assert (now.run, now.queued, now.admissions) == (None, (), 3)
    assert store.identities_with_work() == ()
    alice.must_commit(insert(4, run=run))
    again = read(store, "alice").run
    assert again is not None
    assert again.journal == {}


@check
def a_generation_s_session_is_nobody_s_before(store: Store) -> None:
    """Neither a session of another identity nor one of its own begins a generation."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(BindSession(OTHER))
    for taken, owner in ((bob.session_id, "bob"), (alice.session_id, "alice"), (OTHER, "alice")):
        outcome = alice.commit(insert(1), BeginGeneration(taken))
        assert outcome == Refused(reason=RefusalReason.SESSION_BOUND, effect=1, current=f"{owner} (generation 0)")
    former = alice.session_id
    mine = new_session_id()
    alice.must_commit(BeginGeneration(mine))
    assert reason(alice.commit(BindSession(former))) is RefusalReason.SESSION_BOUND
    assert reason(bob.commit(BeginGeneration(mine))) is RefusalReason.SESSION_BOUND
    alice.must_commit(BindSession(mine))


# -- units that are none ------------------------------------------------------------------

INPUT: Final[InsertInput] = insert(1)
RECREATION: Final = Recreate(FencingToken(1), "worker", OTHER)

IMPOSSIBLE: Final = MappingProxyType[str, tuple[Effect, ...]](
    {
        "a word that nobody knows": (changed(SetDesired(Desired.OPEN), desired="asleep"),),
        "two words": (SetDesired(Desired.OPEN), SetDesired(Desired.PAUSED)),
        "a word and a reset": (SetDesired(Desired.OPEN), BeginGeneration(OTHER)),
        "a word and a burial": (SetDesired(Desired.OPEN), Bury()),
        "two resets": (BeginGeneration(OTHER), BeginGeneration(new_session_id())),
        "a reset and a burial": (BeginGeneration(OTHER), Bury()),
        "a reset for no session": (BeginGeneration(SessionId("no uuid")),),
        "two burials": (Bury(), Bury()),
        "a return and an input": (RECREATION, INPUT),
        "a return and a claim": (RECREATION, Claim(FencingToken(1))),
        "a return and a creation": (RECREATION, CreateIdentity("worker", new_session_id())),
        "a return and a burial": (RECREATION, Bury()),
        "two returns": (RECREATION, RECREATION),
        "a return for no session": (changed(RECREATION, session_id="no uuid"),),
        "a return of no text": (changed(RECREATION, kind="\ud800"),),
        "a return from before the first token": (changed(RECREATION, previous=0),),
        "a return at a bool": (changed(RECREATION, previous=True),),
    }
)


@check_each(IMPOSSIBLE)
def what_can_not_be_meant_is_out_of_range(store: Store, effects: tuple[Effect, ...]) -> None:
    """What could never commit together, or be stored at all, is refused before anything is tried."""
    alice = created(store, "alice").forged(token=2)
    assert reason(alice.commit(*effects)) is RefusalReason.OUT_OF_RANGE


@check
def a_reset_and_a_boundary_are_two_units(store: Store) -> None:
    """No unit appends to a generation and begins the next one; and behind the last generation there is none."""
    alice = created(store, "alice")
    assert reason(alice.commit(alice.boundary(), BeginGeneration(OTHER))) is RefusalReason.OUT_OF_RANGE
    last = alice.forged(generation=COUNTER_MAX)
    assert reason(last.commit(BeginGeneration(OTHER))) is RefusalReason.OUT_OF_RANGE
    lifted = alice.forged(generation=COUNTER_MAX, token=2)
    assert reason(lifted.commit(RECREATION)) is RefusalReason.OUT_OF_RANGE
