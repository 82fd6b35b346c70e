"""Callers: what they ask, how long they may have to wait, and whether what they are told is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio
from attrs import Factory, define

from meerkat_actors.errors import (
    IdempotencyConflictError,
    IdentityBrokenError,
    MeerkatError,
    OwnershipLostError,
    OwnerStoppedError,
    RejectedError,
    StoreError,
    TurnAbandonedError,
    UnknownOutcomeError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.content import JSON
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.env import Env
from meerkat_actors.records.headers import Durability
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.outcomes import Admission, Answer, Consumed
from meerkat_actors.records.status import Desired, Verb
from meerkat_actors.runtime import Runtime
from tests.histories.ledger import Ledger
from tests.histories.moves import (
    Admit,
    Again,
    Ask,
    Await,
    Cancel,
    Drop,
    Interrupt,
    Redrive,
    Stir,
    WaitIdle,
)
from tests.histories.outside import Life, Outside

Asking = Admit | Again | Await | Cancel | Interrupt | Stir | Ask | Redrive | Drop | WaitIdle
"""The moves that callers make."""

_UNSURE: Final = (UnknownOutcomeError, StoreError, OwnershipLostError, IdentityBrokenError, OwnerStoppedError)
"""What nobody hears while the process goes on."""
_WANTED: Final = {
    Verb.PAUSE: Desired.PAUSED,
    Verb.RESUME: Desired.OPEN,
    Verb.RETIRE: Desired.RETIRED,
    Verb.STOP: Desired.STOPPED,
    Verb.RESET: Desired.OPEN,
    Verb.RECYCLE: Desired.OPEN,
    Verb.DESTROY: Desired.DESTROYED,
}


@define(eq=False)
class Sent:
    """One input, and what its sender knows of it."""

    identity: AgentIdentity
    input_id: InputId
    move: Admit | None
    """None for one that was driven again."""
    number: int
    tries: int = 0
    admitted: Admission | None = None
    was_new: bool = False
    """Whether somebody was told that it was not there before."""


@define(eq=False)
class Call:
    """One question of one caller."""

    what: Asking
    life: Life
    may_wait: bool
    """Whether the answer may wait for an agent that hangs."""
    scope: trio.CancelScope = Factory(trio.CancelScope)


@define(eq=False)
class Callers:
    """Everybody who asks."""

    outside: Outside
    ledger: Ledger
    env: Env
    sent: list[Sent] = Factory(list[Sent])
    pending: list[Call] = Factory(list[Call])
    told: list[str] = Factory(list[str])
    """What callers heard, for the tally."""
    governed: dict[str, int] = Factory(dict[str, int])
    """Verbs asked of each agent so far."""
    handles: dict[str, AgentHandle] = Factory(dict[str, AgentHandle])
    """Of the process that is alive: also of who was destroyed since."""

    def begin(self, nursery: trio.Nursery, runtime: Runtime, move: Asking) -> None:
        """Let a caller ask."""
        asked = self._asked(runtime, move)
        if asked is None:
            return
        ask, may_wait = asked
        call = Call(move, self.outside.life, may_wait)
        self.pending.append(call)
        nursery.start_soon(self._call, call, ask)

    def check_waiting(self) -> None:
        """Everybody waits for something: whoever does not wait for an agent was answered."""
        for call in self.pending:
            if not call.may_wait or call.life is not self.outside.life:
                self.outside.complain("a call hangs", call.what)

    async def handle(self, runtime: Runtime, name: str) -> AgentHandle:
        """The handle of an agent, which is not asked for twice."""
        found = self.handles.get(name)
        if found is None:
            found = await runtime.agent(name, kind="k")
            if not self.outside.life.is_over:
                self.handles[name] = found
        return found

    async def _call(self, call: Call, ask: Callable[[], Awaitable[str]]) -> None:
        try:
            with call.scope:
                self.told.append(await ask())
        except MeerkatError as error:
            self.told.append(type(error).__name__)
            is_sure = not isinstance(error, _UNSURE)
            self.outside.require(is_sure or call.life.is_over, "an answer that can't be", f"{call.what}: {error!r}")
        finally:
            self.pending.remove(call)

    def _asked(self, runtime: Runtime, move: Asking) -> tuple[Callable[[], Awaitable[str]], bool] | None:
        """What is asked, and whether it may wait for an agent; None where there is nothing to ask about."""
        match move:
            case Admit():
                sent = Sent(AgentIdentity(move.agent), InputId(self.env.new_id()), move, len(self.sent))
                self.sent.append(sent)
                return (lambda: self._send(runtime, sent, move, asks=move.asks)), move.asks
            case Ask():
                return (lambda: self._govern(runtime, move)), False
            case Interrupt():
                return (lambda: self._interrupt(runtime, move)), move.at_checkpoint
            case Stir():
                return (lambda: self._stir(runtime, move)), False
            case WaitIdle():
                return (lambda: _idle(runtime)), True
            case Redrive() | Drop():
                return (lambda: self._look_after(runtime, move)), False
            case Again() | Await() | Cancel():
                return self._asked_of_sent(runtime, move)

    def _asked_of_sent(
        self, runtime: Runtime, move: Again | Await | Cancel
    ) -> tuple[Callable[[], Awaitable[str]], bool] | None:
        if not self.sent:
            return None
        sent = self.sent[move.index % len(self.sent)]
        again = sent.move
        match move:
            case Again() if again is not None:
                return (lambda: self._send(runtime, sent, again, asks=move.asks)), move.asks
            case Await():
                return (lambda: self._wait(runtime, sent)), True
            case Cancel():
                return (lambda: self._cancel(runtime, sent)), False
            case _:
                return None

    async def _send(self, runtime: Runtime, sent: Sent, move: Admit, *, asks: bool) -> str:
        agent = await self.handle(runtime, move.agent)
        sent.tries += 1
        options: dict[str, Any] = dict(move.options)
        key = None if move.key is None else f"k{move.key}"
        content: JSON = {"n": sent.number, "do": [*move.ops]}
        send = agent.ask if asks and move.kind is not InputKind.OPERATION else agent.send
        is_first = sent.tries == 1
        try:
            told = await send(content, kind=move.kind, input_id=sent.input_id, idempotency_key=key, **options)
        except TurnAbandonedError as error:
            self._check_outcome(sent.identity, InputId(error.input_id), error.outcome)
            raise
        except IdempotencyConflictError as error:
            first = self.ledger.find(sent.identity, InputId(error.first_input_id))
            self.outside.require(first is not None and first.idempotency_key == key, "a conflict with nothing", error)
            raise
        except RejectedError:
            is_written = is_first and sent.tries == 1 and self.ledger.find(sent.identity, sent.input_id) is not None
            self.outside.require(not is_written, "refused and written", move)
            raise
        if isinstance(told, Answer):
            self._check_outcome(sent.identity, told.receipt.contributors[0], Consumed(told.text, told.receipt))
            return "answer"
        self._check_admission(sent, told, key, dict(move.options).get("durability") == Durability.EPHEMERAL)
        return "duplicate" if told.duplicate else "admission"

    def _check_admission(self, sent: Sent, told: Admission, key: str | None, is_ephemeral: bool) -> None:
        row = self.ledger.find(sent.identity, told.input_id)
        require, detail = self.outside.require, f"{told}: {row}"
        require(row is not None and row.admission == told.admission_sequence, "admitted, and not there", detail)
        if told.duplicate:
            require(sent.tries > 1 or key is not None, "a duplicate of nothing", detail)
        else:
            require(told.input_id == sent.input_id, "another's admission", detail)
            require(not sent.was_new, "admitted twice", detail)
            sent.was_new = True
            require(not is_ephemeral or not told.durable, "an ephemeral input is promised", detail)
        before = sent.admitted
        if before is not None:
            is_same = (before.input_id, before.admission_sequence) == (told.input_id, told.admission_sequence)
            require(is_same, "the same input is another one", f"{before}: {detail}")
        sent.admitted = told

    def _check_outcome(self, identity: AgentIdentity, input_id: InputId, told: object) -> None:
        row = self.ledger.find(identity, input_id)
        stored = None if row is None else outcome_of(row)
        self.outside.require(stored == told, "told, and not stored", f"{input_id}: {told}, stored {stored}")

    async def _wait(self, runtime: Runtime, sent: Sent) -> str:
        agent = await self.handle(runtime, sent.identity)
        outcome = await agent.wait(sent.input_id)
        self._check_outcome(sent.identity, sent.input_id, outcome)
        return "outcome"

    async def _cancel(self, runtime: Runtime, sent: Sent) -> str:
        agent = await self.handle(runtime, sent.identity)
        self.outside.asked[sent.identity, "cancel"] += 1
        outcome = await agent.cancel(sent.input_id)
        self._check_outcome(sent.identity, sent.input_id, outcome)
        return "cancelled"

    async def _interrupt(self, runtime: Runtime, move: Interrupt) -> str:
        agent = await self.handle(runtime, move.agent)
        self.outside.asked[move.agent, "interrupt"] += 1
        return "interrupted" if await agent.interrupt(at_checkpoint=move.at_checkpoint) else "not interrupted"

    async def _stir(self, runtime: Runtime, move: Stir) -> str:
        await (await self.handle(runtime, move.agent)).stir()
        return "stirred"

    async def _govern(self, runtime: Runtime, move: Ask) -> str:
        identity, verb = AgentIdentity(move.agent), move.verb
        self.governed[identity] = mine = self.governed.get(identity, 0) + 1
        if verb is None:
            self.handles[identity] = await runtime.agent(identity, kind="k", recreate=True)
        else:
            agent = await self.handle(runtime, identity)
            self.outside.asked[identity, verb] += 1
            await getattr(agent, verb.value)()
        if self.governed[identity] == mine and not self._is_governed_by_others(identity, move):
            found = self.ledger.activation(identity)
            desired = None if found is None or found.head is None else found.head.desired
            if verb is not None:
                self.outside.require(desired is _WANTED[verb], "a verb is not durable", f"{verb}: {desired}")
            else:
                self.outside.require(desired is not Desired.DESTROYED, "recreated, and destroyed", identity)
        return "recreated" if verb is None else verb.value

    def _is_governed_by_others(self, identity: AgentIdentity, move: Ask) -> bool:
        return any(
            isinstance(call.what, Ask) and call.what.agent == identity and call.what is not move
            for call in self.pending
        )

    async def _look_after(self, runtime: Runtime, move: Redrive | Drop) -> str:
        letters = [letter async for letter in runtime.dead_letters()]
        if not letters:
            return "no letters"
        letter = letters[move.index % len(letters)]
        if isinstance(move, Drop):
            await runtime.drop(letter)
            return "dropped"
        return await self._redrive(runtime, letter, by_id=move.by_id)

    async def _redrive(self, runtime: Runtime, letter: DeadLetter, *, by_id: bool) -> str:
        told = await runtime.redrive(letter.input_id if by_id else letter)
        row = self.ledger.find(letter.identity, told.input_id)
        self.outside.require(row is not None, "driven again, and not there", told)
        if all(sent.input_id != told.input_id for sent in self.sent):
            sent = Sent(letter.identity, told.input_id, None, len(self.sent), tries=1, admitted=told)
            self.sent.append(sent)
        return "driven again"


async def _idle(runtime: Runtime) -> str:
    await runtime.wait_idle()
    return "idle"
