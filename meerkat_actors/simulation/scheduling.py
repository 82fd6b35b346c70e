"""Trio's own chance: the same order of the same tasks for the same seed.

The private names of Trio's that this needs are here and nowhere else; they are the ones that Trio's integration with
Hypothesis uses. ``tests/simulation/test_scheduling.py`` fails when they go, or do something else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import trio

STEPS_MAX: Final = 200_000
"""Steps of tasks between two pats, beyond which nobody gets anywhere; and for each task that lives, so many more:"""
_STEPS_OF_EACH: Final = 1_000
_LOOKS: Final = 1_024
"""Steps between two looks at the clock."""


@contextmanager
def seeded(seed: str) -> Generator[None]:
    """Inside of the block every ``trio.run`` orders its tasks by ``seed``. Not for two threads at a time.

    Raises:
        RuntimeError: this Trio has no such order.
    """
    run: Any = import_module("trio._core._run")
    if not hasattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING") or not hasattr(getattr(run, "_r", None), "seed"):
        problem = f"Trio {trio.__version__} can't be seeded as the ones before it; use the version of the constraints"
        raise RuntimeError(problem)
    was = run._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001 - as above
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001 - as above
    run._r.seed(seed)  # noqa: SLF001 - as above
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = was  # noqa: SLF001 - as above
        run._r.seed()  # noqa: SLF001 - as above


class Watchdog(trio.abc.Instrument):
    """Ends what goes round in circles: no virtual time passes in it, so no deadline would.

    A second that passed is a pat, too. What it can't end, as that is shielded, or takes no notice, it gives to
    ``on_deaf`` after as many steps again.
    """

    def __init__(self) -> None:
        self.scope: trio.CancelScope | None = None
        self.has_bitten: bool = False
        """Whether it ended the scope."""
        self.on_deaf: Callable[[], object] = int
        """Called when somebody goes on in circles in a scope that was ended."""
        self._steps = 0
        self._tasks = 0
        self._tasks_most = 0
        """That lived at once since it was patted: many that end at once leave their steps behind."""
        self._second: int = -1

    def pat(self) -> None:
        """Somebody got somewhere."""
        self._steps, self._tasks_most = 0, self._tasks

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._tasks += 1
        self._tasks_most = max(self._tasks_most, self._tasks)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._tasks -= 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._steps += 1
        if self._steps % _LOOKS == 0:
            self._look()

    def _look(self) -> None:
        second = int(trio.current_time())
        if second != self._second:
            self._second = second
            self.pat()
        elif self._steps >= STEPS_MAX + _STEPS_OF_EACH * self._tasks_most and self.scope is not None:
            if self.has_bitten:
                self.on_deaf()
            self.has_bitten = True
            self.scope.cancel()
            self.pat()
