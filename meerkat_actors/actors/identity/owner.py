"""The owner of one identity: decides, commits, adopts, answers, and starts turns."""

from __future__ import annotations

from typing import Final

import trio

from meerkat_actors.actors.identity.activating import activate, require_config
from meerkat_actors.actors.identity.claiming import release, require_lease
from meerkat_actors.actors.identity.concluding import (
    Owner,
    answer,
    check_grace,
    check_turn_ended,
    conclude_lap,
    end_turn,
)
from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.parking import has_work, park_or_leave
from meerkat_actors.actors.identity.pulling import (
    Pulled,
    is_from_turn,
    keep_waiting,
    last_due_ms,
    place_of,
    pull,
    put_back,
)
from meerkat_actors.actors.identity.refusal import answer_refusal, is_fence_lost
from meerkat_actors.actors.identity.restarting import has_unclean_run, require_stay
from meerkat_actors.actors.identity.stamping import is_reset, stamp
from meerkat_actors.actors.identity.surroundings import Surroundings
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.errors import (
    MeerkatError,
    OwnershipLostError,
    StoreFullError,
    UnknownOutcomeError,
    WaitEndedError,
)
from meerkat_actors.machines.decision import Decision
from meerkat_actors.machines.identity import decide, status_of
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_effects import FireTimer
from meerkat_actors.records.commands import (
    CancelInput,
    ChangeOperation,
    CollectOperations,
    Command,
    Create,
    DropLetter,
    DropSchedule,
    EndTurn,
    GetStatus,
    Interrupt,
    ListOperations,
    Look,
    Redrive,
    Send,
    SetSchedule,
    StartOperation,
    Wait,
    WatchOperation,
)
from meerkat_actors.records.commits import (
    CommitOutcome,
    Committed,
    DuplicateInput,
    HeldElsewhere,
    RefusalReason,
    Refused,
)
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.events import CommitRefused
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.status import Desired

_LOOK: Final = Look()
_MAIL: Final = frozenset(
    {
        Create, Send, Wait, Redrive, DropLetter, SetSchedule, DropSchedule, StartOperation, ChangeOperation,
        WatchOperation, ListOperations, CollectOperations,
    }
)  # fmt: skip
"""What callers ask; the rest is control."""


class _KeyMovedError(Exception):
    """The name got its key from somebody's mail between our read and our first unit."""


@trio.lowlevel.enable_ki_protection
async def run_identity(entry: Entry, around: Surroundings, *, charges_interruption: bool, is_own: bool = False) -> None:
    """Own one identity until it leaves memory, the runtime ends, or its fence is lost.

    Owns:     ``IdentityState``, a local variable; nothing else can reach it.
    Receives: ``Envelope`` through its entry's mailbox.
    Sends:    units down to storage (waits), replies up (never waits), turns into their nursery.
    Ends:     idle and asked to leave; at the runtime's end; with its turn ended before it.

    ``is_own``: what is stored was left by this runtime, by an owner that ended in order.

    Raises:
        RestartingError: the directory wants a successor.
        OwnershipLostError: a newer fencing token exists, or the runtime lost its lease.
        HeldElsewhereError: another runtime that shares the store holds it.
        StoreFullError: it could not be claimed.
        BrokenIdentityError: the identity's rows contradict each other, or its kind is unknown.
    """
    owner = Owner(entry, around, {}, {}, None, 0, False, [])
    try:
        await _own(owner, charges_interruption, is_own=is_own)
    finally:
        around.suspects.release(entry)
        for input_id, slots in owner.waiters.items():
            for slot in slots:
                slot.reject(WaitEndedError(identity=entry.identity, input_id=input_id))
        for slots in owner.callers.values():
            for slot in slots:
                slot.reject(UnknownOutcomeError(identity=entry.identity))
        # Shielded with a deadline: cleanup that must tell someone.
        with trio.move_on_after(around.limits.cancel_grace_seconds, shield=True):
            await end_turn(owner)
        check_turn_ended(owner)
        # What the ended turn still posted must not reach a successor, whose run has the same id.
        _fail(owner.held, UnknownOutcomeError(identity=entry.identity))
        entry.mailbox.drop_control(UnknownOutcomeError(identity=entry.identity))


async def _own(owner: Owner, charges_interruption: bool, *, is_own: bool) -> None:
    state = await activate(owner, charges_interruption, is_own=is_own)
    if state.desired is Desired.DESTROYED and has_work(owner, state):
        # A kill came between its last turn and its burial: first that, then whoever wants it anew.
        state = await _lap(owner, state, [])
    mailbox, fold_max = owner.entry.mailbox, owner.around.limits.fold_max
    while True:
        require_lease(owner)
        require_stay(owner, state)
        envelopes = mailbox.drain(fold_max)
        if not envelopes and not has_work(owner, state):
            if park_or_leave(owner, state):
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
        if len(envelopes) == 1 and type(envelopes[0].command) is GetStatus:
            # By itself it changes nothing, and settles nothing that the next lap does not.
            answer(owner, envelopes[0], status_of(state))
            continue
        try:
            check_grace(owner, envelopes)
            state = await _lap(owner, state, envelopes)
            if owner.recycles:
                owner.recycles = False
                # A run that was interrupted is begun as that: the operator's word is no proof that it does no harm.
                state = await activate(owner, charges_interruption=has_unclean_run(state), is_own=True)
            if owner.entry.brings_config is not None:
                require_config(owner, state, envelopes)
        except _KeyMovedError:
            # First, so that they are answered also when the reading fails.
            mailbox.put_back(envelopes)
            state = await activate(owner, charges_interruption)
        except BaseException:
            _fail(envelopes, UnknownOutcomeError(identity=owner.entry.identity))
            raise


def _is_mail(envelope: Envelope) -> bool:
    return type(envelope.command) in _MAIL


async def _lap(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> IdentityState:
    """Fold what waits, and what a full disk held if there may be room by now."""
    if owner.is_full and any(type(envelope.command) is Look for envelope in envelopes):
        held, owner.is_full, owner.held = owner.held, False, []
        try:
            return await _fold(owner, state, [*held, *envelopes])
        except BaseException:
            owner.held = [*held, *owner.held]  # nobody else knows who waits for an answer to these
            raise
    return await _fold(owner, state, _not_held(owner, state, envelopes) if owner.held else envelopes)


async def _fold(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> IdentityState:
    """Commit what was concluded, adopt it, answer."""
    around = owner.around
    commands: list[Command] = [envelope.command for envelope in envelopes]
    place, pulled = 0, list[Pulled]()
    if owner.entry.mail_waiting or owner.entry.timers_due:
        pulled = await pull(owner, state, envelopes)
        place = place_of(envelopes)
        commands[place:place] = pulled
    at_least_ms = last_due_ms(pulled) if pulled else 0
    stamped = stamp(owner, state, commands, at_least_ms=at_least_ms)
    decision = decide(state, commands or [_LOOK], stamped, around.limits)
    if pulled:
        del decision.replies[place : place + len(pulled)]
        keep_waiting(owner.entry, pulled, decision)
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
        return await _refused(owner, state, envelopes, outcome, decision, pulled)
    return decision.state


async def _refused(
    owner: Owner,
    state: IdentityState,
    envelopes: list[Envelope],
    outcome: CommitOutcome,
    decision: Decision,
    pulled: list[Pulled],
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
            put_back(owner.entry, pulled)
            return await _hold(owner, state, envelopes)
    if isinstance(outcome, DuplicateInput) and len(envelopes) > 1 and not pulled:
        return await _answer_duplicate(owner, state, envelopes, outcome, decision)
    if pulled:
        return await _without_pulled(owner, state, envelopes, outcome, decision, pulled)
    if len(envelopes) > 1:
        for envelope in envelopes:
            state = await _lap(owner, state, [envelope])
        return state
    if not envelopes:
        msg = f"{identity}: refused, and nobody asked for it: {outcome}"
        raise AssertionError(msg)
    answer(owner, envelopes[0], answer_refusal(identity, envelopes[0].command, outcome))
    return state


async def _without_pulled(
    owner: Owner,
    state: IdentityState,
    envelopes: list[Envelope],
    outcome: Refused | DuplicateInput | HeldElsewhere,
    decision: Decision,
    pulled: list[Pulled],
) -> IdentityState:
    """First without what was pulled: what is asked of us doesn't depend on what others sent, or on the time."""
    entry = owner.entry
    spent = _spent_timer(decision, outcome)
    if spent is not None:
        envelopes = [*envelopes, Envelope(DropSchedule(spent), None, wants_outcome=False)]
    elif not envelopes:
        msg = f"{entry.identity}: what it pulled was refused: {outcome}"
        raise AssertionError(msg)
    is_sent, is_due = entry.mail_waiting, entry.timers_due
    entry.mail_waiting = entry.timers_due = False
    state = await _lap(owner, state, envelopes)
    entry.mail_waiting, entry.timers_due = entry.mail_waiting or is_sent, entry.timers_due or is_due
    put_back(entry, pulled)
    return state


def _spent_timer(decision: Decision, outcome: Refused | DuplicateInput | HeldElsewhere) -> str | None:
    """The timer whose input was admitted already, under the id that a caller chose for it: it has done its duty."""
    if not isinstance(outcome, DuplicateInput) or decision.unit is None:
        return None
    inserted = decision.unit.effects[outcome.effect]
    for effect in decision.unit.effects:
        if type(effect) is FireTimer and type(inserted) is InsertInput and effect.last == inserted.admission:
            return effect.name
    return None


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


async def _hold(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> IdentityState:
    """The disk is full: hold what a turn asked, refuse what a caller asked, answer what needs no room."""
    if owner.is_full and len(envelopes) == 1 and not is_from_turn(envelopes[0]):
        # This lap settled nothing, so it is the command itself that needs room.
        problem = f"disk full, nothing of {owner.entry.identity} was written; make room, then retry"
        answer(owner, envelopes[0], StoreFullError(path=owner.around.storage.location, problem=problem))
        return state
    if not owner.is_full:
        owner.is_full = True
        retry = Envelope(_LOOK, None, wants_outcome=False)
        owner.around.post_later(owner.entry, retry, owner.around.limits.full_retry_seconds)
    owner.held.extend(envelope for envelope in envelopes if is_from_turn(envelope))
    for envelope in envelopes:
        if not is_from_turn(envelope) and type(envelope.command) is not Look:
            state = await _lap(owner, state, [envelope])
    return state


def _not_held(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> list[Envelope]:
    """Behind the end of a turn that the full disk refused, whoever would end that turn waits: the order decides."""
    if not any(type(envelope.command) is EndTurn for envelope in owner.held):
        return envelopes
    owner.held.extend(envelope for envelope in envelopes if _ends_turn(state, envelope.command))
    return [envelope for envelope in envelopes if not _ends_turn(state, envelope.command)]


def _ends_turn(state: IdentityState, command: Command) -> bool:
    if type(command) is CancelInput:
        return state.run is not None and any(member.admission == command.admission for member in state.run.members)
    return type(command) is Interrupt or is_reset(command)


def _fail(envelopes: list[Envelope], error: MeerkatError) -> None:
    for envelope in envelopes:
        if envelope.slot is not None:
            envelope.slot.reject(error)
