"""The order of checks is fixed: range, not found, fencing token, (tombstone,) generation, version, then the effects."""

from __future__ import annotations

from typing import Final

import pytest

from meerkat_actors.records.commits import Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    SendMail,
    SetConfig,
    TakeMail,
)
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AdmissionSequence,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    RunId,
)
from meerkat_actors.store import Store
from tests.store.looking import picture
from tests.store.writing import (
    GIVEN_UP,
    changed,
    charge,
    created,
    end,
    insert,
    new_run_id,
    new_session_id,
    read,
    reason,
    send,
    stage,
    step,
    unborn,
)

BELIEFS: Final = (
    ("key", RefusalReason.NOT_FOUND),
    ("token", RefusalReason.STALE_FENCING_TOKEN),
    ("generation", RefusalReason.STALE_GENERATION),
    ("version", RefusalReason.STALE_CHECKPOINT_VERSION),
)
"""What a fence believes, strongest first."""


@pytest.mark.parametrize("first", range(len(BELIEFS)), ids=[name for name, _ in BELIEFS])
def test_the_strongest_wrong_belief_is_the_reason(store: Store, first: int) -> None:
    alice = created(store, "alice")
    wrong = {name: getattr(alice.fence, name) + 5 for name, _ in BELIEFS[first:]}
    outcome = alice.forged(**wrong).commit(insert(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (BELIEFS[first][1], -1)
    assert read(store, "alice").admissions == 0


@pytest.mark.parametrize(("belief", "why"), BELIEFS)
def test_a_wrong_belief_is_refused_before_any_effect_is_tried(store: Store, belief: str, why: RefusalReason) -> None:
    alice = created(store, "alice")
    alice.must_commit(insert(1, key="known"))
    forged = alice.forged(**{belief: getattr(alice.fence, belief) + 1})
    assert reason(forged.commit(insert(2, key="known"))) is why
    assert reason(forged.commit()) is why
    assert reason(forged.commit(DropJournal(new_run_id()))) is why


def test_the_refusal_says_what_is_current(store: Store) -> None:
    alice = created(store, "alice")
    alice.must_commit(alice.boundary())
    outcome = alice.forged(version=0).commit(insert(1))
    assert outcome == Refused(reason=RefusalReason.STALE_CHECKPOINT_VERSION, effect=-1, current="version 1")


@pytest.mark.parametrize("belief", ["token", "generation", "version"])
def test_every_effect_checks_its_fence(store: Store, belief: str) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    bob.must_commit(send("alice", 1))
    alice.must_commit(insert(1), insert(2, run=run))
    alice.must_commit(step(2, run))
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    wrong = alice.forged(**{belief: getattr(alice.fence, belief) + 1})
    before = picture(store, "alice", "bob", "carol")
    possible: tuple[Effect, ...] = (
        insert(3),
        TakeMail(mail.sequence, mail.sender_key, AdmissionSequence(3), None),
        stage(1, run),
        charge(2, run),
        end(2, run, GIVEN_UP),
        step(2, run, "other"),
        DropJournal(run),
        send("carol", 1),
        wrong.boundary(),
    )
    for effect in possible:
        assert isinstance(wrong.commit(effect), Refused), effect
    assert isinstance(wrong.commit(end(2, run), wrong.boundary(run)), Refused)
    assert picture(store, "alice", "bob", "carol") == before


@pytest.mark.parametrize("belief", ["generation", "version"])
def test_a_claim_checks_its_fence(store: Store, belief: str) -> None:
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    wrong = successor.forged(**{belief: 5})
    assert isinstance(wrong.commit(claim), Refused)
    assert isinstance(wrong.commit(claim, insert(1)), Refused)
    alice.must_commit(insert(1))


# -- claims -------------------------------------------------------------------------------


def test_a_claim_fences_out_the_previous_owner(store: Store) -> None:
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    successor.must_commit(claim, insert(1))
    assert reason(alice.commit(insert(2))) is RefusalReason.STALE_FENCING_TOKEN
    successor.must_commit(insert(2))
    head = read(store, "alice").head
    assert head is not None
    assert head.token == 2


def test_an_uncommitted_claim_travels_in_each_unit_until_one_commits(store: Store) -> None:
    alice = created(store, "alice")
    alice.must_commit(insert(1, key="known"))
    successor, claim = alice.claiming()
    assert isinstance(successor.commit(claim, insert(2, key="known")), DuplicateInput)
    alice.must_commit(insert(2))  # nothing was claimed: the predecessor is still the owner
    successor.must_commit(claim, insert(3))
    assert reason(successor.commit(claim, insert(4))) is RefusalReason.STALE_FENCING_TOKEN
    successor.must_commit(insert(4))


def test_of_two_claims_of_the_same_token_one_wins(store: Store) -> None:
    alice = created(store, "alice")
    first, claim = alice.claiming()
    second, same = alice.claiming()
    outcomes = store.commit([first.unit(claim), second.unit(same, insert(1))])
    assert outcomes[0] == Committed(alice.fence.version)
    assert reason(outcomes[1]) is RefusalReason.STALE_FENCING_TOKEN


def test_a_claim_holds_for_the_rest_of_its_unit(store: Store) -> None:
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), step(1, run))
    successor, claim = alice.claiming()
    successor.must_commit(DropJournal(run), end(1, run), successor.boundary(run), claim)
    assert successor.fence.version == 1
    assert read(store, "alice").run is None


def test_a_claim_may_skip_tokens_but_not_go_back(store: Store) -> None:
    alice = created(store, "alice")
    alice.forged(token=9).must_commit(Claim(FencingToken(1)))
    assert reason(alice.forged(token=9).commit(Claim(FencingToken(9)))) is RefusalReason.OUT_OF_RANGE
    assert reason(alice.forged(token=10).commit(Claim(FencingToken(8)))) is RefusalReason.STALE_FENCING_TOKEN


def test_a_claim_of_what_was_never_created_is_not_found(store: Store) -> None:
    nobody = unborn(store, "nobody").forged(token=2)
    assert reason(nobody.commit(Claim(FencingToken(1)))) is RefusalReason.NOT_FOUND


# -- creation -----------------------------------------------------------------------------


def test_an_identity_is_created_once(store: Store) -> None:
    alice = created(store, "alice")
    again = CreateIdentity("other", new_session_id())
    assert reason(alice.commit(again)) is RefusalReason.KEY_MISMATCH
    head = read(store, "alice").head
    assert head is not None
    assert (head.kind, head.session_id) == ("worker", alice.session_id)


def test_a_name_that_got_its_key_meanwhile_is_a_key_mismatch(store: Store) -> None:
    sender = created(store, "sender")
    late = unborn(store, "late")
    sender.must_commit(send("late", 1))  # the first mention gives the name another key
    assert reason(late.commit(CreateIdentity("worker", late.session_id))) is RefusalReason.KEY_MISMATCH
    created(store, "late")  # activated again, it has the right one
    assert read(store, "late").has_mail


def test_two_creators_of_one_name_make_one_identity(store: Store) -> None:
    one, other = unborn(store, "alice"), unborn(store, "alice")
    outcomes = store.commit(
        [
            one.unit(CreateIdentity("one", one.session_id)),
            other.unit(CreateIdentity("other", other.session_id)),
        ]
    )
    assert outcomes[0] == Committed(CheckpointVersion(0))
    assert reason(outcomes[1]) is RefusalReason.KEY_MISMATCH


def test_a_key_belongs_to_one_name(store: Store) -> None:
    alice, bob = created(store, "alice"), unborn(store, "bob")
    stolen = bob.forged(key=alice.fence.key)
    assert reason(stolen.commit(CreateIdentity("worker", bob.session_id))) is RefusalReason.KEY_MISMATCH
    created(store, "sender").must_commit(send("mentioned", 1))
    mentioned = read(store, "mentioned").key
    assert reason(bob.forged(key=mentioned).commit(CreateIdentity("w", bob.session_id))) is RefusalReason.KEY_MISMATCH
    bob.must_commit(CreateIdentity("worker", bob.session_id))


def test_a_session_belongs_to_one_identity(store: Store) -> None:
    alice, bob = created(store, "alice"), unborn(store, "bob")
    assert reason(bob.commit(CreateIdentity("worker", alice.session_id))) is RefusalReason.KEY_MISMATCH
    assert read(store, "bob").head is None


# -- range --------------------------------------------------------------------------------

BEYOND: Final = (-1, COUNTER_MAX + 1, True)


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("name", ["key", "token", "generation", "version"])
def test_a_fence_out_of_range_is_refused_before_anything_is_read(store: Store, name: str, number: int) -> None:
    nobody = unborn(store, "nobody")
    outcome = nobody.forged(**{name: number}).commit(insert(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, -1)


RUN: Final = RunId("00000000-0000-7000-8000-000000000001")
COUNTED: Final[tuple[tuple[Effect, tuple[str, ...]], ...]] = (
    (insert(1), ("admission",)),
    (SetConfig(1, b"{}"), ("version",)),
    (TakeMail(1, IdentityKey(1), AdmissionSequence(1), None), ("sequence", "sender_key", "admission")),
    (stage(1, RUN), ("admission",)),
    (charge(1, RUN), ("admission", "attempts", "interruptions", "not_before_ms")),
    (EndInput(AdmissionSequence(1), RUN, None), ("admission",)),
    (step(1, RUN), ("admission", "nth")),
    (send("bob", 1), ("number",)),
)


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize(
    ("effect", "name"),
    [(effect, name) for effect, names in COUNTED for name in names],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_effect_out_of_range_is_refused_whoever_writes(store: Store, effect: Effect, name: str, number: int) -> None:
    stranger = unborn(store, "nobody")
    unit = stranger.unit(insert(7), changed(effect, **{name: number}), stranger.boundary())
    (outcome,) = store.commit([unit])
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 1)


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("name", ["version", "message_count", "sends"])
def test_a_boundary_out_of_range_is_refused(store: Store, name: str, number: int) -> None:
    alice = created(store, "alice")
    boundary = changed(alice.boundary(), **{name: number})
    assert reason(alice.commit(boundary)) is RefusalReason.OUT_OF_RANGE


def test_a_boundary_makes_the_next_version_and_no_other(store: Store) -> None:
    alice = created(store, "alice")
    assert reason(alice.commit(changed(alice.boundary(), version=2))) is RefusalReason.OUT_OF_RANGE
    assert reason(alice.commit(changed(alice.boundary(), version=0))) is RefusalReason.OUT_OF_RANGE
    last = alice.forged(version=COUNTER_MAX)
    assert reason(last.commit(changed(alice.boundary(), version=COUNTER_MAX + 1))) is RefusalReason.OUT_OF_RANGE


def ill_formed() -> dict[str, tuple[Effect, ...]]:
    create = CreateIdentity("worker", new_session_id())
    boundary = AppendTurn(RUN, CheckpointVersion(1), bytes(32), 1, 0, b"{}", sets_state=False)
    return {
        "two claims": (Claim(FencingToken(1)), Claim(FencingToken(1))),
        "a claim of what is created": (create, Claim(FencingToken(1))),
        "two creations": (create, create),
        "two boundaries": (boundary, boundary),
        "consumed by no boundary": (insert(1, run=RUN), end(1, RUN)),
        "a key that is no text": (insert(1, key="\ud800"),),
        "a step that is no text": (step(1, RUN, name="\udfff"),),
        "a kind that is no text": (CreateIdentity("\ud800", new_session_id()),),
        "a digest of another length": (changed(insert(1), digest=b"short"),),
        "mail with a digest of another length": (changed(send("bob", 1), digest=b""),),
        "a boundary with a digest of another length": (changed(boundary, digest=bytes(31)),),
    }


@pytest.mark.parametrize("what", ill_formed())
def test_a_unit_that_is_no_unit_is_out_of_range(store: Store, what: str) -> None:
    alice = unborn(store, "alice")
    assert reason(alice.commit(*ill_formed()[what])) is RefusalReason.OUT_OF_RANGE
    assert read(store, "alice").head is None


@pytest.mark.parametrize("name", ["token", "generation", "version"])
def test_an_identity_is_created_at_the_beginning(store: Store, name: str) -> None:
    alice = unborn(store, "alice")
    late = alice.forged(**{name: 2})
    assert reason(late.commit(CreateIdentity("worker", alice.session_id))) is RefusalReason.OUT_OF_RANGE


def test_units_out_of_range_leave_their_neighbours_alone(store: Store) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    bad = alice.forged(token=0)
    outcomes = store.commit([bad.unit(insert(1)), bob.unit(insert(1)), bad.unit(insert(2)), alice.unit(insert(1))])
    assert [type(outcome) for outcome in outcomes] == [Refused, Committed, Refused, Committed]


def test_the_largest_counters_are_stored(store: Store) -> None:
    alice = created(store, "alice")
    owner = alice.forged(token=COUNTER_MAX)
    run = new_run_id()
    big = InsertInput(AdmissionSequence(COUNTER_MAX), insert(1).input_id, insert(1).kind, b"1", bytes(32), None, run)
    owner.must_commit(Claim(FencingToken(1)), big, changed(owner.boundary(), message_count=COUNTER_MAX))
    owner.must_commit(
        ChargeRun(AdmissionSequence(COUNTER_MAX), run, COUNTER_MAX, COUNTER_MAX, COUNTER_MAX),
        RecordStep(AdmissionSequence(COUNTER_MAX), run, "s", COUNTER_MAX, b"", b""),
        SendMail(alice.fence.identity, insert(1).input_id, insert(1).kind, b"1", bytes(32), COUNTER_MAX),
    )
    assert reason(owner.forged(generation=Generation(1)).commit()) is RefusalReason.STALE_GENERATION
    (page,) = store.page_inputs(alice.fence.identity, after=None, limit=5, newest_first=True)
    assert (page.admission, page.attempts, page.interruptions, page.not_before_ms) == (COUNTER_MAX,) * 4
