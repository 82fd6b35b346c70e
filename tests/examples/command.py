"""The real command in a process of its own, and what it did to the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
REVIEW: Final = (sys.executable, "-m", "meerkat_actors.examples.review")


def environment() -> dict[str, str]:
    """What the command needs, and nothing that changes how it prints."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    }


def review(*arguments: str | Path, cwd: Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; ``before`` is what it is started through."""
    return subprocess.run(
        [*before, *REVIEW, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def disk(folder: Path) -> Mapping[str, bytes | None]:
    """Every name under ``folder``, with the bytes of each regular file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
