"""What each column of a row may hold, whatever its CHECK says: the file may have been changed without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from meerkat_actors.records.ids import COUNTER_MAX, shown
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.runs import CHECKPOINT
from meerkat_actors.records.status import Desired
from meerkat_actors.store.agenda_fitting import is_timer_name

Form: TypeAlias = Callable[[Any], bool]
Columns: TypeAlias = tuple[tuple[str, Form], ...]

_KINDS: Final = frozenset(kind.value for kind in InputKind)
_DESIRES: Final = frozenset(desired.value for desired in Desired)
_KEY_LENGTH_MAX: Final = 512
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Also the reserved ones (rt:, mob:), which belong to no agent and are names all the same.
_NAME: Final = re.compile(r"(?=.{1,160}\Z)[A-Za-z0-9._:@+-]+(?:/[A-Za-z0-9._:@+-]+)?")


def _a_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= COUNTER_MAX


def _a_first(value: object) -> bool:
    return type(value) is int and 1 <= value <= COUNTER_MAX


def _a_flag(value: object) -> bool:
    return type(value) is int and 0 <= value <= 1


def _one_of_three(value: object) -> bool:
    return type(value) is int and 0 <= value <= 2


def _a_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= _KEY_LENGTH_MAX and value.isprintable()


def _an_id(value: object) -> bool:
    return type(value) is bytes and len(value) == 16


def _a_digest(value: object) -> bool:
    return type(value) is bytes and len(value) == 32


def _a_digest_or_nothing(value: object) -> bool:
    """Of the arguments of a step; a checkpoint has none."""
    return value == b"" or _a_digest(value)


def _bytes(value: object) -> bool:
    return type(value) is bytes


def _some_bytes(value: object) -> bool:
    return type(value) is bytes and value != b""


def _a_state(value: object) -> bool:
    return type(value) is int and 0 <= value <= 6


def _an_input_kind(value: object) -> bool:
    return type(value) is str and value in _KINDS


def _a_desire(value: object) -> bool:
    return type(value) is str and value in _DESIRES


def _or_none(form: Form) -> Form:
    return lambda value: value is None or form(value)


META: Final[Columns] = (
    ("only_row", lambda value: type(value) is int and value == 1),
    ("store_id", lambda value: type(value) is str and _UUID.fullmatch(value) is not None),
    ("epoch", _a_first),
    ("incarnation", _a_count),
    ("clean", _a_flag),
    ("sequence", _a_count),
    ("keys", _a_count),
    ("event_floor", _a_count),
)
LEASE: Final[Columns] = (
    ("key", _a_first),
    ("holder", _a_text),
    ("boot", _a_text),
    ("expires", _a_count),
    ("ttl", _a_first),
)
NAME: Final[Columns] = (
    ("key", _a_first),
    ("name", lambda value: type(value) is str and _NAME.fullmatch(value) is not None),
)
HEAD: Final[Columns] = (
    ("key", _a_first),
    ("kind", _a_text),
    ("token", _a_first),
    ("generation", _a_count),
    ("version", _a_count),
    ("owner", _a_count),
    ("session", _an_id),
    ("digest", _a_digest),
    ("message_count", _a_count),
    ("last_turn", _a_count),
    ("last_state", _a_count),
    ("admissions", _a_count),
    ("sends", _a_count),
    ("mail_floor", _a_count),
    ("tombstone", _a_flag),
    ("desired", _a_desire),
)
SESSION: Final[Columns] = (("identity", _a_first), ("session", _an_id), ("generation", _a_count))
CONFIG: Final[Columns] = (("identity", _a_first), ("version", _a_first), ("body", _some_bytes))
INPUT: Final[Columns] = (
    ("identity", _a_first),
    ("turn", _or_none(_a_first)),
    ("admission", _or_none(_a_first)),
    ("seq", _a_first),
    ("input_id", _an_id),
    ("kind", _an_input_kind),
    ("lane", _one_of_three),
    ("state", _a_state),
    ("attempts", _a_count),
    ("interruptions", _a_count),
    ("not_before", _a_count),
    ("position", _a_count),
    ("run", _or_none(_an_id)),
    ("sender", _or_none(_a_first)),
    ("number", _or_none(_a_count)),
    ("idempotency", _or_none(_a_text)),
    ("ending", _or_none(_some_bytes)),
    ("digest", _a_digest),
    ("content", _bytes),  # empty where it was pruned
    ("policy", _a_count),
    ("letter", _one_of_three),
    ("header", _or_none(_some_bytes)),
    ("owed", _a_flag),
    ("the sender's name", _or_none(_a_text)),
)
TURN: Final[Columns] = (
    ("identity", _a_first),
    ("seq", _a_first),
    ("version", _a_first),
    ("generation", _a_count),
    ("token", _a_first),
    ("previous", _a_count),
    ("run", _an_id),
    ("digest", _a_digest),
    ("body", _some_bytes),
)
RECEIPT: Final[Columns] = (("identity", _a_first), ("run", _an_id), ("sequence", _a_first), ("turn", _a_first))
DOCUMENT: Final[Columns] = (
    ("identity", _a_first),
    ("kind", _a_text),
    ("key", _a_text),
    ("epoch", _a_first),
    ("generation", _a_first),
    ("digest", _or_none(_a_digest)),
    ("body", _or_none(_bytes)),
)
JOURNAL: Final[Columns] = (
    ("identity", _a_first),
    ("run", _an_id),
    ("name", lambda value: value == CHECKPOINT or _a_text(value)),
    ("nth", _a_first),
    ("arguments", _a_digest_or_nothing),
    ("result", _bytes),
    ("once", _a_flag),
)
CONTINUITY: Final[Columns] = (
    ("identity", _a_first),
    ("token", _a_first),
    ("holder", _a_text),
    ("floor", _a_count),
    ("former_generation", _or_none(_a_count)),
    ("former_session", _or_none(_an_id)),
    ("former_version", _or_none(_a_count)),
)
SNAPSHOT: Final[Columns] = (
    ("identity", _a_first),
    ("generation", _a_count),
    ("version", _a_first),
    ("session", _an_id),
    ("token", _a_first),
    ("size", _a_first),
    ("digest", _a_digest),
    ("data", _some_bytes),
)
TIMER: Final[Columns] = (
    ("identity", _a_first),
    ("number", lambda value: type(value) is int),
    ("name", is_timer_name),
    ("due", _a_count),
    ("last", _a_count),
    ("fired", _a_count),
    ("body", _some_bytes),
)
OPERATION: Final[Columns] = (("identity", _a_first), ("id", _an_id), ("body", _some_bytes), ("bound", _a_flag))
EVENT: Final[Columns] = (("identity", _a_first), ("seq", _a_first), ("body", _some_bytes))


def fault_of(columns: Columns, row: Sequence[object]) -> str | None:
    """The first column that holds what it can't, in words; None for a row as it should be."""
    for (name, form), value in zip(columns, row, strict=True):
        if not form(value):
            return f"{name} is {_shown(value)}"
    return None


def _shown(value: object) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else shown(value)
