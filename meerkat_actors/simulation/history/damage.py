"""Number 15: the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from meerkat_actors.store.sqlite.examining import examine

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen


def check_the_file_is_sound(seen: Seen) -> Iterator[str]:
    """SQLite's own checks of every page, and ``doctor``'s of every row, its checksum and digest: some milliseconds."""
    if seen.scenario.is_durable and Path(seen.contents.location).exists():
        for finding in examine(seen.contents.location).findings:
            yield f"doctor: {finding}"
