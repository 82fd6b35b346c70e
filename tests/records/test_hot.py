"""Records of the hot path: plain at run time, and frozen all the same to whoever reads or checks them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError

import meerkat_actors
from meerkat_actors.records.hot import hot

PACKAGE: Final = Path(meerkat_actors.__file__).parent


def hot_classes() -> Iterator[tuple[Path, str]]:
    """Every class under the decorator, by its file and name, as the source says it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(each, ast.Name) and each.id == "hot" for each in node.decorator_list
            ):
                yield path, node.name


HOT: Final = tuple(hot_classes())


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def frozen_twin(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module once more, under another name, with the decorator that the type checkers see."""
    monkeypatch.setattr("meerkat_actors.records.hot.hot", attrs.frozen)
    name = f"frozen_twin_of_{module_name(path).replace('.', '_')}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_there_are_hot_records_on_every_floor_that_has_records() -> None:
    assert len(HOT) > 30
    assert {path.parent.name for path, _ in HOT} >= {"records", "machines"}


@pytest.mark.parametrize(("path", "name"), [pytest.param(path, name, id=name) for path, name in HOT])
def test_a_hot_record_can_be_built_and_kept_under_real_frozen(
    path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours: Any = getattr(import_module(module_name(path)), name)
    twin: Any = getattr(frozen_twin(path, monkeypatch), name)
    names = [field.name for field in attrs.fields(ours)]
    assert [field.name for field in attrs.fields(twin)] == names
    values = {field: object() for field in names}

    record = twin(**values)
    assert {field: getattr(record, field) for field in names} == values
    assert record == twin(*values.values())
    for field in names:
        with pytest.raises(FrozenInstanceError):
            setattr(record, field, None)
        assert record != attrs.evolve(record, **{field: None})

    alike = ours(*values.values())
    assert {field: getattr(alike, field) for field in names} == values
    assert alike == ours(**values)
    assert all(alike != attrs.evolve(alike, **{field: None}) for field in names)


@pytest.mark.parametrize(("path", "name"), [pytest.param(path, name, id=name) for path, name in HOT])
def test_a_hot_record_has_slots_and_no_hash(path: Path, name: str) -> None:
    ours: Any = getattr(import_module(module_name(path)), name)
    record = ours(*(None for _ in attrs.fields(ours)))
    assert not hasattr(record, "__dict__")
    with pytest.raises(TypeError):
        hash(record)


def test_the_alias_is_told_apart_from_frozen_at_run_time() -> None:
    # Else every test above compares a thing with itself.
    @hot
    class Pair:
        first: int

    pair = Pair(1)
    pair.first = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert pair.first == 2
