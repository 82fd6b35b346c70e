"""The world of these tests: agents that count, what was acknowledged to their callers, and whether it is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import Factory, define

from meerkat_actors import Limits, Runtime, StoreError, Turn, open_runtime
from meerkat_actors.records.events import Event
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.store import Store

PATIENCE: Final = 60.0
"""Seconds after which something hangs."""


async def counting(turn: Turn) -> str:
    """Say how many turns there were, by the agent's own state."""
    count = int(str(turn.state or 0)) + 1
    turn.set_state(count)
    return str(count)


@asynccontextmanager
async def running(
    path: Path | Store,
    events: list[Event] | None = None,
    limits: Limits | None = None,
    **arguments: Any,  # noqa: ANN401 - whatever open_runtime takes
) -> AsyncGenerator[Runtime, None]:
    """A runtime on a file; its events go to ``events``. What hangs, fails."""
    observers = () if events is None else (events.append,)
    with trio.fail_after(PATIENCE):
        arguments = {"agents": {"counting": counting}, "observers": observers, "limits": limits, **arguments}
        async with open_runtime(path, **arguments) as runtime:
            yield runtime


@define(eq=False)
class Ledger:
    """What was acknowledged: the contents of each agent's inputs, in the order of their acknowledgements."""

    acknowledged: dict[str, list[str]] = Factory(lambda: defaultdict[str, list[str]](list))

    async def send(self, runtime: Runtime, name: str, content: str) -> None:
        """Send with the content's beginning as the key, and write down that it was acknowledged."""
        agent = await runtime.agent(name, kind="counting")
        await agent.send(content, idempotency_key=content[:60])
        self.acknowledged[name].append(content)

    async def require_kept(self, path: Path) -> None:
        """Reopen the store: everything acknowledged is there, once and in order, and its turn was taken once."""
        async with running(path) as runtime:
            await runtime.wait_idle()
            for name, contents in self.acknowledged.items():
                agent = await runtime.agent(name)
                rows = [row async for row in agent.inputs(order="oldest")]
                found = [str(row.content) for row in rows]
                assert [content for content in found if content in set(contents)] == contents, f"of {name}"
                texts = [getattr(await agent.wait(row.input_id), "text", None) for row in rows]
                assert texts == [str(number) for number in range(1, len(rows) + 1)], f"of {name}"
                assert all(isinstance(row.outcome, Consumed) for row in rows), f"of {name}"


def require_told(error: BaseException, path: Path, *advice: str) -> None:
    """The error is a store's, names the file, and says one of these next steps."""
    assert isinstance(error, StoreError), repr(error)
    assert str(path) in str(error), str(error)
    assert any(each in str(error) for each in advice), str(error)


def events_of(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    """Those of one kind."""
    return [event for event in events if type(event) is kind]
