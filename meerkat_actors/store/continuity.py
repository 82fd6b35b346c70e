"""The continuity facade: who an identity is now and what its session says, fenced, over any store.

Every write is one unit under the exact fence that was read just before; if the identity moved in
between, the store refuses it, and the facade looks and decides again. So a check and its write are
one, whoever else writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, assert_never

from meerkat_actors.errors import (
    AlreadyOwnedError,
    IdentityBrokenError,
    InvalidValueError,
    OwnershipLostError,
    StoreFullError,
)
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.commits import Committed, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.continuity import (
    REVISION_PREFIX,
    SNAPSHOT_BYTES_MAX,
    ContinuityFailureKind,
    ContinuityRecord,
    ContinuityResolveState,
    LoadedHead,
    Ready,
    SessionSnapshot,
    parse_counter,
    parse_session_id,
)
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    SessionId,
    parse_identity,
    parse_key,
)
from meerkat_actors.records.standing import SnapshotRow, Standing
from meerkat_actors.store.continuity_deciding import (
    Conflict,
    Grip,
    NothingToDo,
    Verdict,
    decide_advance,
    decide_delete,
    decide_drop,
    decide_rollback,
    decide_save,
    decide_upsert,
)
from meerkat_actors.store.continuity_fitting import HOLDER_LENGTH_MAX
from meerkat_actors.store.continuity_refusals import error_of
from meerkat_actors.store.continuity_resolving import record_of, resolve
from meerkat_actors.store.port import Store

TRIES: Final = 8
"""How often an identity may move between a look and its write: each time, somebody else went on."""

_MOVED: Final = frozenset(
    {
        RefusalReason.NOT_FOUND,
        RefusalReason.KEY_MISMATCH,
        RefusalReason.STALE_FENCING_TOKEN,
        RefusalReason.DELETED,
        RefusalReason.STALE_GENERATION,
        RefusalReason.GENERATION_CONFLICT,
        RefusalReason.SUPERSEDED_SESSION,
        RefusalReason.STALE_CHECKPOINT_VERSION,
        RefusalReason.REVISION_CONFLICT,
    }
)


def _nobody(_: AgentIdentity) -> bool:
    return False


class ContinuityStore:
    """Durable identities for callers that bring their own runtime, tokens and documents.

    Synchronous, and for one thread at a time, as its store is. An identity is served by this facade or by
    the runtime, never by both.
    """

    def __init__(
        self,
        store: Store,
        *,
        holder: str | None = None,
        is_live: Callable[[AgentIdentity], bool] = _nobody,
        snapshot_bytes_max: int = SNAPSHOT_BYTES_MAX,
        env: Env | None = None,
    ) -> None:
        """Serve ``store``, which serves already.

        ``holder`` names whom tokens are granted to: nobody else may present the same one. Without it each
        object is a holder of its own; who goes on with a token after a restart gives the name again.
        ``is_live`` tells whether a runtime serves an identity right now: it is not written then.
        """
        self._store = store
        self._is_live = is_live
        self._snapshot_bytes_max = min(parse_counter(snapshot_bytes_max, what="size", minimum=1), SNAPSHOT_BYTES_MAX)
        given = (SystemEnv() if env is None else env).new_id() if holder is None else holder
        self._holder = parse_key(given, what="holder", length_max=HOLDER_LENGTH_MAX)

    # -- reads: they never claim -----------------------------------------------------------

    def resolve_many(self, *, identities: Iterable[AgentIdentity]) -> Mapping[AgentIdentity, ContinuityResolveState]:
        """What each identity is now: one entry each, read in one transaction.

        Raises:
            InvalidValueError: a name that no identity has.
            StoreError: the store can't be read at all. What is wrong with one identity is its ``Broken``.
        """
        wanted = tuple(dict.fromkeys(parse_identity(identity) for identity in identities))
        found = self._store.read_standings(wanted, snapshots="checked")
        return {identity: resolve(standing) for identity, standing in zip(wanted, found, strict=True)}

    def load_head(self, *, identity: AgentIdentity) -> LoadedHead:
        """What an identity is now, with its session's snapshot, read in one transaction.

        Raises:
            InvalidValueError: a name that no identity has.
        """
        (standing,) = self._store.read_standings((parse_identity(identity),), snapshots="loaded")
        state = resolve(standing)
        if not isinstance(state, Ready) or not isinstance(standing, Standing):
            return LoadedHead(state=state, snapshot=None)
        row = standing.snapshot
        if row is None or row.data is None or row.session_id != state.record.session_id:
            return LoadedHead(state=state, snapshot=None)
        return LoadedHead(state=state, snapshot=SessionSnapshot(data=row.data))

    def load_session_snapshot(self, *, session_id: SessionId, back: int = 0) -> SessionSnapshot | None:
        """A session's snapshot as it was saved: the last one, or with ``back=1`` the one before it.

        Raises:
            InvalidValueError: no session id.
            IdentityBrokenError: its bytes are not the ones that were saved; the one before may still be sound.
        """
        back = parse_counter(back, what="number of snapshots to go back")
        rows = self._store.read_snapshots(parse_session_id(session_id), limit=min(back, 1) + 1)
        if back >= len(rows):
            return None
        row = rows[back]
        if not row.is_sound or not row.data:
            raise IdentityBrokenError(
                identity=f"session {row.session_id}",
                reason=ContinuityFailureKind.SNAPSHOT_CORRUPTED,
                detail=f"the bytes of version {row.version} are not the ones that were saved",
            )
        return SessionSnapshot(data=row.data)

    # -- writes: fenced, whole or not at all -----------------------------------------------

    def upsert_continuity_record(self, *, record: ContinuityRecord, fencing_token: FencingToken) -> ContinuityRecord:
        """Write who an identity is now, and return what is stored then.

        A new session in the same generation rebinds; the next generation resets, at version 0. The
        record's ``checkpoint_version`` is not written: only a save moves it.

        Raises:
            StaleFencingTokenError, FenceConflictError: somebody else holds the identity.
            RecordDeletedError: it was deleted; only a higher token with the next generation makes it anew.
            SupersededError, GenerationConflictError: not the current generation, and not the next one.
            SessionBoundError: the session belongs to another identity or generation.
            MixedSessionError, AlreadyOwnedError: the runtime serves it.
        """
        if type(record) is not ContinuityRecord:
            raise InvalidValueError(problem="record is no ContinuityRecord")
        grip = self._grip(fencing_token)
        self._write(record.identity, lambda standing: decide_upsert(standing, grip, record), record.session_id)
        authority = self._standing(record.identity).authority
        return record if authority is None else record_of(record.identity, authority)

    def save_session_snapshot(
        self,
        *,
        identity: AgentIdentity,
        session_id: SessionId,
        generation: Generation,
        version: CheckpointVersion,
        fencing_token: FencingToken,
        snapshot: SessionSnapshot,
    ) -> None:
        """Keep a session as it is now, as a version above the last. Gaps are legal; the last two are kept.

        Raises:
            RecordNotFoundError: the identity has no record.
            StaleFencingTokenError, FenceConflictError: somebody else holds the identity.
            RecordDeletedError: it was deleted.
            SupersededError, GenerationConflictError: not its current generation and session.
            StaleCheckpointVersionError: the version is not above the stored one.
            MixedSessionError, AlreadyOwnedError: the runtime serves it.
            InvalidValueError: out of range, or too big.
        """
        if type(snapshot) is not SessionSnapshot:
            raise InvalidValueError(problem="snapshot is no SessionSnapshot")
        size = len(snapshot.data)
        if size > self._snapshot_bytes_max:
            raise InvalidValueError(
                problem=f"a snapshot has {size:,} bytes, the limit is {self._snapshot_bytes_max:,}; nothing was written"
            )
        session = parse_session_id(session_id)
        stream = session, Generation(parse_counter(generation, what="generation"))
        number = parse_counter(version, what="checkpoint version")
        grip = self._grip(fencing_token)
        self._write(identity, lambda standing: decide_save(standing, grip, stream, number, snapshot), session)

    def delete_continuity_record(self, *, identity: AgentIdentity, fencing_token: FencingToken) -> None:
        """Delete a record and its snapshots, for good: its fence, generations and sessions stay used. Idempotent.

        Raises:
            StaleFencingTokenError, FenceConflictError: somebody else holds the identity.
            MixedSessionError, AlreadyOwnedError: the runtime serves it.
        """
        grip = self._grip(fencing_token)
        self._write(identity, lambda standing: decide_delete(standing, grip), None)

    def delete_session_snapshot_if_current_revision(
        self,
        *,
        identity: AgentIdentity,
        session_id: SessionId,
        fencing_token: FencingToken,
        expected_current_revision: str,
    ) -> bool:
        """Forget a session's snapshots iff the last one is still ``expected_current_revision``; say whether.

        Raises:
            StaleFencingTokenError, FenceConflictError: somebody else holds the identity.
            SessionBoundError: the session is another identity's.
            AlreadyOwnedError: the runtime serves it.
        """
        session, digest = parse_session_id(session_id), _digest_of(expected_current_revision)
        grip = self._grip(fencing_token)

        def decide(standing: Standing) -> Verdict:
            newest = self._store.read_snapshots(session, limit=1)
            return decide_drop(standing, grip, session, digest, _first(newest))

        return self._write(identity, decide, session)

    def rollback_continuity_record(
        self, *, attempt: ContinuityRecord, previous: ContinuityRecord | None, fencing_token: FencingToken
    ) -> None:
        """Undo the reset that led from ``previous`` to ``attempt``, or the creation (None), with its snapshots.

        What was before comes back as it was stored. The attempt's generation and session stay used.

        Raises:
            StaleFencingTokenError, FenceConflictError: the token is not exactly the current one, and the caller's.
            RecordDeletedError, RecordNotFoundError: there is nothing to undo.
            SupersededError: the attempt is not current any more.
            GenerationConflictError: ``previous`` is not what the attempt replaced.
            MixedSessionError, AlreadyOwnedError: the runtime serves it.
        """
        if type(attempt) is not ContinuityRecord or type(previous) not in {ContinuityRecord, type(None)}:
            raise InvalidValueError(problem="attempt is no ContinuityRecord, or previous is neither one nor None")
        if previous is not None and previous.identity != attempt.identity:
            raise InvalidValueError(problem=f"{attempt.identity}: previous is a record of {previous.identity}")
        grip = self._grip(fencing_token)
        self._write(
            attempt.identity, lambda standing: decide_rollback(standing, grip, attempt, previous), attempt.session_id
        )

    def advance_fence(self, *, identity: AgentIdentity) -> FencingToken:
        """Grant this holder the next token, durably: none is ever given twice, whatever happens to this process.

        Raises:
            RecordNotFoundError, RecordDeletedError: there is no record.
            CounterExhaustedError: there is no next one.
            AlreadyOwnedError: the runtime serves it.
        """
        granted: list[FencingToken] = []

        def decide(standing: Standing) -> Verdict:
            verdict = decide_advance(standing, self._holder)
            if isinstance(verdict, Unit):
                granted.append(verdict.fence.token)
            return verdict

        self._write(identity, decide, None)
        return granted[-1]

    def _grip(self, fencing_token: FencingToken) -> Grip:
        token = FencingToken(parse_counter(fencing_token, what="fencing token", minimum=1))
        return Grip(token=token, holder=self._holder)

    def _write(
        self, identity: AgentIdentity, decide: Callable[[Standing], Verdict], session_id: SessionId | None
    ) -> bool:
        """Look, decide and commit until it holds; whether anything was written."""
        identity = parse_identity(identity)
        if self._is_live(identity):
            raise AlreadyOwnedError(identity=identity, holder="a live owner in this runtime")
        for _ in range(TRIES):
            verdict = decide(self._standing(identity))
            match verdict:
                case NothingToDo():
                    return False
                case Conflict():
                    raise error_of(identity, verdict)
                case Unit():
                    (outcome,) = self._store.commit([verdict])
                case _:
                    assert_never(verdict)
            if isinstance(outcome, Committed):
                return True
            if isinstance(outcome, HeldElsewhere):
                holder = outcome.holder
                raise AlreadyOwnedError(identity=identity, holder=holder.name, expires_in=holder.expires_in)
            assert isinstance(outcome, Refused), outcome
            if outcome.reason is RefusalReason.STORE_FULL:
                raise StoreFullError(path=self._store.location, problem="the disk is full, nothing was written")
            if outcome.reason is RefusalReason.STALE_OWNER:
                raise OwnershipLostError(identity=identity, reason=outcome.current)
            if outcome.reason not in _MOVED:
                conflict = Conflict(reason=outcome.reason, presented=session_id, current=outcome.current)
                raise error_of(identity, conflict)
        raise AlreadyOwnedError(identity=identity, holder="somebody who writes it all the time")

    def _standing(self, identity: AgentIdentity) -> Standing:
        (found,) = self._store.read_standings((identity,), snapshots="unread")
        if isinstance(found, Broken):
            raise IdentityBrokenError(identity=identity, reason=found.reason, detail=found.detail)
        return found


def _digest_of(revision: str) -> bytes | None:
    # Revisions of another make are no error: they are never current.
    text = revision.removeprefix(REVISION_PREFIX)
    if text == revision or len(text) != 64 or text != text.lower():
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _first(rows: tuple[SnapshotRow, ...]) -> SnapshotRow | None:
    return rows[0] if rows else None
