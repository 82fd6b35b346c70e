"""The world of these tests: one agent in a store that is opened again and again, and what it was woken for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.inputs import InputKind, InputRecord
from meerkat_actors.runtime import Runtime

Again: TypeAlias = Callable[..., AbstractAsyncContextManager[tuple[Runtime, AgentHandle]]]
"""Opens the same store again, with one agent in it."""


async def note(turn: Turn) -> str:
    """Say what woke it, and what it takes up."""
    ended = ",".join(f"{each.name}:{each.public_status}" for each in turn.completions)
    return f"{turn.inputs[0].kind} {ended}"


async def begun(agent: AgentHandle, count: int) -> list[OperationId]:
    return [(await agent.operations.start(f"job {number}")).operation_id for number in range(count)]


async def wake_ups(agent: AgentHandle) -> list[InputRecord]:
    return [each async for each in agent.inputs(order="oldest") if each.kind is InputKind.CONTINUATION]


async def said(agent: AgentHandle) -> list[JSON]:
    return [each.content async for each in agent.history() if each.role == "assistant"][::-1]
