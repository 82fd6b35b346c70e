"""A folder of small Python files with real findings: the same bytes for the same number of files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final


def write_sources(folder: Path, files: int) -> Path:
    """Make ``folder`` with so many files in a few packages."""
    for number in range(files):
        chance = random.Random(number)
        path = folder / f"part{number % 4}" / f"module{number:03}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = chance.sample(_PARTS, k=chance.randint(0, len(_PARTS)))
        text = "\n\n".join(part(chance, place) for place, part in enumerate(parts))
        path.write_text(f'"""Module {number}."""\n\n{text}\n', encoding="utf-8")
    return folder


def _imports(chance: random.Random, place: int) -> str:
    return "\n".join(f"import os as os{place}_{nth}" for nth in range(chance.randint(1, 6)))


def _default(chance: random.Random, place: int) -> str:
    return f"def shared{place}(items=[]):\n    items.append({chance.randint(0, 99)})\n    return items"


def _bare(chance: random.Random, place: int) -> str:
    return f"def bare{place}():\n    try:\n        return {chance.randint(0, 99)}\n    except:\n        return None"


def _broad(chance: random.Random, place: int) -> str:
    caught = chance.choice(("Exception", "BaseException"))
    return f'def broad{place}():\n    """Doc."""\n    try:\n        return 1\n    except {caught}:\n        return None'


def _branches(chance: random.Random, place: int) -> str:
    lines = "".join(f"    if value == {nth}:\n        return {nth}\n" for nth in range(chance.randint(4, 24)))
    return f'def branches{place}(value):\n    """Doc."""\n{lines}    return None'


def _arguments(chance: random.Random, place: int) -> str:
    names = ", ".join(f"a{nth}" for nth in range(chance.randint(2, 12)))
    return f"class Many{place}:\n    def take(self, {names}):\n        return a0"


def _long(chance: random.Random, place: int) -> str:
    lines = "\n".join(f"    total += {nth}" for nth in range(chance.randint(20, 90)))
    return f"def long{place}():\n    total = 0\n{lines}\n    return total"


_PARTS: Final[list[Callable[[random.Random, int], str]]] = [
    _imports,
    _default,
    _bare,
    _broad,
    _branches,
    _arguments,
    _long,
]
