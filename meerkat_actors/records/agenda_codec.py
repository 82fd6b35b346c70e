"""Canonical bytes of facts, operations and plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast, get_args

import orjson
from attrs import evolve, fields
from cattrs import BaseValidationError
from cattrs.preconf.orjson import make_converter

from meerkat_actors.records.codec import decode_header, encode_header
from meerkat_actors.records.facts import Emitted, Fact
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.operation import Operation
from meerkat_actors.records.schedules import Cron, Every, Once, Overlap, Plan, ScheduleRecord
from meerkat_actors.records.timers import Timer

T = TypeVar("T")

_CONVERTER: Final = make_converter(forbid_extra_keys=True)
_SORTED: Final = orjson.OPT_SORT_KEYS
_FACTS: Final[Mapping[str, type[Any]]] = MappingProxyType({fact.__name__: fact for fact in get_args(Fact)})
_RULES: Final[Mapping[str, type[Once | Every | Cron]]] = MappingProxyType({"once": Once, "every": Every, "cron": Cron})
_RULE_NAMES: Final = MappingProxyType({rule: name for name, rule in _RULES.items()})


def encode_facts(facts: Sequence[Fact]) -> bytes:
    """The facts of one unit, in order."""
    return orjson.dumps([_told(fact) for fact in facts], option=_SORTED)


def decode_facts(body: bytes) -> tuple[Fact, ...]:
    """The facts of one unit, in order.

    Raises:
        ValueError: no such list.
    """

    def read(told: list[dict[str, Any]]) -> tuple[Fact, ...]:
        if type(told) is not list:
            problem = f"a {type(told).__name__} is no list of facts"
            raise TypeError(problem)
        return tuple(map(_fact, told))

    return _structured(body, read)


def encode_operation(operation: Operation) -> bytes:
    """An operation, without what is as it usually is."""
    said = {
        field.name: getattr(operation, field.name)
        for field in fields(Operation)
        if getattr(operation, field.name) != field.default
    }
    if operation.content is not None:
        said["content"] = orjson.Fragment(operation.content)
    return orjson.dumps(said, option=_SORTED)


def decode_operation(body: bytes) -> Operation:
    """An operation as it was put.

    Raises:
        ValueError: no such operation.
    """

    def read(told: dict[str, Any]) -> Operation:
        # Canonical again: what orjson wrote it reads and writes alike.
        content = orjson.dumps(told.pop("content"), option=_SORTED) if "content" in told else None
        return evolve(_CONVERTER.structure(told, Operation), content=content)

    return _structured(body, read)


def encode_schedule(plan: Plan) -> bytes:
    """A plan, without what is as it usually is."""
    said: dict[str, Any] = {
        _RULE_NAMES[type(plan.rule)]: _CONVERTER.unstructure(plan.rule),
        "kind": plan.kind,
        "content": orjson.Fragment(plan.content),
    }
    header = None if plan.header is None else encode_header(plan.header, plan.kind)
    if header is not None:
        said["header"] = orjson.Fragment(header)
    if plan.input_id is not None:
        said["input"] = plan.input_id
    if plan.catch_up != 1:
        said["catch_up"] = plan.catch_up
    if plan.overlap is not Overlap.QUEUE:
        said["overlap"] = plan.overlap
    return orjson.dumps(said, option=_SORTED)


def decode_schedule(body: bytes) -> Plan:
    """A plan as it was set.

    Raises:
        ValueError: no such plan.
    """

    def read(told: dict[str, Any]) -> Plan:
        kind = InputKind(told["kind"])
        ((name, rule),) = [(name, told[name]) for name in _RULES if name in told]
        header = decode_header(orjson.dumps(told["header"], option=_SORTED), kind) if "header" in told else None
        return Plan(
            rule=_CONVERTER.structure(rule, _RULES[name]),
            kind=kind,
            content=orjson.dumps(told["content"], option=_SORTED),
            header=header,
            input_id=told.get("input"),
            catch_up=int(told.get("catch_up", 1)),
            overlap=Overlap(told.get("overlap", Overlap.QUEUE)),
        )

    return _structured(body, read)


def schedule_record(identity: AgentIdentity, timer: Timer) -> ScheduleRecord:
    """A timer as it is listed.

    Raises:
        ValueError: its body is no plan.
    """
    plan = decode_schedule(timer.body)
    return ScheduleRecord(
        identity=identity,
        name=timer.name,
        due_ms=timer.due_ms,
        fired=timer.fired,
        rule=plan.rule,
        kind=plan.kind,
        content=orjson.loads(plan.content),
        catch_up=plan.catch_up,
        overlap=plan.overlap,
    )


def _told(fact: Fact) -> dict[str, Any]:
    told: dict[str, Any] = _CONVERTER.unstructure(fact) if not isinstance(fact, Emitted) else {"name": fact.name}
    if isinstance(fact, Emitted):
        told["data"] = orjson.Fragment(fact.data)
    told["fact"] = type(fact).__name__
    return told


def _fact(told: dict[str, Any]) -> Fact:
    kind = _FACTS[told.pop("fact")]
    if kind is Emitted:
        return Emitted(str(told["name"]), orjson.dumps(told["data"], option=_SORTED))
    return cast("Fact", _CONVERTER.structure(told, kind))


def _structured(body: bytes, read: Callable[[Any], T]) -> T:
    try:
        return read(orjson.loads(body))
    except (BaseValidationError, AttributeError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(problem) from error
