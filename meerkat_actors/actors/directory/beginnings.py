"""Turns that were started and did not begin: a plain agent may wait long for a thread."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import trio

from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.turn import TurnJob
from meerkat_actors.records.events import TurnWaits
from meerkat_actors.records.limits import Limits

_LOOKS_PER_NOTICE: Final = 4
"""A notice, and the end, come at most a quarter of ``begin_notice_seconds`` late."""


async def watch_beginnings(live: Collection[TurnJob], limits: Limits, observers: Observers) -> None:
    """Tell of turns that wait too long to begin, and give up those that wait longer than anyone should.

    A turn pays nothing for it: whoever waits at two looks is noticed.
    """
    waiting: dict[TurnJob, tuple[float, int]] = {}
    while True:
        await trio.sleep(limits.begin_notice_seconds / _LOOKS_PER_NOTICE)
        now = trio.current_time()
        waiting = {job: waiting.get(job, (now, 0)) for job in live if not job.has_begun and not job.is_over}
        for job, (since, notices) in waiting.items():
            seconds = now - since
            if seconds >= limits.begin_seconds_max:
                job.give_up()
            elif seconds >= limits.begin_notice_seconds * (notices + 1):
                waiting[job] = (since, notices + 1)
                observers.notify(TurnWaits(identity=job.identity, run_id=job.run.run_id, seconds=seconds))
