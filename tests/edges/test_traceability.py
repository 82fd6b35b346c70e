"""Every edge and every defect has its test, or the reason why it can't occur; and the tests are there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.edges.cases import EDGES
from tests.edges.defects import DEFECTS
from tests.edges.proofs import Case

ROOT = Path(__file__).parents[2]
CASES = [
    *(pytest.param(case, id=f"edge-{number}") for number, case in EDGES.items()),
    *(pytest.param(case, id=f"defect-{number}") for number, case in DEFECTS.items()),
]


@cache
def functions_of(path: str) -> frozenset[str]:
    """The top-level functions of a module."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_sentence(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and len(text.split()) > 2


def test_every_number_is_there_once_and_in_order() -> None:
    assert list(EDGES) == list(range(1, 63))
    assert list(DEFECTS) == list(range(1, 18))


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_proved_or_says_why_it_can_not_occur(case: Case) -> None:
    assert is_sentence(case.lesson)
    assert (case.reason is None) == (len(case.tests) > 0)
    assert case.reason is None or is_sentence(case.reason)
    assert len(set(case.tests)) == len(case.tests)
    for test in case.tests:
        path, name = test.split("::")
        assert name in functions_of(path), f"{path} has no {name}"


def test_every_test_of_an_edge_is_somebodys_proof() -> None:
    """A test here that no case names was renamed, or proves nothing that was asked."""
    named = {test for case in (*EDGES.values(), *DEFECTS.values()) for test in case.tests}
    here = Path(__file__)
    tests = {
        f"tests/edges/{path.name}::{name}"
        for path in here.parent.glob("test_*.py")
        if path != here
        for name in functions_of(f"tests/edges/{path.name}")
        if name.startswith("test_")
    }
    assert tests <= named
