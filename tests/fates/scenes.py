"""Every public method that waits, in the situations that make a difference to it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import trio
from attrs import define, field, frozen

from meerkat_actors.handles import AgentHandle
from meerkat_actors.listings import Listing
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING
from meerkat_actors.runtime import Runtime
from tests.fates.world import KIND, calm

LITTLE: Final = 1.0
"""Virtual seconds in which a turn begins, and a long one does not end."""


LATE: Final = datetime(2040, 1, 1, tzinfo=UTC)
"""Later than any scene."""


@define(eq=False)
class Stage:
    """What a call meets."""

    runtime: Runtime
    folder: Path
    ids: dict[str, InputId] = field(factory=dict[str, InputId])
    letters: list[DeadLetter] = field(factory=list[DeadLetter])
    backups: int = 0
    a: AgentHandle = field(init=False)
    """Of the agent, once it is created."""

    async def send(self, *keys: str, kind: InputKind | str = InputKind.PROMPT) -> None:
        for key in keys:
            self.ids[key] = (await self.a.send(key, kind=kind, idempotency_key=key)).input_id

    async def create(self) -> None:
        self.a = await self.runtime.agent("a", kind=KIND)


Act = Callable[[Stage], Awaitable[object]]


@frozen(kw_only=True)
class Scene:
    """One call, and what it meets."""

    method: str
    """The public method that is called."""
    meets: str
    prepare: Act
    call: Act
    needs_threads: bool = False
    """Whether it runs beside real threads, and so by the real clock: then nothing in it may take long."""

    def __str__(self) -> str:
        return f"{self.method} {self.meets}"


async def _nothing(_: Stage) -> None:
    """No agent is there."""


async def _idle(stage: Stage) -> None:
    await stage.create()
    await stage.a.ask("said before", idempotency_key="before")


async def _left(stage: Stage) -> None:
    """The agent is in the store only."""
    await _idle(stage)
    await calm()


async def _queued_behind(stage: Stage, *keys: str) -> None:
    await _idle(stage)
    await stage.send(*keys)
    await trio.sleep(LITTLE)


async def _busy(stage: Stage) -> None:
    await _queued_behind(stage, "long", "next", "last")


async def _listening(stage: Stage) -> None:
    await _queued_behind(stage, "listen")


async def _steered(stage: Stage) -> None:
    """One input waits for the next checkpoint."""
    await _listening(stage)
    await stage.a.steer("told", idempotency_key="told")


async def _both_lanes(stage: Stage) -> None:
    """One input waits in each lane, and a turn that never passes a checkpoint is in progress."""
    await _queued_behind(stage, "long", "next")
    await stage.a.steer("told", idempotency_key="told")


async def _resting(stage: Stage) -> None:
    await _queued_behind(stage, "rest")


async def _between_attempts(stage: Stage) -> None:
    await _idle(stage)
    await stage.send("fail", "next")
    await trio.sleep(0.5)


async def _stepping(stage: Stage) -> None:
    await _queued_behind(stage, "once", "next")


async def _batch(stage: Stage) -> None:
    """A turn works on three messages."""
    await _idle(stage)
    await stage.a.pause()
    await stage.send("long one", "two", "three", kind=InputKind.PEER_MESSAGE)
    await stage.a.resume()
    await trio.sleep(LITTLE)


async def _paused(stage: Stage) -> None:
    await _idle(stage)
    await stage.a.pause()
    await stage.send("next", "last")


async def _retired(stage: Stage) -> None:
    await _busy(stage)
    await stage.a.retire()


async def _stopped(stage: Stage) -> None:
    await _paused(stage)
    await stage.a.stop()


async def _destroyed(stage: Stage) -> None:
    await _idle(stage)
    await stage.a.destroy()


async def _with_letters(stage: Stage) -> None:
    await _idle(stage)
    await stage.send("fail 1", "fail 2")
    await stage.runtime.wait_idle()
    stage.letters = [letter async for letter in stage.runtime.dead_letters()]
    assert len(stage.letters) == 2


async def _hear(stage: Stage) -> str:
    async with stage.runtime.events(after=EVENTS_BEGINNING) as events:
        return type(await anext(events)).__name__


async def _follow(stage: Stage) -> str:
    async with stage.a.stream():
        await trio.sleep(LITTLE)
    return "nothing"


async def _schedule(stage: Stage) -> str:
    return (await stage.a.schedule("bell", "rings", at=LATE)).name


async def _scheduled(stage: Stage) -> None:
    await _idle(stage)
    await _schedule(stage)


async def _rows_of(listing: AsyncIterator[object]) -> list[str]:
    return [type(row).__name__ async for row in listing]


async def _end_listing(stage: Stage) -> list[str]:
    listing = stage.a.inputs()
    await anext(listing)
    await listing.aclose()
    return await _rows_of(listing)


async def _backup(stage: Stage) -> int:
    """Elsewhere each time, because an existing file is never overwritten."""
    path = stage.folder / f"backup-{stage.backups}.db"
    stage.backups += 1
    try:
        await stage.runtime.backup(path, check="pages")
    except trio.Cancelled:
        assert not path.exists()
        raise
    assert path.exists()
    return 1


def _scene(method: str, meets: Act, call: Act, *, needs_threads: bool = False) -> Scene:
    situation = meets.__name__.strip("_").replace("_", " ")
    return Scene(method=method, meets=situation, prepare=meets, call=call, needs_threads=needs_threads)


SCENES: Final = (
    _scene("Runtime.agent", _nothing, lambda stage: stage.runtime.agent("a", kind=KIND, config={"new": 1})),
    _scene("Runtime.agent", _busy, lambda stage: stage.runtime.agent("a", kind=KIND, config={"new": 1})),
    _scene("Runtime.agent", _left, lambda stage: stage.runtime.agent("a", kind=KIND, config={"new": 1})),
    _scene("Runtime.agent", _destroyed, lambda stage: stage.runtime.agent("a", kind=KIND, recreate=True)),
    _scene("Runtime.redrive", _with_letters, lambda stage: stage.runtime.redrive(stage.letters[0])),
    _scene("Runtime.drop", _with_letters, lambda stage: stage.runtime.drop(stage.letters[1])),
    _scene("Runtime.prune", _with_letters, lambda stage: stage.runtime.prune(PrunePolicy(keep_inputs=0))),
    _scene("Runtime.wait_idle", _busy, lambda stage: stage.runtime.wait_idle()),
    _scene("Runtime.backup", _idle, _backup, needs_threads=True),
    _scene("Runtime.identities", _idle, lambda stage: _rows_of(stage.runtime.identities())),
    _scene("Runtime.dead_letters", _with_letters, lambda stage: _rows_of(stage.runtime.dead_letters())),
    _scene("AgentHandle.send", _idle, lambda stage: stage.a.send("new", idempotency_key="new")),
    _scene("AgentHandle.send", _left, lambda stage: stage.a.send("long new", idempotency_key="new")),
    _scene("AgentHandle.send", _busy, lambda stage: stage.a.send("new", idempotency_key="new")),
    _scene("AgentHandle.send", _stopped, lambda stage: stage.a.send("new", idempotency_key="new")),
    _scene("AgentHandle.ask", _idle, lambda stage: stage.a.ask("step new", idempotency_key="new")),
    _scene("AgentHandle.ask", _between_attempts, lambda stage: stage.a.ask("fail new", idempotency_key="new")),
    _scene("AgentHandle.wait", _busy, lambda stage: stage.a.wait(stage.ids["next"])),
    _scene("AgentHandle.wait", _with_letters, lambda stage: stage.a.wait(stage.ids["fail 1"])),
    _scene("AgentHandle.steer", _listening, lambda stage: stage.a.steer("told", idempotency_key="told")),
    _scene("AgentHandle.steer", _busy, lambda stage: stage.a.steer("told", idempotency_key="told")),
    _scene("AgentHandle.interrupt", _busy, lambda stage: stage.a.interrupt()),
    _scene("AgentHandle.interrupt", _between_attempts, lambda stage: stage.a.interrupt()),
    _scene("AgentHandle.interrupt", _steered, lambda stage: stage.a.interrupt(at_checkpoint=True)),
    _scene("AgentHandle.interrupt", _stepping, lambda stage: stage.a.interrupt()),
    _scene("AgentHandle.stir", _resting, lambda stage: stage.a.stir()),
    _scene("AgentHandle.cancel", _busy, lambda stage: stage.a.cancel(stage.ids["next"])),
    _scene("AgentHandle.cancel", _batch, lambda stage: stage.a.cancel(stage.ids["two"])),
    _scene("AgentHandle.cancel", _between_attempts, lambda stage: stage.a.cancel(stage.ids["fail"])),
    _scene("AgentHandle.cancel", _with_letters, lambda stage: stage.a.cancel(stage.ids["fail 1"])),
    _scene("AgentHandle.pause", _busy, lambda stage: stage.a.pause()),
    _scene("AgentHandle.resume", _paused, lambda stage: stage.a.resume()),
    _scene("AgentHandle.resume", _stopped, lambda stage: stage.a.resume()),
    _scene("AgentHandle.retire", _busy, lambda stage: stage.a.retire()),
    _scene("AgentHandle.stop", _both_lanes, lambda stage: stage.a.stop()),
    _scene("AgentHandle.reset", _both_lanes, lambda stage: stage.a.reset()),
    _scene("AgentHandle.reset", _batch, lambda stage: stage.a.reset()),
    _scene("AgentHandle.reset", _left, lambda stage: stage.a.reset()),
    _scene("AgentHandle.recycle", _retired, lambda stage: stage.a.recycle()),
    _scene("AgentHandle.recycle", _paused, lambda stage: stage.a.recycle()),
    _scene("AgentHandle.destroy", _both_lanes, lambda stage: stage.a.destroy()),
    _scene("AgentHandle.destroy", _paused, lambda stage: stage.a.destroy()),
    _scene("AgentHandle.status", _busy, lambda stage: stage.a.status()),
    _scene("AgentHandle.history", _with_letters, lambda stage: _rows_of(stage.a.history())),
    _scene("AgentHandle.receipts", _with_letters, lambda stage: _rows_of(stage.a.receipts())),
    _scene("AgentHandle.inputs", _with_letters, lambda stage: _rows_of(stage.a.inputs())),
    _scene("AgentHandle.repair", _idle, lambda stage: stage.a.repair()),
    _scene("Runtime.repair", _idle, lambda stage: stage.runtime.repair("a")),
    _scene("Runtime.events", _idle, _hear),
    _scene("AgentHandle.stream", _idle, _follow),
    _scene("AgentHandle.schedule", _idle, _schedule),
    _scene("AgentHandle.schedule", _left, _schedule),
    _scene("AgentHandle.unschedule", _scheduled, lambda stage: stage.a.unschedule("bell")),
    _scene("AgentHandle.schedules", _scheduled, lambda stage: _rows_of(stage.a.schedules())),
    _scene("Listing.__anext__", _with_letters, lambda stage: anext(stage.a.inputs())),
    _scene("Listing.aclose", _with_letters, _end_listing),
)


def waiting_methods() -> set[str]:
    """Every public method of a runtime, of a handle and of their listings that waits, or returns what does."""
    listing_own = {"__anext__", "aclose"}
    return {
        f"{owner.__name__}.{name}"
        for owner in (Runtime, AgentHandle, Listing)
        for name, member in inspect.getmembers(owner, inspect.isfunction)
        if (not name.startswith("_") or (owner is Listing and name in listing_own)) and _waits(member)
    }


def _waits(member: Callable[..., object]) -> bool:
    if inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member):
        return True
    returned = typing.get_type_hints(member).get("return")
    origin = typing.get_origin(returned) or returned
    # An awaitable, an async context manager and an async iterable are awaited, entered or walked by the caller.
    names = ("__await__", "__aenter__", "__aiter__")
    return isinstance(origin, type) and origin is not Listing and any(hasattr(origin, name) for name in names)
