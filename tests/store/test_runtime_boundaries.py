"""Boundaries of the runtime store: one unit, a true receipt, inputs that follow it (ST1-5, 8, 12, 20-21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from attrs import evolve

from meerkat_actors.errors import (
    DuplicateReceiptError,
    IdempotencyConflictError,
    InvalidValueError,
    ReceiptGapError,
    ReceiptMismatchError,
    SessionKeyMismatchError,
    SnapshotSupersededError,
    StaleFencingTokenError,
)
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.input_states import new_accepted
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.run_boundary import RunApplyBoundary, RunBoundaryReceipt
from meerkat_actors.store import RuntimeStore, Store
from tests.store.runtime_writing import (
    OTHER_RUN,
    OTHER_SESSION,
    RUN,
    SESSION,
    delta,
    input_id,
    queued,
    receipt,
    revision,
    said,
    seen,
    session,
    staged,
)
from tests.store.writing import changed

# -- the seven tests of seed 002, by their names -------------------------------------------


def test_atomic_apply_roundtrip(runtime: RuntimeStore) -> None:
    """Changed: receipts begin at 1 and not at 0 (DESIGN 5), and a snapshot is a session document (seed 001, ST9)."""
    runtime.atomic_apply("test-runtime", delta(), receipt(1), [new_accepted(input_id(1))], None)
    (state,) = runtime.load_input_states("test-runtime")
    assert state.input_id == input_id(1)
    assert runtime.load_boundary_receipt("test-runtime", RUN, 1) is not None


def test_persist_and_load_single_state(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", new_accepted(input_id(1)))
    loaded = runtime.load_input_state("test", input_id(1))
    assert loaded is not None
    assert loaded.input_id == input_id(1)


def test_load_nonexistent_returns_none(runtime: RuntimeStore) -> None:
    assert runtime.load_input_states("test") == ()
    assert runtime.load_input_state("test", input_id(1)) is None
    assert runtime.load_boundary_receipt("test", RUN, 0) is None


def test_atomic_apply_updates_existing(runtime: RuntimeStore) -> None:
    """Changed: the seed goes from accepted to queued; there is no state before queued here, so it is staged."""
    runtime.atomic_apply("test", None, receipt(1), [queued(1)], None)
    runtime.atomic_apply("test", None, receipt(1, run_id=OTHER_RUN), [staged(1)], None)
    (state,) = runtime.load_input_states("test")
    assert state.state is InputState.STAGED


def test_commit_session_boundary_returns_authoritative_receipt(runtime: RuntimeStore) -> None:
    """Changed: sequence 1, not 0 (DESIGN 5); and the contributor, which the seed leaves accepted, is consumed."""
    made = runtime.commit_session_boundary(
        "test", delta(), RUN, RunApplyBoundary.IMMEDIATE, [input_id(1)], [new_accepted(input_id(1))]
    )
    assert (made.sequence, made.run_id) == (1, RUN)
    assert made.conversation_digest is not None
    assert runtime.load_boundary_receipt("test", made.run_id, made.sequence) == made


def test_multiple_runtimes_isolated(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("runtime-1", queued(1))
    runtime.persist_input_state("runtime-2", queued(2))
    runtime.persist_input_state("runtime-2", queued(3))
    assert len(runtime.load_input_states("runtime-1")) == 1
    assert len(runtime.load_input_states("runtime-2")) == 2


def test_load_session_snapshot_roundtrip(runtime: RuntimeStore) -> None:
    runtime.atomic_apply("runtime", delta(), receipt(1), [], None)
    assert runtime.load_session_snapshot("runtime") == session()


# -- ST1 to ST5 ---------------------------------------------------------------------------


def test_st01_a_boundary_reads_back_whole(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("team/lead", queued(1, idempotency_key="job"))
    made = runtime.commit_session_boundary(
        "team/lead", delta(*said("hello")), RUN, RunApplyBoundary.RUN_START, [input_id(1), input_id(2)], [queued(2)]
    )
    assert runtime.load_session_snapshot("team/lead") == session(*said("hello"))
    assert runtime.load_boundary_receipt("team/lead", RUN, 1) == made
    assert made == RunBoundaryReceipt(
        run_id=RUN,
        boundary=RunApplyBoundary.RUN_START,
        contributing_input_ids=(input_id(1), input_id(2)),
        conversation_digest=revision(session(*said("hello"))),
        message_count=1,
        sequence=1,
        checkpoint_version=made.checkpoint_version,
    )
    first, second = runtime.load_input_states("team/lead")
    assert (first.state, first.idempotency_key, first.content) == (InputState.CONSUMED, "job", b'{"n": 1}')
    # Boundaries stamp what they consume with their run and sequence.
    assert (second.state, second.last_run_id, second.last_boundary_sequence) == (InputState.CONSUMED, RUN, 1)


def test_st01_an_input_that_does_not_contribute_is_not_stamped(runtime: RuntimeStore) -> None:
    """Changed: seed 002 stamps every update. A receipt means "never replay", which holds for what it consumed."""
    runtime.commit_session_boundary(
        "test", delta(), RUN, RunApplyBoundary.IMMEDIATE, [input_id(1)], [queued(1), queued(2)]
    )
    spectator = runtime.load_input_state("test", input_id(2))
    assert spectator is not None
    assert (spectator.state, spectator.last_run_id, spectator.last_boundary_sequence) == (InputState.QUEUED, None, None)


def test_st01_a_boundary_keeps_the_counters_of_what_it_consumes(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", queued(1))
    runtime.persist_input_state("test", staged(2, attempts=1))
    runtime.commit_session_boundary(
        "test",
        delta(),
        RUN,
        RunApplyBoundary.RUN_START,
        [input_id(1), input_id(2), input_id(3)],
        [queued(1, attempts=1), staged(2, attempts=2, interruptions=1), queued(3, attempts=3)],
    )
    states = runtime.load_input_states("test")
    assert [(state.attempts, state.interruptions) for state in states] == [(1, 0), (2, 1), (3, 0)]
    assert {state.state for state in states} == {InputState.CONSUMED}


def test_st02_a_second_write_of_an_input_updates_it(runtime: RuntimeStore) -> None:
    for record in (queued(1), staged(1), staged(1, attempts=1), queued(1, attempts=1), queued(1, attempts=1)):
        runtime.persist_input_state("test", record)
        (state,) = runtime.load_input_states("test")
        assert state.admission_sequence == 1
        assert evolve(state, admission_sequence=None) == record


def test_st03_what_is_missing_is_nothing_and_no_error(runtime: RuntimeStore) -> None:
    assert seen(runtime, "nobody") == (None, None, (), None, None, [None] * 8)
    assert runtime.load_machine_lifecycle("nobody") is None
    assert runtime.load_runtime_state("nobody") is None
    assert runtime.load_auth_oauth_flow_snapshot() is None
    assert runtime.survey_input_states("nobody") == ((), ())


def test_st04_a_duplicate_receipt_leaves_nothing_of_its_unit(runtime: RuntimeStore) -> None:
    runtime.atomic_apply("test", delta(*said("a")), receipt(1, count=1), [queued(1)], None)
    before = seen(runtime, "test")
    with pytest.raises(DuplicateReceiptError) as caught:
        runtime.atomic_apply("test", delta(*said("a", "b")), receipt(1, count=2), [staged(1), queued(2)], None)
    assert (caught.value.identity, caught.value.presented) == ("test", 1)
    assert "1" in str(caught.value.current)
    assert seen(runtime, "test") == before
    # And the claim still holds.
    runtime.atomic_apply("test", delta(*said("a", "b")), receipt(2, count=2), [staged(1), queued(2)], None)


def test_st05_runtimes_with_the_same_runs_and_sequences_are_apart(runtime: RuntimeStore) -> None:
    runtime.atomic_apply("one", delta(*said("a")), receipt(1, input_id(1), count=1), [queued(1)], None)
    runtime.atomic_apply("two", delta(session_id=OTHER_SESSION), receipt(1, input_id(2)), [queued(2)], None)
    ones, twos = (runtime.load_boundary_receipt(name, RUN, 1) for name in ("one", "two"))
    assert ones is not None
    assert twos is not None
    assert (ones.message_count, twos.message_count) == (1, 0)
    assert runtime.load_input_state("two", input_id(1)) is None


def test_st05_an_input_id_is_used_once_in_the_whole_store(runtime: RuntimeStore) -> None:
    """Changed: the seed keys inputs by runtime. Here an input id is unique in the store, as it is for agents."""
    runtime.persist_input_state("one", queued(1))
    before = seen(runtime, "two")
    with pytest.raises(IdempotencyConflictError):
        runtime.persist_input_state("two", queued(1))
    assert seen(runtime, "two") == before


# -- ST8, ST12 ----------------------------------------------------------------------------


def test_st08_a_session_key_that_is_not_the_snapshots_writes_nothing_and_makes_no_alias(
    runtime: RuntimeStore, store: Store
) -> None:
    with pytest.raises(SessionKeyMismatchError) as caught:
        runtime.atomic_apply("test", delta(), receipt(1), [queued(1)], input_id(9))
    assert (caught.value.presented, caught.value.identity) == (SESSION, "test")
    assert store.page_identities(after=None, limit=9) == ()
    runtime.atomic_apply("test", delta(), receipt(1), [], SESSION)
    assert [row.identity for row in store.page_identities(after=None, limit=9)] == ["test"]
    # A key without a snapshot is of the stored one.
    runtime.atomic_apply("test", None, receipt(2), [], SESSION)
    with pytest.raises(SessionKeyMismatchError):
        runtime.atomic_apply("test", None, receipt(3), [], input_id(9))


def test_st12_a_boundary_with_a_superseded_snapshot_is_refused_as_one(runtime: RuntimeStore) -> None:
    """Changed with seed 001 [H]: an error, where [B] skipped the unit and reported success."""
    runtime.commit_session_boundary(
        "test", delta(*said("a", "b")), RUN, RunApplyBoundary.RUN_START, [input_id(1)], [queued(1)]
    )
    before = seen(runtime, "test")
    with pytest.raises(SnapshotSupersededError):
        runtime.commit_session_boundary(
            "test", delta(*said("a")), RUN, RunApplyBoundary.RUN_START, [input_id(2)], [queued(2)]
        )
    assert seen(runtime, "test") == before


# -- ST20, ST21 --------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [2**63, 2**64 - 1, -1, True, "1", 1.0])
def test_st20_a_sequence_beyond_63_bits_is_refused_and_never_wrapped(runtime: RuntimeStore, sequence: object) -> None:
    """Changed: upstream keeps 64 bits by reinterpreting them. Here a counter ends at 2^63-1 with a typed error."""
    with pytest.raises(InvalidValueError):
        changed(receipt(), sequence=sequence)
    with pytest.raises(InvalidValueError):
        runtime.load_boundary_receipt("test", RUN, cast("int", sequence))


@pytest.mark.parametrize("sequence", [2, 3, COUNTER_MAX])
def test_st20_a_sequence_that_is_not_the_runs_next_is_a_gap(runtime: RuntimeStore, sequence: int) -> None:
    with pytest.raises(ReceiptGapError) as caught:
        runtime.atomic_apply("test", None, receipt(sequence), [queued(1)], None)
    assert caught.value.presented == sequence
    assert runtime.load_boundary_receipt("test", RUN, sequence) is None
    assert runtime.load_input_states("test") == ()


def test_st21_receipts_are_dense_per_run_from_1_and_versions_over_all_runs(runtime: RuntimeStore) -> None:
    made = [
        runtime.commit_session_boundary("test", delta(), run, RunApplyBoundary.RUN_CHECKPOINT, [], [])
        for run in (RUN, OTHER_RUN, RUN, RUN)
    ]
    assert [each.sequence for each in made] == [1, 1, 2, 3]
    assert [each.checkpoint_version for each in made] == [1, 2, 3, 4]


def test_st21_a_receipt_without_digest_is_given_the_true_one(runtime: RuntimeStore) -> None:
    runtime.atomic_apply(
        "test", delta(*said("a")), receipt(1, input_id(2), input_id(1), count=1), [queued(1), queued(2)], None
    )
    kept = runtime.load_boundary_receipt("test", RUN, 1)
    assert kept is not None
    assert kept.conversation_digest == revision(session(*said("a")))
    assert kept.contributing_input_ids == (input_id(2), input_id(1))
    # A boundary without a snapshot proves the conversation that is stored.
    runtime.atomic_apply("test", None, receipt(2, count=1), [], None)
    again = runtime.load_boundary_receipt("test", RUN, 2)
    assert again is not None
    assert again.conversation_digest == kept.conversation_digest


@pytest.mark.parametrize(
    "lie", [{"message_count": 7}, {"conversation_digest": DIGEST_ZERO.hex()}, {"checkpoint_version": 9}], ids=str
)
def test_st21_a_receipt_that_is_not_true_writes_nothing(runtime: RuntimeStore, lie: dict[str, object]) -> None:
    with pytest.raises(ReceiptMismatchError) as caught:
        runtime.atomic_apply("test", delta(*said("a")), changed(receipt(1, count=1), **lie), [queued(1)], None)
    assert str(*lie.values()) in str(caught.value.presented)
    assert seen(runtime, "test") == seen(runtime, "nobody")


def test_a_superseded_facade_is_told_its_token_and_the_current_one(store: Store) -> None:
    first, second = RuntimeStore(store), RuntimeStore(store)
    first.persist_input_state("test", queued(1))
    second.persist_input_state("test", queued(2))
    writes: tuple[Callable[[], object], ...] = (
        lambda: first.persist_input_state("test", queued(1)),  # no change, and still not its to say
        lambda: first.clear_session_snapshot("test"),
        lambda: first.delete_ops_lifecycle("test"),
        lambda: first.clear_session_snapshot_if_current("test", b"nothing"),
        lambda: first.commit_session_snapshot("test", delta()),
        lambda: first.commit_session_boundary("test", delta(), RUN, RunApplyBoundary.IMMEDIATE, [], []),
    )
    for write in writes:
        with pytest.raises(StaleFencingTokenError) as caught:
            write()
        assert caught.value.presented == 1
        assert "2" in str(caught.value.current)
    # Reads go on, and other runtimes are still its own.
    assert len(first.load_input_states("test")) == 2
    first.persist_input_state("other", queued(3))


@pytest.mark.parametrize("name", ["", "rt:test", "mob:team", "a b", "a/b/c", "x" * 161, "\ud800", "a\0", None, 7])
def test_a_runtime_id_is_an_identity(runtime: RuntimeStore, name: object) -> None:
    """Changed: upstream spells ``rt:session:<uuid>``. A logical runtime is an identity, and ``rt:`` is reserved."""
    with pytest.raises(InvalidValueError):
        runtime.persist_input_state(cast("str", name), queued(1))
    with pytest.raises(InvalidValueError):
        runtime.load_input_states(cast("str", name))
