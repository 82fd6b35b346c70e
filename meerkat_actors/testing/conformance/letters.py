"""Dead letters: what was given up though nobody asked for that, until somebody looks after it."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from meerkat_actors.records.codec import encode_abandoned, encode_header
from meerkat_actors.records.commits import DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, Bury, SettleLetter
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity
from meerkat_actors.records.inputs import InputKind, InputState, Letter, Letterhead
from meerkat_actors.records.outcomes import DEAD_LETTERS, Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    CANCELLED,
    GIVEN_UP,
    Writer,
    charge,
    created,
    end,
    identity,
    insert,
    new_run_id,
    new_session_id,
    noted,
    read,
    reason,
    send,
    settle,
    take,
)

ALICE: Final = identity("alice")
CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT


def died(store: Store, name: str, *admissions: int, why: Abandoned = GIVEN_UP) -> Writer:
    """A new writer, all of whose inputs were given up."""
    writer = created(store, name)
    give_up(writer, *admissions, why=why)
    return writer


def give_up(writer: Writer, *admissions: int, why: Abandoned = GIVEN_UP) -> None:
    for admission in admissions:
        run = new_run_id()
        writer.must_commit(insert(admission, run=run))
        writer.must_commit(end(admission, run, why))


def letters(
    store: Store, name: AgentIdentity | None = None, after: int = 0, limit: int = 99
) -> list[tuple[str, int | None]]:
    """Whose they are, and their admissions."""
    return [(found.identity, found.row.admission) for found in store.page_letters(name, after=after, limit=limit)]


@check_each({reason.value: reason for reason in AbandonReason})
def what_nobody_asked_for_is_a_dead_letter(store: Store, why: AbandonReason) -> None:
    """An input whose attempts were used up, that ends its process, or that never ran, waits to be looked after."""
    alice = died(store, "alice", 1, why=Abandoned(why, "detail"))
    (row,) = store.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    is_dead = why in DEAD_LETTERS
    assert (row.state, row.ending) == (InputState.ABANDONED, encode_abandoned(Abandoned(why, "detail")))
    assert row.letter is (Letter.DEAD if is_dead else Letter.NONE)
    assert store.page_letters(None, after=0, limit=9) == ((Letterhead(identity=ALICE, row=row),) if is_dead else ())
    outcome = alice.commit(settle(1))
    assert isinstance(outcome, Refused) is not is_dead


@check
def a_letter_is_settled_once(store: Store) -> None:
    """It is listed no more then, and its row says that it was one; nothing else of it changes."""
    alice = died(store, "alice", 1, 2)
    before, _ = store.page_letters(None, after=0, limit=9)
    alice.must_commit(settle(1))
    assert letters(store) == [("alice", 2)]
    now = store.find_input(ALICE, before.row.input_id)
    assert now == evolve(before.row, letter=Letter.SETTLED)
    outcome = alice.commit(settle(2), settle(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    assert letters(store) == [("alice", 2)]
    assert alice.fence.version == 0


@check
def what_is_no_dead_letter_is_not_settled(store: Store) -> None:
    """Neither what is open, consumed or cancelled, nor another's, nor what was never admitted."""
    alice, run = created(store, "alice"), new_run_id()
    died(store, "bob", 7)
    alice.must_commit(insert(1, run=run), insert(2, run=run), insert(3, run=run), insert(4), noted(5))
    alice.must_commit(end(1, run), end(2, run, CANCELLED), alice.boundary(run))
    for admission in range(1, 9):
        assert reason(alice.commit(settle(admission))) is CONFLICT, admission
    assert letters(store) == [("bob", 7)]


@check
def letters_come_oldest_first_from_beyond_a_sequence(store: Store) -> None:
    """Of one identity or of all, in the order in which they came to the store, in pages."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for admission in (1, 2, 3):
        give_up(alice, admission)
        give_up(bob, admission)
    everybody = [("alice", 1), ("bob", 1), ("alice", 2), ("bob", 2), ("alice", 3), ("bob", 3)]
    assert letters(store) == everybody
    assert letters(store, ALICE) == [("alice", 1), ("alice", 2), ("alice", 3)]
    assert letters(store, identity("nobody")) == []
    for name, expected in ((None, everybody), (ALICE, everybody[::2])):
        found: list[tuple[str, int | None]] = []
        after = 0
        while page := store.page_letters(name, after=after, limit=2):
            found += [(each.identity, each.row.admission) for each in page]
            assert len(found) <= len(expected)
            after = page[-1].row.sequence
        assert found == expected
    assert letters(store, limit=0) == letters(store, limit=-1) == letters(store, after=10_000) == []
    bob.must_commit(settle(2))
    assert letters(store) == [each for each in everybody if each != ("bob", 2)]


@check
def mail_that_died_is_a_letter_of_who_took_it(store: Store) -> None:
    """A letter tells whose it is, who sent it, what it said of itself, and how often it was tried."""
    alice, bob = created(store, "alice"), created(store, "bob")
    header = Header(correlation_id="7")
    bob.must_commit(send("alice", 1, kind=InputKind.PROMPT, header=header))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    run = new_run_id()
    alice.must_commit(take(mail, 1, run))
    alice.must_commit(charge(1, run, 2, 2), end(1, run, GIVEN_UP))
    (found,) = store.page_letters(None, after=0, limit=9)
    row = found.row
    assert (found.identity, row.sender, row.header) == (ALICE, "bob", encode_header(header, InputKind.PROMPT))
    assert (row.attempts, row.interruptions, row.run_id) == (3, 2, run)
    assert letters(store, identity("bob")) == []


@check
def a_letter_is_driven_again_by_a_new_input(store: Store) -> None:
    """The new input and the settling commit together or not at all: nobody drives a letter twice."""
    alice = died(store, "alice", 1)
    (dead,) = store.page_letters(ALICE, after=0, limit=9)
    again = Header(redrives=dead.row.input_id)
    alice.must_commit(settle(1), insert(2, header=again))
    outcome = alice.commit(insert(3, header=again), settle(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    (held,) = read(store, "alice").queued
    assert (held.admission, held.header) == (2, again)
    assert letters(store) == []
    outcome = alice.commit(insert(3, input_id=dead.row.input_id), settle(1))
    assert isinstance(outcome, DuplicateInput)


@check
def a_letter_may_be_settled_as_it_dies(store: Store) -> None:
    """An ending and its settling may be one unit."""
    alice, run = created(store, "alice"), new_run_id()
    alice.must_commit(insert(1, run=run))
    alice.must_commit(SettleLetter(AdmissionSequence(1)), end(1, run, GIVEN_UP))
    (row,) = store.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    assert (row.state, row.letter) == (InputState.ABANDONED, Letter.SETTLED)
    assert letters(store) == []


@check
def what_was_ended_in_its_lane_is_no_letter(store: Store) -> None:
    """A move gives no input up: its ending is its writer's, whatever it says."""
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    ending = encode_abandoned(GIVEN_UP)
    queued, gone = InputState.QUEUED, InputState.ABANDONED
    alice.must_commit(MoveInput(AdmissionSequence(1), queued, None, gone, None, 0, 0, 0, ending))
    assert letters(store) == []
    assert reason(alice.commit(settle(1))) is CONFLICT


@check
def letters_outlive_the_generation_and_the_identity(store: Store) -> None:
    """They are settled by whoever writes later, and listed also where nobody can."""
    alice = died(store, "alice", 1, 2)
    alice.must_commit(BeginGeneration(new_session_id()))
    assert letters(store) == [("alice", 1), ("alice", 2)]
    alice.must_commit(settle(1))
    alice.must_commit(Bury())
    assert letters(store) == letters(store, ALICE) == [("alice", 2)]
    assert reason(alice.commit(settle(2))) is RefusalReason.DELETED
    successor, recreation = alice.recreating()
    successor.must_commit(recreation)
    successor.must_commit(settle(2))
    assert letters(store) == []
