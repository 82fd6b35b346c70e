"""The README tells the truth: its example runs as printed, and what it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def example() -> str:
    """The first Python block."""
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_prints_what_the_readme_says_today_and_tomorrow(tmp_path: Path) -> None:
    promised = re.search(r"It prints `(.+?)`", README)
    assert promised is not None
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", example()], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert run.stdout.strip() == promised[1]
        assert run.stderr == ""
    assert (tmp_path / "greetings.db").is_file()


def test_the_example_stays_short() -> None:
    code = [line for line in example().splitlines() if line.strip()]
    assert len(code) <= 24


def test_every_error_and_path_that_the_readme_names_exists() -> None:
    errors = (ROOT / "meerkat_actors" / "errors.py").read_text()
    for name in set(re.findall(r"`(\w+Error)`", README)):
        assert f"class {name}(" in errors, name
    for path in set(re.findall(r"`((?:meerkat_actors|scripts)/[\w./]+)`", README)):
        assert (ROOT / path).exists(), path


def test_every_bound_that_the_readme_names_is_the_default() -> None:
    from meerkat_actors import Limits

    limits = Limits()
    assert limits.attempts_max == 3
    assert "three attempts in all" in README
    assert limits.interruptions_max == 20
    assert "(20, then" in README


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
    assert "TODO" not in README
