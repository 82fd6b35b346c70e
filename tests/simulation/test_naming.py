"""A scenario's module is its author's: whatever importing it raises is told in one line, with its cause."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from meerkat_actors.errors import UsageError
from meerkat_actors.simulation.naming import scenario_of

NAME = "a_module_of_somebody"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Where that module is written."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path / f"{NAME}.py"
    sys.modules.pop(NAME, None)


def refusal() -> UsageError:
    with pytest.raises(UsageError) as refused:
        scenario_of(f"{NAME}:MOB")
    return refused.value


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("1 / 0", ZeroDivisionError, "division by zero"),
        ("{}['nothing']", KeyError, "'nothing'"),
        ("None.text", AttributeError, "'NoneType' object has no attribute 'text'"),
        ("import not_installed_here", ModuleNotFoundError, "No module named 'not_installed_here'"),
        ("open('nowhere')", FileNotFoundError, "'nowhere'"),
        ("import sys; sys.exit(3)", SystemExit, "3"),
        ("assert False, 'never'", AssertionError, "never"),
        ("raise ExceptionGroup('some', [OSError()])", ExceptionGroup, "some (1 sub-exception)"),
        ("def recur(): recur()\nrecur()", RecursionError, "maximum recursion depth exceeded"),
    ],
)
def test_what_a_module_raises_is_named_with_its_line(
    module: Path, source: str, kind: type[BaseException], message: str
) -> None:
    module.write_text(f"\n\n{source}\n")
    refused = refusal()
    assert isinstance(refused.__cause__, kind)
    told = f"'{NAME}:MOB': importing '{NAME}' raises {type(refused.__cause__).__name__}: "
    assert str(refused).startswith(told)
    assert message in str(refused)
    assert str(refused).endswith(f"({module}:3)")


def test_a_module_of_tests_that_skips_itself_is_told_too(module: Path) -> None:
    module.write_text("import pytest\npytest.importorskip('not_installed_here')\n")
    assert "raises Skipped: could not import 'not_installed_here'" in str(refusal())


def test_a_syntax_error_tells_its_own_place(module: Path) -> None:
    module.write_text("\ndef (:\n")
    assert str(refusal()).endswith(f"raises SyntaxError: invalid syntax ({module.name}, line 2)")


def test_a_scenario_that_is_refused_is_told_with_its_line(module: Path) -> None:
    module.write_text(
        "from meerkat_actors.simulation import Scenario\n"
        "MOB = Scenario(name='mob', agents={'k': print}, drive=None)\n"
    )  # fmt: skip
    refused = refusal()
    assert isinstance(refused.__cause__, UsageError)
    assert "agents['k']: a simulation has no threads" in str(refused)


def test_a_module_that_makes_its_names_when_it_is_asked_is_asked_once(module: Path) -> None:
    module.write_text("def __getattr__(name):\n    raise LookupError(name)\n")
    assert "LookupError: " in str(refusal())


def test_a_module_that_is_not_there_is_named() -> None:
    assert str(refusal()).endswith(f"raises ModuleNotFoundError: No module named '{NAME}'")


def test_an_interrupt_stays_one(module: Path) -> None:
    module.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        scenario_of(f"{NAME}:MOB")
