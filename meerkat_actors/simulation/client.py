"""Clients that outlive the processes they ask: each asks again, under the same id, until it knows what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import TYPE_CHECKING, Final, TypeVar, Unpack, cast

import trio
from attrs import define, field, frozen

from meerkat_actors.errors import (
    AlreadyOwnedError,
    BacklogFullError,
    DestroyedError,
    MailboxFullError,
    MeerkatError,
    NotReadyError,
    OwnershipLostError,
    OwnerStoppedError,
    RejectedError,
    StoreError,
    TurnAbandonedError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.outcomes import Admission, Consumed, Outcome
from meerkat_actors.simulation.harms import CallHarm

if TYPE_CHECKING:
    from meerkat_actors.handles import AgentHandle, SendOptions
    from meerkat_actors.runtime import Runtime
    from meerkat_actors.simulation.processes import Life
    from meerkat_actors.simulation.world import World

_UNSURE: Final = (UnknownOutcomeError, StoreError, OwnershipLostError, OwnerStoppedError, WaitEndedError)
"""It may have been done."""
_BUSY: Final = (BacklogFullError, MailboxFullError, NotReadyError, AlreadyOwnedError)
"""It was not done; later it may."""
_AGAIN_SECONDS: Final = 0.05
"""Between two tries, of the first ones; later ones wait longer."""
_AGAIN_SECONDS_MAX: Final = 5.0
_NO_HARM: Final = CallHarm()
T = TypeVar("T")


@frozen(kw_only=True)
class Asked:
    """One thing that a client asked for, and what it was told: a line of its own history, outside of the database."""

    client: str
    agent: str
    what: str
    """``ask`` or ``send``."""
    input_id: InputId
    content: JSON
    called: float
    returned: float
    begun: int
    """Counts beginnings and ends of what clients ask, so that it is known who came first in the same moment."""
    ended: int
    tries: int
    admission: Admission | None
    outcome: Outcome | None
    refused: str | None
    """The name of the error that said that it will never be done."""
    is_unsure: bool
    """Whether one of the tries may have done it, and was not heard of."""


@define(eq=False)
class Client:
    """Asks agents; made by ``World.client``. One call at a time."""

    name: str
    world: World

    async def ask(self, agent: str, content: JSON, *, kind: str, **options: Unpack[SendOptions]) -> Outcome | None:
        """Ask an agent, made if need be, until its outcome is known; None: it is refused for good.

        Cancelling it leaves the question as it is: asked, or not.
        """
        return (await self._until_known("ask", agent, content, kind, options)).outcome

    async def send(self, agent: str, content: JSON, *, kind: str, **options: Unpack[SendOptions]) -> Admission | None:
        """Send to an agent, made if need be, until that is acknowledged; None: it is refused for good.

        Cancelling it leaves the message as it is: sent, or not.
        """
        return (await self._until_known("send", agent, content, kind, options)).admission

    async def do(self, agent: str, act: Callable[[AgentHandle], Awaitable[T]], *, kind: str) -> T | None:
        """Do something with an agent, made if need be, until it went through; None: it is refused for good.

        ``act`` is tried again where its end is not known: it has to be something that may be done twice. Cancelling
        it leaves that as it is: done, or not.
        """

        async def act_on_agent(runtime: Runtime) -> T:
            return await act(await runtime.agent(agent, kind=kind))

        return await self.run(act_on_agent)

    async def run(self, act: Callable[[Runtime], Awaitable[T]]) -> T | None:
        """As ``do``, for what is asked of no agent."""
        self.world.has_guests = True
        told, pause = _Told(), _AGAIN_SECONDS
        while told.refused is None:
            life, runtime = await self.world.process()
            try:
                return await act(runtime)
            except MeerkatError as error:
                told.note(error, is_over=life.is_over)
                await self.world.pause(life, pause)
                pause = min(2 * pause, _AGAIN_SECONDS_MAX)
        return None

    async def _until_known(self, what: str, agent: str, content: JSON, kind: str, options: SendOptions) -> Asked:
        world = self.world
        input_id, called = InputId(world.env.new_id()), trio.current_time()
        asking = _Asking(what, agent, content, kind, input_id, options)
        begun = world.note_begun(asking.input_id, agent)
        harm = world.harms.of_next_call()
        if harm.delay:
            await trio.sleep(harm.delay)
        tries, pause = 0, _AGAIN_SECONDS
        while not asking.is_known:
            life, runtime = await world.process()
            tries += 1
            await _try(asking, life, runtime, harm if tries == 1 else _NO_HARM, world)
            if not asking.is_known:
                await world.pause(life, pause)
                pause = min(2 * pause, _AGAIN_SECONDS_MAX)
        asked = Asked(
            client=self.name,
            agent=agent,
            what=what,
            input_id=input_id,
            content=content,
            called=called,
            returned=trio.current_time(),
            begun=begun,
            ended=world.tick(),
            tries=tries,
            admission=asking.admission,
            outcome=asking.outcome,
            refused=asking.told.refused,
            is_unsure=asking.told.is_unsure,
        )
        world.note_asked(asked)
        return asked


@define(eq=False)
class _Told:
    """What the errors of some tries say."""

    refused: str | None = None
    is_unsure: bool = False

    def note(self, error: MeerkatError, *, is_over: bool) -> None:
        """That it may be tried again, or never."""
        is_late = is_over and isinstance(error, UsageError)
        self.is_unsure |= not isinstance(error, RejectedError | UsageError)
        if isinstance(error, DestroyedError) or not (is_late or isinstance(error, (*_UNSURE, *_BUSY))):
            self.refused = type(error).__name__


@define(eq=False)
class _Asking:
    what: str
    agent: str
    content: JSON
    kind: str
    input_id: InputId
    options: SendOptions
    admission: Admission | None = None
    outcome: Outcome | None = None
    told: _Told = field(factory=_Told)

    @property
    def is_known(self) -> bool:
        answer = self.outcome if self.what == "ask" else self.admission
        return answer is not None or self.told.refused is not None

    async def once(self, runtime: Runtime) -> None:
        """Ask once."""
        handle = await runtime.agent(self.agent, kind=self.kind)
        if self.what == "send":
            self.admission = await handle.send(self.content, input_id=self.input_id, **self.options)
            return
        try:
            answer = await handle.ask(self.content, input_id=self.input_id, **self.options)
        except TurnAbandonedError as error:
            self.outcome = cast("Outcome", error.outcome)
        else:
            self.outcome = Consumed(answer.text, answer.receipt)


async def _try(asking: _Asking, life: Life, runtime: Runtime, harm: CallHarm, world: World) -> None:
    try:
        if harm == _NO_HARM:
            await asking.once(runtime)
        else:
            await _once_harmed(asking, runtime, harm)
    except* MeerkatError as group:
        for error in _flat(group):
            asking.told.note(error, is_over=life.is_over)
    except* Exception as group:  # noqa: BLE001 - whatever it is, it is none of ours, and goes no further
        asking.told.is_unsure = True
        if life.is_dead:
            world.trace.note("a dead process raised", repr(group.exceptions[0]))
        else:
            world.problems.append("a call raised none of our errors:\n" + "".join(format_exception(group)))
            asking.told.refused = type(group.exceptions[0]).__name__


async def _once_harmed(asking: _Asking, runtime: Runtime, harm: CallHarm) -> None:
    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as nursery:
                if harm.steps:
                    nursery.start_soon(_cancel_after, scope, harm.steps)
                if harm.is_doubled:
                    asking.told.is_unsure = True
                    nursery.start_soon(_twice, asking, runtime)
                await asking.once(runtime)
                nursery.cancel_scope.cancel()
        finally:
            asking.told.is_unsure |= scope.cancel_called


def _flat(group: BaseExceptionGroup[MeerkatError]) -> list[MeerkatError]:
    return [
        each
        for error in group.exceptions
        for each in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


async def _cancel_after(scope: trio.CancelScope, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def _twice(asking: _Asking, runtime: Runtime) -> None:
    """The same again beside it; what it hears is told to nobody."""
    twin = _Asking(asking.what, asking.agent, asking.content, asking.kind, asking.input_id, asking.options)
    try:
        await twin.once(runtime)
    except MeerkatError:
        return
