"""Steps that are never run twice without being asked, and checkpoints: what a journal keeps beside results."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import DropJournal
from meerkat_actors.records.ids import RunId
from meerkat_actors.records.runs import CHECKPOINT, JournalEntry
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    Writer,
    created,
    end,
    insert,
    intent,
    new_run_id,
    read,
    reason,
    resolve,
    send,
    stage,
    step,
    take,
    unstage,
)

CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT


def running(store: Store, name: str = "alice") -> tuple[Writer, RunId]:
    """A writer whose run holds admission 1."""
    writer, run = created(store, name), new_run_id()
    writer.must_commit(insert(1, run=run))
    return writer, run


def journal(store: Store, name: str = "alice") -> dict[tuple[str, int], JournalEntry]:
    """Of the live run."""
    run = read(store, name).run
    assert run is not None
    return dict(run.journal)


def members(store: Store, name: str = "alice") -> list[tuple[int, int]]:
    """Positions and admissions of the live run's, in its order."""
    run = read(store, name).run
    assert run is not None
    return [(member.position, member.admission) for member in run.members]


# -- intents ------------------------------------------------------------------------------


@check
def an_intent_is_in_the_journal_before_its_result(store: Store) -> None:
    """A step that may not run twice is recorded with no result; the result fills that entry, once."""
    alice, run = running(store)
    alice.must_commit(intent(1, run), step(1, run))
    assert journal(store) == {
        ("pay", 1): JournalEntry(b"arguments", b"", is_once=True),
        ("fetch", 1): JournalEntry(b"arguments", b"1", is_once=False),
    }
    alice.must_commit(resolve(run, b'"paid"'))
    assert journal(store)["pay", 1] == JournalEntry(b"arguments", b'"paid"', is_once=True)
    for late in (resolve(run, b'"twice"'), resolve(run, None), intent(1, run)):
        assert reason(alice.commit(late)) is CONFLICT
    assert journal(store)["pay", 1].result == b'"paid"'


@check
def an_intent_is_withdrawn_where_nothing_came_of_it(store: Store) -> None:
    """Without a result the entry is gone, and the step may be intended again."""
    alice, run = running(store)
    alice.must_commit(intent(1, run))
    alice.must_commit(resolve(run, None))
    assert journal(store) == {}
    assert reason(alice.commit(resolve(run, None))) is CONFLICT
    alice.must_commit(intent(1, run))
    assert journal(store)["pay", 1].result == b""


@check
def only_an_open_intent_is_resolved(store: Store) -> None:
    """Neither a step that was never intended nor one of another run, name, number or identity."""
    alice, run = running(store)
    bob, other = running(store, "bob")
    alice.must_commit(intent(1, run), step(1, run))
    bob.must_commit(step(1, other))
    for wrong in (
        resolve(new_run_id(), b"1"),
        resolve(run, b"1", "fetch"),
        resolve(run, None, "fetch"),
        resolve(run, b"1", "ask"),
        resolve(run, b"1", nth=2),
    ):
        outcome = alice.commit(step(1, run, "more"), wrong)
        assert isinstance(outcome, Refused), wrong
        assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    assert reason(bob.commit(resolve(run, b"1"))) is CONFLICT
    assert set(journal(store)) == {("pay", 1), ("fetch", 1)}


@check
def a_result_may_be_recorded_without_an_intent(store: Store) -> None:
    """That a step runs once is remembered also where its result comes first, or is set in the same unit."""
    alice, run = running(store)
    alice.must_commit(step(1, run, "told", is_once=True))
    alice.must_commit(resolve(run, b"2", "soon"), intent(1, run, "soon"))
    assert journal(store) == {
        ("told", 1): JournalEntry(b"arguments", b"1", is_once=True),
        ("soon", 1): JournalEntry(b"arguments", b"2", is_once=True),
    }


@check
def an_unknown_result_is_of_a_step_that_runs_once(store: Store) -> None:
    """An empty result is no JSON: neither a step that may run again has one, nor a resolution."""
    alice, run = running(store)
    alice.must_commit(intent(1, run))
    for wrong in (step(1, run, result=b""), resolve(run, b"")):
        assert reason(alice.commit(wrong)) is RefusalReason.OUT_OF_RANGE


@check
def an_intent_ends_with_its_run(store: Store) -> None:
    """A journal is dropped with the intents in it; a run that is over has none to resolve."""
    alice, run = running(store)
    alice.must_commit(intent(1, run), insert(2))
    alice.must_commit(end(1, run, GIVEN_UP), DropJournal(run))
    assert reason(alice.commit(resolve(run, b"1"))) is CONFLICT
    alice.must_commit(stage(2, run))
    assert journal(store) == {}


# -- checkpoints --------------------------------------------------------------------------


@check
def a_checkpoint_is_journaled_with_what_it_binds(store: Store) -> None:
    """Its entry has the empty name; what it binds has its number for a place, behind what staging froze."""
    alice, run = running(store)
    bob = created(store, "bob")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(insert(2), insert(3))
    alice.must_commit(step(1, run, CHECKPOINT, 1, b"[]"), stage(3, run, 1))
    alice.must_commit(step(1, run, CHECKPOINT, 2, b"[]"), take(mail, 4), stage(2, run, 2), step(1, run))
    assert members(store) == [(0, 1), (1, 3), (2, 2)]
    now = read(store, "alice")
    assert now.run is not None
    assert [held.admission for held in now.queued] == [4]
    assert [member.admission for member in now.run.base] == [1]
    assert set(now.run.journal) == {(CHECKPOINT, 1), (CHECKPOINT, 2), ("fetch", 1)}
    assert now.run.journal[CHECKPOINT, 2].result == b"[]"
    assert reason(alice.commit(step(1, run, CHECKPOINT, 2, b"[]"))) is CONFLICT


@check
def members_stand_by_place_and_then_by_admission(store: Store) -> None:
    """What one checkpoint bound is in the order of admission, behind what earlier ones bound."""
    alice, run = running(store)
    alice.must_commit(*(insert(admission) for admission in range(2, 8)))
    alice.must_commit(stage(7, run, 1), stage(2, run, 2), stage(6, run, 1), stage(3, run), stage(4, run, 9))
    assert members(store) == [(0, 1), (0, 3), (1, 6), (1, 7), (2, 2), (9, 4)]


@check
def what_goes_back_to_its_lane_has_no_place(store: Store) -> None:
    """An input that leaves its run and is staged again stands where that staging puts it."""
    alice, run = running(store)
    alice.must_commit(insert(2), insert(3))
    alice.must_commit(stage(2, run, 1), stage(3, run, 2))
    alice.must_commit(unstage(2, run))
    (back,) = read(store, "alice").queued
    assert (back.admission, back.position) == (2, 0)
    alice.must_commit(stage(2, run, 3))
    assert members(store) == [(0, 1), (2, 3), (3, 2)]
