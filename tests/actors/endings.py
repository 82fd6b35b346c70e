"""Every way in which a turn can end badly that one agent can think of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import trio

from meerkat_actors.actors.turn import AgentFunction, Turn


class OddError(Exception):
    """Can't even be printed."""

    def __str__(self) -> str:
        message = "no words"
        raise RuntimeError(message)


class OddExitError(BaseException):
    """Ends the program of whoever prints it."""

    def __str__(self) -> str:
        raise SystemExit(3)


class OddTextError(Exception):
    """Prints as what is no text."""

    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # that is the point


def raises(error: BaseException) -> AgentFunction:
    async def agent(_: Turn) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return agent


def returns(value: object) -> AgentFunction:
    async def agent(_: Turn) -> str:
        await trio.lowlevel.checkpoint()
        return value  # type: ignore[return-value]  # that is the point

    return agent


async def recurse(turn: Turn) -> None:
    await recurse(turn)


async def raise_nothing_new(_: Turn) -> None:
    raise


async def stray_cancelled(_: Turn) -> None:
    """Keep a cancellation of one's own, and raise it when nobody asked for it."""
    raise await a_cancelled()


async def stray_cancelled_in_a_group(_: Turn) -> None:
    message = "both"
    raise BaseExceptionGroup(message, [await a_cancelled(), ValueError("no")])


async def a_cancelled() -> BaseException:
    kept: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as error:
            kept.append(error)
            raise
    return kept[0]


async def child_fails(_: Turn) -> None:
    async def child() -> None:
        message = "child"
        raise ValueError(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
        nursery.start_soon(child)
        nursery.start_soon(trio.sleep_forever)


async def leave_a_scope_open(_: Turn) -> str:
    trio.CancelScope().__enter__()
    return "fine"


async def leave_a_cancelled_scope_open(_: Turn) -> str:
    scope = trio.CancelScope()
    scope.__enter__()
    scope.cancel()
    return "fine"


async def leave_a_nursery_open(_: Turn) -> str:
    await trio.open_nursery().__aenter__()
    return "fine"


async def leave_a_busy_nursery_open(_: Turn) -> str:
    nursery = await trio.open_nursery().__aenter__()
    nursery.start_soon(trio.sleep_forever)
    await trio.lowlevel.checkpoint()
    return "fine"


async def junk_state(turn: Turn) -> None:
    turn.set_state(object())


async def junk_message(turn: Turn) -> None:
    turn.send("nobody", float("nan"))


async def junk_role(turn: Turn) -> None:
    turn.append("x", role="system")


async def too_talkative(turn: Turn) -> None:
    for number in range(1_001):
        turn.append(number)


async def failing_step(turn: Turn) -> None:
    async def fail() -> None:
        message = "step"
        raise OSError(message)

    await turn.step("fail", fail)


FAILURES: Final[Mapping[str, tuple[AgentFunction, str]]] = MappingProxyType(
    {
        "exception": (raises(ValueError("no")), "ValueError: no"),
        "assertion": (raises(AssertionError()), "AssertionError: "),
        "key-error": (raises(KeyError("k")), "KeyError: 'k'"),
        "base-exception": (raises(BaseException("no")), "BaseException: no"),
        "system-exit": (raises(SystemExit(1)), "SystemExit: 1"),
        "generator-exit": (raises(GeneratorExit("no")), "GeneratorExit: no"),
        "stop-iteration": (raises(StopIteration(1)), "RuntimeError: coroutine raised StopIteration"),
        "stop-async-iteration": (raises(StopAsyncIteration("no")), "StopAsyncIteration: no"),
        "cancelled-of-asyncio": (raises(asyncio.CancelledError()), "CancelledError: "),
        "group": (
            raises(ExceptionGroup("two", [ValueError(1), OSError(2)])),
            "ExceptionGroup: ValueError: 1; OSError: 2",
        ),
        "base-group": (raises(BaseExceptionGroup("one", [SystemExit(1)])), "BaseExceptionGroup: SystemExit: 1"),
        "nested-group": (
            raises(ExceptionGroup("a", [ExceptionGroup("b", [ValueError()])])),
            "ExceptionGroup: ValueError: ",
        ),
        "surrogates": (raises(ValueError("\ud800 and \udfff")), "ValueError: \\ud800 and \\udfff"),
        "nul": (raises(ValueError("a\0b")), "ValueError: a\0b"),
        "huge": (raises(ValueError("x" * 1_000_000)), "ValueError: xxxx"),
        "unprintable": (raises(OddError()), "OddError"),
        "unprintable-exit": (raises(OddExitError()), "OddExitError"),
        "unprintable-text": (raises(OddTextError()), "OddTextError"),
        "recursion": (recurse, "RecursionError"),
        "memory": (raises(MemoryError("no")), "MemoryError: no"),
        "bare-raise": (raise_nothing_new, "RuntimeError: No active exception"),
        "stray-cancelled": (stray_cancelled, "Cancelled"),
        "stray-cancelled-in-a-group": (stray_cancelled_in_a_group, "BaseExceptionGroup: "),
        "child": (child_fails, "ExceptionGroup: ValueError: child"),
        "open-scope": (leave_a_scope_open, "RuntimeError: the agent left a cancel scope or a nursery open"),
        "open-cancelled-scope": (
            leave_a_cancelled_scope_open,
            "RuntimeError: the agent left a cancel scope or a nursery open",
        ),
        "open-busy-nursery": (
            leave_a_busy_nursery_open,
            "RuntimeError: the agent left a cancel scope or a nursery open",
        ),
        "open-nursery": (leave_a_nursery_open, "RuntimeError: the agent left a cancel scope or a nursery open"),
        "returns-int": (returns(1), "UsageError: an agent returns str or None, not int"),
        "returns-bytes": (returns(b"x"), "UsageError: an agent returns str or None, not bytes"),
        "returns-surrogates": (returns("\ud800"), "InvalidValueError: result"),
        "returns-too-much": (returns("x" * (16 * 1024 * 1024)), "InvalidValueError: result"),
        "junk-state": (junk_state, "InvalidValueError: state"),
        "junk-message": (junk_message, "InvalidValueError: message"),
        "junk-role": (junk_role, "UsageError: 'system' is no role"),
        "too-talkative": (too_talkative, "UsageError: a: a turn sends or appends at most"),
        "failing-step": (failing_step, "OSError: step"),
    }
)
"""Each with what its dead letter begins with, for an agent of the name ``a``."""


async def hang(_: Turn) -> None:
    await trio.sleep_forever()


async def swallow_and_return(_: Turn) -> str:
    try:
        await trio.sleep_forever()
    except trio.Cancelled:  # noqa: ASYNC103 - that is the point
        return "never mind"  # noqa: ASYNC104


async def swallow_and_go_on(_: Turn) -> str:
    for _time in range(3):
        with suppress(trio.Cancelled):
            await trio.sleep_forever()
    return "never mind"


async def swallow_and_fail(_: Turn) -> None:
    try:
        await trio.sleep_forever()
    finally:
        message = "instead"
        raise ValueError(message)


async def fail_beside_a_cancelled_child(_: Turn) -> None:
    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            message = "in clean-up"
            raise ValueError(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
        nursery.start_soon(trio.sleep_forever)


async def take_a_while(_: Turn) -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)


async def exit_instead(_: Turn) -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise SystemExit(3)


HANGS: Final[Mapping[str, AgentFunction]] = MappingProxyType(
    {
        "hang": hang,
        "swallow-and-return": swallow_and_return,
        "swallow-and-go-on": swallow_and_go_on,
        "swallow-and-fail": swallow_and_fail,
        "fail-beside-a-cancelled-child": fail_beside_a_cancelled_child,
        "take-a-while": take_a_while,
        "exit-instead": exit_instead,
    }
)
"""What never ends before it is cancelled, and then not always at once."""
