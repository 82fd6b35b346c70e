"""Every rule of the references that is tested by name has its test: it fails where one is missing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
WANTED: Final = (
    *(f"test_rt{number:02}_" for number in range(1, 21)),
    *(f"test_w{number:02}_" for number in range(1, 9)),
    *(f"test_r{number:02}_" for number in range(1, 12)),
    *(f"test_item_{number}_" for number in range(63, 86)),
    "test_item_80b_",
    "test_item_80c_",
)
"""``runtime.md`` sections 8.5, 10.1 and 8.1, and ``continuity.md`` section 5."""


def written() -> list[str]:
    """The names of the tests in this folder and in that of recovery."""
    return [
        node.name
        for folder in (HERE, HERE.parent / "recovery")
        for path in folder.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("wanted", WANTED)
def test_every_rule_has_its_test(wanted: str) -> None:
    assert [name for name in written() if name.startswith(wanted)]
