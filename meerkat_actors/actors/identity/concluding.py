"""What follows from a decision once it is durable: answers, outcomes, and the turn that begins."""

from __future__ import annotations

from typing import Any

import trio
from attrs import define

from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.surroundings import BrokenIdentityError, Surroundings
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import TurnJob
from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.commands import (
    BackoffOver,
    EndTurn,
    Wait,
)
from meerkat_actors.records.events import TurnRaised, TurnStuck
from meerkat_actors.records.ids import InputId, RunId
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.runs import Run, TurnFailed


@define(eq=False)
class Owner:
    """One owner's live things; its state stays a local variable."""

    entry: Entry
    around: Surroundings
    waiters: dict[InputId, list[ReplySlot[Any]]]
    turn: TurnJob | None
    alarm: RunId | None
    is_full: bool
    """Whether the disk was full just now: until the next try nothing is begun that nobody asks for."""
    held: list[Envelope]
    """What a turn posted and the full disk refused; it is offered again, uncharged, and dies with its owner."""


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
    around.counters.turns += state.version - before.version
    for input_id, ended in decision.ended:
        for slot in owner.waiters.pop(input_id, ()):
            slot.resolve(ended)
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
    elif decision.wake_at_ms and state.run is not None:
        owner.alarm = state.run.run_id
        seconds = (decision.wake_at_ms - around.now_ms()) / 1000
        around.post_later(owner.entry, Envelope(BackoffOver(state.run.run_id), None, wants_outcome=False), seconds)


def answer(owner: Owner, envelope: Envelope, reply: object) -> None:
    slot, command = envelope.slot, envelope.command
    if type(command) is BackoffOver and owner.alarm == command.run_id:
        owner.alarm = None
    if slot is None:
        return
    if isinstance(reply, MeerkatError):
        slot.reject(reply)
    elif type(command) is Wait and reply is True:
        _keep_waiter(owner, command.input_id, slot)
    elif envelope.wants_outcome and type(reply) is Admission and not reply.duplicate:
        _keep_waiter(owner, reply.input_id, slot)
    else:
        slot.resolve(reply)


def _keep_waiter(owner: Owner, input_id: InputId, slot: ReplySlot[Any]) -> None:
    slots = owner.waiters.setdefault(input_id, [])
    # Looked through each time that their number is a power of two: amortised, that costs nothing.
    if len(slots) & (len(slots) - 1) == 0:
        slots[:] = [waiting for waiting in slots if not waiting.is_given_up]
    slots.append(slot)


def _start_turn(owner: Owner, state: IdentityState, run: Run) -> None:
    around = owner.around
    owner.alarm = None
    if around.is_closing():
        # The block ended while the staging was under way: the run is staged, and begins next time.
        return
    job = TurnJob(
        around.agents[state.kind],
        state.identity,
        state.generation,
        state.session_id,
        run,
        journal_of(state) if run.journal or state.recorded is not None else {},
        state.state,
        None if state.config is None else state.config.body,
        owner.entry.mailbox,
        around.env,
        around.limits,
        around.threads,
        trio.CancelScope(),
    )
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
