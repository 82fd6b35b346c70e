"""Who may write: the order of checks (not found, token, tombstone, generation, version), claims and creation."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meerkat_actors.records.commits import Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import (
    BeginGeneration,
    Bury,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    SetConfig,
    SetDesired,
    TakeMail,
)
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion, FencingToken
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import by_name, check, check_each
from meerkat_actors.testing.conformance.looking import picture
from meerkat_actors.testing.conformance.writing import (
    CANCELLED,
    GIVEN_UP,
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
    reason,
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

BELIEFS: Final = MappingProxyType(
    {
        "key": RefusalReason.NOT_FOUND,
        "token": RefusalReason.STALE_FENCING_TOKEN,
        "generation": RefusalReason.STALE_GENERATION,
        "version": RefusalReason.STALE_CHECKPOINT_VERSION,
    }
)
"""What a fence believes, strongest first, and why a unit is refused that is wrong in it."""


@check_each(by_name(*BELIEFS))
def the_strongest_wrong_belief_is_the_reason(store: Store, strongest: str) -> None:
    """Of several wrong beliefs the first in the order of checks is the reason, and no effect is to blame."""
    alice = created(store, "alice")
    names = list(BELIEFS)
    wrong = {name: getattr(alice.fence, name) + 5 for name in names[names.index(strongest) :]}
    outcome = alice.forged(**wrong).commit(insert(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (BELIEFS[strongest], -1)
    assert read(store, "alice").admissions == 0


@check_each(by_name(*BELIEFS))
def a_wrong_belief_is_refused_before_any_effect_is_tried(store: Store, belief: str) -> None:
    """A unit under a wrong fence is refused for it, also when its effects are impossible or none."""
    alice = created(store, "alice")
    alice.must_commit(insert(1, key="known"))
    forged = alice.forged(**{belief: getattr(alice.fence, belief) + 1})
    for effects in ((insert(2, key="known"),), (), (DropJournal(new_run_id()),)):
        assert reason(forged.commit(*effects)) is BELIEFS[belief]


@check
def the_refusal_says_what_is_current(store: Store) -> None:
    """A refused fence is told the counter that the store holds."""
    alice = created(store, "alice")
    alice.must_commit(alice.boundary())
    outcome = alice.forged(version=0).commit(insert(1))
    assert outcome == Refused(reason=RefusalReason.STALE_CHECKPOINT_VERSION, effect=-1, current="version 1")


@check_each(by_name("token", "generation", "version"))
def every_effect_checks_its_fence(store: Store, belief: str) -> None:
    """There is no effect that a writer with a wrong belief can have done."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    bob.must_commit(send("alice", 1))
    alice.must_commit(insert(1), insert(2, run=run), insert(3, run=run))
    alice.must_commit(step(2, run), intent(2, run), end(3, run, GIVEN_UP))
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    wrong = alice.forged(**{belief: getattr(alice.fence, belief) + 1})
    before = picture(store, "alice", "bob", "carol")
    possible: tuple[Effect, ...] = (
        SetConfig(1, b"{}"),
        insert(4),
        insert(4, run=run, header=Header(correlation_id="7"), policy=1, lane=Lane.STEER),
        noted(4),
        TakeMail(mail.sequence, mail.sender_key, AdmissionSequence(4), None),
        take(mail, 4, run, policy=1, lane=Lane.STEER),
        take(mail, 4, lane=Lane.NONE),
        supersede(1, new_input_id()),
        unstage(2, run),
        stage(1, run),
        stage(1, run, 1),
        charge(2, run),
        end(2, run, CANCELLED),
        end(2, run, GIVEN_UP),
        settle(3),
        step(2, run, "other"),
        intent(2, run, "other"),
        resolve(run, b"1"),
        resolve(run, None),
        DropJournal(run),
        send("carol", 1),
        send("carol", 1, header=Header(correlation_id="7")),
        wrong.boundary(),
        SetDesired(Desired.PAUSED),
        BeginGeneration(new_session_id()),
        Bury(),
    )
    for effect in possible:
        assert isinstance(wrong.commit(effect), Refused), effect
    for ending in (end(2, run), end(2, run, CANCELLED), Bury(), SetDesired(Desired.PAUSED)):
        assert isinstance(wrong.commit(ending, wrong.boundary(run)), Refused), ending
    assert picture(store, "alice", "bob", "carol") == before


@check_each(by_name("generation", "version"))
def a_claim_checks_its_fence(store: Store, belief: str) -> None:
    """Who claims must be right about generation and version."""
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    wrong = successor.forged(**{belief: 5})
    assert isinstance(wrong.commit(claim), Refused)
    assert isinstance(wrong.commit(claim, insert(1)), Refused)
    alice.must_commit(insert(1))


# -- claims -------------------------------------------------------------------------------


@check
def a_claim_fences_out_the_previous_owner(store: Store) -> None:
    """After a claim the former token is stale."""
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    successor.must_commit(claim, insert(1))
    assert reason(alice.commit(insert(2))) is RefusalReason.STALE_FENCING_TOKEN
    successor.must_commit(insert(2))
    head = read(store, "alice").head
    assert head is not None
    assert head.token == 2


@check
def an_uncommitted_claim_travels_in_each_unit_until_one_commits(store: Store) -> None:
    """A claim is of its unit: refused with it, and done once."""
    alice = created(store, "alice")
    alice.must_commit(insert(1, key="known"))
    successor, claim = alice.claiming()
    assert isinstance(successor.commit(claim, insert(2, key="known")), DuplicateInput)
    alice.must_commit(insert(2))  # nothing was claimed: the predecessor is still the owner
    successor.must_commit(claim, insert(3))
    assert reason(successor.commit(claim, insert(4))) is RefusalReason.STALE_FENCING_TOKEN
    successor.must_commit(insert(4))


@check
def of_two_claims_of_the_same_token_one_wins(store: Store) -> None:
    """Two claims that replace the same token can't both commit, not even in one batch."""
    alice = created(store, "alice")
    first, claim = alice.claiming()
    second, same = alice.claiming()
    outcomes = store.commit([first.unit(claim), second.unit(same, insert(1))])
    assert outcomes[0] == Committed(alice.fence.version)
    assert reason(outcomes[1]) is RefusalReason.STALE_FENCING_TOKEN


@check
def a_claim_holds_for_the_rest_of_its_unit(store: Store) -> None:
    """A claim comes first, wherever in its unit it is named."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), step(1, run))
    successor, claim = alice.claiming()
    successor.must_commit(DropJournal(run), end(1, run), successor.boundary(run), claim)
    assert successor.fence.version == 1
    assert read(store, "alice").run is None


@check
def a_claim_may_skip_tokens_but_not_go_back(store: Store) -> None:
    """A claim raises the token, by however much, and replaces the current one."""
    alice = created(store, "alice")
    alice.forged(token=9).must_commit(Claim(FencingToken(1)))
    assert reason(alice.forged(token=9).commit(Claim(FencingToken(9)))) is RefusalReason.OUT_OF_RANGE
    assert reason(alice.forged(token=10).commit(Claim(FencingToken(8)))) is RefusalReason.STALE_FENCING_TOKEN


@check
def a_claim_of_what_was_never_created_is_not_found(store: Store) -> None:
    """Claiming an identity that was never created is refused as ``not_found``."""
    nobody = unborn(store, "nobody").forged(token=2)
    assert reason(nobody.commit(Claim(FencingToken(1)))) is RefusalReason.NOT_FOUND


# -- creation -----------------------------------------------------------------------------


@check
def an_identity_is_created_once(store: Store) -> None:
    """A second creation is a ``key_mismatch`` and changes nothing."""
    alice = created(store, "alice")
    again = CreateIdentity("other", new_session_id())
    assert reason(alice.commit(again)) is RefusalReason.KEY_MISMATCH
    head = read(store, "alice").head
    assert head is not None
    assert (head.kind, head.session_id) == ("worker", alice.session_id)


@check
def a_name_that_got_its_key_meanwhile_is_a_key_mismatch(store: Store) -> None:
    """A key is read before it is used; somebody else's mention of the name may come between."""
    sender = created(store, "sender")
    late = unborn(store, "late")
    sender.must_commit(send("late", 1))  # the first mention gives the name another key
    assert reason(late.commit(CreateIdentity("worker", late.session_id))) is RefusalReason.KEY_MISMATCH
    created(store, "late")  # activated again, it has the right one
    assert read(store, "late").has_mail


@check
def two_creators_of_one_name_make_one_identity(store: Store) -> None:
    """Of two units of a batch that create the same name the second is a ``key_mismatch``."""
    one, other = unborn(store, "alice"), unborn(store, "alice")
    outcomes = store.commit(
        [
            one.unit(CreateIdentity("one", one.session_id)),
            other.unit(CreateIdentity("other", other.session_id)),
        ]
    )
    assert outcomes[0] == Committed(CheckpointVersion(0))
    assert reason(outcomes[1]) is RefusalReason.KEY_MISMATCH


@check
def a_key_belongs_to_one_name(store: Store) -> None:
    """No name is created under the key of another, be that created or only mentioned."""
    alice, bob = created(store, "alice"), unborn(store, "bob")
    stolen = bob.forged(key=alice.fence.key)
    assert reason(stolen.commit(CreateIdentity("worker", bob.session_id))) is RefusalReason.KEY_MISMATCH
    created(store, "sender").must_commit(send("mentioned", 1))
    mentioned = read(store, "mentioned").key
    assert reason(bob.forged(key=mentioned).commit(CreateIdentity("w", bob.session_id))) is RefusalReason.KEY_MISMATCH
    bob.must_commit(CreateIdentity("worker", bob.session_id))


@check
def a_session_belongs_to_one_identity(store: Store) -> None:
    """No identity is created with another one's session."""
    alice, bob = created(store, "alice"), unborn(store, "bob")
    assert reason(bob.commit(CreateIdentity("worker", alice.session_id))) is RefusalReason.KEY_MISMATCH
    assert read(store, "bob").head is None
