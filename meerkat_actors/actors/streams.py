"""Token streams: what turns say while they last, to whoever listens. Nothing of it is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import trio
from attrs import evolve, frozen

from meerkat_actors.actors.home import Home
from meerkat_actors.actors.turn import refuse_inside_turn
from meerkat_actors.errors import UsageError
from meerkat_actors.records.ids import AgentIdentity, RunId
from meerkat_actors.records.limits import Limits

_VOICES_MAX: Final = 10_000
"""Identities whose pieces are counted: nobody says that a turn is over. More at once, and some count anew."""


@frozen(kw_only=True)
class StreamPiece:
    """A piece of what a turn said."""

    run_id: RunId
    attempt: int
    """From 1; what earlier attempts said is void."""
    index: int
    """Among the pieces of the attempt, from 0."""
    text: str
    missed: int
    """Pieces just before it that were dropped, because they were not taken in time."""


class StreamHub:
    """Who listens to the turns of one runtime.

    Its own methods are synchronous and never wait, so no listener slows a turn.
    """

    def __init__(self, limits: Limits) -> None:
        self._home = Home()
        self._limits = limits
        self._listeners: dict[AgentIdentity, set[StreamFeed]] = {}
        self._said: dict[AgentIdentity, tuple[RunId, int, int]] = {}
        """What was said last: in which run and attempt, and how many pieces of it. Those silent longest come first."""
        self.has_ended: bool = False
        """Whether no turn says anything any more."""

    def publish(self, identity: AgentIdentity, run_id: RunId, attempt: int, chunk: str) -> None:
        """Tell who listens what a turn says."""
        run, last, count = self._said.pop(identity, (run_id, attempt, 0))
        index = count if (run, last) == (run_id, attempt) else 0
        self._said[identity] = run_id, attempt, index + 1
        if len(self._said) > _VOICES_MAX:
            del self._said[next(iter(self._said))]
        for feed in self._listeners.get(identity, ()):
            feed.take(StreamPiece(run_id=run_id, attempt=attempt, index=index, text=chunk, missed=0))

    def subscribe(self, identity: AgentIdentity) -> StreamFeed:
        """What the identity's turns say from now on; for ``async with``, then ``async for``.

        Raises:
            UsageError: inside a turn; or the runtime lives in another thread or process.
        """
        refuse_inside_turn("stream")
        self._home.check(identity)
        return StreamFeed(self, identity, self._limits.events_buffer)

    def check_home(self, identity: AgentIdentity) -> None:
        """Refuse a caller from elsewhere.

        Raises:
            UsageError: the runtime lives in another thread or process.
        """
        self._home.check(identity)

    def admit(self, feed: StreamFeed) -> None:
        """Tell a listener, until it is dismissed.

        Raises:
            UsageError: the runtime is closed.
        """
        if self.has_ended:
            raise UsageError(problem=f"{feed.identity}: the runtime is closed; listen to its turns inside its block")
        self._listeners.setdefault(feed.identity, set()).add(feed)

    def dismiss(self, feed: StreamFeed) -> None:
        """Forget a listener. Idempotent."""
        feeds = self._listeners.get(feed.identity)
        if feeds is not None:
            feeds.discard(feed)
            if not feeds:
                del self._listeners[feed.identity]

    def end(self) -> None:
        """No turn says anything any more: who listens is told what waits for it, and then that it is over."""
        self.has_ended = True
        for feeds in self._listeners.values():
            for feed in feeds:
                feed.stir()


class StreamFeed(AsyncIterator[StreamPiece]):
    """What the turns of one identity say while somebody listens. Made by ``StreamHub.subscribe``.

    Who doesn't take it in time loses the oldest, and is told how much. It ends when the runtime does.
    """

    def __init__(self, hub: StreamHub, identity: AgentIdentity, room: int) -> None:
        self.identity = identity
        self._hub = hub
        self._pieces: deque[StreamPiece] = deque(maxlen=room)
        self._missed = 0
        self._arrived = trio.lowlevel.ParkingLot()
        self._has_begun = False
        self._is_closed = False

    def take(self, piece: StreamPiece) -> None:
        """Keep a piece until it is asked for, or there is no room for it any more."""
        if len(self._pieces) == self._pieces.maxlen:
            self._missed += 1
        self._pieces.append(piece)
        self.stir()

    def stir(self) -> None:
        """Let the listener look around."""
        self._arrived.unpark_all()

    async def __aenter__(self) -> Self:
        """Begin to listen. Cancelling the call leaves nothing behind.

        Raises:
            UsageError: a second time; or the runtime is closed.
        """
        await trio.lowlevel.checkpoint()
        if self._has_begun:
            raise UsageError(problem=f"{self.identity}: this was listened to before; ask for another stream")
        self._hub.admit(self)
        self._has_begun = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Listen no more; cancelled, it ends too."""
        await self.aclose()

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> StreamPiece:
        """The next piece. Cancelling the wait loses nothing: the same piece is next, unless its room is needed.

        Raises:
            UsageError: inside a turn; outside its ``async with`` block; or the runtime lives elsewhere.
        """
        refuse_inside_turn("stream")
        self._hub.check_home(self.identity)
        if not self._has_begun:
            raise UsageError(problem=f"{self.identity}: listen first: async with agent.stream() as pieces")
        await trio.lowlevel.checkpoint()
        while not self._is_closed:
            if self._pieces:
                return self._next()
            if self._hub.has_ended:
                break
            await self._arrived.park()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Listen no more; cancelled, it ends too."""
        self._is_closed = self._has_begun = True
        self._hub.dismiss(self)
        self.stir()
        await trio.lowlevel.checkpoint()

    def _next(self) -> StreamPiece:
        piece, missed = self._pieces.popleft(), self._missed
        self._missed = 0
        return piece if not missed else evolve(piece, missed=missed)
