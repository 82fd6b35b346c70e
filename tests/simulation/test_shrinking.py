"""Shrinking: few and simple faults, that still fail in the same way."""

from __future__ import annotations

import pytest

from meerkat_actors.simulation import Crash, DiskFull, Faults, Moment, Plan, Restart, Scenario, TurnsRaise
from meerkat_actors.simulation.shrinking import kind_of, lived_through, shrunk
from tests.simulation import planted


def plan_of(scenario: Scenario, seed: str) -> Plan:
    return Faults.all(3).plan(seed, scenario.seconds, is_durable=scenario.is_durable)


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "seed"), [(planted.COUNTING, "1"), (planted.COUNTING, "10")])
def test_a_planted_bug_needs_two_faults_at_most_and_is_the_same_bug(scenario: Scenario, seed: str) -> None:
    lived = lived_through(scenario, seed, plan_of(scenario, seed))
    assert lived.violations
    small = shrunk(scenario, lived)
    assert len(small.plan.faults) <= 2 < len(lived.plan.faults)
    assert kind_of(small.violations[0]) == kind_of(lived.violations[0]) == "# was told #, and is number #"
    assert lived_through(scenario, seed, small.plan).trace == small.trace


def test_what_fails_without_faults_is_left_without_any() -> None:
    lived = lived_through(planted.ALWAYS, "0", Plan((Restart(at=1.0), TurnsRaise(at=2.0))))
    assert shrunk(planted.ALWAYS, lived).plan == Plan()


def test_what_did_not_fail_is_not_lived_again() -> None:
    lived = lived_through(planted.WELL, "0", Plan())
    assert lived.violations == ()
    assert shrunk(planted.WELL, lived) is lived


def test_times_and_numbers_become_round_and_stay_in_their_order() -> None:
    plan = Plan((Restart(at=1.234567), TurnsRaise(at=2.345678, times=5), TurnsRaise(at=4.567891, times=5)))
    lived = lived_through(planted.COUNTING, "7", plan)
    assert lived.violations
    small = shrunk(planted.COUNTING, lived).plan
    assert all(isinstance(fault, TurnsRaise) and fault.at == round(fault.at, 1) for fault in small.faults)
    assert [fault.at for fault in small.faults] == sorted(fault.at for fault in small.faults)


def test_a_run_that_raises_is_a_violation_with_its_traceback() -> None:
    lived = lived_through(planted.RAISING, "5", Plan((Crash(at=0.5, moment=Moment.NOW), DiskFull(at=1, seconds=1))))
    assert "LookupError: of seed 5" in lived.violations[0]
    assert "planted.py" in lived.violations[0]
    assert shrunk(planted.RAISING, lived).plan == Plan()


def test_a_run_that_can_not_even_begin_is_a_violation_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio._core._run._r", object())
    lived = lived_through(planted.WELL, "5", Plan())
    assert (lived.trace, lived.steps) == ("", 0)
    assert "can't be seeded" in lived.violations[0]


@pytest.mark.parametrize("scenario", [planted.INTERRUPTED, planted.INTERRUPTED_IN_A_NURSERY])
def test_who_interrupts_a_run_interrupts_it(scenario: Scenario) -> None:
    with pytest.raises(KeyboardInterrupt):
        lived_through(scenario, "0", Plan())


@pytest.mark.parametrize(
    ("violation", "kind"),
    [
        ("i03 key 'a' of 12 inputs", "i# key 'a' of # inputs"),
        ("01977421-8428-7a76-bdc7-b1ba7b8142f3 was told 4.5e-7", "# was told #"),
        ("it raised:\nTraceback\n  File x\nKeyError: <x at 0x7f00ab>\n", "it raised: KeyError: <x at #>"),
        ("it raised:\n  | KeyError: 7\n  +------\n", "it raised: | KeyError: #"),
        ("", ""),
    ],
)
def test_a_kind_is_a_line_without_ids_and_numbers(violation: str, kind: str) -> None:
    assert kind_of(violation) == kind
