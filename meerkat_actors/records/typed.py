"""Values of users' own attrs types, as JSON and back."""

from __future__ import annotations

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

# Unknown keys are passed over: a state written before a field was dropped can still be read.
_CONVERTER: Final = make_converter()
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
    if not isinstance(value, as_type):
        raise InvalidValueError(problem=f"{what} is a {type(value).__name__}, not a {as_type.__name__}")
    plain = _plain(_CONVERTER.unstructure(value, unstructure_as=as_type))
    # attrs checks no types: what is stored now, and can't be read later, would be found out too late.
    _structured(plain, as_type, what)
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


def _structured(value: object, as_type: type, what: str) -> Any:  # noqa: ANN401 - an instance of as_type
    if not isinstance(value, dict):
        raise InvalidValueError(problem=f"{what} doesn't fit {as_type.__name__}: it is no JSON object")
    try:
        return cast("Any", _CONVERTER.structure(value, as_type))
    except (BaseValidationError, StructureHandlerNotFoundError) as error:
        problems = "; ".join(transform_error(error, path="$", format_exception=_told))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Of the type's own validators, and where JSON of another shape meets cattrs' generated code.
        problems = f"{type(error).__name__}: {error}"
    raise InvalidValueError(problem=f"{what} doesn't fit {as_type.__name__}: {problems}")


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
    if as_type is not None and not (isinstance(as_type, type) and attrs.has(as_type)):
        raise InvalidValueError(problem=f"{what}={as_type!r} is no attrs class")
