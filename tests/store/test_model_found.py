"""What campaigns of random units found: differences between the stores, each as small as it got."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest

from meerkat_actors.errors import StoreCorruptError
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity, Effect, EndInput, Unit
from meerkat_actors.records.ids import AdmissionSequence, InputId, RunId, SessionId
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import PutDocument
from meerkat_actors.store import Store
from tests.store.unit_campaign import open_pair
from tests.store.writing import (
    HELLO,
    Writer,
    changed,
    created,
    identity,
    insert,
    new_run_id,
    new_session_id,
    read,
    reason,
    send,
    unborn,
)

RUN: Final = new_run_id()
NO_UUID: Final = "no uuid"
CAPITALS: Final = "AAAAAAAA-0000-0000-0000-000000000001"
HOLD_AN_ID: Final[Mapping[str, Callable[[Writer, str], Effect]]] = {
    "an-input": lambda _, text: insert(1, input_id=InputId(text)),
    "a-member": lambda _, text: insert(1, run=RunId(text)),
    "mail": lambda _, text: send("bob", 1, input_id=InputId(text)),
    "a-boundary": lambda writer, text: writer.boundary(RunId(text)),
}
ASK_FOR_NOTHING: Final[Mapping[str, Callable[[Store], object]]] = {
    "snapshots": lambda store: store.read_snapshots(SessionId(NO_UUID), limit=1),
    "turns": lambda store: store.page_turns(identity("\ud800"), before=None, limit=1),
    "timers": lambda store: store.page_timers(identity("\ud800"), after=None, limit=1),
    "undeliverable mail": lambda store: store.undeliverable_mail(identity("\ud800"), absent_before_ms=0, limit=1),
}


@pytest.fixture
def stores() -> Iterator[tuple[Store, Store]]:
    """The model, and a SQLite store."""
    with open_pair() as pair:
        yield pair.model.store, pair.other.store


def creation(writer: Writer) -> Unit:
    return writer.unit(CreateIdentity("worker", new_session_id()))


def test_who_got_mail_while_being_created_can_be_created_after_that(stores: tuple[Store, Store]) -> None:
    for store in stores:
        alice, bob, carol = created(store, "alice"), unborn(store, "bob"), unborn(store, "carol")
        mailed, _, refused, _ = store.commit(
            [alice.unit(send("bob", 1)), carol.unit(), creation(bob), carol.unit()]  # carol's keep the group small
        )
        assert isinstance(mailed, Committed)
        assert reason(refused) is RefusalReason.KEY_MISMATCH
        # Read again, with the key that the mail brought.
        (outcome,) = store.commit([creation(unborn(store, "bob"))])
        assert outcome == Committed(bob.fence.version)


def test_mail_reaches_its_recipient_also_after_somebody_claimed_another_key_for_it(
    stores: tuple[Store, Store],
) -> None:
    for store in stores:
        alice, bob, carol, dave = (unborn(store, name) for name in ("alice", "bob", "carol", "dave"))
        forged = changed(creation(bob), fence=changed(bob.fence, key=carol.fence.key))
        outcomes = store.commit([creation(bob), dave.unit(), creation(carol), forged])
        assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed, Refused]
        alice.must_commit(CreateIdentity("worker", new_session_id()))
        alice.must_commit(send("bob", 1))
        assert read(store, "bob").has_mail
        assert not read(store, "carol").has_mail


@pytest.mark.parametrize("text", [NO_UUID, CAPITALS])
@pytest.mark.parametrize("effect_of", HOLD_AN_ID.values(), ids=HOLD_AN_ID)
def test_an_id_that_is_not_the_canonical_text_of_a_uuid_is_out_of_range(
    stores: tuple[Store, Store], effect_of: Callable[[Writer, str], Effect], text: str
) -> None:
    for store in stores:
        alice = created(store, "alice")
        outcome = alice.commit(insert(2), effect_of(alice, text))
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 1)


def test_a_session_that_is_no_uuid_is_out_of_range(stores: tuple[Store, Store]) -> None:
    for store in stores:
        outcome = unborn(store, "alice").commit(CreateIdentity("worker", SessionId(NO_UUID)))
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 0)


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "x" * 161], ids=["nothing", "nul", "surrogate", "huge"])
def test_a_name_that_no_row_takes_is_out_of_range(stores: tuple[Store, Store], name: str) -> None:
    for store in stores:
        alice, bob = created(store, "alice"), unborn(store, "bob")
        misnamed = changed(creation(bob), fence=changed(bob.fence, identity=name))
        for outcome in store.commit([alice.unit(send(name, 1)), misnamed]):
            assert isinstance(outcome, Refused)
            assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 0)


def test_an_ending_that_is_not_unicode_is_out_of_range_and_disturbs_no_neighbour(stores: tuple[Store, Store]) -> None:
    ending = EndInput(AdmissionSequence(1), RUN, Abandoned(AbandonReason.RESET, "\ud800"))
    for store in stores:
        alice, bob = created(store, "alice"), created(store, "bob")
        alice.must_commit(insert(1, run=RUN))
        refused, committed = store.commit([alice.unit(ending), bob.unit(insert(1))])
        assert reason(refused) is RefusalReason.OUT_OF_RANGE
        assert isinstance(committed, Committed)


def test_a_document_under_a_false_digest_is_the_same_to_both_stores(stores: tuple[Store, Store]) -> None:
    answers: list[object] = []
    for store in stores:
        outcome: CommitOutcome = created(store, "alice").commit(
            PutDocument("ops", "a", HELLO, content_digest(b"another"), None)
        )
        answers.append(reason(outcome) if isinstance(outcome, Refused) else _answer(lambda: _ops(store)))  # noqa: B023 - called at once
    assert answers[0] == answers[1]


def _ops(store: Store) -> object:
    return store.find_document(identity("alice"), "ops", "a")


@pytest.mark.parametrize("ask", ASK_FOR_NOTHING.values(), ids=ASK_FOR_NOTHING)
def test_who_asks_for_what_can_not_be_there_is_not_told_to_restore_a_backup(
    stores: tuple[Store, Store], ask: Callable[[Store], object]
) -> None:
    for store in stores:
        created(store, "alice")
        assert _answer(lambda: ask(store)) != "corrupt"  # noqa: B023 - called at once


def _answer(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except StoreCorruptError:
        return "corrupt"


def test_of_two_endings_that_are_refused_the_first_in_the_unit_is_told(stores: tuple[Store, Store]) -> None:
    """Round 75 of ``--seed 4``: a consumed one has another statement than an abandoned one, which ran first."""
    for store in stores:
        alice = created(store, "alice")
        boundary = alice.boundary(RUN)
        ending = Abandoned(AbandonReason.RESET, "")
        for endings in ((ending, None), (None, ending)):
            first, second = (EndInput(AdmissionSequence(11), RUN, each) for each in endings)
            outcome = alice.commit(first, boundary, second)
            assert isinstance(outcome, Refused)
            assert (outcome.reason, outcome.effect) == (RefusalReason.INPUT_STATE_CONFLICT, 0)
