"""Deciding: timers that callers and turns set and drop, also in the lap in which they are due."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import DestroyedError, NotReadyError, UnknownIdentityError
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_effects import DropTimer, FireTimer, RecordEvents, SetTimer
from meerkat_actors.records.commands import Command, DropSchedule, FireDue, SetSchedule, TakePending
from meerkat_actors.records.facts import TimerDropped, TimerSet
from meerkat_actors.records.runs import TimerSetting, TurnCompleted, TurnExtras
from meerkat_actors.records.schedules import Every, Once
from meerkat_actors.records.status import Desired
from tests.machines.states import (
    NOW,
    OLD_RUN,
    all_of,
    busy,
    effects_of,
    end,
    idle,
    mail,
    run_of,
    send,
    the,
    unborn,
)  # fmt: skip
from tests.machines.test_firing import MINUTE, decided, facts_of, inputs_of, plan, timer

SET = SetSchedule("tick", NOW + 5, plan(Once(NOW + 5)))
DROP = DropSchedule("tick")


def test_a_timer_is_set_and_dropped_in_a_unit_that_tells_of_it() -> None:
    decision = decided(idle(), SET)
    assert the(SetTimer, decision) == SetTimer("tick", NOW + 5, SET.body)
    assert facts_of(decision) == (TimerSet("tick", NOW + 5),)
    assert decision.replies == [None]
    decision = decided(idle(), DROP)
    assert the(DropTimer, decision) == DropTimer("tick")
    assert facts_of(decision) == (TimerDropped("tick"),)
    assert decision.replies == [None]


@pytest.mark.parametrize(
    ("commands", "remains"),
    [
        ((SET, DROP), DropTimer("tick")),
        ((DROP, SET), SetTimer("tick", NOW + 5, SET.body)),
        ((SetSchedule("tick", NOW, b"{}"), SET), SetTimer("tick", NOW + 5, SET.body)),
        ((FireDue((timer(plan(Every(NOW, MINUTE))),)), SET), SetTimer("tick", NOW + 5, SET.body)),
        ((FireDue((timer(plan(Every(NOW, MINUTE))),)), DROP), DropTimer("tick")),
    ],
)
def test_of_several_in_a_lap_the_last_word_holds(commands: tuple[Command, ...], remains: SetTimer | DropTimer) -> None:
    decision = decided(idle(), *commands)
    assert [each for each in effects_of(decision) if isinstance(each, SetTimer | FireTimer | DropTimer)] == [remains]
    assert inputs_of(decision) == any(isinstance(command, FireDue) for command in commands)


def test_what_was_set_or_dropped_in_a_lap_does_not_fire_as_it_was_read_before() -> None:
    due = FireDue((timer(plan(Every(NOW, MINUTE))), timer(plan(Every(NOW, MINUTE)), name="tock")))
    for command in (SET, DROP):
        decision = decided(idle(), command, due)
        assert inputs_of(decision) == 1
        assert the(FireTimer, decision).name == "tock"
    assert inputs_of(decided(idle(), due, due)) == 2


@pytest.mark.parametrize("command", [SET, DROP])
@pytest.mark.parametrize(
    ("state", "error"),
    [
        (unborn(), UnknownIdentityError),
        (idle(desired=Desired.DESTROYED, is_buried=True), DestroyedError),
        (busy(run_of(8), is_resetting=True), NotReadyError),
    ],
)
def test_who_has_no_agenda_takes_no_timers(command: Command, state: IdentityState, error: type[Exception]) -> None:
    decision = decided(state, command)
    assert isinstance(decision.replies[0], error)
    assert [each for each in effects_of(decision) if isinstance(each, SetTimer | DropTimer)] == []


def test_a_turn_leaves_its_timers_with_its_boundary() -> None:
    settings = (TimerSetting("later", NOW + 9, SET.body), TimerSetting("tick", NOW + 5, SET.body))
    extras = TurnExtras(timers=settings, dropped_timers=frozenset({"old", "older"}))
    ending = TurnCompleted("done", (), None, (), 0, extras)
    decision = decided(busy(run_of(8)), end(ending, OLD_RUN))
    assert all_of(SetTimer, decision) == [SetTimer(each.name, each.due_ms, each.body) for each in settings]
    assert all_of(DropTimer, decision) == [DropTimer("old"), DropTimer("older")]
    assert all_of(RecordEvents, decision) == [], "the boundary tells of them"


def test_timers_fire_beside_mail_and_what_callers_send() -> None:
    due = FireDue((timer(plan(Once(NOW))), timer(plan(Once(NOW)), name="tock")))
    decision = decided(idle(), TakePending((mail(1),)), due, send(20))
    assert decision.state.admissions == 14
    assert [fire.last for fire in all_of(FireTimer, decision)] == [12, 13]
