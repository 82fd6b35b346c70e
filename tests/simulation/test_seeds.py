"""Hundreds of histories of every workload with every kind of fault: nothing that must not be."""

from __future__ import annotations

import os
from typing import Final

import pytest
from attrs import evolve

from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS

PER_MINUTE: Final = 9.0
SECONDS: Final = 20.0
"""As many faults as in a minute of the campaign's, and a third of the work between them."""
ROUNDS: Final = 3
"""Of all workloads; ``scripts/campaign sim`` runs any number."""
AT_ONCE: Final = 5
AT_ONCE_DEAR: Final = 2
"""Of those that take seconds each: several processes look at one store all the time, a mob talks for minutes."""
SEED: Final = os.environ.get("MEERKAT_SEED", "sim-1")


def seeds_of(name: str) -> int:
    return AT_ONCE_DEAR if name.startswith(("takeover", "mob")) else AT_ONCE


def cases() -> list[tuple[str, int]]:
    """Each workload in each round, with the number of its first seed."""
    return [(name, number * AT_ONCE) for number in range(ROUNDS) for name in sorted(WORKLOADS)]


def test_there_are_at_least_300() -> None:
    assert sum(seeds_of(name) for name, _ in cases()) >= 300


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "first"), cases())
def test_whatever_goes_wrong_nothing_does_that_must_not(workload: str, first: int) -> None:
    scenario = evolve(WORKLOADS[workload], seconds=SECONDS)
    for number in range(first, first + seeds_of(workload)):
        seed = f"{SEED}/{number}"
        plan = Faults.all(PER_MINUTE).plan(seed, scenario.seconds, is_durable=scenario.is_durable)
        lived = run(scenario, seed, plan)
        told = "\n".join((f"{workload}, seed {seed}:", *lived.violations, str(plan), *lived.lines[-40:]))
        assert not lived.violations, told
        assert lived.inputs > 0, told
