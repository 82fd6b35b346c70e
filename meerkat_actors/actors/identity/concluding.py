"""What follows from a decision once it is durable: answers, outcomes, and the turn that begins."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio
from attrs import define

from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.surroundings import BrokenIdentityError, Surroundings
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import TurnJob
from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.decision import Decision, Later
from meerkat_actors.machines.governing import admits
from meerkat_actors.machines.operations import remembered, unseen
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import BackoffOver, EndTurn, GraceOver, ProbationOver
from meerkat_actors.records.events import TurnRaised, TurnStuck, WorkLost
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.outcomes import DEAD_LETTERS, Abandoned, Admission
from meerkat_actors.records.runs import Run, TurnFailed


@define(eq=False)
class Owner:
    """One owner's live things; its state stays a local variable."""

    entry: Entry
    around: Surroundings
    waiters: dict[str, list[ReplySlot[Any]]]
    """By input id."""
    callers: dict[str, list[ReplySlot[Any]]]
    """Who waits for what a verb asked for, by its key."""
    turn: TurnJob | None
    alarm: int
    """Wall clock at which a waiting run wakes this owner; 0 for never."""
    is_full: bool
    """Whether the disk was full just now: until the next try nothing is begun that nobody asks for."""
    held: list[Envelope]
    """What a turn posted and the full disk refused; it is offered again, uncharged, and dies with its owner."""
    recycles: bool = False
    """Whether it is to begin anew from what is stored."""


def conclude_lap(owner: Owner, envelopes: list[Envelope], before: IdentityState, decision: Decision) -> None:
    """Everything that follows from a commit, without a schedule point."""
    around, state = owner.around, decision.state
    raised: BaseException | None = None
    for envelope, reply in zip(envelopes, decision.replies, strict=False):
        command = envelope.command
        if type(command) is EndTurn and owner.turn is not None:
            owner.turn = None
            around.counters.end_turn()
            if type(command.ending) is TurnFailed:
                raised = command.ending.raised
        answer(owner, envelope, reply)
    around.counters.inputs += state.admissions - before.admissions
    if state.generation == before.generation:
        around.counters.turns += state.version - before.version
    for key, told in decision.told:
        if type(told) is Abandoned and told.reason in DEAD_LETTERS:
            lost = WorkLost(identity=state.identity, input_id=InputId(key), reason=told.reason, detail=told.detail)
            around.observers.notify(lost)
        for slot in (*owner.waiters.pop(key, ()), *owner.callers.pop(key, ())):
            if isinstance(told, MeerkatError):
                slot.reject(told)
            else:
                slot.resolve(told)
    owner.entry.backlog, owner.entry.waiters = state.backlog, len(owner.waiters)
    if state.desired is not before.desired and admits(state.desired):
        # What came, and came due, while it took nothing.
        owner.entry.mail_waiting = owner.entry.timers_due = True
    if decision.failed is not None:
        run = before.run
        assert run is not None
        around.observers.notify(
            TurnRaised(
                identity=state.identity,
                run_id=run.run_id,
                attempts=run.attempts + 1,
                error=decision.failed,
                exception=raised,
            )
        )
    if decision.starts is not None:
        _start_turn(owner, state, decision.starts)
    elif decision.wake_at_ms and state.run is not None and decision.wake_at_ms != owner.alarm:
        owner.alarm = decision.wake_at_ms
        seconds = (decision.wake_at_ms - around.now_ms()) / 1000
        around.post_later(owner.entry, Envelope(BackoffOver(state.run.run_id), None, wants_outcome=False), seconds)
    if decision.halts or decision.stirs or decision.recycles or decision.asks_to_suspect or owner.entry.may_suspect:
        _conclude_rare(owner, decision)


def _conclude_rare(owner: Owner, decision: Decision) -> None:
    entry, around, job, state = owner.entry, owner.around, owner.turn, decision.state
    if job is not None and decision.stirs:
        job.stir()
    if job is not None and decision.halts and not job.scope.cancel_called:
        job.scope.cancel()
        grace = Envelope(GraceOver(job.run.run_id), None, wants_outcome=False)
        around.post_later(entry, grace, around.limits.cancel_grace_seconds)
    owner.recycles = owner.recycles or decision.recycles
    if decision.asks_to_suspect:
        around.suspects.ask(entry, max(run.interruptions for run in (state.run, state.parked) if run is not None))
    elif entry.may_suspect and not state.suspect:
        around.suspects.release(entry)
    elif state.suspect and decision.starts is not None:
        watch = Envelope(ProbationOver(decision.starts.run_id), None, wants_outcome=False)
        around.post_later(entry, watch, around.limits.suspect_seconds)


def answer(owner: Owner, envelope: Envelope, reply: object) -> None:
    """Give an envelope its reply, or keep its slot until there is one."""
    slot, command = envelope.slot, envelope.command
    if type(command) is BackoffOver:
        owner.alarm = 0
    if slot is None:
        return
    if isinstance(reply, MeerkatError):
        slot.reject(reply)
    elif type(reply) is Later:
        _keep_waiter(owner.waiters if reply.is_input else owner.callers, reply.key, slot)
    elif envelope.wants_outcome and type(reply) is Admission and not reply.duplicate:
        _keep_waiter(owner.waiters, reply.input_id, slot)
    else:
        slot.resolve(reply)


def _keep_waiter(waiters: dict[str, list[ReplySlot[Any]]], key: str, slot: ReplySlot[Any]) -> None:
    slots = waiters.setdefault(key, [])
    # Looked through each time that their number is a power of two: amortised, that costs nothing.
    if len(slots) & (len(slots) - 1) == 0:
        slots[:] = [waiting for waiting in slots if not waiting.is_given_up]
    slots.append(slot)


def _start_turn(owner: Owner, state: IdentityState, run: Run) -> None:
    around = owner.around
    owner.alarm = 0
    if around.is_closing():
        # The block ended while the staging was under way: the run is staged, and begins next time.
        return
    job = TurnJob(
        around.agents[state.kind],
        state.identity,
        state.generation,
        state.session_id,
        run,
        run.journal,
        state.state,
        None if state.config is None else state.config.body,
        owner.entry.mailbox,
        around.env,
        around.limits,
        around.threads,
        trio.CancelScope(),
    )
    if state.owed:
        job.owed = state.owed
    if state.operations:
        job.operations = {each.operation_id: each for each in remembered(state)}
        job.completions = unseen(state)
    if around.wiring is not None:
        job.wiring = around.wiring
    if around.publish is not None:
        job.stream = partial(around.publish, state.identity, run.run_id, run.attempts + 1)
    owner.turn = job
    around.counters.running += 1
    around.start_turn(job)


async def end_turn(owner: Owner) -> None:
    """End the turn before its owner ends."""
    job = owner.turn
    if job is not None:
        owner.around.counters.end_turn()
        job.scope.cancel()
        if not job.is_over:
            job.ended = trio.Event()
            await job.ended.wait()


def check_turn_ended(owner: Owner) -> None:
    """A turn that ignores its cancellation is stuck; nobody claims its identity again while it lives."""
    job = owner.turn
    if job is not None and not job.is_over:
        owner.around.observers.notify(TurnStuck(identity=owner.entry.identity, run_id=job.run.run_id))
        raise BrokenIdentityError(reason="turn_stuck", detail=f"run {job.run.run_id} ignores its cancellation")


def check_grace(owner: Owner, envelopes: list[Envelope]) -> None:
    """A turn that was cancelled, and whose grace is over, is stuck.

    Raises:
        BrokenIdentityError: it is.
    """
    job = owner.turn
    if job is None or job.is_over or not job.scope.cancel_called:
        return
    for envelope in envelopes:
        if type(envelope.command) is GraceOver and envelope.command.run_id == job.run.run_id:
            raise BrokenIdentityError(reason="turn_stuck", detail=f"run {job.run.run_id} ignores its cancellation")
