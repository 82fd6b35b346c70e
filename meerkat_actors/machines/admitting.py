"""How inputs come in: admission, mail, what they displace, and dead letters that are driven again."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from meerkat_actors.errors import (
    BacklogFullError,
    DestroyedError,
    IdempotencyConflictError,
    MeerkatError,
    NotReadyError,
    UnknownIdentityError,
)
from meerkat_actors.machines.governing import admits
from meerkat_actors.machines.lap import Lap, Reply
from meerkat_actors.machines.policy import DEFAULT_POLICIES, Policy, Wake, policy_of, resolve, signal
from meerkat_actors.machines.state import IdentityState, key_of, was_tried
from meerkat_actors.records.codec import encode_header, encode_successor
from meerkat_actors.records.commands import Redrive, Send, TakePending
from meerkat_actors.records.effects import InsertInput, SettleLetter, TakeMail
from meerkat_actors.records.facts import InputNoted, LetterSettled, MailTaken
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import InputKind, InputState, Lane, OpenInput
from meerkat_actors.records.outcomes import Admission, Coalesced, Noted, Superseded
from meerkat_actors.records.status import Desired, Phase

SOURCES_MAX: Final = 64
"""So many of what an input stands for are named, the newest: the others are named by those."""


_EPHEMERAL: Final = frozenset(
    kind for kind, header in DEFAULT_HEADERS.items() if header.durability is Durability.EPHEMERAL
)


def promises(kind: InputKind, header: Header | None) -> bool:
    """Whether the admission of such an input promises that it survives; an ephemeral one promises nothing."""
    return kind not in _EPHEMERAL if header is None else header.durability is not Durability.EPHEMERAL


def admit(lap: Lap, command: Send) -> Reply:
    """Admit an input from outside, or say why not."""
    state = lap.state
    if state.desired is not Desired.OPEN or state.is_resetting or not state.kind:
        closed = _admission_refusal(state)
        if closed is not None:
            return closed
    first = lap.earlier(command)
    if first is not None:
        return _duplicate(lap, command, first)
    if state.has_open_input and state.backlog >= lap.limits.backlog_max:
        return BacklogFullError(identity=state.identity, limit=lap.limits.backlog_max)
    admission = insert(lap, command)
    durable = promises(command.kind, command.header)
    return Admission(command.input_id, admission, duplicate=False, durable=durable)


def insert(lap: Lap, command: Send) -> AdmissionSequence:
    """Let an input in that nothing speaks against; returns where it stands among the identity's inputs."""
    header = command.header
    if header is None:
        policy = DEFAULT_POLICIES[command.kind]
    else:
        policy = _policy(lap, command.kind, header)
        header = _coalescing(lap.state, command)
    lane, number = policy.lane, policy.number
    run_id = None if lane is Lane.NONE else lap.run_if_first()
    admission = lap.next_admission()
    lap.insert(
        InsertInput(
            admission,
            command.input_id,
            command.kind,
            command.content,
            command.digest,
            command.idempotency_key,
            run_id,
            None if header is None else encode_header(header, command.kind),
            number,
            lane,
        )
    )
    item = OpenInput(admission, command.input_id, command.kind, command.content, None, header, number, lane)
    enter(lap, item, policy)
    return admission


def redrive(lap: Lap, command: Redrive) -> Reply:
    """Try a dead letter again: a new input, in the unit that settles the letter."""
    reply = admit(lap, command.send)
    if isinstance(reply, Admission) and not reply.duplicate:
        settle_letter(lap, command.admission)
    return reply


def settle_letter(lap: Lap, admission: AdmissionSequence) -> None:
    """A dead letter needs no more looking after."""
    lap.effects.append(SettleLetter(admission))
    lap.tell(LetterSettled(admission))


def take(lap: Lap, command: TakePending) -> None:
    """Take mail in, as far as there is room: the rest waits in the store, and no sender is refused."""
    state = lap.state
    if not admits(state.desired) or state.is_resetting:
        return
    taken: list[InputId] = []
    for mail in command.mail:
        if state.backlog >= lap.limits.backlog_max:
            break
        policy = DEFAULT_POLICIES[mail.kind] if mail.header is None else _policy(lap, mail.kind, mail.header)
        run_id = None if policy.lane is Lane.NONE else lap.run_if_first()
        admission = lap.next_admission()
        taken.append(mail.input_id)
        lap.insert(TakeMail(mail.sequence, mail.sender_key, admission, run_id, policy.number, policy.lane))
        item = OpenInput(
            admission, mail.input_id, mail.kind, mail.content, mail.sender, mail.header, policy.number, policy.lane
        )
        enter(lap, item, policy)
    if taken:
        lap.tell(MailTaken(tuple(taken)))


def enter(lap: Lap, item: OpenInput, policy: Policy) -> None:
    """Let an input wait in its lane, in place of those that it displaces; where it has none, it is consumed."""
    state = lap.state
    if item.lane is Lane.NONE:
        lap.told += ((item.input_id, Noted()),)
        lap.tell(InputNoted(item.input_id))
        return
    key = None if item.header is None else key_of(item)
    if key is not None:
        _displace(lap, item, key)
        state.keyed = state.keyed.set(key, item.admission)
    if item.lane is Lane.STEER:
        state.steer = state.steer.append(item)
    else:
        state.lane = state.lane.append(item)
    if not state.is_executing:
        # What is full can't be woken by anything that comes in any more.
        wakes = policy.wake_idle is not Wake.NONE or state.backlog >= lap.limits.backlog_max
        state.is_awake = state.is_awake or wakes
    elif policy.wake_running is not Wake.NONE:
        # The turn in progress needs no word to be followed by another; who rests in it does.
        state.is_awake = True
        lap.stirs = lap.stirs or signal(policy, is_running=True) is Wake.INTERRUPT_YIELDING


def _admission_refusal(state: IdentityState) -> MeerkatError | None:
    """Why nothing is admitted now, if nothing is."""
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    if state.desired is Desired.DESTROYED:
        return DestroyedError(identity=state.identity)
    if state.is_resetting:
        return NotReadyError(identity=state.identity, phase=Phase.RESETTING)
    if not admits(state.desired):
        return NotReadyError(identity=state.identity, phase=state.desired)
    return None


def _policy(lap: Lap, kind: InputKind, header: Header) -> Policy:
    return resolve(kind, header, is_silent=header.intent in lap.stamp.silent_intents)


def _coalescing(state: IdentityState, command: Send) -> Header | None:
    """The header, naming what it stands for where it coalesces."""
    header = command.header
    if header is None or command.kind is not InputKind.PEER_RESPONSE_PROGRESS:
        return header
    item = OpenInput(AdmissionSequence(0), command.input_id, command.kind, b"", None, header)
    older = _queued_under(state, key_of(item))
    if older is None:
        return header
    before = () if older.header is None else older.header.coalesces
    return evolve(header, coalesces=(*before, older.input_id)[-SOURCES_MAX:])


def _queued_under(state: IdentityState, key: tuple[InputKind, str] | None) -> OpenInput | None:
    admission = None if key is None else state.keyed.get(key)
    if admission is None:
        return None
    return state.lane.get(admission) or state.steer.get(admission)


def _displace(lap: Lap, item: OpenInput, key: tuple[InputKind, str]) -> None:
    state = lap.state
    older = _queued_under(state, key)
    if older is None:
        return
    ending = encode_successor(item.input_id)
    if item.kind is InputKind.PEER_RESPONSE_PROGRESS:
        lap.displace(older, InputState.COALESCED, ending, Coalesced(item.input_id))
    else:
        lap.displace(older, InputState.SUPERSEDED, ending, Superseded(item.input_id))
    leave(state, older)


def leave(state: IdentityState, item: OpenInput) -> None:
    """Take an input out of the lane that it waits in."""
    if item.admission in state.steer:
        state.steer = state.steer.without(item.admission)
    else:
        state.lane = state.lane.without(item.admission)
    forget_key(state, item)


def forget_key(state: IdentityState, item: OpenInput) -> None:
    """An input that left its lane can't be displaced any more."""
    key = key_of(item)
    if key is not None and state.keyed.get(key) == item.admission:
        state.keyed = state.keyed.delete(key)


def come_back(lap: Lap, items: tuple[OpenInput, ...]) -> None:
    """Let inputs that a run gave back wait again, in their places."""
    state = lap.state
    items = tuple(sorted(items, key=_admission))
    for item in items:
        key = key_of(item)
        # What was tried, or had begun to be, is not displaced any more; and of several, the newest is.
        if key is not None and not was_tried(item) and state.keyed.get(key, 0) < item.admission:
            state.keyed = state.keyed.set(key, item.admission)
    steered = tuple(item for item in items if item.lane is Lane.STEER)
    queued = tuple(item for item in items if item.lane is not Lane.STEER)
    state.steer, state.lane = state.steer.take_back(steered), state.lane.take_back(queued)
    if items:
        state.is_awake = True


def _admission(item: OpenInput) -> AdmissionSequence:
    return item.admission


def policy_for(item: OpenInput) -> Policy:
    """The policy that was resolved when the input was admitted."""
    return policy_of(item.policy, item.kind)


def _duplicate(lap: Lap, command: Send, first: InsertInput) -> Reply:
    """What the store would answer, had the first one been committed before."""
    key, first_key = command.idempotency_key, first.idempotency_key
    if first.digest != command.digest or (key is not None and key != first_key):
        shown = key if key is not None and key == first_key else command.input_id
        return IdempotencyConflictError(identity=lap.state.identity, key=shown, first_input_id=first.input_id)
    return Admission(first.input_id, first.admission, duplicate=True, durable=True)
