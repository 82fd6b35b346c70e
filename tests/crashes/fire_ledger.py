"""What a store must hold, worked out from acknowledged units alone; and the same shape for what it does hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define, fields, frozen

from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.continuity_effects import CreateRecord, Grant, SaveSnapshot
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    EndInput,
    InsertInput,
    RecordStep,
    SendMail,
    SetConfig,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.runtime_effects import DropDocument, PutDocument, RecordReceipt
from tests.store.writing import changed

SENT, QUEUED, STAGED, CONSUMED, ABANDONED = 0, 1, 2, 3, 6

KEPT_SNAPSHOTS: Final = 2
"""Of each session."""


@frozen(kw_only=True)
class Head:
    """The authority of one identity."""

    kind: str
    token: int
    generation: int
    version: int
    session: bytes
    digest: bytes = bytes(32)
    message_count: int = 0
    sends: int = 0
    last_turn: int = 0
    """The version of the last boundary."""
    last_state: int = 0
    """The version of the last one that set the state."""


@frozen(kw_only=True)
class Input:
    """One input, whoever it came from."""

    identity: str
    admission: int | None
    kind: str
    state: int
    digest: bytes
    content: bytes
    run: bytes | None = None
    key: str | None = None
    sender: str | None = None
    number: int | None = None
    attempts: int = 0
    interruptions: int = 0
    not_before: int = 0
    turn: int | None = None
    """The version of the boundary that consumed it."""
    ending: bytes | None = None


@frozen
class Difference:
    """Something is not as it must be. None: it is not there at all."""

    table: str
    key: object
    expected: object | None
    found: object | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.table} {self.key} is missing: {self.expected}"
        if self.expected is None:
            return f"{self.table} {self.key} is there, and nobody asked for it: {self.found}"
        return f"{self.table} {self.key} is {self.found}, and must be {self.expected}"


@define(eq=False)
class Ledger:
    """One mapping for each table, by what names a row outside of the store."""

    heads: dict[str, Head] = Factory(dict[str, Head])
    inputs: dict[bytes, Input] = Factory(dict[bytes, Input])
    turns: dict[tuple[str, int, int], tuple[object, ...]] = Factory(dict[tuple[str, int, int], tuple[object, ...]])
    """Token, run, digest and body by identity, generation and version."""
    configs: dict[tuple[str, int], bytes] = Factory(dict[tuple[str, int], bytes])
    documents: dict[tuple[str, str, str], tuple[int, int, bytes | None]] = Factory(
        dict[tuple[str, str, str], tuple[int, int, bytes | None]]
    )
    """Epoch, generation and body."""
    journal: dict[tuple[str, bytes, str, int], tuple[bytes, bytes]] = Factory(
        dict[tuple[str, bytes, str, int], tuple[bytes, bytes]]
    )
    receipts: dict[tuple[str, bytes, int], int] = Factory(dict[tuple[str, bytes, int], int])
    """The version of the boundary."""
    sessions: dict[bytes, tuple[str, int]] = Factory(dict[bytes, tuple[str, int]])
    grants: dict[str, tuple[int, str, int]] = Factory(dict[str, tuple[int, str, int]])
    """Token, holder and floor."""
    snapshots: dict[tuple[str, int, int], tuple[bytes, int, bytes, bytes]] = Factory(
        dict[tuple[str, int, int], tuple[bytes, int, bytes, bytes]]
    )
    """Session, token, digest and data by identity, generation and version."""

    def differences(self, found: Ledger) -> Iterator[Difference]:
        """Where what was found is not what this says."""
        for table in fields(Ledger):
            mine: dict[Any, Any] = getattr(self, table.name)
            other: dict[Any, Any] = getattr(found, table.name)
            if mine != other:
                for key in sorted({*mine, *other}, key=repr):
                    if mine.get(key) != other.get(key):
                        yield Difference(table.name, key, mine.get(key), other.get(key))

    def apply(self, unit: Unit) -> None:
        """Let the unit be committed. It fits what came before, or its writer was wrong and this is an error."""
        for effect in unit.effects:
            self._apply(unit.fence, effect)

    def _apply(self, fence: IdentityFence, effect: object) -> None:
        name, generation = fence.identity, fence.generation
        match effect:
            case CreateIdentity() | CreateRecord():
                session = uuid_bytes(effect.session_id)
                kind = effect.kind if isinstance(effect, CreateIdentity) else OPAQUE_KIND
                self.heads[name] = Head(
                    kind=kind, token=fence.token, generation=generation, version=fence.version, session=session
                )
                self.sessions[session] = (name, generation)
            case Claim():
                self._move(name, token=fence.token)
            case SetConfig():
                self.configs[name, effect.version] = effect.body
            case InsertInput():
                self._insert(name, effect)
            case SendMail():
                self._send(name, effect)
            case TakeMail():
                state = QUEUED if effect.run_id is None else STAGED
                run = None if effect.run_id is None else uuid_bytes(effect.run_id)
                self._change(self.oldest_mail(name), admission=effect.admission, state=state, run=run)
            case Stage():
                self._change(self.admitted(name, effect.admission), state=STAGED, run=uuid_bytes(effect.run_id))
            case ChargeRun():
                self._change(
                    self.admitted(name, effect.admission),
                    attempts=effect.attempts,
                    interruptions=effect.interruptions,
                    not_before=effect.not_before_ms,
                )
            case EndInput(abandoned=None):
                self._change(self.admitted(name, effect.admission), state=CONSUMED, turn=fence.version + 1)
            case EndInput(abandoned=abandoned):
                assert abandoned is not None
                ended = self.admitted(name, effect.admission)
                attempts = self.inputs[ended].attempts + (abandoned.reason is AbandonReason.ATTEMPTS_EXHAUSTED)
                self._change(ended, state=ABANDONED, ending=encode_abandoned(abandoned), attempts=attempts)
            case RecordStep():
                key = (str(name), uuid_bytes(effect.run_id), effect.name, effect.nth)
                self.journal[key] = (effect.arguments, effect.result)
            case DropJournal():
                run = uuid_bytes(effect.run_id)
                for key in [key for key in self.journal if key[:2] == (name, run)]:
                    del self.journal[key]
            case RecordReceipt():
                self.receipts[name, uuid_bytes(effect.run_id), effect.sequence] = fence.version + 1
            case PutDocument():
                epoch, changes, body = self.documents.get((name, effect.kind, effect.key), (0, 0, None))
                place = (str(name), effect.kind, effect.key)
                self.documents[place] = (epoch + (body is None), changes + 1, effect.body)
            case DropDocument():
                epoch, changes, _ = self.documents[name, effect.kind, effect.key]
                self.documents[name, effect.kind, effect.key] = (epoch, changes + 1, None)
            case AppendTurn():
                self._append(fence, effect)
            case Grant():
                self.grants[name] = (fence.token, effect.holder, generation)
            case SaveSnapshot():
                self._save(fence, effect)
            case _:
                raise NotImplementedError(effect)

    def admitted(self, name: str, admission: int) -> bytes:
        """The id of an input by its admission."""
        return next(key for key, row in self.inputs.items() if (row.identity, row.admission) == (name, admission))

    def oldest_mail(self, name: str) -> bytes:
        """The id of the first mail to somebody that nobody took; here each has one sender at most."""
        return next(key for key, row in self.inputs.items() if row.identity == name and row.state == SENT)

    def _move(self, name: str, **changes: object) -> None:
        self.heads[name] = changed(self.heads[name], **changes)

    def _change(self, input_id: bytes, **changes: object) -> None:
        self.inputs[input_id] = changed(self.inputs[input_id], **changes)

    def _insert(self, name: str, effect: InsertInput) -> None:
        self.inputs[uuid_bytes(effect.input_id)] = Input(
            identity=name,
            admission=effect.admission,
            kind=effect.kind,
            state=QUEUED if effect.run_id is None else STAGED,
            run=None if effect.run_id is None else uuid_bytes(effect.run_id),
            key=effect.idempotency_key,
            digest=effect.digest,
            content=effect.content,
        )

    def _send(self, name: str, effect: SendMail) -> None:
        self.inputs[uuid_bytes(effect.input_id)] = Input(
            identity=effect.recipient,
            admission=None,
            kind=effect.kind,
            state=SENT,
            sender=name,
            number=effect.number,
            digest=effect.digest,
            content=effect.content,
        )

    def _append(self, fence: IdentityFence, effect: AppendTurn) -> None:
        name, version = fence.identity, effect.version
        run = uuid_bytes(effect.run_id)
        self.turns[name, fence.generation, version] = (fence.token, run, effect.digest, effect.body)
        last_state = version if effect.sets_state else self.heads[name].last_state
        self._move(
            name,
            version=version,
            digest=effect.digest,
            message_count=effect.message_count,
            sends=effect.sends,
            last_turn=version,
            last_state=last_state,
        )

    def _save(self, fence: IdentityFence, effect: SaveSnapshot) -> None:
        name, session = fence.identity, uuid_bytes(effect.session_id)
        self.snapshots[name, fence.generation, effect.version] = (session, fence.token, effect.digest, effect.data)
        of_session = sorted(place for place, row in self.snapshots.items() if row[0] == session)
        for place in of_session[:-KEPT_SNAPSHOTS]:
            del self.snapshots[place]
        self._move(name, version=effect.version)
