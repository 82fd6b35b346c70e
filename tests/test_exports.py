"""The public names: each importable, listed once, described, and honest about cancellation."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import meerkat_actors
from meerkat_actors import errors, listings, store

MODULES = (meerkat_actors, store)


def exports(module: ModuleType) -> list[tuple[str, str, str]]:
    """Where each name comes from, what it is there, and what it is called here."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    return [
        (node.module or "", alias.name, alias.asname or "")
        for node in [*tree.body, *late_imports(tree)]
        if isinstance(node, ast.ImportFrom) and node.module not in {"__future__", "typing"}
        for alias in node.names
    ]


def late_imports(tree: ast.Module) -> list[ast.stmt]:
    """What type checkers import at once, and programs when they ask for it."""
    return [node for condition in tree.body if isinstance(condition, ast.If) for node in condition.body]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_facade_holds_nothing_but_names(module: ModuleType) -> None:
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    docstring, *rest = tree.body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom | ast.If) for node in rest)
    assert all(isinstance(node, ast.ImportFrom) for node in late_imports(tree))


def test_what_comes_late_is_what_type_checkers_see_and_looking_needs_no_trio() -> None:
    tree = ast.parse(Path(str(meerkat_actors.__file__)).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in late_imports(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert vars(meerkat_actors)["_LATE"] == seen
    assert set(seen) <= set(dir(meerkat_actors))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(meerkat_actors, "nonsense")  # noqa: B009 - type checkers know that it is none
    code = "import sys, meerkat_actors.store; print('trio' in sys.modules)"
    looked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert looked.stdout == "False\n"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_name_is_exported_once_and_under_its_own_name(module: ModuleType) -> None:
    names = [name for _, name, _ in exports(module)]
    assert [name for _, name, shown in exports(module) if name != shown] == []
    assert len(names) == len(set(names))
    assert all(hasattr(module, name) for name in names)


def test_every_public_error_is_exported() -> None:
    defined = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert defined <= {name for _, name, _ in exports(meerkat_actors)}


def test_every_public_name_is_described() -> None:
    undescribed = [
        name
        for _, name, _ in exports(meerkat_actors)
        if callable(getattr(meerkat_actors, name))
        and isinstance(getattr(meerkat_actors, name), type | FunctionType)
        and not inspect.getdoc(getattr(meerkat_actors, name))
    ]
    assert undescribed == []


def public_async_functions() -> Iterator[tuple[str, FunctionType]]:
    """Every ``async def`` that a user can call."""
    shown = [getattr(meerkat_actors, name) for _, name, _ in exports(meerkat_actors)]
    # What handles and runtimes return, and nobody names.
    returned = [value for value in vars(listings).values() if inspect.isclass(value)]
    for value in {id(each): each for each in (*shown, *returned)}.values():
        if not inspect.isclass(value):
            if inspect.iscoroutinefunction(value):
                yield value.__name__, value
            continue
        if not value.__module__.startswith("meerkat_actors") or value.__name__.startswith("_"):
            continue
        for name, member in _members(value).items():
            is_public = not name.startswith("_") or (name.startswith("__") and name.endswith("__"))
            if is_public and _is_awaited(member):
                yield f"{value.__name__}.{name}", member


def _members(value: type) -> dict[str, Any]:
    """What a class has of ours, whichever of its bases it comes from."""
    ours = [base for base in reversed(value.__mro__) if base.__module__.startswith("meerkat_actors")]
    return {name: member for base in ours for name, member in vars(base).items()}


def _is_awaited(member: object) -> bool:
    # Turn.step refuses some calls before anybody awaits them.
    annotations = getattr(member, "__annotations__", {})
    return inspect.iscoroutinefunction(member) or str(annotations.get("return", "")).startswith("Coroutine[")


def test_every_public_async_function_says_what_cancelling_it_means() -> None:
    functions = dict(public_async_functions())
    expected = {"Runtime.agent", "AgentHandle.send", "AgentHandle.pause", "Turn.step", "InputListing.__anext__"}
    assert expected <= set(functions)
    silent = [name for name, function in functions.items() if "cancel" not in (inspect.getdoc(function) or "").lower()]
    assert silent == []


def test_opening_a_runtime_says_what_cancelling_it_means() -> None:
    assert "by cancellation" in (inspect.getdoc(meerkat_actors.open_runtime) or "")
