"""Runs: staged, charged, journaled, ended; every move from one state only."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import DropJournal
from meerkat_actors.records.ids import CheckpointVersion, Generation
from meerkat_actors.records.inputs import InputState
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    charge,
    created,
    digest_of,
    end,
    identity,
    insert,
    new_run_id,
    read,
    reason,
    stage,
    step,
)

CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT


@check
def an_admission_may_stage_its_run_at_once(store: Store) -> None:
    """An input that names a run is staged; others queue."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2))
    now = read(store, "alice")
    assert now.run is not None
    assert (now.run.run_id, [member.admission for member in now.run.members]) == (run, [1])
    assert [waiting.admission for waiting in now.queued] == [2]


@check
def a_run_keeps_its_members_in_admission_order(store: Store) -> None:
    """A run's members are in the order of their admission, not of their staging."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1), insert(2), insert(3))
    alice.must_commit(stage(3, run), stage(1, run))
    now = read(store, "alice")
    assert now.run is not None
    assert [member.admission for member in now.run.members] == [1, 3]
    assert [waiting.admission for waiting in now.queued] == [2]


@check
def only_a_queued_input_is_staged(store: Store) -> None:
    """Staging an input that is staged, ended or unknown is refused."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run))
    assert reason(alice.commit(stage(1, run))) is CONFLICT
    assert reason(alice.commit(stage(2, run))) is CONFLICT
    alice.must_commit(end(1, run, GIVEN_UP))
    assert reason(alice.commit(stage(1, run))) is CONFLICT


@check
def a_charge_sets_the_counters_of_the_live_run_only(store: Store) -> None:
    """A charge of another run, or of what is not staged, is refused."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2))
    alice.must_commit(charge(1, run, attempts=2, interruptions=3, not_before_ms=5_000))
    now = read(store, "alice").run
    assert now is not None
    assert (now.attempts, now.interruptions, now.not_before_ms) == (2, 3, 5_000)
    assert reason(alice.commit(charge(1, new_run_id()))) is CONFLICT
    assert reason(alice.commit(charge(2, run))) is CONFLICT
    assert reason(alice.commit(charge(3, run))) is CONFLICT


@check
def an_input_ends_once_and_from_its_run_only(store: Store) -> None:
    """Ending needs the run that holds the input, and is final."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2))
    assert reason(alice.commit(end(1, new_run_id(), GIVEN_UP))) is CONFLICT
    assert reason(alice.commit(end(2, run, GIVEN_UP))) is CONFLICT
    alice.must_commit(end(1, run, GIVEN_UP))
    assert reason(alice.commit(end(1, run, GIVEN_UP))) is CONFLICT
    assert reason(alice.commit(end(1, run), alice.boundary(run))) is CONFLICT
    assert reason(alice.commit(charge(1, run))) is CONFLICT


@check
def a_consumed_input_knows_its_boundary(store: Store) -> None:
    """An input that a boundary consumed names it, and the boundary is stored as it was appended."""
    alice = created(store, "alice")
    run = new_run_id()
    given = insert(1, run=run)
    alice.must_commit(given)
    boundary = alice.boundary(run, state=4)
    alice.must_commit(boundary, end(1, run))
    (turn,) = store.page_turns(identity("alice"), before=None, limit=9)
    assert turn == TurnRow(
        turn.sequence, 0, identity("alice"), Generation(0), CheckpointVersion(1), run, boundary.digest, boundary.body
    )
    row = store.find_input(identity("alice"), given.input_id)
    assert row is not None
    assert (row.state, row.turn, row.ending, row.run_id) == (InputState.CONSUMED, turn, None, run)
    assert read(store, "alice").run is None


@check
def an_abandoned_input_keeps_its_ending(store: Store) -> None:
    """An input that ended without a boundary keeps the reason and the counters, the failure that ended it included."""
    alice = created(store, "alice")
    run = new_run_id()
    given = insert(1, run=run)
    alice.must_commit(given)
    alice.must_commit(charge(1, run, attempts=2), end(1, run, GIVEN_UP))
    row = store.find_input(identity("alice"), given.input_id)
    assert row is not None
    assert (row.state, row.turn, row.ending) == (InputState.ABANDONED, None, encode_abandoned(GIVEN_UP))
    assert row.attempts == 3


@check
def a_boundary_moves_the_head_and_nothing_else_does(store: Store) -> None:
    """Version, digest and message count move with boundaries; the state stays until one sets it."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run))
    assert alice.fence.version == 0
    alice.must_commit(end(1, run), alice.boundary(run, state=1))
    alice.must_commit(alice.boundary())
    now = read(store, "alice")
    assert now.head is not None
    assert (now.head.version, now.head.digest, now.head.message_count) == (2, digest_of(2), 4)
    assert now.state == b"1"  # set by the boundary before
    alice.must_commit(alice.boundary(state=2))
    assert read(store, "alice").state == b"2"


@check
def a_step_is_recorded_once_under_a_live_run(store: Store) -> None:
    """A step's name and number are used once in a run, by an input that it holds."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2))
    alice.must_commit(step(1, run, "fetch", 1, b"1"), step(1, run, "fetch", 2, b"2"))
    alice.must_commit(step(1, run, "ask", 1, b"3"))
    now = read(store, "alice").run
    assert now is not None
    assert {use: entry.result for use, entry in now.journal.items()} == {
        ("fetch", 1): b"1",
        ("fetch", 2): b"2",
        ("ask", 1): b"3",
    }
    assert now.journal["ask", 1].arguments == b"arguments"
    assert reason(alice.commit(step(1, run, "fetch", 2, b"other"))) is CONFLICT
    assert reason(alice.commit(step(1, new_run_id(), "more"))) is CONFLICT
    assert reason(alice.commit(step(2, run, "more"))) is CONFLICT
    assert reason(alice.commit(step(3, run, "more"))) is CONFLICT


@check
def a_run_that_ended_records_nothing(store: Store) -> None:
    """A step is refused in the unit that ends its run, and ever after."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run))
    assert reason(alice.commit(end(1, run, GIVEN_UP), step(1, run))) is CONFLICT
    alice.must_commit(end(1, run, GIVEN_UP))
    assert reason(alice.commit(step(1, run))) is CONFLICT


@check
def a_journal_is_dropped_with_its_run_and_only_that_one(store: Store) -> None:
    """Journals are kept by identity and run; dropping what is not there is no error."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), step(1, run))
    bob.must_commit(insert(1, run=run), step(1, run, result=b"bob's"))
    bob.must_commit(DropJournal(new_run_id()))  # no such run: nothing to forget
    alice.must_commit(DropJournal(run))
    kept, dropped = read(store, "bob").run, read(store, "alice").run
    assert kept is not None
    assert dropped is not None
    assert [entry.result for entry in kept.journal.values()] == [b"bob's"]
    assert dropped.journal == {}
    alice.must_commit(step(1, run))  # a name may be used again


@check
def a_unit_without_effects_proves_its_fence(store: Store) -> None:
    """A unit without effects commits if its fence is right, and is refused if not."""
    alice = created(store, "alice")
    alice.must_commit()
    alice.must_commit(alice.boundary())
    assert reason(alice.forged(version=0).commit()) is RefusalReason.STALE_CHECKPOINT_VERSION
