"""Writers of one identity each: they hold what an owner would hold, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final, TypeVar, cast

from attrs import define, evolve

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest, encode_header, encode_successor
from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    ChargeRun,
    Claim,
    CreateIdentity,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    ResolveStep,
    SendMail,
    SettleLetter,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Mail
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import MoveInput, PutDocument
from meerkat_actors.store import Store

T = TypeVar("T")

HELLO: Final = b'"hello"'
GIVEN_UP: Final = Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: no")
"""A dead letter, to its input."""
CANCELLED: Final = Abandoned(AbandonReason.CANCELLED, "")
"""None, because somebody asked for it."""

_NUMBERS: Final[Iterator[int]] = count(1 << 32)
"""Ids need only differ from one another."""


def uuid_of(number: int) -> str:
    """A canonical UUID text that says which number it is."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_input_id() -> InputId:
    return InputId(uuid_of(next(_NUMBERS)))


def new_run_id() -> RunId:
    return RunId(uuid_of(next(_NUMBERS)))


def new_session_id() -> SessionId:
    return SessionId(uuid_of(next(_NUMBERS)))


def digest_of(version: int) -> bytes:
    """Any 32 bytes that tell versions apart."""
    return content_digest(str(version).encode())


def body_of(version: int, state: int | None = None) -> bytes:
    """The body of a boundary that sets the state, or not."""
    return f'{{"version":{version}}}'.encode() if state is None else f'{{"state":{state}}}'.encode()


def changed(record: T, **fields: object) -> T:
    """The same record with other fields, also wrong ones: type checkers are not asked."""
    return cast("T", evolve(cast("Any", record), **fields))


def identity(name: str) -> AgentIdentity:
    return AgentIdentity(name)


def read(store: Store, name: str) -> Activation:
    """The activation of an identity whose rows are sound."""
    found = store.activate(identity(name))
    assert isinstance(found, Activation)
    return found


def reason(outcome: CommitOutcome) -> RefusalReason:
    """Why a unit was refused."""
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def duplicate(outcome: CommitOutcome) -> DuplicateInput:
    assert isinstance(outcome, DuplicateInput), outcome
    return outcome


def insert(
    admission: int,
    *,
    run: RunId | None = None,
    content: bytes = HELLO,
    key: str | None = None,
    input_id: InputId | None = None,
    kind: InputKind = InputKind.PROMPT,
    header: Header | None = None,
    policy: int = 0,
    lane: Lane = Lane.QUEUE,
) -> InsertInput:
    return InsertInput(
        AdmissionSequence(admission),
        new_input_id() if input_id is None else input_id,
        kind,
        content,
        content_digest(content),
        key,
        run,
        None if header is None else encode_header(header, kind),
        policy,
        lane,
    )


def noted(admission: int, *, key: str | None = None) -> InsertInput:
    """What became of an operation: consumed as it is admitted."""
    return insert(admission, kind=InputKind.OPERATION, lane=Lane.NONE, key=key)


def take(mail: Mail, admission: int, run: RunId | None = None, *, policy: int = 0, lane: Lane = Lane.QUEUE) -> TakeMail:
    return TakeMail(mail.sequence, mail.sender_key, AdmissionSequence(admission), run, policy, lane)


def stage(admission: int, run: RunId, position: int = 0) -> Stage:
    return Stage(AdmissionSequence(admission), run, position)


def unstage(admission: int, run: RunId) -> MoveInput:
    """Back to its lane, uncharged."""
    return MoveInput(AdmissionSequence(admission), InputState.STAGED, run, InputState.QUEUED, None, 0, 0, 0, None)


def supersede(admission: int, successor: InputId) -> MoveInput:
    """Displace what is queued."""
    ending = encode_successor(successor)
    return MoveInput(
        AdmissionSequence(admission), InputState.QUEUED, None, InputState.SUPERSEDED, None, 0, 0, 0, ending
    )


def charge(admission: int, run: RunId, attempts: int = 1, interruptions: int = 0, not_before_ms: int = 0) -> ChargeRun:
    return ChargeRun(AdmissionSequence(admission), run, attempts, interruptions, not_before_ms)


def end(admission: int, run: RunId, abandoned: Abandoned | None = None, *, owes: bool = False) -> EndInput:
    return EndInput(AdmissionSequence(admission), run, abandoned, owes)


def settle(admission: int) -> SettleLetter:
    return SettleLetter(AdmissionSequence(admission))


def step(
    admission: int,
    run: RunId,
    name: str = "fetch",
    nth: int = 1,
    result: bytes = b"1",
    *,
    is_once: bool = False,
) -> RecordStep:
    return RecordStep(AdmissionSequence(admission), run, name, nth, b"arguments", result, is_once)


def intent(admission: int, run: RunId, name: str = "pay", nth: int = 1) -> RecordStep:
    """A step that is about to run, and never twice without being asked."""
    return step(admission, run, name, nth, b"", is_once=True)


def resolve(run: RunId, result: bytes | None, name: str = "pay", nth: int = 1) -> ResolveStep:
    return ResolveStep(run, name, nth, result)


def send(
    recipient: str,
    number: int,
    *,
    content: bytes = HELLO,
    input_id: InputId | None = None,
    kind: InputKind = InputKind.PEER_MESSAGE,
    header: Header | None = None,
    lane: Lane = Lane.QUEUE,
) -> SendMail:
    return SendMail(
        AgentIdentity(recipient),
        new_input_id() if input_id is None else input_id,
        kind,
        content,
        content_digest(content),
        number,
        None if header is None else encode_header(header, kind),
        lane,
    )


def put(body: bytes, expected: int | None, *, kind: str = "kind", key: str = "key") -> PutDocument:
    return PutDocument(kind, key, body, content_digest(body), expected)


@define(eq=False)
class Writer:
    """What an owner knows of its identity: the fence. It moves with every commit that went through."""

    store: Store
    fence: IdentityFence
    session_id: SessionId

    def unit(self, *effects: Effect) -> Unit:
        return Unit(self.fence, effects)

    def commit(self, *effects: Effect) -> CommitOutcome:
        """Commit one unit and keep the fence up to date."""
        (outcome,) = self.store.commit([self.unit(*effects)])
        if isinstance(outcome, Committed):
            begins = any(isinstance(effect, BeginGeneration | Recreate) for effect in effects)
            generation = Generation(self.fence.generation + begins)
            self.fence = evolve(self.fence, generation=generation, version=outcome.version)
        return outcome

    def must_commit(self, *effects: Effect) -> None:
        outcome = self.commit(*effects)
        assert isinstance(outcome, Committed), outcome

    def boundary(self, run: RunId | None = None, *, state: int | None = None, sends: int = 0) -> AppendTurn:
        """The next boundary of this identity."""
        version = self.fence.version + 1
        return AppendTurn(
            new_run_id() if run is None else run,
            CheckpointVersion(version),
            digest_of(version),
            2 * version,
            sends,
            body_of(version, state),
            state is not None,
        )

    def claiming(self) -> tuple[Writer, Claim]:
        """A new owner of the same identity, and the claim that its first unit carries."""
        token = FencingToken(self.fence.token + 1)
        return Writer(self.store, evolve(self.fence, token=token), self.session_id), Claim(self.fence.token)

    def recreating(self) -> tuple[Writer, Recreate]:
        """A new owner of a dead identity, and the effect that its first unit carries."""
        token, session = FencingToken(self.fence.token + 1), new_session_id()
        return Writer(self.store, evolve(self.fence, token=token), session), Recreate(
            self.fence.token, "worker", session
        )

    def forged(self, **beliefs: int) -> Writer:
        """A writer that believes something else."""
        return Writer(self.store, changed(self.fence, **beliefs), self.session_id)


def unborn(store: Store, name: str) -> Writer:
    """A writer of an identity that nobody created yet."""
    found = store.activate(identity(name))
    assert isinstance(found, Activation)
    assert found.head is None
    fence = IdentityFence(identity(name), found.key, FencingToken(1), Generation(0), CheckpointVersion(0))
    return Writer(store, fence, new_session_id())


def created(store: Store, name: str, kind: str = "worker") -> Writer:
    """A writer of a new identity."""
    writer = unborn(store, name)
    writer.must_commit(CreateIdentity(kind, writer.session_id))
    return writer


def key_of(store: Store, name: str) -> IdentityKey:
    return read(store, name).key


def buried(store: Store, name: str) -> Writer:
    """The last writer of an identity that was destroyed."""
    writer = created(store, name)
    writer.must_commit(Bury())
    return writer
