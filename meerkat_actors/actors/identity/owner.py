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
from meerkat_actors.actors.identity.parking import has_mail, has_work, park_or_leave, room_of
from meerkat_actors.actors.identity.refusal import answer_refusal, is_fence_lost
from meerkat_actors.actors.identity.surroundings import Surroundings
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.errors import (
    MeerkatError,
    OwnershipLostError,
    StoreFullError,
    UnknownOutcomeError,
    WaitEndedError,
)
from meerkat_actors.machines.identity import decide, status_of
from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import (
    CancelInput,
    Checkpoint,
    Command,
    Create,
    DropLetter,
    EndTurn,
    GetStatus,
    Govern,
    Interrupt,
    JournalStep,
    Look,
    Redrive,
    ResolveIntent,
    Send,
    TakePending,
    Wait,
)
from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.events import CommitRefused
from meerkat_actors.records.ids import RunId, SessionId
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.status import Desired, Verb

_LOOK: Final = Look()
_ADMITTING: Final = frozenset({Send, TakePending, Redrive})
_NO_INTENTS: Final[frozenset[str]] = frozenset()


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
    owner = Owner(entry, around, {}, {}, None, 0, False, [])
    try:
        await _own(owner, charges_interruption)
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


async def _own(owner: Owner, charges_interruption: bool) -> None:
    state = await activate(owner, charges_interruption)
    if state.desired is Desired.DESTROYED and has_work(owner, state):
        # A kill came between its last turn and its burial: first that, then whoever wants it anew.
        state = await _lap(owner, state, [])
    mailbox, fold_max = owner.entry.mailbox, owner.around.limits.fold_max
    while True:
        require_lease(owner)
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
                is_unclean = any(run.is_unclean for run in (state.run, state.parked) if run is not None)
                state = await activate(owner, charges_interruption=is_unclean, is_own=True)
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
    return isinstance(envelope.command, Create | Send | Wait | Redrive | DropLetter)


async def _lap(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> IdentityState:
    """Fold what waits, commit what was concluded, adopt it, answer."""
    around = owner.around
    if owner.is_full and any(type(envelope.command) is Look for envelope in envelopes):
        envelopes = [*owner.held, *envelopes]
        owner.is_full, owner.held = False, []
    elif owner.held:
        envelopes = _not_held(owner, state, envelopes)
    commands: list[Command] = [envelope.command for envelope in envelopes]
    place, pulled = 0, list[TakePending]()
    if has_mail(owner, state):
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
    entry, room = owner.entry, room_of(owner, state)
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


def _not_held(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> list[Envelope]:
    """Behind the end of a turn that the full disk refused, whoever would end that turn waits: the order decides."""
    if not any(type(envelope.command) is EndTurn for envelope in owner.held):
        return envelopes
    owner.held.extend(envelope for envelope in envelopes if _ends_turn(state, envelope.command))
    return [envelope for envelope in envelopes if not _ends_turn(state, envelope.command)]


def _ends_turn(state: IdentityState, command: Command) -> bool:
    if type(command) is CancelInput:
        return state.run is not None and any(member.admission == command.admission for member in state.run.members)
    return type(command) is Interrupt or _is_reset(command)


def _is_from_turn(envelope: Envelope) -> bool:
    return isinstance(envelope.command, EndTurn | JournalStep | ResolveIntent | Checkpoint)


def _stamp(owner: Owner, state: IdentityState, commands: list[Command]) -> Stamp:
    around, env = owner.around, owner.around.env
    # Ids are minted only for what a lap may need: most laps end a turn and stage nothing.
    may_stage = state.backlog > 1 or any(type(command) in _ADMITTING for command in commands)
    may_begin = not state.is_created or state.is_buried or state.is_resetting or any(map(_is_reset, commands))
    kind = around.agents.get(state.kind)
    return Stamp(
        around.now_ms(),
        RunId(env.new_id() if may_stage or not state.is_executing else ""),
        SessionId(env.new_id() if may_begin else ""),
        around.jitter(),
        around.is_closing() or owner.is_full,
        _NO_INTENTS if kind is None else kind.silent_intents,
        owner.entry.may_suspect,
    )


def _is_reset(command: Command) -> bool:
    return type(command) is Govern and command.verb is Verb.RESET


def _fail(envelopes: list[Envelope], error: MeerkatError) -> None:
    for envelope in envelopes:
        if envelope.slot is not None:
            envelope.slot.reject(error)
