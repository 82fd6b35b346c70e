"""What a sweep was told, as a hash: rows of another one are not taken for its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import partial
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FunctionType
from typing import Any, Final, cast

import attrs

from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.scenario import Scenario

_DIGEST_BYTES: Final = 8
_DEPTH_MAX: Final = 12
_DISTRIBUTION: Final = "meerkat-actors"


def parameters_of(scenario: Scenario, faults: Faults, plan: Plan | None) -> str:
    """A hash of the scenario's fields, of the source files of its functions, and of what is to go wrong.

    It is the same in every process. What those files import isn't looked at, but for this package's version.
    """
    files: set[str] = set()
    told = [*_told(scenario, files, 0), *(_told(faults, files, 0) if plan is None else [plan.to_json().decode()])]
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for line in (*told, *(_hash_of(Path(path)) for path in sorted(files)), _version()):
        digest.update(line.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()


def _told(value: object, files: set[str], depth: int) -> Iterator[str]:
    """The value as words without addresses or an order of hashes; adds where its functions are written."""
    deeper = partial(_told, files=files, depth=depth + 1)
    if depth > _DEPTH_MAX or value is None or isinstance(value, bool | int | float | str | bytes | Enum):
        yield repr(value) if depth <= _DEPTH_MAX else "..."
    elif isinstance(value, partial):
        yield from deeper(value.func)
        yield from deeper((value.args, value.keywords))
    elif isinstance(value, FunctionType):
        yield f"{value.__module__}.{value.__qualname__}"
        path = getattr(sys.modules.get(value.__module__), "__file__", None)
        files.update([path] if path else [])
        for cell in value.__closure__ or ():
            yield from deeper(_contents_of(cell))
        yield from deeper(value.__defaults__ or ())
    elif attrs.has(type(value)):
        yield type(value).__qualname__
        for name in _fields(value):
            yield name
            yield from deeper(getattr(value, name))
    elif isinstance(value, Mapping):
        for key, each in sorted(cast("Mapping[object, object]", value).items(), key=lambda item: str(item[0])):
            yield str(key)
            yield from deeper(each)
    elif isinstance(value, list | tuple | set | frozenset):
        parts = ["\1".join(deeper(each)) for each in cast("tuple[object, ...]", value)]
        yield from sorted(parts) if isinstance(value, set | frozenset) else parts
    else:
        kind = value if isinstance(value, type) else type(value)
        yield f"{kind.__module__}.{kind.__qualname__}"


def _fields(value: Any) -> list[str]:  # noqa: ANN401 - any record
    return [each.name for each in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))]


def _contents_of(cell: Any) -> object:  # noqa: ANN401 - CellType says no more
    try:
        return cell.cell_contents
    except ValueError:  # a name that was never given a value
        return None


def _hash_of(path: Path) -> str:
    try:
        return blake2b(path.read_bytes(), digest_size=_DIGEST_BYTES).hexdigest()
    except OSError:  # in an archive, or gone
        return path.name


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return ""
