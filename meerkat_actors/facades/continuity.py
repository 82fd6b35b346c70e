"""The continuity facade for Trio, beside the runtime's own agents.

Why a facade and an owner never both write an identity: a facade's call begins by asking who is live, in
the place of storage's order where it also writes. Who is live is refused. An owner that starts after the
answer reads what is stored behind the facade's write. One that left has nothing to write but its release.
Should the answer be wrong all the same, the fence in each unit refuses: safety rests on that alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.facades.asking import Asking
from meerkat_actors.records.continuity import ContinuityRecord, ContinuityResolveState, LoadedHead, SessionSnapshot
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken, Generation, SessionId
from meerkat_actors.store.continuity import ContinuityStore


class AsyncContinuityStore(Asking[ContinuityStore]):
    """``ContinuityStore`` over a runtime's store, for any task of its loop; see there for each method.

    A write is a unit of its own, also when a turn asks for it: it does not wait for the turn's commit.
    Cancelling the wait withdraws nothing: the write is wholly there or wholly absent, and reading tells.
    A call that is cancelled before it begins writes nothing.

    Raises, beside what its synchronous method does:
        UsageError: the runtime is closed, or lives in another thread or process.
        AlreadyOwnedError: the identity is live in the runtime; nothing was written.
        StoreFullError: the disk is full; nothing was written, and the runtime goes on.
        StoreFailedError: the store failed; a write may be durable. The runtime ends.
    """

    def __init__(self, storage: StorageHandle, env: Env, is_live: Callable[[AgentIdentity], bool]) -> None:
        """``is_live`` is asked in the writer's thread."""
        super().__init__(storage, lambda store: ContinuityStore(store, is_live=is_live, env=env))

    # -- reads: they never claim -----------------------------------------------------------

    async def resolve_many(
        self, *, identities: Iterable[AgentIdentity]
    ) -> Mapping[AgentIdentity, ContinuityResolveState]:
        """See ``ContinuityStore.resolve_many``. Cancelling the wait has no effect."""
        wanted = tuple(identities)  # here: an iterator's code is its caller's, and so is the thread it runs in
        return await self._ask(lambda facade: facade.resolve_many(identities=wanted))

    async def load_head(self, *, identity: AgentIdentity) -> LoadedHead:
        """See ``ContinuityStore.load_head``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_head(identity=identity))

    async def load_session_snapshot(self, *, session_id: SessionId, back: int = 0) -> SessionSnapshot | None:
        """See ``ContinuityStore.load_session_snapshot``. Cancelling the wait has no effect."""
        return await self._ask(lambda facade: facade.load_session_snapshot(session_id=session_id, back=back))

    # -- writes: fenced, whole or not at all -----------------------------------------------

    async def upsert_continuity_record(
        self, *, record: ContinuityRecord, fencing_token: FencingToken
    ) -> ContinuityRecord:
        """See ``ContinuityStore.upsert_continuity_record``.

        Cancelling the wait withdraws nothing: resolve the identity, or write the same again.
        """
        return await self._ask(
            lambda facade: facade.upsert_continuity_record(record=record, fencing_token=fencing_token)
        )

    async def save_session_snapshot(
        self,
        *,
        identity: AgentIdentity,
        session_id: SessionId,
        generation: Generation,
        version: CheckpointVersion,
        fencing_token: FencingToken,
        snapshot: SessionSnapshot,
    ) -> None:
        """See ``ContinuityStore.save_session_snapshot``.

        Cancelling the wait withdraws nothing: load the head, whose version and snapshot tell.
        """
        await self._ask(
            lambda facade: facade.save_session_snapshot(
                identity=identity,
                session_id=session_id,
                generation=generation,
                version=version,
                fencing_token=fencing_token,
                snapshot=snapshot,
            )
        )

    async def delete_continuity_record(self, *, identity: AgentIdentity, fencing_token: FencingToken) -> None:
        """See ``ContinuityStore.delete_continuity_record``.

        Cancelling the wait withdraws nothing: delete it again, which is no error.
        """
        await self._ask(lambda facade: facade.delete_continuity_record(identity=identity, fencing_token=fencing_token))

    async def delete_session_snapshot_if_current_revision(
        self,
        *,
        identity: AgentIdentity,
        session_id: SessionId,
        fencing_token: FencingToken,
        expected_current_revision: str,
    ) -> bool:
        """See ``ContinuityStore.delete_session_snapshot_if_current_revision``.

        Cancelling the wait withdraws nothing: load the snapshot to learn whether it is gone.
        """
        return await self._ask(
            lambda facade: facade.delete_session_snapshot_if_current_revision(
                identity=identity,
                session_id=session_id,
                fencing_token=fencing_token,
                expected_current_revision=expected_current_revision,
            )
        )

    async def rollback_continuity_record(
        self, *, attempt: ContinuityRecord, previous: ContinuityRecord | None, fencing_token: FencingToken
    ) -> None:
        """See ``ContinuityStore.rollback_continuity_record``.

        Cancelling the wait withdraws nothing: resolve the identity to learn which of the two is current.
        """
        await self._ask(
            lambda facade: facade.rollback_continuity_record(
                attempt=attempt, previous=previous, fencing_token=fencing_token
            )
        )

    async def advance_fence(self, *, identity: AgentIdentity) -> FencingToken:
        """See ``ContinuityStore.advance_fence``.

        Cancelling the wait withdraws nothing: a token that nobody heard of is skipped, so ask for the next.
        """
        return await self._ask(lambda facade: facade.advance_fence(identity=identity))
