"""What one identity has yet to do - timers, operations - and what it told: each row by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

import orjson

from meerkat_actors.records.agenda_codec import decode_facts, decode_operation, decode_schedule
from meerkat_actors.records.ids import uuid_bytes, uuid_text
from meerkat_actors.records.schedules import Cron, Every, Once, Rule
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.examining_streams import Stream
from meerkat_actors.store.sqlite.examining_subject import Subject

_SORTED: Final = orjson.OPT_SORT_KEYS


def examine_timers(subject: Subject, timers: Stream) -> None:
    """Look at timers: an agent's, that says what it fires."""
    for _, number, name, due, last, fired, body in timers.take(subject.key):
        what = f"timer {name!a} ({number})"
        if subject.head is None or subject.head.tombstone or not subject.is_agent:
            subject.say(Check.TIMER, f"{what} of what is no agent, or was destroyed")
        subject.demand(Check.TIMER, fired > 0 or last == 0, f"{what} fired input {last}, and never fired")
        if not _is_sound(decode_schedule, body):
            subject.say(Check.TIMER, f"{what} does not say what it fires")
        elif not _is_met(decode_schedule(body).rule, due):
            subject.say(Check.TIMER, f"{what} is due at {due}, which is none of its times")


def examine_operations(subject: Subject, operations: Stream, incarnation: int) -> None:
    """Look at operations: each under its own id, and begun by who served."""
    for _, number, body, bound in operations.take(subject.key):
        what = f"operation {uuid_text(number)}"
        try:
            operation = decode_operation(body)
            is_its_own = uuid_bytes(operation.operation_id) == number
            subject.demand(
                Check.OPERATION, is_its_own and _canonical(body) == body, f"{what} is another, or was changed"
            )
            is_bound = not operation.is_external and not operation.status.is_terminal
            subject.demand(Check.OPERATION, bool(bound) is is_bound, f"{what} ends with its process, or does not")
            subject.demand(
                Check.OPERATION, operation.owner <= incarnation, f"{what} began under incarnation {operation.owner}"
            )
        except UNDECODABLE:
            subject.say(Check.OPERATION, f"{what} does not decode")


def examine_events(subject: Subject, events: Stream) -> None:
    """Look at what it told."""
    for _, seq, body in events.take(subject.key):
        subject.demand(Check.EVENT, subject.head is not None, f"event {seq} of what was never created")
        is_list = body.startswith(b"[") and _is_sound(decode_facts, body)
        subject.demand(Check.EVENT, is_list, f"event {seq} does not tell any facts")


def _is_met(rule: Rule, due_ms: int) -> bool:
    match rule:
        case Once():
            return due_ms == rule.at_ms
        case Every():
            return due_ms >= rule.start_ms and (due_ms - rule.start_ms) % max(rule.every_ms, 1) == 0
        case Cron():  # what its times are depends on what is known of time zones today
            return True
        case _:
            assert_never(rule)


def _is_sound(decode: Callable[[bytes], object], body: bytes) -> bool:
    try:
        decode(body)
        return _canonical(body) == body
    except UNDECODABLE:
        return False


def _canonical(body: bytes) -> bytes:
    return orjson.dumps(orjson.loads(body), option=_SORTED)
