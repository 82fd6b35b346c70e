"""What a runtime writes under its own fence: an input for whoever holds the recipient."""

from __future__ import annotations

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import OwnerUnit, PostInput, TakeMail
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import created, identity, new_run_id


def id_of(number: int) -> InputId:
    return InputId(f"00000000-0000-7000-8000-{number:012x}")


def posting(
    owner: int, number: int, *, to: str = "alice", key: str | None = None, content: bytes = b'"x"'
) -> OwnerUnit:
    """An input from outside, under an incarnation."""
    input_id = id_of(number)
    effect = PostInput(identity(to), input_id, InputKind.PROMPT, content, content_digest(content), key)
    return OwnerUnit(OwnerFence(owner), effect)


@check
def what_was_posted_waits_as_mail_from_nobody(store: Store) -> None:
    """It is open work of its recipient, who takes it in the order in which it came."""
    owner = store.begin().incarnation
    alice = created(store, "alice")
    assert store.identities_with_work() == ()
    assert store.post(posting(owner, 1)) == Committed(alice.fence.version)
    assert isinstance(store.post(posting(owner, 2)), Committed)
    assert store.identities_with_work() == (alice.fence.identity,)
    first, second = store.pending_mail(alice.fence.key, limit=9)
    assert (first.sender, first.sender_key, first.content) == (None, None, b'"x"')
    row = store.find_input(alice.fence.identity, first.input_id)
    assert row is not None
    assert (row.state, row.admission, row.sender) == (InputState.SENT, None, None)
    run = new_run_id()
    refusal = alice.commit(TakeMail(second.sequence, None, AdmissionSequence(1), run))
    assert isinstance(refusal, Refused)
    assert refusal.reason is RefusalReason.NOT_HEAD_OF_PAIR
    alice.must_commit(TakeMail(first.sequence, None, AdmissionSequence(1), run))
    alice.must_commit(TakeMail(second.sequence, None, AdmissionSequence(2), None))
    assert store.pending_mail(alice.fence.key, limit=9) == ()


@check
def another_incarnation_posts_nothing(store: Store) -> None:
    """Neither an older one nor one to come."""
    owner = store.begin().incarnation
    alice = created(store, "alice")
    for other in (owner - 1, owner + 1):
        outcome = store.post(posting(other, 1))
        assert isinstance(outcome, Refused)
        assert outcome.reason is RefusalReason.STALE_OWNER
    assert store.pending_mail(alice.fence.key, limit=9) == ()


@check
def a_key_and_an_id_are_used_once_whoever_posts(store: Store) -> None:
    """The same content is the same input; other content is a conflict; the first one's id comes back."""
    owner = store.begin().incarnation
    alice = created(store, "alice")
    first = posting(owner, 1, key="k")
    assert isinstance(store.post(first), Committed)
    same, other = store.post(posting(owner, 2, key="k")), store.post(posting(owner, 3, key="k", content=b'"y"'))
    assert isinstance(same, DuplicateInput)
    assert isinstance(other, DuplicateInput)
    assert (same.same_content, other.same_content) == (True, False)
    assert same.first == other.first == id_of(1)
    assert isinstance(store.post(posting(owner, 1)), DuplicateInput)
    assert len(store.pending_mail(alice.fence.key, limit=9)) == 1


@check
def nobody_gets_what_is_posted_to_who_does_not_exist(store: Store) -> None:
    """Unlike mail, which waits for its recipient."""
    owner = store.begin().incarnation
    outcome = store.post(posting(owner, 1, to="nobody"))
    assert isinstance(outcome, Refused)
    assert outcome.reason is RefusalReason.NOT_FOUND


@check
def what_no_row_takes_is_refused(store: Store) -> None:
    """Before any row is looked at."""
    owner = store.begin().incarnation
    created(store, "alice")
    for unit in (posting(True, 1), posting(-1, 1), posting(owner, 1, to=""), posting(owner, 1, key="\ud800")):
        outcome = store.post(unit)
        assert isinstance(outcome, Refused)
        assert outcome.reason is RefusalReason.OUT_OF_RANGE
