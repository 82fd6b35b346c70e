"""What a campaign has done, in a file: the same command goes on where it was stopped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from attrs import frozen
from cattrs.preconf.orjson import make_converter

T = TypeVar("T")


@frozen
class _State:
    """What outlives the process."""

    names: str
    tally: Any


@frozen
class Progress(Generic[T]):
    """Where a campaign keeps its tally."""

    path: Path | None
    """None: nothing is kept."""
    names: str
    """What its rounds depend on: a state of other ones is another campaign's."""
    new_tally: type[T]

    def load(self) -> T | None:
        """The tally of earlier runs, or a new one; None, and why, where the file is another campaign's."""
        if self.path is None or not self.path.exists():
            return self.new_tally()
        state = _CONVERTER.loads(self.path.read_bytes(), _State)
        if state.names != self.names:
            print(f"error: {self.path} is of {state.names}, not of {self.names}; name another --state", file=sys.stderr)
            return None
        return _CONVERTER.structure(state.tally, self.new_tally)

    def save(self, tally: T) -> None:
        """Keep it, whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_bytes(_CONVERTER.dumps(_State(self.names, tally)))
        partial.replace(self.path)


_CONVERTER: Final = make_converter()
