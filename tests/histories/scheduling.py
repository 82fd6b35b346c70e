"""Trio's own chance: the same order of the same tasks for the same seed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import trio

STEPS_MAX: Final = 200_000
"""Steps of tasks between two moves of a history, beyond which nobody gets anywhere; a move takes some hundreds."""


@contextmanager
def seeded(seed: str) -> Generator[None, None, None]:
    """Inside of the block every ``trio.run`` orders its tasks by ``seed``."""
    # Private names, the ones that Trio's own integration with Hypothesis uses.
    run: Any = import_module("trio._core._run")
    was = run._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001 - as above
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001 - as above
    run._r.seed(seed)  # noqa: SLF001 - as above
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = was  # noqa: SLF001 - as above
        run._r.seed()  # noqa: SLF001 - as above


class Watchdog(trio.abc.Instrument):
    """Ends what goes round in circles: no virtual time passes in it, so no deadline would."""

    def __init__(self) -> None:
        self.scope: trio.CancelScope | None = None
        self._steps = 0

    def pat(self) -> None:
        """Somebody got somewhere."""
        self._steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._steps += 1
        if self._steps == STEPS_MAX and self.scope is not None:
            self.scope.cancel()

    @property
    def has_bitten(self) -> bool:
        """Whether it ended the scope."""
        return self._steps >= STEPS_MAX
