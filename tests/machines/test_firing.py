"""Deciding: timers that are due, what they fire, and what becomes of the times that were missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.machines.firing import CATCH_UP_MAX, LATE_MS
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import decode_facts, encode_schedule
from meerkat_actors.records.agenda_effects import DropTimer, FireTimer, RecordEvents, SetTimer
from meerkat_actors.records.codec import encode_header
from meerkat_actors.records.commands import Command, FireDue
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.facts import Fact, InputNoted, TimerDropped, TimerFired
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, InputId, is_uuid
from meerkat_actors.records.inputs import InputKind, Lane
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Noted
from meerkat_actors.records.schedules import Cron, Every, Once, Overlap, Plan, Rule
from meerkat_actors.records.status import Desired
from meerkat_actors.records.timers import Timer
from meerkat_actors.store.fencing import unit_refusal
from tests.machines.states import (
    LIMITS,
    NEW_RUN,
    NOW,
    STEER,
    all_of,
    busy,
    effects_of,
    idle,
    input_id,
    run_of,
    send,
    snapshot,
    stamp,
    the,
)  # fmt: skip

MINUTE = 60_000
NONE_YET = AdmissionSequence(0)
ONE_SHOT = InputId("01234567-89ab-7def-8123-456789abcdef")


def plan(rule: Rule, *, catch_up: int = 1, overlap: Overlap = Overlap.QUEUE, kind: InputKind = InputKind.EXTERNAL_EVENT,
         header: Header | None = None, chosen: InputId | None = None) -> bytes:  # fmt: skip
    return encode_schedule(
        Plan(
            rule=rule, kind=kind, content=b'"tick"', header=header, input_id=chosen, catch_up=catch_up, overlap=overlap
        )
    )


def timer(body: bytes, due_ms: int = NOW, *, name: str = "tick", last: int = 0) -> Timer:
    return Timer(name, due_ms, body, AdmissionSequence(last), 0)


def decided(state: IdentityState, *commands: Command, now_ms: int = NOW, limits: Limits = LIMITS) -> Decision:
    given = list(commands)
    before = snapshot((state, given))
    decision = decide(state, given, stamp(now_ms=now_ms), limits)
    assert snapshot((state, given)) == before, "decide changed its arguments"
    assert decision.unit is None or unit_refusal(decision.unit) is None, "no store takes the unit"
    of_timers = [each.name for each in effects_of(decision) if isinstance(each, SetTimer | FireTimer | DropTimer)]
    assert len(set(of_timers)) == len(of_timers), "a timer is named twice"
    return decision


def fired(state: IdentityState, *timers: Timer, now_ms: int = NOW, limits: Limits = LIMITS) -> Decision:
    return decided(state, FireDue(timers), now_ms=now_ms, limits=limits)


def facts_of(decision: Decision) -> tuple[Fact, ...]:
    return decode_facts(the(RecordEvents, decision).body)


# -- one time ------------------------------------------------------------------------------


def test_what_a_timer_fires_and_its_next_time_are_one_unit_and_begin_a_run() -> None:
    decision = fired(idle(), timer(plan(Every(NOW - MINUTE, MINUTE))))
    inserted = the(InsertInput, decision)
    assert (inserted.kind, inserted.content, inserted.run_id) == (InputKind.EXTERNAL_EVENT, b'"tick"', NEW_RUN)
    assert is_uuid(inserted.input_id)
    assert the(FireTimer, decision) == FireTimer("tick", NOW, NOW + MINUTE, inserted.admission)
    assert facts_of(decision) == (TimerFired("tick", NOW, (inserted.input_id,)),)
    assert decision.starts is not None
    assert [member.input_id for member in decision.starts.members] == [inserted.input_id]


def test_a_timer_that_fires_once_ends_with_it() -> None:
    decision = fired(idle(), timer(plan(Once(NOW - 5), chosen=ONE_SHOT), NOW - 5))
    assert the(InsertInput, decision).input_id == ONE_SHOT
    assert the(FireTimer, decision).due_ms is None


def test_a_timer_that_is_not_due_any_more_is_left_alone() -> None:
    assert fired(idle(), timer(plan(Once(NOW)), NOW), now_ms=NOW - 1).unit is None


def test_a_timer_of_a_busy_agent_fires_behind_what_is_queued() -> None:
    decision = fired(busy(run_of(8), lane=(9,)), timer(plan(Every(NOW, MINUTE))))
    assert [item.admission for item in decision.state.lane] == [9, 10]
    assert decision.starts is None


def test_what_fires_goes_where_its_kind_and_header_say() -> None:
    steered = fired(busy(run_of(8)), timer(plan(Once(NOW), kind=InputKind.PROMPT, header=STEER)))
    assert the(InsertInput, steered).lane is Lane.STEER
    assert the(InsertInput, steered).header == encode_header(STEER, InputKind.PROMPT)
    assert len(steered.state.steer) == 1
    noted = fired(idle(), timer(plan(Once(NOW), kind=InputKind.OPERATION, chosen=ONE_SHOT)))
    assert noted.told == ((ONE_SHOT, Noted()),)
    assert facts_of(noted) == (InputNoted(ONE_SHOT), TimerFired("tick", NOW, (ONE_SHOT,)))
    assert noted.state.backlog == 0


def test_what_fires_displaces_what_is_queued_under_its_key() -> None:
    header = Header(supersession_key="price")
    old = send(11, kind=InputKind.EXTERNAL_EVENT, header=header)
    decision = decided(busy(run_of(8)), old, FireDue((timer(plan(Once(NOW), header=header)),)))
    assert [item.admission for item in decision.state.lane] == [12]
    assert input_id(11) in dict(decision.told)


def test_a_silent_one_waits_for_whatever_wakes_the_agent_next() -> None:
    decision = fired(idle(), timer(plan(Once(NOW), header=Header(wakes=False))))
    assert decision.starts is None
    assert decision.state.backlog == 1


def test_the_ids_of_what_fires_differ_within_a_millisecond() -> None:
    one_minute = timer(plan(Every(NOW, MINUTE)))
    first = fired(idle(), one_minute)
    again = decide(first.state, [FireDue((one_minute,))], stamp(), LIMITS)
    assert the(InsertInput, first).input_id != the(InsertInput, again).input_id


# -- what was missed -----------------------------------------------------------------------


def inputs_of(decision: Decision) -> int:
    return len(all_of(InsertInput, decision))


@pytest.mark.parametrize(("late_ms", "inputs"), [(0, 1), (LATE_MS, 1), (LATE_MS + 1, 0)])
def test_a_timer_that_skips_fires_what_is_not_late(late_ms: int, inputs: int) -> None:
    hourly = plan(Every(NOW, 60 * MINUTE), catch_up=0)
    decision = fired(idle(), timer(hourly), now_ms=NOW + late_ms)
    assert inputs_of(decision) == inputs
    assert the(FireTimer, decision) == FireTimer("tick", NOW, NOW + 60 * MINUTE, AdmissionSequence(11 * inputs))
    assert len(facts_of(decision)) == 1


def test_a_timer_that_skips_fires_the_last_time_though_others_were_missed() -> None:
    decision = fired(idle(), timer(plan(Every(NOW, MINUTE), catch_up=0)), now_ms=NOW + 10 * MINUTE + 5)
    assert inputs_of(decision) == 1


def test_a_timer_makes_up_with_one_input_for_all_that_was_missed() -> None:
    decision = fired(idle(), timer(plan(Every(NOW, MINUTE))), now_ms=NOW + 1_000 * MINUTE)
    assert inputs_of(decision) == 1
    assert the(FireTimer, decision).due_ms == NOW + 1_001 * MINUTE


def test_a_timer_makes_up_for_the_last_times_with_an_input_each() -> None:
    decision = fired(idle(), timer(plan(Every(NOW, MINUTE), catch_up=3)), now_ms=NOW + 10 * MINUTE)
    admissions = [effect.admission for effect in all_of(InsertInput, decision)]
    assert admissions == [11, 12, 13]
    assert the(FireTimer, decision) == FireTimer("tick", NOW, NOW + 11 * MINUTE, AdmissionSequence(13))
    [fact] = facts_of(decision)
    assert isinstance(fact, TimerFired)
    assert len(set(fact.input_ids)) == 3


def test_a_row_that_says_to_make_up_for_everything_is_not_believed() -> None:
    decision = fired(idle(), timer(plan(Every(0, 1), catch_up=10**12), NOW - MINUTE))
    assert inputs_of(decision) == CATCH_UP_MAX


def test_a_cron_job_that_came_meanwhile_fires_and_is_next_due_after_now() -> None:
    daily = Cron("0 3 * * *", "Europe/Berlin")
    decision = fired(idle(), timer(plan(daily), NOW - 86_400_000 * 5))
    assert inputs_of(decision) == 1
    due_ms = the(FireTimer, decision).due_ms
    assert due_ms is not None
    assert NOW < due_ms <= NOW + 86_400_000


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 5), st.sampled_from(Overlap))
def test_each_time_fires_at_most_once_and_the_last_ones_always(
    step: int, passed: int, catch_up: int, overlap: Overlap
) -> None:
    """However often the clock is looked at, and whatever lies between two looks."""
    state, due_ms, last, seen = idle(), NOW, NONE_YET, 0
    body = plan(Every(NOW, MINUTE), catch_up=catch_up, overlap=overlap)
    for now_ms in range(NOW, NOW + passed * MINUTE + 1, step * MINUTE):
        if due_ms > now_ms:
            continue
        decision = fired(state, Timer("tick", due_ms, body, last, 0), now_ms=now_ms)
        effect = the(FireTimer, decision)
        assert effect.was_due_ms == due_ms
        assert effect.due_ms is not None
        assert now_ms < effect.due_ms <= now_ms + MINUTE
        times = (now_ms - due_ms) // MINUTE + 1
        expected = 1 if overlap is Overlap.SKIP else min(max(catch_up, 1), times)
        if overlap is Overlap.SKIP and seen:
            expected = 0
        assert inputs_of(decision) == expected
        seen += expected
        state, due_ms, last = decision.state, effect.due_ms, effect.last


# -- overlap and room ----------------------------------------------------------------------


@pytest.mark.parametrize("state", [idle((9,)), busy(run_of(9)), idle(run=run_of(9, not_before_ms=NOW + 5))])
def test_where_it_is_to_skip_nothing_fires_while_the_last_input_is_open(state: IdentityState) -> None:
    body = plan(Every(NOW, MINUTE), overlap=Overlap.SKIP)
    decision = fired(state, timer(body, last=9))
    assert inputs_of(decision) == 0
    assert the(FireTimer, decision) == FireTimer("tick", NOW, NOW + MINUTE, AdmissionSequence(9))
    assert facts_of(decision) == (TimerFired("tick", NOW, ()),)
    assert inputs_of(fired(state, timer(body, last=7))) == 1


def test_with_a_full_backlog_nothing_fires_and_it_stays_due() -> None:
    tight = Limits(backlog_max=2)
    assert fired(busy(run_of(8), lane=(9,)), timer(plan(Once(NOW))), limits=tight).unit is None


def test_what_there_is_no_room_for_stays_due() -> None:
    tight = Limits(backlog_max=3)
    minutely, once = plan(Every(NOW, MINUTE), catch_up=5), timer(plan(Once(NOW)), name="tock")
    decision = fired(busy(run_of(8)), timer(minutely), once, now_ms=NOW + 3 * MINUTE, limits=tight)
    assert inputs_of(decision) == 2
    # The third time is due, and has been for a while.
    assert the(FireTimer, decision) == FireTimer("tick", NOW, NOW + 2 * MINUTE, AdmissionSequence(12))


@pytest.mark.parametrize(
    "state",
    [
        idle(desired=Desired.RETIRED),
        idle(desired=Desired.STOPPED),
        idle(desired=Desired.DESTROYED, is_buried=True),
        busy(run_of(8), is_resetting=True),
    ],
)
def test_where_nothing_is_admitted_nothing_fires(state: IdentityState) -> None:
    assert inputs_of(fired(state, timer(plan(Once(NOW))))) == 0
    assert all_of(FireTimer, fired(state, timer(plan(Once(NOW))))) == []


def test_a_paused_agent_admits_what_fires_and_begins_nothing() -> None:
    decision = fired(idle(desired=Desired.PAUSED), timer(plan(Once(NOW))))
    assert inputs_of(decision) == 1
    assert decision.starts is None


# -- what can't be understood --------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"{}", b'{"kind":"external_event","content":1}',
        plan(Once(1)).replace(b'"once"', b'"twice"'),
        plan(Once(1)).replace(b"external_event", b"external_affair"),
        plan(Every(1, 0)),
        plan(Every(1, -5)),
        plan(Cron("* * * *", "UTC")),
        plan(Cron("* * * * *", "Mars/Olympus")),
        plan(Once(NOW)).replace(str(NOW).encode(), b'"soon"'),
    ],
)  # fmt: skip
def test_a_timer_that_cannot_be_understood_ends_and_others_fire(body: bytes) -> None:
    decision = fired(idle(), timer(body), timer(plan(Once(NOW)), name="tock"))
    assert the(DropTimer, decision) == DropTimer("tick")
    assert the(FireTimer, decision).name == "tock"
    assert facts_of(decision)[0] == TimerDropped("tick")
