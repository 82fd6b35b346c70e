"""A subscriber beside the work, which goes on behind what it heard last: also in another process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from meerkat_actors.errors.groups import one_error, raise_as_it_was
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, RuntimeEvent, events_of
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.fates.beliefs import Beliefs

_ROWS = 100_000


@asynccontextmanager
async def listening(runtime: Runtime, beliefs: Beliefs) -> AsyncGenerator[None, None]:
    """Write down every event, for as long as the block."""
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_listen, runtime, beliefs.heard)
            yield
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise_as_it_was(one_error(group))


async def _listen(runtime: Runtime, heard: list[RuntimeEvent], *, task_status: trio.TaskStatus[None]) -> None:
    async with runtime.events(after=heard[-1].cursor if heard else EVENTS_BEGINNING) as events:
        task_status.started()
        async for event in events:
            if isinstance(event, RuntimeEvent):
                heard.append(event)  # noqa: PERF401 - as it is told: it never ends


def misheard(beliefs: Beliefs, store: Store, *, is_all: bool) -> list[str]:
    """Where what was heard is not what the store says, in its order; ``is_all``: up to the last event."""
    epoch = store.event_bounds().epoch
    told = [event for row in store.page_events(after=0, limit=_ROWS) for event in events_of(row, epoch)]
    heard = beliefs.heard
    if heard != told[: len(heard)]:
        at = next(number for number, event in enumerate(heard) if number >= len(told) or event != told[number])
        return [f"event {at} was heard as {heard[at]}, and is {told[at] if at < len(told) else 'not there'}"]
    return [f"event {told[len(heard)]} was never heard"] if is_all and len(heard) < len(told) else []
