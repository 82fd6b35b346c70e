"""Inputs of the runtime store: coherent, final once ended, in their order, one for each key (ST22-24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from meerkat_actors.errors import (
    IdempotencyConflictError,
    IllegalTransitionError,
    InvalidValueError,
    MeerkatError,
    OwnershipLostError,
    UnknownInputError,
)
from meerkat_actors.records.input_states import InputStateRecord
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.run_boundary import RunBoundaryReceipt
from meerkat_actors.store import RuntimeStore, Store
from tests.store.runtime_writing import (
    OTHER_RUN,
    RUN,
    delta,
    input_id,
    queued,
    receipt,
    seen,
    staged,
)

INCOHERENT: dict[str, Callable[[], InputStateRecord]] = {
    "staged for no run": lambda: queued(1, state=InputState.STAGED),
    "queued and bound": lambda: queued(1, last_run_id=RUN),
    "abandoned without an ending": lambda: queued(1, state=InputState.ABANDONED),
    "queued with an ending": lambda: queued(1, abandoned=Abandoned(AbandonReason.CANCELLED, "")),
    "superseded by nothing": lambda: queued(1, state=InputState.SUPERSEDED),
    "queued with a successor": lambda: queued(1, successor=input_id(2)),
    "consumed by half a receipt": lambda: queued(1, state=InputState.CONSUMED, last_run_id=RUN),
    "queued by a receipt": lambda: queued(1, last_boundary_sequence=1),
    "mail": lambda: queued(1, state=InputState.SENT),
    "another state": lambda: queued(1, state="queued"),
    "negative": lambda: queued(1, attempts=-1),
    "huge": lambda: queued(1, interruptions=2**63),
    "a flag": lambda: queued(1, not_before_ms=True),
    "no id": lambda: queued(1, input_id="one"),
    "no JSON": lambda: queued(1, content=b"{"),
    "no bytes": lambda: queued(1, content="{}"),
    "a hostile key": lambda: queued(1, idempotency_key="a\0b"),
    "a lone surrogate": lambda: queued(1, idempotency_key="\ud800"),
    "an ending that is text": lambda: queued(1, state=InputState.ABANDONED, abandoned="gone"),
}


@pytest.mark.parametrize("make", INCOHERENT.values(), ids=INCOHERENT)
def test_st22_an_incoherent_input_never_gets_as_far_as_a_write(make: Callable[[], InputStateRecord]) -> None:
    with pytest.raises(InvalidValueError):
        make()


UNWRITABLE: dict[str, tuple[list[InputStateRecord], RunBoundaryReceipt, type[MeerkatError]]] = {
    "consumed, and no contributor": ([queued(2, state=InputState.CONSUMED)], receipt(1), IllegalTransitionError),
    "a contributor that ended": (
        [queued(2, state=InputState.ABANDONED, abandoned=Abandoned(AbandonReason.RESET, ""))],
        receipt(1, input_id(2)),
        IllegalTransitionError,
    ),
    "a contributor of another run": ([staged(2, OTHER_RUN)], receipt(1, input_id(2)), IllegalTransitionError),
    "a contributor of another receipt": (
        [queued(2, state=InputState.CONSUMED, last_run_id=RUN, last_boundary_sequence=9)],
        receipt(1, input_id(2)),
        IllegalTransitionError,
    ),
    "a contributor that nobody knows": ([], receipt(1, input_id(2)), UnknownInputError),
    "an input twice": ([queued(2), staged(2)], receipt(1), InvalidValueError),
    "other content": ([queued(1, content=b"2")], receipt(1), IdempotencyConflictError),
    "another key": ([queued(1, idempotency_key="other")], receipt(1), IdempotencyConflictError),
    "a number of its own": ([queued(2, admission_sequence=7)], receipt(1), InvalidValueError),
    "another number": ([queued(1, admission_sequence=7)], receipt(1), InvalidValueError),
    "no record": ([cast("InputStateRecord", {"input_id": 2})], receipt(1), InvalidValueError),
    "no receipt": ([], cast("RunBoundaryReceipt", {"sequence": 1}), InvalidValueError),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_st22_what_contradicts_the_store_is_refused_before_any_write(runtime: RuntimeStore, name: str) -> None:
    updates, proof, kind = UNWRITABLE[name]
    runtime.persist_input_state("test", queued(1))
    before = seen(runtime, "test")
    with pytest.raises(kind):
        runtime.atomic_apply("test", delta(), proof, updates, None)
    assert seen(runtime, "test") == before


def test_st22_what_ended_is_final(runtime: RuntimeStore) -> None:
    gone = Abandoned(AbandonReason.CANCELLED, "asked for")
    runtime.persist_input_state("test", queued(1, state=InputState.ABANDONED, abandoned=gone))
    runtime.persist_input_state("test", queued(2))
    runtime.persist_input_state("test", queued(2, state=InputState.SUPERSEDED, successor=input_id(1)))
    runtime.atomic_apply("test", None, receipt(1, input_id(3)), [queued(3)], None)
    before = runtime.load_input_states("test")
    assert [state.state for state in before] == [InputState.ABANDONED, InputState.SUPERSEDED, InputState.CONSUMED]
    assert (before[0].abandoned, before[1].successor) == (gone, input_id(1))
    for number in (1, 2, 3):
        with pytest.raises(IllegalTransitionError):
            runtime.persist_input_state("test", queued(number))
        with pytest.raises(IllegalTransitionError):
            runtime.atomic_apply("test", None, receipt(2, input_id(number)), [], None)
    for state in before:
        runtime.persist_input_state("test", state)  # the same again is no change
    assert runtime.load_input_states("test") == before


def test_st22_a_staged_input_is_never_coalesced(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", staged(1))
    with pytest.raises(IllegalTransitionError):
        runtime.persist_input_state("test", queued(1, state=InputState.COALESCED, successor=input_id(2)))


def test_st23_inputs_load_in_the_order_of_their_admission(runtime: RuntimeStore) -> None:
    for number in (5, 3, 9, 1):
        runtime.persist_input_state("test", queued(number))
    runtime.persist_input_state("test", staged(3))
    states = runtime.load_input_states("test")
    assert [state.input_id for state in states] == [input_id(number) for number in (5, 3, 9, 1)]
    assert [state.admission_sequence for state in states] == [1, 2, 3, 4]


def test_st23_so_do_more_inputs_than_fit_a_page(runtime: RuntimeStore) -> None:
    many = [queued(number) for number in range(600, 0, -1)]
    runtime.atomic_apply("test", None, receipt(1), many, None)
    assert [state.input_id for state in runtime.load_input_states("test")] == [record.input_id for record in many]


def test_inputs_of_two_runs_wait_side_by_side_and_both_end(store: Store) -> None:
    runtime = RuntimeStore(store)
    runtime.atomic_apply("test", None, receipt(1), [staged(1), staged(2, OTHER_RUN)], None)
    later = RuntimeStore(store)
    later.atomic_apply("test", None, receipt(1, input_id(2), run_id=OTHER_RUN), [], None)
    later.atomic_apply("test", None, receipt(2, input_id(1)), [], None)
    assert [state.state for state in later.load_input_states("test")] == [InputState.CONSUMED] * 2


def test_what_a_facade_serves_is_no_work_of_the_runtimes_agents(store: Store) -> None:
    RuntimeStore(store).persist_input_state("test", queued(1))
    assert store.identities_with_work() == ()


def test_st24_an_idempotency_key_stands_for_one_input_of_its_runtime(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", queued(1, idempotency_key="job"))
    before = seen(runtime, "test")
    with pytest.raises(IdempotencyConflictError) as caught:
        runtime.persist_input_state("test", queued(2, idempotency_key="job"))
    assert (caught.value.identity, caught.value.key, caught.value.first_input_id) == ("test", "job", input_id(1))
    assert seen(runtime, "test") == before
    runtime.persist_input_state("other", queued(2, idempotency_key="job"))


def test_st24_two_writers_of_one_key_leave_one_input(store: Store) -> None:
    """Two facades are two writers: the later claim fences the earlier one out, so it can't even try."""
    first, second = RuntimeStore(store), RuntimeStore(store)
    first.persist_input_state("test", queued(9))
    second.persist_input_state("test", queued(2, idempotency_key="job"))
    with pytest.raises(OwnershipLostError):
        first.persist_input_state("test", queued(1, idempotency_key="job"))
    third = RuntimeStore(store)
    with pytest.raises(IdempotencyConflictError):
        third.persist_input_state("test", queued(1, idempotency_key="job"))
    assert [state.input_id for state in third.load_input_states("test")] == [input_id(9), input_id(2)]
