"""A signal at a line of the runtime, one after another: no hang, no broken loop, nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import orjson
import pytest

from tests.examples.command import REPOSITORY, environment

SEED: Final = os.environ.get("MEERKAT_SEED", "lines-1")
STEP: Final = os.environ.get("MEERKAT_LINE_STEP")
"""Between two lines that are struck; 1 does them all, in minutes."""
LINES: Final = Path(__file__).with_name("lines.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "step", "files", "points_min"),
    [
        # Where ``trio.run`` has Ctrl-C to itself it is raised in the middle of whatever runs.
        pytest.param(signal.SIGINT, 11, (), 60, id="ctrl-c"),
        pytest.param(signal.SIGKILL, 149, (), 40, id="kill"),
        # Windows too short to be met by chance: a store is made, a page is replaced.
        pytest.param(signal.SIGKILL, 1, ("creating.py", "output.py"), 60, id="kill-in-files"),
    ],
)
def test_a_signal_at_any_line_loses_nothing_and_repeats_nothing(
    tmp_path: Path, number: signal.Signals, step: int, files: tuple[str, ...], points_min: int
) -> None:
    """Struck, a small run ends as the signal wants it; the next one finds everything in order and finishes."""
    chosen = step if STEP is None else int(STEP)
    first = 1 + random.Random(SEED).randrange(chosen)
    ended = subprocess.run(
        [sys.executable, "-P", LINES, tmp_path, number.name, str(first), str(chosen), *files],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=3_600,
    )
    told = f"seed={SEED} first={first} step={chosen} stderr={ended.stderr}"
    points = [orjson.loads(line) for line in ended.stdout.splitlines()]
    wanted = ("killed" if number is signal.SIGKILL else "interrupted", "finished")
    assert [point for point in points if (point["came"], point["then"]) != wanted] == [], told
    assert ended.returncode == 0, told
    assert len(points) >= points_min, told
