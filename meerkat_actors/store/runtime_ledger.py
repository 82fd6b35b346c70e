"""What the methods of the runtime-store facade have in common: one claim, one unit, one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meerkat_actors.errors import InvalidValueError, StoreCorruptError
from meerkat_actors.machines.transcript import snapshot_refusal
from meerkat_actors.records.continuity import SessionDelta
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, parse_identity, shown
from meerkat_actors.records.input_states import InputFault, InputStateRecord, input_state_of
from meerkat_actors.records.inputs import InputRow, InputState
from meerkat_actors.records.operations import OpsSnapshot, decode_operations
from meerkat_actors.records.run_boundary import RunBoundaryReceipt
from meerkat_actors.records.runtime_effects import BindSession, DropDocument
from meerkat_actors.records.transcripts import Transcript
from meerkat_actors.store.port import Store
from meerkat_actors.store.runtime_boundaries import authoritative, boundary_effects, refuse_transcript
from meerkat_actors.store.runtime_claims import Claims, Holding
from meerkat_actors.store.runtime_documents import CURRENT, SNAPSHOT, Documents, drop, keep_former, put
from meerkat_actors.store.runtime_inputs import InputWriting


class Ledger:
    """The runtimes of one facade, as its methods write them."""

    def __init__(self, store: Store, env: Env) -> None:
        self._store = store
        self.claims: Claims = Claims(store, env)
        self.documents: Documents = Documents(store)

    def held(self, runtime_id: str) -> Holding:
        """The runtime under this facade's claim, which is made now if it is the first."""
        return self.claims.hold(parse_identity(runtime_id))

    def commit_boundary(
        self,
        holding: Holding,
        delta: SessionDelta | None,
        incoming: Transcript | None,
        draft: RunBoundaryReceipt,
        updates: Sequence[InputStateRecord],
    ) -> RunBoundaryReceipt:
        """Commit a boundary: snapshot, inputs, receipt and the head's step, or nothing."""
        identity = holding.identity
        effects: list[Effect] = []
        if delta is None or incoming is None:
            conversation = self.stored_transcript(identity)
        else:
            conversation = incoming
            effects += self.snapshot_effects(identity, delta, incoming)
        receipt = authoritative(identity, draft, conversation, holding.fence)
        writing = InputWriting(identity, self.find_input, holding.admissions)
        writing.apply(updates, receipt)
        effects += [*writing.effects, *boundary_effects(receipt)]
        self.claims.commit(holding, tuple(effects), operation=f"boundary {receipt.sequence} of run {receipt.run_id}")
        holding.admissions = writing.admissions
        return receipt

    def snapshot_effects(
        self, identity: AgentIdentity, delta: SessionDelta, incoming: Transcript
    ) -> tuple[Effect, ...]:
        """Keep a snapshot that follows from the stored one."""
        document = self.documents.find(identity, SNAPSHOT)
        stored = self.documents.transcript(document)
        refusal = snapshot_refusal(stored, incoming)
        if refusal is not None:
            raise refuse_transcript(identity, refusal, stored, incoming)
        if document is not None and document.body == delta.session_snapshot:
            return ()
        return (
            BindSession(incoming.session_id),
            *keep_former(document),
            put(SNAPSHOT, delta.session_snapshot, document),
        )

    def clearing(self, identity: AgentIdentity) -> tuple[Effect, ...]:
        """Forget the stored snapshot, also one that can't be read any more."""
        try:
            document = self.documents.find(identity, SNAPSHOT)
        except StoreCorruptError:
            return (DropDocument(SNAPSHOT, CURRENT, None),)
        return (*keep_former(document), *drop(SNAPSHOT, document))

    def change_if_current(
        self,
        runtime_id: str,
        expected: bytes,
        change: Callable[[Document], tuple[Effect, ...]],
        *,
        operation: str,
    ) -> bool:
        """Do ``change`` iff exactly those bytes are the stored snapshot."""
        if type(expected) is not bytes:
            raise InvalidValueError(problem=f"{shown(expected)} is no snapshot to compare with; use its bytes")
        if not self.claims.is_known(parse_identity(runtime_id)):
            return False
        holding = self.held(runtime_id)
        document = self.documents.find(holding.identity, SNAPSHOT)
        effects = change(document) if document is not None and document.body == expected else ()
        self.claims.commit(holding, effects, operation=operation)
        return effects != ()

    def persist(
        self,
        holding: Holding,
        states: Sequence[InputStateRecord],
        others: tuple[Effect, ...],
        *,
        operation: str,
    ) -> None:
        """Set inputs, with other effects, in one unit."""
        writing = InputWriting(holding.identity, self.find_input, holding.admissions)
        writing.set_all(states)
        self.claims.commit(holding, (*writing.effects, *others), operation=operation)
        holding.admissions = writing.admissions

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputStateRecord | None:
        """One input of the runtime; mail that nobody took is none yet."""
        row = self._store.find_input(identity, input_id)
        if row is None or row.state is InputState.SENT:
            return None
        return self.documents.legible(lambda: input_state_of(row))

    def input_states(self, rows: Sequence[InputRow]) -> list[InputStateRecord]:
        """What rows say of their inputs."""
        return self.documents.legible(lambda: [input_state_of(row) for row in rows])

    def survey(self, identity: AgentIdentity) -> tuple[tuple[InputStateRecord, ...], tuple[InputFault, ...]]:
        """Inputs one by one: admissions of this facade are dense, so a row that can't be read has a number too."""
        states: list[InputStateRecord] = []
        faults: list[InputFault] = []
        after = 0
        while True:
            try:
                rows = self._store.page_inputs(identity, after=after, limit=1, newest_first=False)
                states += [state for state in self.input_states(rows) if state.admission_sequence == after + 1]
            except StoreCorruptError as error:
                faults.append(InputFault(admission_sequence=AdmissionSequence(after + 1), detail=error.problem))
            else:
                if not rows:
                    return tuple(states), tuple(faults)
            after += 1

    def stored_transcript(self, identity: AgentIdentity) -> Transcript | None:
        """What the stored snapshot says."""
        return self.documents.transcript(self.documents.find(identity, SNAPSHOT))

    def operations(self, document: Document | None) -> OpsSnapshot | None:
        """What a stored registry says."""
        return None if document is None else self.documents.legible(lambda: decode_operations(document.body))
