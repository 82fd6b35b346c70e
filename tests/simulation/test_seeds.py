"""Hundreds of histories of every workload with every kind of fault: nothing that must not be."""

from __future__ import annotations

import os
from typing import Final

import pytest

from meerkat_actors.simulation.plan import Faults
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS

PER_MINUTE: Final = 3.0
SEEDS: Final = 300
"""Among all workloads; ``scripts/campaign sim`` runs any number."""
AT_ONCE: Final = 5
SEED: Final = os.environ.get("MEERKAT_SEED", "sim-1")


def cases() -> list[tuple[str, int]]:
    """Workloads in turn, each with the number of its first seed."""
    names = sorted(WORKLOADS)
    return [(names[number % len(names)], number * AT_ONCE) for number in range(-(-SEEDS // AT_ONCE))]


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "first"), cases())
def test_whatever_goes_wrong_nothing_does_that_must_not(workload: str, first: int) -> None:
    scenario = WORKLOADS[workload]
    for number in range(first, first + AT_ONCE):
        seed = f"{SEED}/{number}"
        plan = Faults.all(PER_MINUTE).plan(seed, scenario.seconds, is_durable=scenario.is_durable)
        lived = run(scenario, seed, plan)
        told = "\n".join((f"{workload}, seed {seed}:", *lived.violations, str(plan), *lived.lines[-40:]))
        assert not lived.violations, told
        assert lived.inputs > 0, told
