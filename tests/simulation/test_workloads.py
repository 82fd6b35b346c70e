"""Every workload comes to its end with all faults, and the same seed is the same history."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS

_SECONDS = 15.0


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_holds_with_all_faults(name: str) -> None:
    scenario = evolve(WORKLOADS[name], seconds=_SECONDS)
    plan = Faults.all(6).plan("1", _SECONDS, is_durable=scenario.is_durable)
    lived = run(scenario, "1", plan)
    assert lived.violations == ()
    assert lived.inputs > 0
    assert lived.turns > 0


@pytest.mark.parametrize("name", ["asks", "takeover-asks", "mail-memory"])
def test_the_same_seed_is_the_same_history(name: str) -> None:
    scenario = evolve(WORKLOADS[name], seconds=5.0)
    plan = Faults.all(10).plan("7", 5.0, is_durable=scenario.is_durable)
    assert run(scenario, "7", plan).trace == run(scenario, "7", plan).trace
    assert run(scenario, "8", plan).trace != run(scenario, "7", plan).trace


def test_each_workload_is_known_by_its_name() -> None:
    assert all(scenario.name == name for name, scenario in WORKLOADS.items())
    assert {name for name, each in WORKLOADS.items() if not each.is_durable} == {
        f"{name}-memory" for name, each in WORKLOADS.items() if each.is_durable
    }


def test_two_processes_share_the_work_that_one_left() -> None:
    scenario = evolve(WORKLOADS["takeover-asks"], seconds=20.0)
    plan = Plan.from_json(b'[{"fault": "Crash", "at": 3.0, "moment": "in commit"}]')
    lived = run(scenario, "1", plan)
    assert lived.violations == ()
    assert (lived.boots, lived.fired["Crash"]) == (3, 1)
