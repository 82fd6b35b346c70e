"""What the runtime store tells when it can't claim, can't write, or is given what is nothing of the kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import apsw
import pytest

from meerkat_actors.errors import (
    CounterExhaustedError,
    IdentityBrokenError,
    InvalidValueError,
    MeerkatError,
    OwnershipLostError,
    RecordDeletedError,
    StoreFullError,
)
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.continuity import SNAPSHOT_BYTES_MAX
from meerkat_actors.records.effects import Claim, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, FencingToken, InputId, RunId
from meerkat_actors.records.input_states import InputStateRecord
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.records.transcripts import parse_transcript
from meerkat_actors.store import MemoryStore, RuntimeStore, SqliteStore, Store, open_sqlite
from tests.store.runtime_writing import RUN, delta, input_id, queued, receipt, said, seen, session
from tests.store.writing import changed, read


class Refusing(MemoryStore):
    """A store that refuses everything for one reason, once it is told to."""

    reason: RefusalReason | None = None

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        if self.reason is None:
            return super().commit(units)
        return [Refused(reason=self.reason, effect=-1, current="as it is")] * len(units)


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_is_an_error_of_ours_and_writes_nothing(reason: RefusalReason) -> None:
    store = Refusing()
    store.begin()
    runtime = RuntimeStore(store)
    runtime.persist_input_state("test", queued(1))
    before = seen(runtime, "test")
    store.reason = reason
    with pytest.raises(MeerkatError) as caught:
        runtime.commit_session_boundary("test", delta(*said("a")), RUN, RunApplyBoundary.IMMEDIATE, [], [queued(2)])
    assert "test" in str(caught.value) or "input" in str(caught.value) or isinstance(caught.value.args[0], str)
    store.reason = None
    assert seen(runtime, "test") == before
    # What was refused cost no number: the next one is the next.
    runtime.persist_input_state("test", queued(2))
    assert [state.admission_sequence for state in runtime.load_input_states("test")] == [1, 2]


def test_a_full_disk_and_a_lost_claim_are_told_apart() -> None:
    store = Refusing()
    store.begin()
    runtime = RuntimeStore(store)
    for reason, kind in (
        (RefusalReason.STORE_FULL, StoreFullError),
        (RefusalReason.STALE_GENERATION, OwnershipLostError),
        (RefusalReason.STALE_CHECKPOINT_VERSION, OwnershipLostError),
        (RefusalReason.DELETED, RecordDeletedError),
        (RefusalReason.OUT_OF_RANGE, InvalidValueError),
    ):
        store.reason = reason
        with pytest.raises(kind):
            runtime.persist_input_state("test", queued(1))


def test_the_last_token_is_not_claimed_from(store: Store) -> None:
    RuntimeStore(store).persist_input_state("test", queued(1))
    found = read(store, "test")
    assert found.head is not None
    fence = IdentityFence(
        AgentIdentity("test"), found.key, FencingToken(COUNTER_MAX), found.head.generation, found.head.version
    )
    store.commit([Unit(fence, (Claim(found.head.token),))])
    with pytest.raises(CounterExhaustedError) as caught:
        RuntimeStore(store).persist_input_state("test", queued(2))
    assert caught.value.current == COUNTER_MAX


def behind(database: Path, statement: str) -> SqliteStore:
    """A store that holds one runtime, after something happened to it."""
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    RuntimeStore(store).persist_input_state("test", queued(1))
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(statement)
    connection.close()
    return store


def test_a_deleted_runtime_is_not_claimed(database: Path) -> None:
    store = behind(database, "UPDATE head SET tombstone = 1")
    with pytest.raises(RecordDeletedError):
        RuntimeStore(store).persist_input_state("test", queued(2))
    store.close()


def test_a_runtime_whose_authority_can_not_be_read_is_broken(database: Path) -> None:
    store = behind(database, "UPDATE head SET kind = cast(x'ff' AS TEXT)")
    with pytest.raises(IdentityBrokenError) as caught:
        RuntimeStore(store).persist_input_state("test", queued(2))
    assert caught.value.identity == "test"
    store.close()


MISTAKES: dict[str, Callable[[RuntimeStore], object]] = {
    "no ids": lambda runtime: runtime.commit_session_boundary(
        "test", delta(), RUN, RunApplyBoundary.IMMEDIATE, cast("list[InputId]", None), []
    ),
    "an id twice": lambda runtime: runtime.commit_session_boundary(
        "test", delta(), RUN, RunApplyBoundary.IMMEDIATE, [input_id(1), input_id(1)], []
    ),
    "another boundary": lambda runtime: runtime.commit_session_boundary(
        "test", delta(), RUN, cast("RunApplyBoundary", "immediate"), [], []
    ),
    "no run": lambda runtime: runtime.commit_session_boundary(
        "test", delta(), cast("RunId", "run"), RunApplyBoundary.IMMEDIATE, [], []
    ),
    "no updates": lambda runtime: runtime.atomic_apply(
        "test", None, receipt(1), cast("list[InputStateRecord]", None), None
    ),
    "a hostile key": lambda runtime: runtime.atomic_apply("test", None, receipt(1), [], "../../etc"),
    "text to compare": lambda runtime: runtime.clear_session_snapshot_if_current("test", cast("bytes", "text")),
    "nothing to compare": lambda runtime: runtime.replace_session_snapshot_if_current(
        "test", cast("bytes", None), session()
    ),
    "no function": lambda runtime: runtime.update_auth_oauth_flow_snapshot(cast("Callable[..., bytes]", b"1")),
    "flows too big": lambda runtime: runtime.persist_auth_oauth_flow_snapshot(bytes(SNAPSHOT_BYTES_MAX + 1)),
    "no operations": lambda runtime: runtime.persist_ops_lifecycle("test", cast("OpsSnapshot", b"1")),
    "no run to load of": lambda runtime: runtime.load_boundary_receipt("test", cast("RunId", "run"), 1),
    "no input to load": lambda runtime: runtime.load_input_state("test", cast("InputId", "input")),
    "a snapshot too big": lambda _: parse_transcript(b" " * (SNAPSHOT_BYTES_MAX + 1)),
    "a snapshot of nothing": lambda _: parse_transcript(b""),
    "a tuple that is a list": lambda _: changed(receipt(), contributing_input_ids=[input_id(1)]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_and_writes_nothing(runtime: RuntimeStore, name: str) -> None:
    with pytest.raises(InvalidValueError):
        MISTAKES[name](runtime)
    assert seen(runtime, "test") == seen(runtime, "nobody")
    assert runtime.load_auth_oauth_flow_snapshot() is None
