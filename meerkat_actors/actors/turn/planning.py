"""What a turn leaves to time: timers of its agent, which commit with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from meerkat_actors.actors.turn.gathering import check_count, gathered
from meerkat_actors.actors.turn.heading import TimerOptions, header_of, parse_kind
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.agenda_codec import encode_schedule
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import InputId, RunId, parse_key, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.runs import TimerSetting
from meerkat_actors.records.schedules import Once, Plan
from meerkat_actors.store.agenda_fitting import TIMER_NAME_MAX

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOW_MS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
_DELAY_SECONDS_MAX: Final = 1e11
"""Some 3,000 years: any date plus it stays far below 2^63 milliseconds."""


def began_ms(run_id: RunId) -> int:
    """When a run began, in milliseconds since 1970 UTC; never beyond the last date."""
    # The first 48 bits of a UUIDv7 are milliseconds. No date is that late, but a clock may be set to nonsense.
    return min(int(run_id[:8] + run_id[9:13], 16), _NOW_MS_MAX)


def set_timer(
    job: TurnJob,
    draft: Draft,
    delay: float | timedelta,
    content: JSON,
    name: str | None,
    kind: InputKind | str,
    options: TimerOptions,
) -> str:
    """Let a timer be due that long after the run began; its name. See ``Turn.after``."""
    extras = draft.more
    due_ms = began_ms(job.run.run_id) + _delay_ms(job, delay)
    # Who is given a name that is an id may wait for what fires by it.
    input_id = InputId(job.env.new_id()) if name is None else None
    chosen = _name(job, name if input_id is None else input_id)
    kind = parse_kind(kind)
    header = header_of(kind, options, TimerOptions, job.limits, timer=chosen)
    if chosen not in extras.timers:
        check_count(job, len(extras.timers), "sets", "timers")
    encoded = gathered(draft, content, "timer", job.limits)
    plan = Plan(rule=Once(due_ms), kind=kind, content=encoded, header=header, input_id=input_id)
    extras.timers[chosen] = TimerSetting(chosen, due_ms, encode_schedule(plan))
    extras.dropped_timers.discard(chosen)
    return chosen


def cancel_timer(job: TurnJob, draft: Draft, name: str) -> None:
    """Let a timer not be due any more. See ``Turn.cancel_timer``."""
    extras, chosen = draft.more, _name(job, name)
    if chosen not in extras.dropped_timers:
        check_count(job, len(extras.dropped_timers), "cancels", "timers")
    extras.timers.pop(chosen, None)
    # Also after taking back one of this turn: an earlier one may have left another of that name.
    extras.dropped_timers.add(chosen)


def _name(job: TurnJob, name: str | None) -> str:
    return parse_key(name, what="timer name", length_max=min(job.limits.key_length_max, TIMER_NAME_MAX))


def _delay_ms(job: TurnJob, delay: float | timedelta) -> int:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    # NaN fails every comparison.
    if type(seconds) not in {int, float} or not 0 <= seconds <= _DELAY_SECONDS_MAX:
        told = f"a timedelta of {seconds} seconds" if isinstance(delay, timedelta) else shown(delay)
        problem = f"use a number of seconds, or a timedelta, from 0 up to {_DELAY_SECONDS_MAX:,.0f} seconds"
        raise InvalidValueError(problem=f"{job.identity}: after({told}): {problem}")
    return round(seconds * 1000)
