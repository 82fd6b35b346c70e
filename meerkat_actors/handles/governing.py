"""What an operator asks of an agent: where it stands, an end to its turn, and how its life goes on."""

from __future__ import annotations

import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.errors import UnknownIdentityError
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.commands import GetStatus, Govern, Interrupt, Yield
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.status import IdentityStatus, Verb


class Governing:
    """The operator's half of a handle. All of it goes ahead of the mail that waits for the agent.

    What the operator wants is durable: a restart finds the agent paused, retired, stopped or destroyed as it was left.
    """

    def __init__(self, identity: AgentIdentity, reach: Reach) -> None:
        self._identity = identity
        self._reach = reach

    @property
    def identity(self) -> AgentIdentity:
        """The agent's name."""
        return self._identity

    async def status(self) -> IdentityStatus:
        """What the agent is doing, ahead of everything that waits for it.

        Cancelling the wait has no effect on anything.

        Raises:
            MailboxFullError: too many ask at once.
            OwnerStoppedError: its owner ended; ask again.
            IdentityBrokenError: the agent is quarantined.
            UsageError: the runtime is closed.
        """
        slot: ReplySlot[IdentityStatus] = ReplySlot()
        return await self._reach.ask(self._identity, GetStatus(), slot)

    async def interrupt(self, *, at_checkpoint: bool = False) -> bool:
        """End the run in flight, whether its turn is in progress or waits for its next attempt; did this end one?

        Returns when that is durable. What a turn appended so far is kept, with a receipt whose outcome is
        ``interrupted``; what it sent and set is not. The run's inputs end as ``abandoned`` (cancelled), which their
        waiters hear. Queued inputs stay, and the next run begins; new ones are admitted all the while.
        ``at_checkpoint`` lets a turn go on until its next checkpoint; a ``rest`` on the way there ends. A turn that
        ends before the interruption reaches it keeps its result, and the answer is False, as it is when there was none.

        Cancelling the wait withdraws nothing. Called again, it ends the run that is in flight then.

        Raises:
            MailboxFullError: too many ask at once; nothing was written.
            OwnerStoppedError: its owner ended before it took the request; nothing was written.
            AlreadyOwnedError: another runtime that shares the store holds the agent; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: its owner ended under the request; look at the status.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            UsageError: the runtime is closed.
        """
        slot: ReplySlot[bool] = ReplySlot()
        return await self._reach.ask(self._identity, Interrupt(at_checkpoint), slot)

    async def stir(self) -> None:
        """End the cooperative wait of the turn in progress (``turn.rest``), or its next one; nothing else is disturbed.

        Nothing of it is durable, and without a turn in progress it does nothing. Cancelling the wait withdraws
        nothing; called again, it stirs again.

        Raises:
            MeerkatError: whatever ``status`` raises.
        """
        slot: ReplySlot[None] = ReplySlot()
        await self._reach.ask(self._identity, Yield(), slot)

    async def pause(self) -> None:
        """Begin nothing until ``resume``; durable on return.

        New inputs are admitted, and wait with the queued ones; whoever waits for their outcomes goes on waiting. The
        turn in progress ends by its own rules; one that failed has its next attempt after ``resume``.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            UsageError: the agent is retired or stopped, so there is nothing to pause; or the runtime is closed.
            DestroyedError: the agent was destroyed.
            NotReadyError: the agent is being reset; nothing was written.
            MailboxFullError: too many ask at once; nothing was written.
            OwnerStoppedError: its owner ended before it took the request; nothing was written.
            AlreadyOwnedError: another runtime that shares the store holds the agent; nothing was written.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: its owner ended under the request; call again.
        """
        await self._govern(Verb.PAUSE)

    async def resume(self) -> None:
        """Admit and work again, after ``pause``, ``retire`` or ``stop``; durable on return.

        What is queued begins at once, and its waiters hear what becomes of it; what ``stop`` ended stays ended. A turn
        in progress goes on.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            MeerkatError: whatever ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.RESUME)

    async def retire(self) -> None:
        """Admit nothing more, and work off what is there; durable on return, which is before that is done.

        The turn in progress and everything queued end by their own rules, and their waiters hear of it. New inputs
        are refused with ``NotReadyError``, until ``resume``.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            MeerkatError: whatever ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.RETIRE)

    async def stop(self) -> None:
        """Admit nothing more, and give up what is queued; durable on return.

        Queued inputs, and those of a run between two attempts, end as ``abandoned`` (stopped), which their waiters
        hear. The turn in progress ends by its own rules, and its waiters hear of that. New inputs are refused with
        ``NotReadyError``, until ``resume``.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            MeerkatError: whatever ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.STOP)

    async def reset(self) -> None:
        """Begin anew as the next generation, with an empty transcript and no state; durable on return.

        A turn in progress is interrupted as by ``interrupt``, and until it has ended new inputs are refused with
        ``NotReadyError``. Queued inputs end as ``abandoned`` (reset), which their waiters hear. Afterwards the agent
        is open, whatever it was before. What was said stays readable, by ``history(generation=)``; its configuration
        stays, and so does the mail that it sent.

        Cancelling the wait withdraws nothing. Called again meanwhile, it is the same reset; called again afterwards,
        it begins yet another generation. So after ``UnknownOutcomeError`` look at the generation in ``status`` first.

        Raises:
            MeerkatError: whatever ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.RESET)

    async def recycle(self) -> None:
        """Let go of what memory holds of the agent, so that it is read anew from the store.

        Queued inputs stay and go on, and so do those who wait for them. Afterwards the agent is open, whatever it was
        before, which is durable on return. New inputs are admitted.

        Cancelling the wait withdraws nothing. Called again, it does the same again.

        Raises:
            NotReadyError: a turn is in progress, or the agent is being reset; nothing was written.
            MeerkatError: whatever else ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.RECYCLE)

    async def destroy(self) -> None:
        """End the agent for ever; durable on return. Only ``runtime.agent(..., recreate=True)`` begins it anew.

        Queued inputs, and those of a run between two attempts, end as ``abandoned`` (destroyed), which their waiters
        hear. The turn in progress ends by its own rules, and its waiters hear of that. New inputs, and every other
        request but ``status``, are refused with ``DestroyedError``. What was said stays readable by this handle.

        Cancelling the wait withdraws nothing. Called again, it changes nothing.

        Raises:
            MeerkatError: whatever ``pause`` raises of an agent that is open.
        """
        await self._govern(Verb.DESTROY)

    async def repair(self) -> None:
        """Begin an agent anew that is quarantined; returns when it has begun, and its work goes on from there.

        What it was quarantined for is to be mended first: where it is not, the agent is quarantined again. The first
        repair in a supervision group that was given up forgets the group's crashes; its other members are repaired
        one by one. For an agent that is not quarantined it does nothing.

        Cancelling the wait withdraws nothing. Called again, it does nothing, or tries again.

        Raises:
            TurnAliveError: a turn of the agent was cancelled and has not ended, and no second one may run beside it;
                nothing was written.
            IdentityBrokenError: it was quarantined again at once.
            AlreadyOwnedError: another runtime that shares the store holds the agent; it is quarantined here no more.
            OwnerStoppedError: the runtime ended before it began.
            UsageError: the runtime is closed.
        """
        is_lifted = self._reach.directory.repair(self._identity)
        try:
            if is_lifted:
                await self.status()
        except UnknownIdentityError:
            pass  # a member of a group need never have been created: then there is nothing to begin
        await trio.lowlevel.checkpoint()

    async def _govern(self, verb: Verb) -> None:
        slot: ReplySlot[None] = ReplySlot()
        await self._reach.ask(self._identity, Govern(verb), slot)
