"""A cancellation at one exact moment: when the n-th step of anybody's, counted from some moment on, begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import define, frozen

from meerkat_actors.errors import MeerkatError


@frozen
class Returned:
    """A call came back with this."""

    value: object


@frozen
class Refused:
    """A call raised this."""

    error: MeerkatError


@frozen
class Unknown:
    """A call was cancelled."""


Told = Returned | Refused | Unknown


@define(eq=False)
class _Aimed:
    scope: trio.CancelScope
    remaining: int


class Canceller(trio.abc.Instrument):
    """Cancels scopes at moments of its run.

    Steps of all tasks count: what becomes of a caller depends on how far everybody else has come.
    """

    def __init__(self) -> None:
        self.steps = 0
        """How many began so far."""
        self._aimed: list[_Aimed] = []

    def aim(self, scope: trio.CancelScope, nth: int) -> None:
        """Cancel ``scope`` when the ``nth`` step from now on begins."""
        self._aimed.append(_Aimed(scope, nth))

    def drop(self, scope: trio.CancelScope) -> None:
        """Spare ``scope``."""
        self._aimed = [aimed for aimed in self._aimed if aimed.scope is not scope]

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step."""
        self.steps += 1
        for aimed in self._aimed:
            aimed.remaining -= 1
            if aimed.remaining == 0:
                aimed.scope.cancel()


async def attempt(
    call: Callable[[], Awaitable[object]], canceller: Canceller | None = None, nth: int = 0
) -> tuple[Told, bool]:
    """Make a call; what its caller is told, and whether its moment came before that."""
    told: Told = Unknown()
    with trio.CancelScope() as scope:
        if canceller is not None:
            canceller.aim(scope, nth)
        try:
            told = Returned(await call())
        except MeerkatError as error:
            told = Refused(error)
        finally:
            if canceller is not None:
                canceller.drop(scope)
    return told, scope.cancel_called
