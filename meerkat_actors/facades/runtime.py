"""The runtime store of seeds 001 and 002 for Trio, beside the runtime's own agents.

An agent's kind is stored, and no agent has the kind of what this facade serves: so either is refused the
other's identities by what the store holds, live or not. Where both are about to create one name, the fence
lets one of them; the other reads what is there now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.facades.asking import Asking
from meerkat_actors.machines.lifecycle import MachineLifecycleCommit
from meerkat_actors.records.continuity import SessionDelta
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import InputId, RunId, shown
from meerkat_actors.records.input_states import InputFault, InputStateRecord
from meerkat_actors.records.machine_lifecycle import MachineLifecycleSnapshot, RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.run_boundary import RunApplyBoundary, RunBoundaryReceipt
from meerkat_actors.records.transcripts import TranscriptRewriteCommit
from meerkat_actors.store.runtime import RuntimeStore

T = TypeVar("T")


class AsyncRuntimeStore(Asking[RuntimeStore]):
    """``RuntimeStore`` over a runtime's store, for any task of its loop; see there for each method.

    A write is a unit of its own, also when a turn asks for it: it does not wait for the turn's commit.
    Cancelling the wait withdraws nothing: the write is wholly there or wholly absent, and reading tells.
    A call that is cancelled before it begins writes nothing. Everyone's commits wait while a call reads.

    Raises, beside what its synchronous method does:
        UsageError: the runtime is closed, or lives in another thread or process.
        MixedSessionError: a write to an agent of the runtime, or to a record of the continuity facade.
        StoreFullError: the disk is full; nothing was written, and the runtime goes on.
        StoreFailedError: the store failed; a write may be durable. The runtime ends.
    """

    def __init__(self, storage: StorageHandle, env: Env) -> None:
        super().__init__(storage, lambda store: RuntimeStore(store, env=env))

    # -- boundaries -----------------------------------------------------------------------

    async def commit_session_boundary(
        self,
        runtime_id: str,
        session_delta: SessionDelta,
        run_id: RunId,
        boundary: RunApplyBoundary,
        contributing_input_ids: Sequence[InputId],
        input_updates: Sequence[InputStateRecord],
    ) -> RunBoundaryReceipt:
        """See ``RuntimeStore.commit_session_boundary``.

        Cancelling the wait withdraws nothing: load the run's next receipt to learn whether it is there.
        """
        ids, updates = _kept(contributing_input_ids), _kept(input_updates)
        return await self._ask(
            lambda facade: facade.commit_session_boundary(runtime_id, session_delta, run_id, boundary, ids, updates)
        )

    async def atomic_apply(
        self,
        runtime_id: str,
        session_delta: SessionDelta | None,
        receipt: RunBoundaryReceipt,
        input_updates: Sequence[InputStateRecord],
        session_store_key: str | None,
    ) -> None:
        """See ``RuntimeStore.atomic_apply``.

        Cancelling the wait withdraws nothing: load the receipt to learn whether it is there.
        """
        updates = _kept(input_updates)
        await self._ask(
            lambda facade: facade.atomic_apply(runtime_id, session_delta, receipt, updates, session_store_key)
        )

    async def load_boundary_receipt(self, runtime_id: str, run_id: RunId, sequence: int) -> RunBoundaryReceipt | None:
        """See ``RuntimeStore.load_boundary_receipt``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_boundary_receipt(runtime_id, run_id, sequence))

    # -- session snapshots ----------------------------------------------------------------

    async def commit_session_snapshot(self, runtime_id: str, session_delta: SessionDelta) -> None:
        """See ``RuntimeStore.commit_session_snapshot``. Cancelling the wait withdraws nothing: load it."""
        await self._ask(lambda facade: facade.commit_session_snapshot(runtime_id, session_delta))

    async def commit_session_transcript_rewrite_snapshot(
        self, runtime_id: str, session_delta: SessionDelta, commit: TranscriptRewriteCommit
    ) -> None:
        """See ``RuntimeStore.commit_session_transcript_rewrite_snapshot``.

        Cancelling the wait withdraws nothing: load the snapshot to learn which one is stored.
        """
        await self._ask(
            lambda facade: facade.commit_session_transcript_rewrite_snapshot(runtime_id, session_delta, commit)
        )

    async def load_session_snapshot(self, runtime_id: str) -> bytes | None:
        """See ``RuntimeStore.load_session_snapshot``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_session_snapshot(runtime_id))

    async def load_former_session_snapshot(self, runtime_id: str) -> bytes | None:
        """See ``RuntimeStore.load_former_session_snapshot``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_former_session_snapshot(runtime_id))

    async def clear_session_snapshot(self, runtime_id: str) -> None:
        """See ``RuntimeStore.clear_session_snapshot``. Cancelling the wait withdraws nothing: clear it again."""
        await self._ask(lambda facade: facade.clear_session_snapshot(runtime_id))

    async def replace_session_snapshot_if_current(
        self, runtime_id: str, expected_current: bytes, replacement: bytes
    ) -> bool:
        """See ``RuntimeStore.replace_session_snapshot_if_current``.

        Cancelling the wait withdraws nothing: load the snapshot to learn which one is stored.
        """
        return await self._ask(
            lambda facade: facade.replace_session_snapshot_if_current(runtime_id, expected_current, replacement)
        )

    async def clear_session_snapshot_if_current(self, runtime_id: str, expected_current: bytes) -> bool:
        """See ``RuntimeStore.clear_session_snapshot_if_current``.

        Cancelling the wait withdraws nothing: load the snapshot to learn whether it is gone.
        """
        return await self._ask(lambda facade: facade.clear_session_snapshot_if_current(runtime_id, expected_current))

    # -- input states ---------------------------------------------------------------------

    async def persist_input_state(self, runtime_id: str, state: InputStateRecord) -> None:
        """See ``RuntimeStore.persist_input_state``. Cancelling the wait withdraws nothing: load the input."""
        await self._ask(lambda facade: facade.persist_input_state(runtime_id, state))

    async def load_input_state(self, runtime_id: str, input_id: InputId) -> InputStateRecord | None:
        """See ``RuntimeStore.load_input_state``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_input_state(runtime_id, input_id))

    async def load_input_states(self, runtime_id: str) -> tuple[InputStateRecord, ...]:
        """See ``RuntimeStore.load_input_states``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_input_states(runtime_id))

    async def survey_input_states(self, runtime_id: str) -> tuple[tuple[InputStateRecord, ...], tuple[InputFault, ...]]:
        """See ``RuntimeStore.survey_input_states``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.survey_input_states(runtime_id))

    # -- lifecycle ------------------------------------------------------------------------

    async def commit_machine_lifecycle(
        self, runtime_id: str, commit: MachineLifecycleCommit, input_states: Sequence[InputStateRecord]
    ) -> None:
        """See ``RuntimeStore.commit_machine_lifecycle``.

        Cancelling the wait withdraws nothing: load the lifecycle to learn which one is stored.
        """
        states = _kept(input_states)
        await self._ask(lambda facade: facade.commit_machine_lifecycle(runtime_id, commit, states))

    async def load_machine_lifecycle_record(self, runtime_id: str) -> bytes | None:
        """See ``RuntimeStore.load_machine_lifecycle_record``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_machine_lifecycle_record(runtime_id))

    async def load_machine_lifecycle(self, runtime_id: str) -> MachineLifecycleSnapshot | None:
        """See ``RuntimeStore.load_machine_lifecycle``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_machine_lifecycle(runtime_id))

    async def load_runtime_state(self, runtime_id: str) -> RuntimeState | None:
        """See ``RuntimeStore.load_runtime_state``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_runtime_state(runtime_id))

    async def persist_runtime_state(self, runtime_id: str, state: RuntimeState) -> None:
        """See ``RuntimeStore.persist_runtime_state``. Cancelling the wait withdraws nothing: load the state."""
        await self._ask(lambda facade: facade.persist_runtime_state(runtime_id, state))

    async def atomic_lifecycle_commit(
        self, runtime_id: str, runtime_state: RuntimeState, input_states: Sequence[InputStateRecord]
    ) -> None:
        """See ``RuntimeStore.atomic_lifecycle_commit``. Cancelling the wait withdraws nothing: load the state."""
        states = _kept(input_states)
        await self._ask(lambda facade: facade.atomic_lifecycle_commit(runtime_id, runtime_state, states))

    # -- operations -----------------------------------------------------------------------

    async def persist_ops_lifecycle(self, runtime_id: str, snapshot: OpsSnapshot) -> None:
        """See ``RuntimeStore.persist_ops_lifecycle``. Cancelling the wait withdraws nothing: persist it again."""
        await self._ask(lambda facade: facade.persist_ops_lifecycle(runtime_id, snapshot))

    async def load_ops_lifecycle(self, runtime_id: str) -> OpsSnapshot | None:
        """See ``RuntimeStore.load_ops_lifecycle``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_ops_lifecycle(runtime_id))

    async def delete_ops_lifecycle(self, runtime_id: str) -> None:
        """See ``RuntimeStore.delete_ops_lifecycle``. Cancelling the wait withdraws nothing: delete it again."""
        await self._ask(lambda facade: facade.delete_ops_lifecycle(runtime_id))

    # -- login flows ----------------------------------------------------------------------

    async def auth_authority_key(self) -> str | None:
        """See ``RuntimeStore.auth_authority_key``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.auth_authority_key())

    async def persist_auth_oauth_flow_snapshot(self, snapshot_json: bytes) -> None:
        """See ``RuntimeStore.persist_auth_oauth_flow_snapshot``.

        Cancelling the wait withdraws nothing: load it, or persist it again.
        """
        await self._ask(lambda facade: facade.persist_auth_oauth_flow_snapshot(snapshot_json))

    async def load_auth_oauth_flow_snapshot(self) -> bytes | None:
        """See ``RuntimeStore.load_auth_oauth_flow_snapshot``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_auth_oauth_flow_snapshot())

    async def update_auth_oauth_flow_snapshot(self, update: Callable[[bytes | None], bytes]) -> None:
        """See ``RuntimeStore.update_auth_oauth_flow_snapshot``.

        ``update`` is called in this task, and once more each time that somebody else wrote in between.
        Cancelling the wait withdraws nothing: load the snapshot to learn which one is stored.
        """
        if not callable(update):
            raise InvalidValueError(problem=f"update={shown(update)}: use a function of the stored bytes")
        while True:
            # Not in the writer's thread: what a caller's code touches is the loop's, and commits don't wait for it.
            before = await self.load_auth_oauth_flow_snapshot()
            if await self._ask(partial(_replace_login_flows, before, update(before))):
                return


class _MovedError(Exception):
    """Something else is stored by now. Never leaves this file."""


def _replace_login_flows(before: bytes | None, after: bytes, facade: RuntimeStore) -> bool:
    """Put ``after`` in the place of exactly ``before``; whether that was there."""

    def change(now: bytes | None) -> bytes:
        if now != before:
            raise _MovedError
        return after

    try:
        facade.update_auth_oauth_flow_snapshot(change)
    except _MovedError:
        return False
    return True


def _kept(given: Sequence[T]) -> Sequence[T]:
    # A caller that is cancelled goes on, and may change its list, before the writer reads it.
    return tuple(given) if isinstance(given, list) else given
