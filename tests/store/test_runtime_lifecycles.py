"""Lifecycles, operations and login flows of the runtime store (ST6, 7, 17-19, 25, 26)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import product
from typing import cast

import pytest

from meerkat_actors.errors import (
    GenerationConflictError,
    IllegalTransitionError,
    InvalidValueError,
    OperationsEpochRetiredError,
    StaleFencingTokenError,
    StoreCorruptError,
    UnsupportedError,
    UsageError,
)
from meerkat_actors.machines.lifecycle import TRANSITIONS, MachineLifecycleCommit, select_lifecycle
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Claim, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, FencingToken
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.machine_lifecycle import MachineLifecycleBinding, MachineLifecycleSnapshot, RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import DropDocument, PutDocument
from meerkat_actors.store import MemoryStore, RuntimeStore, Store
from meerkat_actors.store.runtime_documents import LIFECYCLE, OPERATIONS
from tests.store.runtime_writing import delta, input_id, queued, said, seen
from tests.store.writing import uuid_of

EPOCH, OTHER_EPOCH = uuid_of(0xE1), uuid_of(0xE2)
BOUND = MachineLifecycleBinding(
    agent_runtime_id="rt:team/lead:3", fence_token=7, runtime_generation=3, runtime_epoch_id=EPOCH
)
RESET = Abandoned(AbandonReason.RESET, "by its operator")


def plant(store: Store, name: str, kind: str, body: bytes) -> None:
    """Put a document behind the facade's back, as another version of it would."""
    found = store.activate(AgentIdentity(name))
    assert isinstance(found, Activation)
    assert found.head is not None
    token = FencingToken(found.head.token + 1)
    fence = IdentityFence(AgentIdentity(name), found.key, token, found.head.generation, found.head.version)
    put = PutDocument(kind, "current", body, content_digest(body), None)
    (outcome,) = store.commit([Unit(fence, (Claim(found.head.token), put))])
    assert isinstance(outcome, Committed)


# -- lifecycle ----------------------------------------------------------------------------


def test_st06_a_lifecycle_commit_keeps_both_parts(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", queued(1))
    commit = select_lifecycle(None, RuntimeState.IDLE, binding=BOUND)
    runtime.commit_machine_lifecycle(
        "test", commit, [queued(1, state=InputState.ABANDONED, abandoned=RESET), queued(2)]
    )
    assert runtime.load_machine_lifecycle("test") == commit.snapshot
    assert runtime.load_machine_lifecycle_record("test") == commit.store_record()
    assert runtime.load_runtime_state("test") is RuntimeState.IDLE
    assert [state.state for state in runtime.load_input_states("test")] == [InputState.ABANDONED, InputState.QUEUED]


def test_st06_seed_002_says_the_state_and_the_machine_selects_it(runtime: RuntimeStore) -> None:
    """Changed: seed 002 stores any state. Here its machine must know the transition, and the binding stays."""
    runtime.commit_machine_lifecycle("test", select_lifecycle(None, RuntimeState.IDLE, binding=BOUND), [])
    runtime.persist_runtime_state("test", RuntimeState.RUNNING)
    runtime.atomic_lifecycle_commit("test", RuntimeState.RETIRED, [queued(1)])
    assert runtime.load_machine_lifecycle("test") == MachineLifecycleSnapshot(
        runtime_state=RuntimeState.RETIRED, binding=BOUND
    )
    assert len(runtime.load_input_states("test")) == 1
    runtime.persist_runtime_state("test", RuntimeState.DESTROYED)
    before = seen(runtime, "test")
    with pytest.raises(IllegalTransitionError):
        runtime.atomic_lifecycle_commit("test", RuntimeState.IDLE, [queued(2)])
    with pytest.raises(InvalidValueError):
        runtime.persist_runtime_state("test", cast("RuntimeState", "idle"))
    assert seen(runtime, "test") == before


def test_st07_a_lifecycle_commit_that_fails_keeps_neither_part(runtime: RuntimeStore) -> None:
    runtime.persist_input_state("test", queued(1, state=InputState.ABANDONED, abandoned=RESET))
    before = seen(runtime, "test")
    commit = select_lifecycle(None, RuntimeState.IDLE)
    with pytest.raises(IllegalTransitionError):
        runtime.commit_machine_lifecycle("test", commit, [queued(2), queued(1)])
    assert seen(runtime, "test") == before


def test_st07_two_selections_from_one_past_do_not_both_hold(runtime: RuntimeStore) -> None:
    first, second = (select_lifecycle(None, state) for state in (RuntimeState.IDLE, RuntimeState.RETIRED))
    runtime.commit_machine_lifecycle("test", first, [])
    with pytest.raises(GenerationConflictError) as caught:
        runtime.commit_machine_lifecycle("test", second, [queued(1)])
    assert (caught.value.identity, caught.value.current) == ("test", first.snapshot)
    assert "retired" in str(caught.value.presented)
    assert runtime.load_input_states("test") == ()


def test_a_lifecycle_commit_has_no_public_way(runtime: RuntimeStore) -> None:
    snapshot = MachineLifecycleSnapshot(runtime_state=RuntimeState.IDLE)
    for fields in ({}, {"snapshot": snapshot}, {"runtime_state": RuntimeState.IDLE, "binding": BOUND}):
        with pytest.raises(UsageError, match="no public constructor"):
            MachineLifecycleCommit(**fields)
    commit = select_lifecycle(None, RuntimeState.IDLE)
    with pytest.raises(UsageError):
        commit._snapshot = snapshot  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(UsageError):
        pickle.dumps(commit)
    with pytest.raises(InvalidValueError):
        runtime.commit_machine_lifecycle("test", cast("MachineLifecycleCommit", snapshot), [])
    assert commit == select_lifecycle(None, RuntimeState.IDLE) != snapshot
    assert len({commit, select_lifecycle(None, RuntimeState.IDLE)}) == 1
    assert "idle" in repr(commit)


@pytest.mark.parametrize(("before", "after"), list(product(RuntimeState, RuntimeState)))
def test_a_lifecycle_is_selected_as_the_table_says(before: RuntimeState, after: RuntimeState) -> None:
    current = MachineLifecycleSnapshot(runtime_state=before, binding=BOUND)
    if (before, after) in TRANSITIONS:
        commit = select_lifecycle(current, after)
        assert (commit.runtime_state, commit.snapshot.binding, commit.previous) == (after, BOUND, current)
    else:
        with pytest.raises(IllegalTransitionError):
            select_lifecycle(current, after)


def test_the_outer_fence_of_a_lifecycle_never_goes_back() -> None:
    current = MachineLifecycleSnapshot(runtime_state=RuntimeState.IDLE, binding=BOUND)
    lower = MachineLifecycleBinding(agent_runtime_id="rt:team/lead:3", fence_token=6, runtime_generation=3)
    with pytest.raises(IllegalTransitionError):
        select_lifecycle(current, RuntimeState.RUNNING, binding=lower)
    assert select_lifecycle(current, RuntimeState.IDLE, binding=MachineLifecycleBinding()).snapshot.binding == (
        MachineLifecycleBinding()
    )


@pytest.mark.parametrize(
    "binding",
    [
        MachineLifecycleBinding(),
        BOUND,
        MachineLifecycleBinding(agent_runtime_id="a", runtime_generation=0),
        MachineLifecycleBinding(agent_runtime_id="a", runtime_epoch_id=EPOCH),
        MachineLifecycleBinding(agent_runtime_id="a", fence_token=2**63 - 1, runtime_generation=2**63 - 1),
    ],
    ids=str,
)
def test_st17_binding_facts_read_back(runtime: RuntimeStore, binding: MachineLifecycleBinding) -> None:
    runtime.commit_machine_lifecycle("test", select_lifecycle(None, RuntimeState.IDLE, binding=binding), [])
    loaded = runtime.load_machine_lifecycle("test")
    assert loaded is not None
    assert loaded.binding == binding


@pytest.mark.parametrize(
    "fields",
    [
        {"fence_token": 1},
        {"runtime_generation": 1},
        {"runtime_epoch_id": EPOCH},
        {"agent_runtime_id": "a"},
        {"agent_runtime_id": "a", "fence_token": 1},
        {"agent_runtime_id": "a", "runtime_generation": 2**63},
        {"agent_runtime_id": "a", "runtime_generation": -1},
        {"agent_runtime_id": "a", "runtime_generation": True},
        {"agent_runtime_id": "a", "runtime_epoch_id": "x"},
        {"agent_runtime_id": "a\0", "runtime_generation": 1},
        {"agent_runtime_id": "\ud800", "runtime_generation": 1},
        {"agent_runtime_id": "", "runtime_generation": 1},
    ],
    ids=ascii,
)
def test_st17_facts_that_hang_in_the_air_are_none(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        MachineLifecycleBinding(**fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


LEGACY = {
    "a bare state": b'"idle"',
    "text": b"idle",
    "no version": b'{"runtime_state":"idle","binding":{}}',
}
FOREIGN = {
    "version 0": b'{"record_version":0,"runtime_state":"idle","binding":{}}',
    "version 2": b'{"record_version":2,"runtime_state":"idle","binding":{}}',
    "version true": b'{"record_version":true,"runtime_state":"idle","binding":{}}',
    "version 1.0": b'{"record_version":1.0,"runtime_state":"idle","binding":{}}',
    "more fields": b'{"record_version":1,"runtime_state":"idle","binding":{},"more":1}',
    "no binding": b'{"record_version":1,"runtime_state":"idle"}',
    "an odd binding": b'{"record_version":1,"runtime_state":"idle","binding":{"owner":1}}',
    "an odd state": b'{"record_version":1,"runtime_state":"attached","binding":{}}',
    "a list": b"[]",
}


@pytest.mark.parametrize("record", LEGACY.values(), ids=LEGACY)
def test_st18_a_legacy_lifecycle_is_no_authority(runtime: RuntimeStore, store: Store, record: bytes) -> None:
    runtime.persist_input_state("test", queued(1))
    plant(store, "test", LIFECYCLE, record)
    with pytest.raises(StoreCorruptError):
        runtime.load_runtime_state("test")
    with pytest.raises(StoreCorruptError):
        RuntimeStore(store).persist_runtime_state("test", RuntimeState.IDLE)
    assert runtime.load_machine_lifecycle_record("test") == record


@pytest.mark.parametrize("record", FOREIGN.values(), ids=FOREIGN)
def test_st19_a_lifecycle_of_another_version_fails_closed(runtime: RuntimeStore, store: Store, record: bytes) -> None:
    runtime.persist_input_state("test", queued(1))
    plant(store, "test", LIFECYCLE, record)
    with pytest.raises(StoreCorruptError):
        runtime.load_machine_lifecycle("test")
    commit = select_lifecycle(None, RuntimeState.IDLE)
    with pytest.raises(StoreCorruptError):
        RuntimeStore(store).commit_machine_lifecycle("test", commit, [queued(2)])
    # Its neighbours, and its own inputs, are unaffected.
    assert [state.input_id for state in runtime.load_input_states("test")] == [input_id(1)]


@pytest.mark.parametrize(
    "record",
    [b"{}", b"{}\nbody", b'{"epoch_id":"x","record_version":1}\nb', b"\n", b"[1]\nx", b'{"record_version":2}\nx'],
    ids=ascii,
)
def test_st19_operations_of_another_version_fail_closed(runtime: RuntimeStore, store: Store, record: bytes) -> None:
    runtime.persist_input_state("test", queued(1))
    plant(store, "test", OPERATIONS, record)
    with pytest.raises(StoreCorruptError):
        runtime.load_ops_lifecycle("test")
    with pytest.raises(StoreCorruptError):
        RuntimeStore(store).persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))


def test_st19_a_stored_snapshot_that_is_none_fails_closed(runtime: RuntimeStore, store: Store) -> None:
    runtime.persist_input_state("test", queued(1))
    plant(store, "test", "runtime.session", b"{}")
    assert runtime.load_session_snapshot("test") == b"{}"
    with pytest.raises(StoreCorruptError):
        RuntimeStore(store).commit_session_snapshot("test", delta(*said("a")))


# -- operations ---------------------------------------------------------------------------


def test_operations_are_kept_byte_for_byte(runtime: RuntimeStore) -> None:
    for body in (b"{}", b"\x00\xff\n\nbody", b"3"):
        runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=body))
        assert runtime.load_ops_lifecycle("test") == OpsSnapshot(epoch_id=EPOCH, body=body)
    assert runtime.load_ops_lifecycle("other") is None
    runtime.delete_ops_lifecycle("test")
    runtime.delete_ops_lifecycle("test")
    runtime.delete_ops_lifecycle("nobody")
    assert runtime.load_ops_lifecycle("test") is None


def test_st26_a_late_write_to_a_retired_epoch_is_refused(runtime: RuntimeStore) -> None:
    runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))
    runtime.delete_ops_lifecycle("test")
    with pytest.raises(OperationsEpochRetiredError) as caught:
        runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"2"))
    assert (caught.value.identity, caught.value.presented) == ("test", EPOCH)
    assert runtime.load_ops_lifecycle("test") is None
    runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=OTHER_EPOCH, body=b"3"))
    # The same epoch of another runtime is another one.
    runtime.persist_ops_lifecycle("other", OpsSnapshot(epoch_id=EPOCH, body=b"4"))


def test_st26_the_next_epoch_retires_the_one_before(runtime: RuntimeStore) -> None:
    runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))
    runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=OTHER_EPOCH, body=b"2"))
    with pytest.raises(OperationsEpochRetiredError):
        runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"3"))
    assert runtime.load_ops_lifecycle("test") == OpsSnapshot(epoch_id=OTHER_EPOCH, body=b"2")


@pytest.mark.parametrize(("epoch", "body"), [("x", b"1"), (EPOCH, b""), (EPOCH, "1"), (None, b"1")])
def test_an_operations_snapshot_says_whose_epoch_and_something(epoch: object, body: object) -> None:
    with pytest.raises(InvalidValueError):
        OpsSnapshot(epoch_id=cast("str", epoch), body=cast("bytes", body))


# -- login flows --------------------------------------------------------------------------


def test_login_flows_are_kept_byte_for_byte(runtime: RuntimeStore) -> None:
    runtime.persist_auth_oauth_flow_snapshot(b'{"flows": 1}')
    assert runtime.load_auth_oauth_flow_snapshot() == b'{"flows": 1}'
    runtime.update_auth_oauth_flow_snapshot(lambda now: b"" if now is None else now + b" and more")
    assert runtime.load_auth_oauth_flow_snapshot() == b'{"flows": 1} and more'


def test_st25_an_updater_that_fails_leaves_what_was(runtime: RuntimeStore) -> None:
    def broken(_: bytes | None) -> bytes:
        raise LookupError

    for kept in (None, b"1"):
        if kept is not None:
            runtime.persist_auth_oauth_flow_snapshot(kept)
        with pytest.raises(LookupError):
            runtime.update_auth_oauth_flow_snapshot(broken)
        with pytest.raises(InvalidValueError):
            runtime.update_auth_oauth_flow_snapshot(lambda _: cast("bytes", "2"))
        assert runtime.load_auth_oauth_flow_snapshot() == kept


def test_st25_a_superseded_updater_changes_nothing(store: Store) -> None:
    first, second = RuntimeStore(store), RuntimeStore(store)
    first.persist_auth_oauth_flow_snapshot(b"1")
    second.persist_auth_oauth_flow_snapshot(b"2")
    with pytest.raises(StaleFencingTokenError):
        first.update_auth_oauth_flow_snapshot(lambda _: b"3")
    assert second.load_auth_oauth_flow_snapshot() == b"2"


def test_an_updater_that_writes_by_itself_is_refused(runtime: RuntimeStore) -> None:
    def nested(_: bytes | None) -> bytes:
        runtime.persist_auth_oauth_flow_snapshot(b"inner")
        return b"outer"

    with pytest.raises(GenerationConflictError):
        runtime.update_auth_oauth_flow_snapshot(nested)
    assert runtime.load_auth_oauth_flow_snapshot() == b"inner"


def test_the_authority_key_is_of_the_durable_store(runtime: RuntimeStore, store: Store) -> None:
    key = runtime.auth_authority_key()
    assert key == RuntimeStore(store).auth_authority_key()
    assert (key is None) == store.inline


# -- a store that declines ----------------------------------------------------------------


class Declining(MemoryStore):
    """A store without documents."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        declined = {DropDocument, PutDocument}
        return [
            Refused(reason=RefusalReason.UNSUPPORTED, effect=index, current="no documents")
            if (index := next((i for i, each in enumerate(unit.effects) if type(each) in declined), None)) is not None
            else super(Declining, self).commit([unit])[0]
            for unit in units
        ]


def test_what_a_store_declines_is_unsupported() -> None:
    store = Declining()
    store.begin()
    runtime = RuntimeStore(store)
    runtime.persist_input_state("test", queued(1))
    with pytest.raises(UnsupportedError) as caught:
        runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))
    assert caught.value.operation == "persist_ops_lifecycle"
    with pytest.raises(UnsupportedError):
        runtime.persist_auth_oauth_flow_snapshot(b"1")
