"""A process that is killed at any commit and comes back an hour later: are its timers made up for as they say?"""

from __future__ import annotations

from typing import Final

import pytest

from meerkat_actors.machines.firing import LATE_MS
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import Store
from tests.crashes.fire_runs import workplace
from tests.fates.acts import Act
from tests.fates.beliefs import Client, at
from tests.fates.facts import inputs_of, name_of
from tests.fates.kills import Kill, Player, come_back, live, problems_at
from tests.fates.world import BEGINNING_MS, InMemory, OnDisk, Place, looking_at

PERIOD: Final = 600
END: Final = 3_000
"""When the schedule is ended, in seconds since the beginning."""
MADE_UP: Final = {"skip": 0, "once": 1, "last three": 3}


def ticking(misfire: str) -> Act:
    async def play(client: Client) -> None:
        a = await client.agent("a")
        await client.schedule(a, "alarm", at=at(700))
        chosen = MADE_UP[misfire] if misfire == "last three" else misfire
        await client.schedule(a, "tick", every=PERIOD, at=at(PERIOD), misfire=chosen)
        await client.until(END)
        await client.runtime.wait_idle()
        await a.unschedule("tick")

    return Act(play, limits=Limits(clock_look_seconds=60))  # nobody sets the clock


@pytest.mark.parametrize("down_seconds", [3601, 3700])
@pytest.mark.parametrize("misfire", MADE_UP)
def test_what_was_missed_is_made_up_for_as_the_schedule_says_in_memory(misfire: str, down_seconds: int) -> None:
    check_every_kill(misfire, down_seconds, InMemory())


def test_what_was_missed_is_made_up_for_as_the_schedule_says_on_disk() -> None:
    with workplace() as folder:
        check_every_kill("last three", 3700, OnDisk(folder))


def check_every_kill(misfire: str, down_seconds: int, place: Place) -> None:
    act = ticking(misfire)
    life = live(act, place)
    assert life.wrong == ()
    # Each time of an undisturbed life fires once, in a commit of its own, and so does the alarm.
    assert len(life.kills) > END // PERIOD
    for kill in life.kills:
        check_after(act, kill, misfire, down_seconds)


def check_after(act: Act, kill: Kill, misfire: str, down_seconds: int) -> None:
    moment = kill.moments[0]
    with looking_at(kill.place) as store:
        fired, due = rung(store, "tick rings"), due_seconds(store)
    back = (moment.now_ms - BEGINNING_MS) / 1000 + down_seconds
    if due is None and not fired:
        due = PERIOD  # it is set only now, and its first time is over
    times = [] if due is None else list(range(due, int(max(END, back)) + 1, PERIOD))
    missed = [time for time in times if time <= back]
    late = [time for time in missed if back - time <= LATE_MS / 1000]
    made_up = missed[-MADE_UP[misfire] :] if MADE_UP[misfire] else late

    place, player = kill.place, Player.after(moment, down_seconds=down_seconds)
    _, wrong = come_back(act, place.open(), player, seed=kill.where)
    assert wrong + problems_at(act, place) == [], kill.where
    with looking_at(place) as store:
        found = rung(store, "tick rings"), rung(store, "alarm rings")
    wanted = fired + len(made_up) + len(times) - len(missed)
    assert found == (wanted, 1), f"{kill.where}, {misfire}: back at {back}, {fired} had fired, due at {due}"


def rung(store: Store, what: str) -> int:
    return sum(name_of(row) == what for row in inputs_of(store, "a"))


def due_seconds(store: Store) -> int | None:
    timers = store.page_timers(AgentIdentity("a"), after=None, limit=9)
    due = [timer.due_ms for timer in timers if timer.name == "tick"]
    return (due[0] - BEGINNING_MS) // 1000 if due else None
