"""What a caller says of time, and the timer that is made of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn.heading import parse_kind
from meerkat_actors.actors.turn.planning import EPOCH
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.handles.options import SendOptions, header_of
from meerkat_actors.handles.reach import Reach
from meerkat_actors.machines.firing import CATCH_UP_MAX
from meerkat_actors.machines.recurrence import next_due_ms
from meerkat_actors.records.agenda_codec import encode_schedule, schedule_record
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.commands import DropSchedule, SetSchedule
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import DEFAULT_HEADERS, Origin
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity, InputId, is_uuid, parse_key, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.schedules import Cron, Every, Once, Overlap, Plan, Rule, ScheduleRecord
from meerkat_actors.records.timers import Timer
from meerkat_actors.store.agenda_fitting import TIMER_NAME_MAX

EVERY_SECONDS_MIN: Final = 1.0
"""The shortest interval: a timer starts within a second of its time, so a shorter one would promise what it can't."""
_EVERY_SECONDS_MAX: Final = 1e9
"""Some 31 years, as all waits of ours: any date plus it stays far below 2^63 milliseconds."""
_MS: Final = timedelta(milliseconds=1)
_MISFIRES: Final = {"skip": 0, "once": 1}
_UTC: Final = "UTC"


@frozen(kw_only=True)
class Timing:
    """What a caller says of a schedule's times. See ``AgentHandle.schedule``."""

    at: datetime | None
    every: float | timedelta | None
    cron: str | None
    timezone: str
    misfire: int | str
    overlap: Overlap | str


async def set_schedule(
    reach: Reach,
    identity: AgentIdentity,
    name: str,
    content: JSON,
    kind: InputKind | str,
    timing: Timing,
    options: SendOptions,
) -> ScheduleRecord:
    """Let a timer be due, and wait until that is durable. See ``AgentHandle.schedule``."""
    name = _parse_schedule_name(reach, name)
    kind = parse_kind(kind)
    rule, due_ms = _parse_rule(timing, reach.env.wall_ms())
    catch_up = _parse_misfire(timing.misfire)
    encoded = _encoded(reach, content)
    if len(encoded) * catch_up > reach.limits.turn_bytes_max:
        problem = f"misfire={catch_up}: so many of {len(encoded):,} bytes each don't fit one transaction; use fewer"
        raise InvalidValueError(problem=problem)
    options["origin"] = options.get("origin") or Origin.SYSTEM
    header = header_of(kind, options, reach.limits) or DEFAULT_HEADERS[kind]
    if header.source is None:
        header = evolve(header, source=f"timer:{name}")
    plan = Plan(
        rule=rule,
        kind=kind,
        content=encoded,
        header=header,
        catch_up=catch_up,
        overlap=_parse_overlap(timing.overlap),
    )
    return await _set(reach, identity, name, due_ms, plan)


async def send_at(
    reach: Reach, identity: AgentIdentity, content: JSON, kind: InputKind | str, at: datetime, options: SendOptions
) -> Admission:
    """Let an input be admitted at its time, and wait until that is durable. See ``AgentHandle.send``."""
    due_ms = parse_time(at)
    kind = parse_kind(kind)
    header = header_of(kind, options, reach.limits)
    input_id = InputId(reach.env.new_id())
    encoded = _encoded(reach, content)
    plan = Plan(rule=Once(due_ms), kind=kind, content=encoded, header=header, input_id=input_id)
    await _set(reach, identity, input_id, due_ms, plan)
    return Admission(input_id, AdmissionSequence(0), duplicate=False, durable=True)


async def drop_schedule(reach: Reach, identity: AgentIdentity, name: str) -> None:
    """End a timer, and wait until that is durable. See ``AgentHandle.unschedule``."""
    slot: ReplySlot[None] = ReplySlot()
    await reach.ask(identity, DropSchedule(parse_timer_name(reach, name)), slot)


def parse_timer_name(reach: Reach, name: str) -> str:
    """Let a timer's name in: what ``schedule`` was given, or the id that ``send(at=)`` told.

    Raises:
        InvalidValueError: another form.
    """
    return parse_key(name, what="timer name", length_max=min(reach.limits.key_length_max, TIMER_NAME_MAX))


def parse_time(at: object, what: str = "at") -> int:
    """Let a time in: milliseconds since 1970 UTC, where it begins.

    Raises:
        InvalidValueError: no datetime, or one that doesn't say of which time zone it is.
    """
    if not isinstance(at, datetime) or at.tzinfo is None or at.utcoffset() is None:
        told = "a datetime without a time zone" if isinstance(at, datetime) else shown(at)
        problem = f"{what}={told}: use a datetime with a time zone, such as datetime.now(UTC) + timedelta(hours=1)"
        raise InvalidValueError(problem=problem)
    return max((at - EPOCH) // _MS, 0)


async def _set(reach: Reach, identity: AgentIdentity, name: str, due_ms: int, plan: Plan) -> ScheduleRecord:
    command = SetSchedule(name, due_ms, encode_schedule(plan))
    slot: ReplySlot[None] = ReplySlot()
    await reach.ask(identity, command, slot)
    return schedule_record(identity, Timer(name, due_ms, command.body, AdmissionSequence(0), 0))


def _encoded(reach: Reach, content: JSON) -> bytes:
    limits = reach.limits
    return encode_json(content, what="content", bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max)


def _parse_schedule_name(reach: Reach, name: str) -> str:
    name = parse_timer_name(reach, name)
    if is_uuid(name):
        # It would replace what somebody waits for.
        raise InvalidValueError(problem=f"{shown(name)} is no schedule's name: ids are those of send(at=)")
    return name


def _parse_rule(timing: Timing, now_ms: int) -> tuple[Rule, int]:
    """The rule, and its first time.

    Raises:
        InvalidValueError: a value of no acceptable form, or a time that never comes.
        UsageError: not one of ``at``, ``every`` and ``cron``, or a time zone without ``cron``.
    """
    at, every, cron = timing.at, timing.every, timing.cron
    if (every is None and cron is None and at is None) or (cron is not None and (every is not None or at is not None)):
        raise UsageError(problem="schedule: use one of at=, every= and cron=; at= may say when every= begins")
    if cron is not None:
        return _parse_cron(cron, timing.timezone, now_ms)
    if timing.timezone != _UTC:
        raise UsageError(problem="schedule: timezone= is for cron=; a datetime has its own, and every= needs none")
    if every is None:
        at_ms = parse_time(at)
        return Once(at_ms), at_ms
    every_ms = _parse_every(every)
    start_ms = max(now_ms, 0) + every_ms if at is None else parse_time(at)
    if start_ms > COUNTER_MAX:
        raise InvalidValueError(problem="every: the wall clock shows a time beyond any calendar; set it right")
    return Every(start_ms, every_ms), start_ms


def _parse_cron(expression: object, timezone: object, now_ms: int) -> tuple[Rule, int]:
    for name, value in (("cron", expression), ("timezone", timezone)):
        if not isinstance(value, str):
            raise InvalidValueError(problem=f"{name}={shown(value)}: use a text")
    rule = Cron(str(expression), str(timezone))
    try:
        due_ms = next_due_ms(rule, now_ms)
    except ValueError as error:
        raise InvalidValueError(problem=str(error)) from error
    if due_ms is None:
        raise InvalidValueError(problem=f"cron={shown(expression)}: that time never comes")
    return rule, due_ms


def _parse_every(every: float | timedelta) -> int:
    seconds = every.total_seconds() if isinstance(every, timedelta) else every
    # NaN fails every comparison.
    if type(seconds) not in {int, float} or not EVERY_SECONDS_MIN <= seconds <= _EVERY_SECONDS_MAX:
        told = f"a timedelta of {seconds} seconds" if isinstance(every, timedelta) else shown(every)
        span = f"from {EVERY_SECONDS_MIN:,.0f} up to {_EVERY_SECONDS_MAX:,.0f} seconds"
        raise InvalidValueError(problem=f"every={told}: use a number of seconds, or a timedelta, {span}")
    return round(seconds * 1000)


def _parse_misfire(misfire: int | str) -> int:
    times = _MISFIRES.get(misfire) if isinstance(misfire, str) else misfire
    if type(times) is not int or not (isinstance(misfire, str) or 1 <= times <= CATCH_UP_MAX):
        problem = f"use 'skip', 'once', or how many to catch up with, from 1 to {CATCH_UP_MAX}"
        raise InvalidValueError(problem=f"misfire={shown(misfire)}: {problem}")
    return times


def _parse_overlap(overlap: Overlap | str) -> Overlap:
    try:
        return Overlap(overlap)
    except ValueError:
        raise InvalidValueError(problem=f"overlap={shown(overlap)}: use 'queue' or 'skip'") from None
