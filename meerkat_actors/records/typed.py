"""Values of users' own attrs types, as JSON and back."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, cast

import attrs
from cattrs import BaseValidationError, transform_error
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.preconf.orjson import make_converter
from cattrs.v import format_exception

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import decode_json
from meerkat_actors.records.content import JSON


def _in_order(items: Iterable[object]) -> list[object]:
    # A set's own order changes with each process, and the same value must be the same bytes.
    return sorted(items, key=repr)


# Unknown keys are passed over: a state written before a field was dropped can still be read.
_CONVERTER: Final = make_converter(unstruct_collection_overrides={AbstractSet: _in_order})
# orjson would write them by itself; here every value is JSON before it is encoded and checked.
_CONVERTER.register_unstructure_hook(datetime, lambda value: value.isoformat())
_CONVERTER.register_unstructure_hook(date, lambda value: value.isoformat())


def to_json(value: object, as_type: type | None, *, what: str) -> object:
    """The JSON value of an instance of ``as_type``, which reads back; without a type the value itself.

    Raises:
        InvalidValueError: no instance of that type, or one whose fields are not what its class says.
    """
    if as_type is None:
        return value
    if type(value) is not as_type:  # a subclass would lose its own fields
        raise InvalidValueError(problem=f"{what} is a {type(value).__name__}, not a {as_type.__name__}")
    plain = _unstructured(value, as_type, what)
    # attrs checks no types: what is stored now, and comes back as something else, would be found out too late.
    back = _structured(plain, as_type, what)
    if _unstructured(back, as_type, what) != plain or not _is_equal(back, value):
        raise InvalidValueError(
            problem=f"{what} would not come back equal: some field holds what its annotation doesn't say"
        )
    return plain


def from_json(encoded: bytes | None, as_type: type | None, *, what: str) -> Any:  # noqa: ANN401 - an instance of as_type
    """A fresh value of ``as_type`` from canonical JSON, or of JSON types without a type; None for nothing.

    Raises:
        InvalidValueError: the JSON doesn't fit the type, each misfit named with its path.
    """
    if encoded is None:
        return None
    decoded: JSON = decode_json(encoded)
    if as_type is None:
        return decoded
    return _structured(decoded, as_type, what)


def _is_equal(back: object, value: object) -> bool:
    if type(value).__eq__ is object.__eq__:
        return True  # a class without equality is compared by what is stored
    try:
        return bool(back == value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: ASYNC103, BLE001 - the user's code, where no schedule point could be cancelled
        return False  # noqa: ASYNC104 - as above


def _unstructured(value: object, as_type: type, what: str) -> object:
    try:
        return _plain(_CONVERTER.unstructure(value, unstructure_as=as_type))
    except KeyboardInterrupt:
        raise
    except RecursionError as error:
        raise InvalidValueError(problem=f"{what} holds itself, or is nested too deep") from error
    except BaseException as error:
        # Here as below: what is caught is the user's code, where no schedule point could be cancelled.
        raise InvalidValueError(problem=f"{what} can't be stored: {_problems(error)}") from error  # noqa: ASYNC104


def _structured(value: object, as_type: type, what: str) -> Any:  # noqa: ANN401 - an instance of as_type
    if not isinstance(value, dict):
        raise InvalidValueError(problem=f"{what} doesn't fit {as_type.__name__}: it is no JSON object")
    try:
        return cast("Any", _CONVERTER.structure(value, as_type))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = f"{what} doesn't fit {as_type.__name__}: {_problems(error)}"
        raise InvalidValueError(problem=problem) from error  # noqa: ASYNC104 - as above


def _problems(error: BaseException) -> str:
    try:
        if isinstance(error, (BaseValidationError, StructureHandlerNotFoundError)):
            return "; ".join(transform_error(error, path="$", format_exception=_told))
        return f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: ASYNC103, BLE001 - its own words are the user's code, too
        return f"{type(error).__name__}, which can't be printed"  # noqa: ASYNC104 - as above


def _plain(value: object) -> object:
    # cattrs leaves enums of strings and numbers to orjson, and dispatches on str before any hook for them.
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    return value


def _told(error: BaseException, kind: type | None) -> str:
    # What a validator says is worth more than that it was one.
    said = format_exception(error, kind)
    return f"{said}: {error}" if isinstance(error, ValueError) and str(error) else said


def check_type(as_type: object, *, what: str) -> None:
    """Refuse what is no attrs class.

    Raises:
        InvalidValueError: as it says.
    """
    if as_type is None:
        return
    if not (isinstance(as_type, type) and attrs.has(as_type)):
        raise InvalidValueError(problem=f"{what}={as_type!r} is no attrs class")
    for field in attrs.fields(as_type):
        if not field.init:
            problem = f"{what}={as_type.__name__}: the field {field.name!r} is not in __init__, and would not be stored"
            raise InvalidValueError(problem=problem)
