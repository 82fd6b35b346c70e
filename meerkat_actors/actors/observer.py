"""Who is told what happens: synchronous, typed, and never able to fail an owner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from meerkat_actors.records.events import Event, TurnRaised, WorkLost

Observer = Callable[[Event], None]
"""Called with each event, on the runtime's loop; it should return at once."""

_LOGGER: Final = logging.getLogger("meerkat_actors")


def log_event(event: Event) -> None:
    """The standard observer: one line per event on the logger ``meerkat_actors``, and an agent's traceback.

    Lost work is an error, all else a warning.
    """
    fields = attrs.asdict(event, recurse=False)
    raised = fields.pop("exception") if isinstance(event, TurnRaised) else None
    shown = " ".join(f"{name}={value!s}" for name, value in fields.items())
    level = logging.ERROR if isinstance(event, WorkLost) else logging.WARNING
    _LOGGER.log(level, "%s %s", type(event).__name__, shown, exc_info=raised)


class Observers:
    """All observers of one runtime."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def notify(self, event: Event) -> None:
        """Tell every observer; one that raises is logged and the rest are still told."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                _LOGGER.exception("observer %r failed on %s", observer, type(event).__name__)
