"""The owner of one identity: decides, commits, adopts, answers, and starts turns."""

from __future__ import annotations

from typing import Final

import trio

from meerkat_actors.actors.identity.claiming import claim, read_activation, release, require_lease
from meerkat_actors.actors.identity.concluding import Owner, answer, check_turn_ended, conclude_lap, end_turn
from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.refusal import answer_refusal, is_fence_lost
from meerkat_actors.actors.identity.surroundings import UNKNOWN_KIND, UNREADABLE, BrokenIdentityError, Surroundings
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import (
    InvalidValueError,
    MeerkatError,
    OwnershipLostError,
    StoreFullError,
    UnknownOutcomeError,
    WaitEndedError,
)
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.state import IdentityState, begin
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.commands import (
    Command,
    Create,
    EndTurn,
    JournalStep,
    Look,
    Send,
    TakePending,
    Wait,
)
from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.events import CommitRefused
from meerkat_actors.records.ids import RunId, SessionId
from meerkat_actors.records.outcomes import Admission

_LOOK: Final = Look()


class _KeyMovedError(Exception):
    """The name got its key from somebody's mail between our read and our first unit."""


@trio.lowlevel.enable_ki_protection
async def run_identity(entry: Entry, around: Surroundings, *, charges_interruption: bool) -> None:
    """Own one identity until it leaves memory, the runtime ends, or its fence is lost.

    Owns:     ``IdentityState``, a local variable; nothing else can reach it.
    Receives: ``Envelope`` through its entry's mailbox.
    Sends:    units down to storage (waits), replies up (never waits), turns into their nursery.
    Ends:     idle and asked to leave; at the runtime's end; with its turn ended before it.

    Raises:
        OwnershipLostError: a newer fencing token exists, or the runtime lost its lease.
        HeldElsewhereError: another runtime that shares the store holds it.
        StoreFullError: it could not be claimed.
        BrokenIdentityError: the identity's rows contradict each other, or its kind is unknown.
    """
    owner = Owner(entry, around, {}, None, None, False, [])
    try:
        await _own(owner, charges_interruption)
    finally:
        for input_id, slots in owner.waiters.items():
            for slot in slots:
                slot.reject(WaitEndedError(identity=entry.identity, input_id=input_id))
        # Shielded with a deadline: cleanup that must tell someone.
        with trio.move_on_after(around.limits.cancel_grace_seconds, shield=True):
            await end_turn(owner)
        check_turn_ended(owner)
        # What the ended turn still posted must not reach a successor, whose run has the same id.
        _fail(owner.held, UnknownOutcomeError(identity=entry.identity))
        entry.mailbox.drop_control(UnknownOutcomeError(identity=entry.identity))


async def _own(owner: Owner, charges_interruption: bool) -> None:
    state = await _activate(owner, charges_interruption)
    mailbox, fold_max = owner.entry.mailbox, owner.around.limits.fold_max
    while True:
        require_lease(owner)
        envelopes = mailbox.drain(fold_max)
        if not envelopes and not _has_business(owner, state):
            if _park_or_leave(owner, state):
                await release(owner, state)
                return
            woken = await mailbox.wait()
            if woken is None:
                continue
            envelopes = [woken]
            woken = None  # or an idle owner would keep its last input, and who asked
            if not mailbox.is_empty:
                envelopes += mailbox.drain(fold_max - 1)
                # Control is drained first, also when mail woke us.
                envelopes.sort(key=_is_mail)
        try:
            state = await _lap(owner, state, envelopes)
            if owner.entry.brings_config is not None:
                _require_config(owner, state, envelopes)
        except _KeyMovedError:
            # First, so that they are answered also when the reading fails.
            mailbox.put_back(envelopes)
            state = await _activate(owner, charges_interruption)
        except BaseException:
            _fail(envelopes, UnknownOutcomeError(identity=owner.entry.identity))
            raise


def _is_mail(envelope: Envelope) -> bool:
    return isinstance(envelope.command, Create | Send | Wait)


async def _activate(owner: Owner, charges_interruption: bool) -> IdentityState:
    activation = await _read_servable(owner)
    is_shared = owner.around.storage.is_shared
    while is_shared and activation.head is not None:
        # Whoever held it last told by releasing it whether the end was a good one.
        charges_interruption = activation.head.owner != 0
        token = await claim(owner, activation, activation.head)
        activation = await _read_servable(owner)
        if activation.head is not None and activation.head.token == token:
            break
    is_claimed = is_shared and activation.head is not None
    return begin(activation, charges_interruption=charges_interruption, is_claimed=is_claimed)


async def _read_servable(owner: Owner) -> Activation:
    activation = await read_activation(owner)
    if activation.head is not None:
        _check_servable(owner, activation, activation.head.kind)
    return activation


def _check_servable(owner: Owner, activation: Activation, kind: str) -> None:
    if kind not in owner.around.agents:
        known = ", ".join(owner.around.agents) or "none"
        raise BrokenIdentityError(reason=UNKNOWN_KIND, detail=f"kind {kind!r} is not registered, only: {known}")
    _check_readable(owner, owner.around.agents[kind], activation)


def _check_readable(owner: Owner, kind: AgentKind, activation: Activation) -> None:
    assert activation.head is not None
    is_replaced = owner.entry.brings_config == activation.head.kind
    config = None if activation.config is None or is_replaced else activation.config.body
    _check_config(kind, config, activation.state)


def _check_config(kind: AgentKind, config: bytes | None, state: bytes | None) -> None:
    try:
        kind.check_readable(config, state)
    except InvalidValueError as error:
        # Before a turn can fail of it: what waits is kept for a version of the class that reads it.
        raise BrokenIdentityError(reason=UNREADABLE, detail=str(error)) from error


def _require_config(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> None:
    """The configuration that was to replace an unreadable one has had its lap; a full disk may have refused it."""
    if not any(type(envelope.command) is Create for envelope in envelopes):
        return
    owner.entry.brings_config = None
    if state.is_created and state.config is not None:
        _check_config(owner.around.agents[state.kind], state.config.body, None)


def _has_business(owner: Owner, state: IdentityState) -> bool:
    """Whether a lap without commands would do something. Parking is level-triggered."""
    if not state.is_created or owner.is_full:
        return False
    if owner.entry.mail_waiting and _room(owner, state) > 0:
        return True
    if state.is_executing or owner.around.is_closing():
        return False
    if state.run is None:
        return len(state.lane) > 0
    return owner.alarm != state.run.run_id


def _room(owner: Owner, state: IdentityState) -> int:
    return owner.around.limits.backlog_max - len(state.lane) - (0 if state.run is None else len(state.run.members))


def _park_or_leave(owner: Owner, state: IdentityState) -> bool:
    """Park, or end: asked to leave while idle, or the runtime ends. No schedule point from here to the release."""
    entry = owner.entry
    is_open = state.has_open_input or owner.turn is not None or (entry.mail_waiting and state.is_created)
    if entry.is_ending and owner.turn is None:
        if not is_open:
            owner.around.park(entry, is_open)
        return True
    if not state.is_created:
        entry.is_leaving = True
    return owner.around.park(entry, is_open)


async def _lap(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> IdentityState:
    """Fold what waits, commit what was concluded, adopt it, answer."""
    around = owner.around
    if owner.is_full and any(type(envelope.command) is Look for envelope in envelopes):
        envelopes = [*owner.held, *envelopes]
        owner.is_full, owner.held = False, []
    commands: list[Command] = [envelope.command for envelope in envelopes]
    place, pulled = 0, list[TakePending]()
    if owner.entry.mail_waiting:
        pulled = await _pull(owner, state, len(commands))
        # After what a turn posted, and before what callers send: a caller can be refused and try again, mail can't.
        place = sum(_is_from_turn(envelope) for envelope in envelopes)
        commands[place:place] = pulled
    decision = decide(state, commands or [_LOOK], _stamp(owner, state, commands), around.limits)
    if pulled:
        del decision.replies[place : place + len(pulled)]
    if decision.unit is None:
        conclude_lap(owner, envelopes, state, decision)
        return decision.state

    def conclude(outcome: CommitOutcome) -> None:
        if type(outcome) is Committed:
            if not state.is_created and around.storage.is_shared:
                owner.entry.mail_waiting = True  # what others sent to the name before it was ours
            conclude_lap(owner, envelopes, state, decision)

    require_lease(owner)
    # Replies and the next turn follow the commit in one synchronous step; we wake up a pass later.
    outcome = await around.storage.commit(decision.unit, conclude)
    if type(outcome) is not Committed:
        return await _refused(owner, state, envelopes, outcome, decision, pulls=len(pulled) > 0)
    return decision.state


async def _pull(owner: Owner, state: IdentityState, asked: int) -> list[TakePending]:
    """Read mail, if there is any and room for it; it joins whatever this lap commits."""
    entry, room = owner.entry, _room(owner, state)
    if not state.is_created or owner.is_full or room <= 0:
        return []
    # What callers ask in this lap may need the room, too; but one place is the mail's.
    limit = min(max(room - asked, 1), owner.around.limits.pull_max)
    # Cleared before the read: what is sent after it sets the bit again.
    entry.mail_waiting = False
    key = state.key
    mail = await owner.around.storage.read(lambda store: store.pending_mail(key, limit=limit))
    if len(mail) == limit:
        entry.mail_waiting = True
    return [TakePending(mail)] if mail else []


async def _refused(
    owner: Owner,
    state: IdentityState,
    envelopes: list[Envelope],
    outcome: CommitOutcome,
    decision: Decision,
    *,
    pulls: bool,
) -> IdentityState:
    """Nothing was written: find out who is to blame, one command at a time."""
    identity = owner.entry.identity
    assert not isinstance(outcome, Committed)
    if isinstance(outcome, Refused):
        owner.around.observers.notify(CommitRefused(identity=identity, reason=outcome.reason))
        if outcome.reason is RefusalReason.KEY_MISMATCH:
            raise _KeyMovedError
        if is_fence_lost(outcome):
            raise OwnershipLostError(identity=identity, reason=f"{outcome.reason}, now {outcome.current}")
        if outcome.reason is RefusalReason.STORE_FULL:
            return await _hold(owner, state, envelopes, pulls=pulls)
    if isinstance(outcome, DuplicateInput) and len(envelopes) > 1 and not pulls:
        return await _answer_duplicate(owner, state, envelopes, outcome, decision)
    if pulls and envelopes:
        # Without the mail first: what is asked of us doesn't depend on what others sent.
        owner.entry.mail_waiting = False
        state = await _lap(owner, state, envelopes)
        owner.entry.mail_waiting = True
        return state
    if len(envelopes) > 1:
        for envelope in envelopes:
            state = await _lap(owner, state, [envelope])
        return state
    command = envelopes[0].command if envelopes else _LOOK
    answer(owner, envelopes[0], answer_refusal(identity, command, outcome))
    return state


async def _answer_duplicate(
    owner: Owner, state: IdentityState, envelopes: list[Envelope], outcome: DuplicateInput, decision: Decision
) -> IdentityState:
    """Answer everyone who sent what is stored already, and fold the rest again."""
    assert decision.unit is not None
    effect = decision.unit.effects[outcome.effect]
    assert isinstance(effect, InsertInput)
    rest: list[Envelope] = []
    for envelope, reply in zip(envelopes, decision.replies, strict=False):
        if isinstance(reply, Admission) and reply.admission_sequence == effect.admission:
            answer(owner, envelope, answer_refusal(owner.entry.identity, envelope.command, outcome))
        else:
            rest.append(envelope)
    return await _lap(owner, state, rest)


async def _hold(owner: Owner, state: IdentityState, envelopes: list[Envelope], *, pulls: bool) -> IdentityState:
    """The disk is full: hold what a turn asked, refuse what a caller asked, answer what needs no room."""
    if pulls:
        owner.entry.mail_waiting = True
    if owner.is_full and len(envelopes) == 1 and not _is_from_turn(envelopes[0]):
        # This lap settled nothing, so it is the command itself that needs room.
        problem = f"disk full, nothing of {owner.entry.identity} was written; make room, then retry"
        answer(owner, envelopes[0], StoreFullError(path=owner.around.storage.location, problem=problem))
        return state
    if not owner.is_full:
        owner.is_full = True
        retry = Envelope(_LOOK, None, wants_outcome=False)
        owner.around.post_later(owner.entry, retry, owner.around.limits.full_retry_seconds)
    owner.held.extend(envelope for envelope in envelopes if _is_from_turn(envelope))
    for envelope in envelopes:
        if not _is_from_turn(envelope) and type(envelope.command) is not Look:
            state = await _lap(owner, state, [envelope])
    return state


def _is_from_turn(envelope: Envelope) -> bool:
    return isinstance(envelope.command, EndTurn | JournalStep)


def _stamp(owner: Owner, state: IdentityState, commands: list[Command]) -> Stamp:
    around, env = owner.around, owner.around.env
    # Ids are minted only for what a lap may need: most laps end a turn and stage nothing.
    may_stage = len(state.lane) > 0 or len(commands) != 1 or type(commands[0]) is not EndTurn
    return Stamp(
        around.now_ms(),
        RunId(env.new_id() if may_stage else ""),
        SessionId("" if state.is_created else env.new_id()),
        around.jitter(),
        around.is_closing() or owner.is_full,
    )


def _fail(envelopes: list[Envelope], error: MeerkatError) -> None:
    for envelope in envelopes:
        if envelope.slot is not None:
            envelope.slot.reject(error)
