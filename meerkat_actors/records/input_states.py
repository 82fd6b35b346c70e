"""One input's state as the runtime-store facade takes and gives it."""

from __future__ import annotations

from typing import Any, Final

import orjson
from attrs import Attribute, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.checks import a_count, a_first_or_none, a_uuid, a_uuid_or_none, an_enum
from meerkat_actors.records.codec import decode_abandoned, encode_abandoned
from meerkat_actors.records.ids import AdmissionSequence, InputId, RunId, parse_key, shown
from meerkat_actors.records.inputs import InputKind, InputRow, InputState
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.records.run_boundary import boundary_sequence_of

S = InputState

KEY_LENGTH_MAX: Final = 256
"""Characters of an idempotency key: it is indexed."""
CONTENT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one input's content."""

_HAS_SUCCESSOR: Final = frozenset({S.SUPERSEDED, S.COALESCED})
_FACADE_STATES: Final = frozenset(S) - {S.SENT}


def _is_content(_: object, __: Attribute[Any], value: object) -> None:
    if type(value) is not bytes or len(value) > CONTENT_BYTES_MAX:
        raise InvalidValueError(problem=f"an input's content is bytes of JSON, at most {CONTENT_BYTES_MAX:,} of them")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidValueError(problem=f"an input's content is no JSON: {error}") from error


def _is_key(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None:
        parse_key(value, what="idempotency key", length_max=KEY_LENGTH_MAX)


def _is_ending(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Abandoned):
        raise InvalidValueError(problem=f"abandoned={shown(value)}: use an Abandoned")


@frozen(kw_only=True)
class InputStateRecord:
    """What a store keeps of one input; its parts always agree.

    Raises:
        InvalidValueError: a field of another form, or a state that the other fields contradict.
    """

    input_id: InputId = field(validator=a_uuid)
    content: bytes = field(default=b"null", validator=_is_content, repr=lambda content: f"<{len(content)} bytes>")
    """JSON, given back byte for byte. It never changes."""
    kind: InputKind = field(default=InputKind.PROMPT, validator=an_enum(InputKind))
    idempotency_key: str | None = field(default=None, validator=_is_key)
    """Stands for this input in its runtime, for ever."""
    state: InputState = field(default=S.QUEUED, validator=an_enum(InputState))
    attempts: int = field(default=0, validator=a_count)
    interruptions: int = field(default=0, validator=a_count)
    not_before_ms: int = field(default=0, validator=a_count)
    last_run_id: RunId | None = field(default=None, validator=a_uuid_or_none)
    """The run that holds or held it. None while it is queued: attribution is no claim."""
    last_boundary_sequence: int | None = field(default=None, validator=a_first_or_none)
    """The receipt that consumed it, in its run. The store's to say; None for every other state."""
    abandoned: Abandoned | None = field(default=None, validator=_is_ending)
    successor: InputId | None = field(default=None, validator=a_uuid_or_none)
    """The input that superseded or absorbed it; None for every other state."""
    admission_sequence: AdmissionSequence | None = field(default=None, validator=a_first_or_none)
    """Its place in the runtime's order. The store's to say; None before it is stored."""

    def __attrs_post_init__(self) -> None:
        """Refuse a state that the other fields contradict."""
        problem = _incoherence(self)
        if problem is not None:
            raise InvalidValueError(problem=f"input {self.input_id} is {self.state}, and {problem}")


@frozen(kw_only=True)
class InputFault:
    """A stored input that can't be read; its neighbours can."""

    admission_sequence: AdmissionSequence
    detail: str


def new_accepted(input_id: InputId, *, content: bytes = b"null") -> InputStateRecord:
    """An input as it is before anything happened to it: there is no state before ``queued``."""
    return InputStateRecord(input_id=input_id, content=content)


def encode_ending(record: InputStateRecord) -> bytes | None:
    """What ended it without a boundary; None for every other state."""
    if record.abandoned is not None:
        return encode_abandoned(record.abandoned)
    return None if record.successor is None else orjson.dumps({"successor": record.successor})


def input_state_of(row: InputRow) -> InputStateRecord:
    """The record of a stored input.

    Raises:
        ValueError: the row contradicts itself.
    """
    try:
        ending = row.ending
        return InputStateRecord(
            input_id=row.input_id,
            content=row.content,
            kind=row.kind,
            idempotency_key=row.idempotency_key,
            state=row.state,
            attempts=row.attempts,
            interruptions=row.interruptions,
            not_before_ms=row.not_before_ms,
            last_run_id=row.run_id,
            last_boundary_sequence=None if row.turn is None else boundary_sequence_of(row.turn),
            abandoned=decode_abandoned(ending) if row.state is S.ABANDONED and ending is not None else None,
            successor=orjson.loads(ending)["successor"] if row.state in _HAS_SUCCESSOR and ending is not None else None,
            admission_sequence=row.admission,
        )
    except (InvalidValueError, KeyError, TypeError) as error:
        problem = f"input {row.input_id} contradicts itself: {error}"
        raise ValueError(problem) from error


def _incoherence(record: InputStateRecord) -> str | None:
    state, run = record.state, record.last_run_id
    if state not in _FACADE_STATES:
        return "only mail is"
    if (state is S.ABANDONED) != (record.abandoned is not None):
        return f"abandoned is {record.abandoned}"
    if (state in _HAS_SUCCESSOR) != (record.successor is not None):
        return f"its successor is {record.successor}"
    if state is S.QUEUED and run is not None:
        return f"bound to run {run}"
    if state is S.STAGED and run is None:
        return "bound to no run"
    if state is S.CONSUMED and (run is None) != (record.last_boundary_sequence is None):
        return "only one of its run and its receipt is known"
    if state is not S.CONSUMED and record.last_boundary_sequence is not None:
        return f"receipt {record.last_boundary_sequence} consumed it"
    return None
