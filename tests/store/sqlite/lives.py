"""Two generations of an agent, one that was destroyed, and one that was made anew: all that governs lives, in rows.

Written unit by unit, with the transcripts that the units of an owner would have.
"""

from __future__ import annotations

from typing import Final

from attrs import define, evolve

from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.codec import (
    DIGEST_ZERO,
    content_digest,
    encode_abandoned,
    encode_entry,
    encode_successor,
    encode_turn,
    extend_chain,
)
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    SetConfig,
    SetDesired,
)
from meerkat_actors.records.facts import Fact
from meerkat_actors.records.headers import Durability, Header, Mode, ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, CheckpointVersion, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputKind, InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Receipt, ReceiptOutcome
from meerkat_actors.records.runs import CHECKPOINT
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    Writer,
    charge,
    insert,
    resolve,
    send,
    settle,
    stage,
    unborn,
    uuid_of,
)

LIVES: Final = "lives"
ENDED: Final = "ended"
AGAIN: Final = "again"
MUTE: Final = "mute"
"""A kind that no test serves."""

CANCELLED: Final = Abandoned(AbandonReason.CANCELLED, "")
RESET: Final = Abandoned(AbandonReason.RESET, "the agent was reset")
STEERED: Final = 8
"""The policy of what is given the mode ``STEER``."""


def given(number: int) -> InputId:
    """The id of an input of these lives."""
    return InputId(uuid_of(0x11FE_0000 + number))


def run_of(number: int) -> RunId:
    """A run of these lives."""
    return RunId(uuid_of(0x11FE_1000 + number))


def session_of(number: int) -> SessionId:
    """A session of these lives."""
    return SessionId(uuid_of(0x11FE_2000 + number))


@define(eq=False)
class Life:
    """A writer, and the transcript that it has come to."""

    writer: Writer
    number: int
    """Of the identity: ids of two don't meet."""
    digest: bytes = DIGEST_ZERO
    count: int = 0
    sends: int = 0

    def insert(
        self,
        admission: int,
        kind: InputKind = InputKind.PROMPT,
        header: Header | None = None,
        *,
        run: RunId | None = None,
        policy: int = 0,
        lane: Lane = Lane.QUEUE,
    ) -> InsertInput:
        """Admit an input that says which one it is."""
        content = b'"input %d"' % admission
        return insert(
            admission,
            run=run,
            content=content,
            input_id=self.given(admission),
            kind=kind,
            header=header,
            policy=policy,
            lane=lane,
        )

    def given(self, admission: int) -> InputId:
        """The id of an input of this life."""
        return given(100 * self.number + admission)

    def ended(
        self,
        run: RunId,
        told: list[int],
        hidden: list[int] | None = None,
        *,
        is_interrupted: bool = False,
        sender: AgentIdentity | None = None,
        facts: tuple[Fact, ...] = (),
        owes: bool = False,
    ) -> tuple[Effect, ...]:
        """A boundary that tells some of its inputs, and keeps others out of the transcript."""
        admissions = [*told, *(hidden or [])]
        entries = tuple(
            encode_entry(role="user", content=b'"input %d"' % each, input_id=self.given(each), sender=sender)
            for each in told
        )
        text = None if is_interrupted else f"heard {len(told)}"
        if text is not None:
            said = encode_entry(role="assistant", content=b'"%b"' % text.encode(), input_id=None, sender=None)
            entries = (*entries, said)
        fence = self.writer.fence
        version = CheckpointVersion(fence.version + 1)
        self.digest, self.count = extend_chain(self.digest, entries), self.count + len(entries)
        receipt = Receipt(
            identity=fence.identity,
            generation=fence.generation,
            checkpoint_version=version,
            run_id=run,
            sequence=1,
            contributors=tuple(map(self.given, admissions)),
            digest=self.digest.hex(),
            message_count=self.count,
            outcome=ReceiptOutcome.INTERRUPTED if is_interrupted else ReceiptOutcome.COMPLETED,
        )
        state = None if is_interrupted else b"%d" % version
        body = encode_turn(
            entries=entries,
            receipt=receipt,
            text=text,
            state=state,
            is_told=not hidden and not is_interrupted,
            facts=encode_facts(facts) if facts else None,
        )
        abandoned = CANCELLED if is_interrupted else None
        ends = [EndInput(AdmissionSequence(each), run, abandoned, owes) for each in admissions]
        turn = AppendTurn(run, version, self.digest, self.count, self.sends, body, state is not None)
        return (*ends, turn)

    def begin_again(self) -> None:
        """The transcript of the next generation."""
        self.digest, self.count = DIGEST_ZERO, 0


def live_lives(store: Store) -> None:
    """Write them all."""
    life = Life(_created(store, LIVES, 1), 1)
    _first_generation(life)
    _second_generation(life)
    _destroyed(store, ENDED, 2)
    again = _destroyed(store, AGAIN, 3)
    dead = again.writer.fence.token
    again.writer, _ = again.writer.claiming()
    again.begin_again()
    again.writer.must_commit(Recreate(dead, MUTE, session_of(9)), SetConfig(1, b'{"again":true}'))
    again.writer.must_commit(again.insert(3, run=run_of(39)))
    again.writer.must_commit(*again.ended(run_of(39), [3]))


def begun(store: Store, name: str, number: int) -> Life:
    """The life of a new identity; two of them have different numbers."""
    return Life(_created(store, name, 4 + number), number)


def _destroyed(store: Store, name: str, number: int) -> Life:
    life = begun(store, name, number)
    run = run_of(10 * number)
    life.writer.must_commit(life.insert(1, run=run))
    life.writer.must_commit(*life.ended(run, [1]))
    life.writer.must_commit(SetDesired(Desired.RETIRED), life.insert(2))
    life.writer.must_commit(_displaced(2, InputState.ABANDONED, encode_abandoned(RESET)), Bury())
    return life


def _created(store: Store, name: str, session: int) -> Writer:
    # Its ids are always the same, so that it can be kept.
    writer = evolve(unborn(store, name), session_id=session_of(session))
    writer.must_commit(CreateIdentity(MUTE, writer.session_id))
    return writer


def _first_generation(life: Life) -> None:
    commit = life.writer.must_commit
    a, b, c, d, e = map(run_of, range(1, 6))
    commit(life.insert(1, run=a))
    life.sends = 1
    commit(*life.ended(a, [1]), send("somebody", 1, header=Header(correlation_id="c-1"), input_id=given(1)))
    # A batch, what two checkpoints bound to it, and steps that run once.
    hook = Header(source="hook")
    commit(*(life.insert(each, InputKind.EXTERNAL_EVENT, hook, run=b) for each in (2, 3)))
    steer = Header(mode=Mode.STEER)
    commit(life.insert(4, InputKind.EXTERNAL_EVENT, steer, policy=STEERED, lane=Lane.STEER))
    commit(life.insert(5, InputKind.CONTINUATION, lane=Lane.STEER))
    commit(stage(4, b, 1), _checkpoint(2, b, 1))
    commit(stage(5, b, 2), _checkpoint(2, b, 2))
    commit(_intent(2, b, "pay"))
    commit(resolve(b, b'"paid"'))
    commit(_intent(2, b, "withdrawn"))
    commit(resolve(b, None, "withdrawn"))
    commit(*life.ended(b, [2, 3, 4], [5]), DropJournal(b))
    # Consumed, displaced and cancelled without a turn.
    commit(life.insert(6, InputKind.OPERATION, lane=Lane.NONE))
    progress = Header(request_id=given(1), status=ResponseStatus.IN_PROGRESS, durability=Durability.EPHEMERAL)
    commit(*(life.insert(each, InputKind.PEER_RESPONSE_PROGRESS, progress, lane=Lane.STEER) for each in (7, 8)))
    commit(_displaced(7, InputState.COALESCED, encode_successor(life.given(8))))
    commit(_displaced(8, InputState.ABANDONED, encode_abandoned(CANCELLED)))
    keyed = Header(supersession_key="weather")
    commit(life.insert(9, InputKind.EXTERNAL_EVENT, keyed))
    ending = encode_successor(life.given(10))
    commit(life.insert(10, InputKind.EXTERNAL_EVENT, keyed), _displaced(9, InputState.SUPERSEDED, ending))
    # A turn that was interrupted, two dead letters, and what one of them is driven again by.
    commit(stage(10, c))
    commit(*life.ended(c, [10], is_interrupted=True))
    for each, run in ((11, d), (12, e)):
        commit(life.insert(each, run=run))
        commit(charge(each, run, 1, 0, 5_000))
        commit(EndInput(AdmissionSequence(each), run, GIVEN_UP))
    commit(life.insert(13, header=Header(redrives=life.given(12))), settle(12))
    commit(_displaced(13, InputState.ABANDONED, encode_abandoned(RESET)), BeginGeneration(session_of(2)))
    life.begin_again()


def _second_generation(life: Life) -> None:
    """What is open at its end: a run that waits in each lane, one of them with a step of unknown end."""
    commit = life.writer.must_commit
    f, g, h = map(run_of, range(6, 9))
    commit(life.insert(14, run=f))
    commit(*life.ended(f, [14]))
    commit(life.insert(15, run=g), life.insert(16))
    commit(_intent(15, g, "pay"))
    commit(charge(15, g, 1, 0, 5_000))
    steer = Header(mode=Mode.STEER)
    commit(life.insert(17, header=steer, policy=STEERED, lane=Lane.STEER, run=h), SetDesired(Desired.PAUSED))


def _checkpoint(admission: int, run: RunId, nth: int) -> RecordStep:
    return RecordStep(AdmissionSequence(admission), run, CHECKPOINT, nth, b"", b"[]")


def _intent(admission: int, run: RunId, name: str) -> RecordStep:
    return RecordStep(AdmissionSequence(admission), run, name, 1, content_digest(b"[]"), b"", is_once=True)


def _displaced(admission: int, state: InputState, ending: bytes) -> MoveInput:
    return MoveInput(AdmissionSequence(admission), InputState.QUEUED, None, state, None, 0, 0, 0, ending)
