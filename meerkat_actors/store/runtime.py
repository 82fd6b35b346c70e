"""The runtime store of seeds 001 and 002, over the same units as the runtime itself.

What the seeds leave to each of their backends is one meaning here, for every store:

* A facade claims a runtime at its first write and presents that token. Once another claimed, it is refused.
* A write is one unit: all of it, or nothing and a typed error.
* A receipt is dense per run from 1, and says what is committed: its digest and length are checked or filled in.
* An input is consumed by the boundary that it contributes to, or set by ``persist_input_state``; what ended is final.
* Reads never claim and never write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve

from meerkat_actors.errors import (
    GenerationConflictError,
    InvalidValueError,
    OperationsEpochRetiredError,
    SessionKeyMismatchError,
)
from meerkat_actors.machines.lifecycle import MachineLifecycleCommit, select_lifecycle
from meerkat_actors.machines.transcript import rewrite_refusal
from meerkat_actors.records.continuity import SessionDelta, parse_session_id
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.ids import InputId, RunId, is_counter, is_uuid, parse_identity, parse_input_id, shown
from meerkat_actors.records.input_states import InputFault, InputStateRecord
from meerkat_actors.records.machine_lifecycle import MachineLifecycleSnapshot, RuntimeState, decode_lifecycle
from meerkat_actors.records.operations import OpsSnapshot, encode_operations
from meerkat_actors.records.run_boundary import (
    RunApplyBoundary,
    RunBoundaryReceipt,
    boundary_sequence_of,
    decode_boundary,
)
from meerkat_actors.records.runtime_effects import BindSession
from meerkat_actors.records.transcripts import Transcript, TranscriptRewriteCommit, parse_transcript
from meerkat_actors.store.port import Store
from meerkat_actors.store.runtime_boundaries import refuse_transcript
from meerkat_actors.store.runtime_documents import (
    FORMER,
    LIFECYCLE,
    LOGIN_AUTHORITY,
    LOGIN_FLOWS,
    OPERATIONS,
    RETIRED_EPOCH,
    SNAPSHOT,
    drop,
    keep_former,
    put,
)
from meerkat_actors.store.runtime_ledger import Ledger

_PAGE: Final = 256
_RETIRED: Final = b"retired"
_MEMORY: Final = ":memory:"


class RuntimeStore:
    """Durable state of logical runtimes. Synchronous; ``store`` must serve, and stays its caller's to close."""

    def __init__(self, store: Store, *, env: Env | None = None) -> None:
        self._store = store
        self._ledger = Ledger(store, SystemEnv() if env is None else env)
        self._claims, self._documents = self._ledger.claims, self._ledger.documents

    # -- boundaries -----------------------------------------------------------------------

    def commit_session_boundary(
        self,
        runtime_id: str,
        session_delta: SessionDelta,
        run_id: RunId,
        boundary: RunApplyBoundary,
        contributing_input_ids: Sequence[InputId],
        input_updates: Sequence[InputStateRecord],
    ) -> RunBoundaryReceipt:
        """Commit a boundary under the run's next receipt, which the store works out, and return it."""
        incoming = _transcript_of(session_delta)
        first = RunBoundaryReceipt(
            run_id=run_id,
            boundary=boundary,
            contributing_input_ids=_tuple_of(contributing_input_ids),
            message_count=len(incoming.entries),
        )
        holding = self._ledger.held(runtime_id)
        row = self._store.find_receipt(holding.identity, run_id, sequence=None)
        last = 0 if row is None else self._documents.legible(lambda: boundary_sequence_of(row))
        receipt = evolve(first, sequence=last + 1)
        return self._ledger.commit_boundary(holding, session_delta, incoming, receipt, input_updates)

    def atomic_apply(
        self,
        runtime_id: str,
        session_delta: SessionDelta | None,
        receipt: RunBoundaryReceipt,
        input_updates: Sequence[InputStateRecord],
        session_store_key: str | None,
    ) -> None:
        """Commit a boundary under a receipt of the caller's: the run's next one, and true."""
        identity = parse_identity(runtime_id)
        _require(receipt, RunBoundaryReceipt)
        incoming = None if session_delta is None else _transcript_of(session_delta)
        if session_store_key is not None:
            known = (
                self._documents.transcript(self._documents.find(identity, SNAPSHOT)) if incoming is None else incoming
            )
            current = None if known is None else known.session_id
            wanted = parse_session_id(session_store_key)
            if wanted != current:
                raise SessionKeyMismatchError(identity=identity, presented=current, current=wanted)
        self._ledger.commit_boundary(self._ledger.held(identity), session_delta, incoming, receipt, input_updates)

    def load_boundary_receipt(self, runtime_id: str, run_id: RunId, sequence: int) -> RunBoundaryReceipt | None:
        """A receipt that was committed."""
        identity = parse_identity(runtime_id)
        if not is_uuid(run_id):
            raise InvalidValueError(problem=f"run_id={shown(run_id)}: use the canonical text of a UUID")
        if not is_counter(sequence):
            raise InvalidValueError(problem=f"sequence={shown(sequence)} is no receipt's: they end at 2^63-1")
        row = self._store.find_receipt(identity, run_id, sequence=sequence)
        return None if row is None else self._documents.legible(lambda: decode_boundary(row))

    # -- session snapshots ----------------------------------------------------------------

    def commit_session_snapshot(self, runtime_id: str, session_delta: SessionDelta) -> None:
        """Keep a snapshot that is no boundary: no receipt, no input."""
        incoming = _transcript_of(session_delta)
        holding = self._ledger.held(runtime_id)
        effects = self._ledger.snapshot_effects(holding.identity, session_delta, incoming)
        self._claims.commit(holding, effects, operation="commit_session_snapshot")

    def commit_session_transcript_rewrite_snapshot(
        self, runtime_id: str, session_delta: SessionDelta, commit: TranscriptRewriteCommit
    ) -> None:
        """Keep a snapshot that is the stored one after exactly this rewrite."""
        incoming = _transcript_of(session_delta)
        _require(commit, TranscriptRewriteCommit)
        holding = self._ledger.held(runtime_id)
        document = self._documents.find(holding.identity, SNAPSHOT)
        stored = self._documents.transcript(document)
        refusal = rewrite_refusal(stored, incoming, commit)
        if refusal is not None:
            raise refuse_transcript(holding.identity, refusal, stored, incoming, commit)
        effects = (*keep_former(document), put(SNAPSHOT, session_delta.session_snapshot, document))
        self._claims.commit(holding, effects, operation="commit_session_transcript_rewrite_snapshot")

    def load_session_snapshot(self, runtime_id: str) -> bytes | None:
        """The latest snapshot, byte for byte."""
        return self._documents.body(parse_identity(runtime_id), SNAPSHOT)

    def load_former_session_snapshot(self, runtime_id: str) -> bytes | None:
        """The snapshot before the latest one, or the latest that was cleared: what recovery may put back."""
        return self._documents.body(parse_identity(runtime_id), SNAPSHOT, FORMER)

    def clear_session_snapshot(self, runtime_id: str) -> None:
        """Forget the latest snapshot, if there is one, also one that can't be read any more."""
        if self._claims.is_known(parse_identity(runtime_id)):
            holding = self._ledger.held(runtime_id)
            effects = self._ledger.clearing(holding.identity)
            self._claims.commit(holding, effects, operation="clear_session_snapshot")

    def replace_session_snapshot_if_current(self, runtime_id: str, expected_current: bytes, replacement: bytes) -> bool:
        """Put ``replacement`` in the place of exactly those bytes; False: others are stored, or none."""
        session_id = parse_transcript(replacement).session_id
        return self._ledger.change_if_current(
            runtime_id,
            expected_current,
            lambda document: (
                BindSession(session_id),
                *keep_former(document),
                put(SNAPSHOT, replacement, document),
            ),
            operation="replace_session_snapshot_if_current",
        )

    def clear_session_snapshot_if_current(self, runtime_id: str, expected_current: bytes) -> bool:
        """Forget exactly those bytes; False: others are stored, or none."""
        return self._ledger.change_if_current(
            runtime_id,
            expected_current,
            lambda document: (*keep_former(document), *drop(SNAPSHOT, document)),
            operation="clear_session_snapshot_if_current",
        )

    # -- input states ---------------------------------------------------------------------

    def persist_input_state(self, runtime_id: str, state: InputStateRecord) -> None:
        """Bring one input into that state; a new one is admitted behind all others."""
        self._ledger.persist(self._ledger.held(runtime_id), (state,), (), operation="persist_input_state")

    def load_input_state(self, runtime_id: str, input_id: InputId) -> InputStateRecord | None:
        """One input of this runtime."""
        return self._ledger.find_input(parse_identity(runtime_id), parse_input_id(input_id))

    def load_input_states(self, runtime_id: str) -> tuple[InputStateRecord, ...]:
        """All inputs of this runtime, in the order of their admission; one that can't be read fails the call."""
        identity, after = parse_identity(runtime_id), None
        states: list[InputStateRecord] = []
        while True:
            rows = self._store.page_inputs(identity, after=after, limit=_PAGE, newest_first=False)
            states.extend(self._ledger.input_states(rows))
            if len(rows) < _PAGE:
                return tuple(states)
            after = rows[-1].admission

    def survey_input_states(self, runtime_id: str) -> tuple[tuple[InputStateRecord, ...], tuple[InputFault, ...]]:
        """All inputs of this runtime that can be read, and what is wrong with the others. One read for each."""
        return self._ledger.survey(parse_identity(runtime_id))

    # -- lifecycle ------------------------------------------------------------------------

    def commit_machine_lifecycle(
        self, runtime_id: str, commit: MachineLifecycleCommit, input_states: Sequence[InputStateRecord]
    ) -> None:
        """Commit what the machine selected, with the inputs that it moves."""
        _require(commit, MachineLifecycleCommit)
        holding = self._ledger.held(runtime_id)
        document = self._documents.find(holding.identity, LIFECYCLE)
        stored = None if document is None else self._documents.legible(lambda: decode_lifecycle(document.body))
        if stored != commit.previous:
            raise GenerationConflictError(
                identity=holding.identity, presented=f"{commit.snapshot} after {commit.previous}", current=stored
            )
        effect = put(LIFECYCLE, commit.store_record(), document)
        self._ledger.persist(holding, input_states, (effect,), operation="commit_machine_lifecycle")

    def load_machine_lifecycle_record(self, runtime_id: str) -> bytes | None:
        """The stored form of the lifecycle, as its machine wrote it."""
        return self._documents.body(parse_identity(runtime_id), LIFECYCLE)

    def load_machine_lifecycle(self, runtime_id: str) -> MachineLifecycleSnapshot | None:
        """The lifecycle; a record of another version, or none of ours, is refused."""
        record = self.load_machine_lifecycle_record(runtime_id)
        return None if record is None else self._documents.legible(lambda: decode_lifecycle(record))

    def load_runtime_state(self, runtime_id: str) -> RuntimeState | None:
        """The state in the lifecycle."""
        snapshot = self.load_machine_lifecycle(runtime_id)
        return None if snapshot is None else snapshot.runtime_state

    def persist_runtime_state(self, runtime_id: str, state: RuntimeState) -> None:
        """Have the machine select ``state`` next, under the binding that is there."""
        self.atomic_lifecycle_commit(runtime_id, state, ())

    def atomic_lifecycle_commit(
        self, runtime_id: str, runtime_state: RuntimeState, input_states: Sequence[InputStateRecord]
    ) -> None:
        """Have the machine select ``runtime_state`` next, and commit it with the inputs that it moves."""
        _require(runtime_state, RuntimeState)
        commit = select_lifecycle(self.load_machine_lifecycle(runtime_id), runtime_state)
        self.commit_machine_lifecycle(runtime_id, commit, input_states)

    # -- operations -----------------------------------------------------------------------

    def persist_ops_lifecycle(self, runtime_id: str, snapshot: OpsSnapshot) -> None:
        """Keep the registry's snapshot. Another epoch than the stored one retires that one."""
        _require(snapshot, OpsSnapshot)
        holding = self._ledger.held(runtime_id)
        identity, epoch = holding.identity, snapshot.epoch_id
        if self._documents.find(identity, RETIRED_EPOCH, epoch) is not None:
            raise OperationsEpochRetiredError(identity=identity, presented=epoch, current="it was retired")
        document = self._documents.find(identity, OPERATIONS)
        former = self._ledger.operations(document)
        effects: list[Effect] = [put(OPERATIONS, encode_operations(snapshot), document)]
        if former is not None and former.epoch_id != epoch:
            effects.append(put(RETIRED_EPOCH, _RETIRED, None, key=former.epoch_id))
        self._claims.commit(holding, tuple(effects), operation="persist_ops_lifecycle")

    def load_ops_lifecycle(self, runtime_id: str) -> OpsSnapshot | None:
        """The registry's snapshot."""
        return self._ledger.operations(self._documents.find(parse_identity(runtime_id), OPERATIONS))

    def delete_ops_lifecycle(self, runtime_id: str) -> None:
        """Forget the registry's snapshot and retire its epoch, if there is one."""
        if not self._claims.is_known(parse_identity(runtime_id)):
            return
        holding = self._ledger.held(runtime_id)
        document = self._documents.find(holding.identity, OPERATIONS)
        former = self._ledger.operations(document)
        effects: tuple[Effect, ...] = drop(OPERATIONS, document)
        if former is not None:
            effects = (*effects, put(RETIRED_EPOCH, _RETIRED, None, key=former.epoch_id))
        self._claims.commit(holding, effects, operation="delete_ops_lifecycle")

    # -- login flows ----------------------------------------------------------------------

    def auth_authority_key(self) -> str | None:
        """What stands for this store's login flows in a process; None when they end with the process."""
        location = self._store.location
        return None if location == _MEMORY else f"store:{location}"

    def persist_auth_oauth_flow_snapshot(self, snapshot_json: bytes) -> None:
        """Keep the login flows that are under way. They hold secrets; encrypt them before."""
        self.update_auth_oauth_flow_snapshot(lambda _: snapshot_json)

    def load_auth_oauth_flow_snapshot(self) -> bytes | None:
        """The login flows that were kept."""
        return self._documents.body(LOGIN_AUTHORITY, LOGIN_FLOWS)

    def update_auth_oauth_flow_snapshot(self, update: Callable[[bytes | None], bytes]) -> None:
        """Keep what ``update`` makes of the current snapshot; what it raises leaves everything as it was."""
        holding = self._claims.hold(LOGIN_AUTHORITY)
        document = self._documents.find(LOGIN_AUTHORITY, LOGIN_FLOWS)
        if not callable(update):
            raise InvalidValueError(problem=f"update={shown(update)}: use a function of the stored bytes")
        snapshot = update(None if document is None else document.body)
        _require(snapshot, bytes)
        effect = put(LOGIN_FLOWS, snapshot, document)
        self._claims.commit(holding, (effect,), operation="update_auth_oauth_flow_snapshot")


def _transcript_of(delta: SessionDelta) -> Transcript:
    _require(delta, SessionDelta)
    return parse_transcript(delta.session_snapshot)


def _tuple_of(ids: Sequence[InputId]) -> tuple[InputId, ...]:
    if not isinstance(ids, list | tuple):
        raise InvalidValueError(problem=f"contributing_input_ids={shown(ids)}: use a list of input ids")
    return tuple(ids)


def _require(value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidValueError(problem=f"{shown(value)} is no {kind.__name__}")
