"""The durable lifecycle of a logical runtime: its state, and whom it was bound to."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, cast

import orjson
from attrs import Attribute, Factory, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.checks import a_uuid_or_none, a_version, an_enum
from meerkat_actors.records.ids import parse_key

RECORD_VERSION: Final = 1
"""Of the stored form. Another one is refused, and so is a record without one."""

_RUNTIME_ID_LENGTH_MAX: Final = 256


class RuntimeState(StrEnum):
    """What a logical runtime was told to be. ``attached`` is not among them: it ends with its process."""

    INITIALIZING = "initializing"
    IDLE = "idle"
    RUNNING = "running"
    RETIRED = "retired"
    STOPPED = "stopped"
    DESTROYED = "destroyed"


def _is_runtime_id(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None:
        parse_key(value, what="agent runtime id", length_max=_RUNTIME_ID_LENGTH_MAX)


@frozen(kw_only=True)
class MachineLifecycleBinding:
    """What an outer placement authority said of the runtime; all of it, or nothing.

    Raises:
        InvalidValueError: facts of a binding without the bound runtime's id, or that id alone.
    """

    agent_runtime_id: str | None = field(default=None, validator=_is_runtime_id)
    fence_token: int | None = field(default=None, validator=a_version)
    runtime_generation: int | None = field(default=None, validator=a_version)
    runtime_epoch_id: str | None = field(default=None, validator=a_uuid_or_none)

    def __attrs_post_init__(self) -> None:
        """Refuse facts that hang in the air."""
        facts = (self.fence_token, self.runtime_generation, self.runtime_epoch_id)
        if self.agent_runtime_id is None and facts != (None, None, None):
            raise InvalidValueError(problem="fence, generation and epoch are facts of a bound agent_runtime_id")
        if self.agent_runtime_id is not None and self.runtime_generation is None and self.runtime_epoch_id is None:
            raise InvalidValueError(
                problem=f"{self.agent_runtime_id!r} is bound without runtime_generation or runtime_epoch_id"
            )


@frozen(kw_only=True)
class MachineLifecycleSnapshot:
    """The lifecycle as it is read back."""

    runtime_state: RuntimeState = field(validator=an_enum(RuntimeState))
    binding: MachineLifecycleBinding = Factory(MachineLifecycleBinding)


def encode_lifecycle(snapshot: MachineLifecycleSnapshot) -> bytes:
    """The stored form: canonical JSON of version 1."""
    binding = snapshot.binding
    return orjson.dumps(
        {
            "binding": {
                "agent_runtime_id": binding.agent_runtime_id,
                "fence_token": binding.fence_token,
                "runtime_epoch_id": binding.runtime_epoch_id,
                "runtime_generation": binding.runtime_generation,
            },
            "record_version": RECORD_VERSION,
            "runtime_state": snapshot.runtime_state,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def decode_lifecycle(record: bytes) -> MachineLifecycleSnapshot:
    """Read the stored form.

    Raises:
        InvalidValueError: another version, or no such record: a bare state is no authority.
    """
    decoded = _object(record)
    version = decoded.get("record_version")
    if type(version) is not int or version != RECORD_VERSION:
        raise InvalidValueError(
            problem=f"unsupported machine lifecycle record version {version!r}; this version of the library knows"
            f" {RECORD_VERSION}"
        )
    try:
        if set(decoded) != {"binding", "record_version", "runtime_state"}:
            raise InvalidValueError(problem=f"a machine lifecycle record has no fields {sorted(decoded)}")
        return MachineLifecycleSnapshot(
            runtime_state=RuntimeState(decoded["runtime_state"]), binding=MachineLifecycleBinding(**decoded["binding"])
        )
    except (TypeError, ValueError) as error:
        raise InvalidValueError(problem=f"no machine lifecycle record: {error}") from error


def _object(record: bytes) -> dict[str, Any]:
    try:
        decoded = orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise InvalidValueError(problem=f"no machine lifecycle record: {error}") from error
    if not isinstance(decoded, dict):
        raise InvalidValueError(problem="no machine lifecycle record: a bare state is no authority")
    return cast("dict[str, Any]", decoded)
