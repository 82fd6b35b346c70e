"""Timers: they are set, they fire, they end. When they are looked at is others' business.

Rule 1: what a timer fires and its next time are one unit, so each of its times fires once, whatever ends the process.
Rule 2: a unit names a timer once. What is set or dropped in a lap is not as it was read for it, so it does not fire
        in that lap.
Rule 3: with a full backlog nothing fires; what was not fired stays due.
Rule 4: a timer that can't be understood ends: its owner has better things to do than to fail at it for ever.
"""

from __future__ import annotations

from typing import Final

from meerkat_actors.machines.admitting import insert
from meerkat_actors.machines.governing import admits
from meerkat_actors.machines.lap import Lap, Reply
from meerkat_actors.machines.recurrence import missed, next_due_ms
from meerkat_actors.machines.state import is_open
from meerkat_actors.records.agenda_codec import decode_schedule
from meerkat_actors.records.agenda_effects import DropTimer, FireTimer, SetTimer
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import DropSchedule, FireDue, Send, SetSchedule
from meerkat_actors.records.facts import TimerDropped, TimerFired, TimerSet
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.mail import derived_id
from meerkat_actors.records.runs import TurnExtras
from meerkat_actors.records.schedules import Overlap, Plan
from meerkat_actors.records.timers import Timer

CATCH_UP_MAX: Final = 100
"""So many missed times a timer makes up for at most: they become one transaction."""
LATE_MS: Final = 60_000
"""So late a time still counts as met by a timer that makes nothing up: the clock is looked at twice a second, but an
owner may be busy, a crashed process takes seconds to come back, and the finest cron has minutes."""

TimerEffect = SetTimer | FireTimer | DropTimer


def fire(lap: Lap, command: FireDue) -> None:
    """Fire timers that are due, as far as there is room."""
    state = lap.state
    if not admits(state.desired) or state.is_resetting:
        return
    places = _places(lap)
    for timer in command.timers:
        if state.backlog >= lap.limits.backlog_max:
            return
        # One that is not due any more was read before the clock was set back.
        if timer.name not in places and timer.due_ms <= lap.stamp.now_ms:
            _fire(lap, timer, places)


def set_schedule(lap: Lap, command: SetSchedule) -> Reply:
    """Let a timer be due, for a caller."""
    _set(lap, SetTimer(command.name, max(command.due_ms, 1), command.body), _places(lap))
    return None


def drop_schedule(lap: Lap, command: DropSchedule) -> Reply:
    """End a timer, for a caller."""
    _drop(lap, command.name, _places(lap))
    return None


def keep_timers(lap: Lap, extras: TurnExtras) -> None:
    """Set and drop the timers that a turn set and dropped."""
    if not extras.timers and not extras.dropped_timers:
        return
    places = _places(lap)
    for setting in extras.timers:
        _set(lap, SetTimer(setting.name, max(setting.due_ms, 1), setting.body), places)
    for name in sorted(extras.dropped_timers):
        _drop(lap, name, places)


def _fire(lap: Lap, timer: Timer, places: dict[str, int]) -> None:
    now_ms = lap.stamp.now_ms
    try:
        plan = decode_schedule(timer.body)
        times = missed(plan.rule, timer.due_ms, now_ms, min(max(plan.catch_up, 1), CATCH_UP_MAX))
        due_ms = next_due_ms(plan.rule, now_ms)
    except (ValueError, OverflowError):
        _drop(lap, timer.name, places)
        return
    if plan.catch_up == 0:
        times = tuple(time for time in times if now_ms - time <= LATE_MS)
    last, fired = timer.last, list[InputId]()
    for time in times:
        if lap.state.backlog >= lap.limits.backlog_max:
            due_ms = time
            break
        if plan.overlap is Overlap.SKIP and is_open(lap.state, last):
            continue
        send = _send_of(lap, timer.name, plan, time)
        last = insert(lap, send)
        fired.append(send.input_id)
    _put(lap, FireTimer(timer.name, timer.due_ms, due_ms, last), places)
    lap.tell(TimerFired(timer.name, timer.due_ms, tuple(fired)))


def _send_of(lap: Lap, name: str, plan: Plan, time: int) -> Send:
    input_id = plan.input_id
    if input_id is None:
        # The admission makes it another one where a timer is set and fires again within a millisecond.
        parts = (lap.state.identity, str(lap.state.admissions + 1), name, str(time))
        input_id = derived_id(lap.stamp.now_ms, *parts)
    return Send(input_id, plan.kind, plan.content, content_digest(plan.content), None, plan.header)


def _set(lap: Lap, effect: SetTimer, places: dict[str, int]) -> None:
    _put(lap, effect, places)
    lap.tell(TimerSet(effect.name, effect.due_ms))


def _drop(lap: Lap, name: str, places: dict[str, int]) -> None:
    _put(lap, DropTimer(name), places)
    lap.tell(TimerDropped(name))


def _places(lap: Lap) -> dict[str, int]:
    """Where this lap's unit names which timer."""
    return {effect.name: index for index, effect in enumerate(lap.effects) if isinstance(effect, TimerEffect)}


def _put(lap: Lap, effect: TimerEffect, places: dict[str, int]) -> None:
    index = places.get(effect.name)
    if index is None:
        places[effect.name] = len(lap.effects)
        lap.effects.append(effect)
    else:
        lap.effects[index] = effect
