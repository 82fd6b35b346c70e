"""Random mail among fifty agents that are governed, refused, and killed with their processes.

A few rounds here; ``scripts/campaign mail`` lives through as many as you like.
"""

from __future__ import annotations

import pytest

from tests.histories.running import BENCHES
from tests.mailing.choosing import choose_history
from tests.mailing.running import Tally, run_round

STEPS = 30
SEEDS = {"memory": (0, 2, 3, 4), "sqlite": (1, 2)}
"""Of each, 1 and 3 are worlds of two processes."""


@pytest.mark.parametrize(
    ("flavour", "seed"), [(flavour, f"mail-{number}") for flavour, numbers in SEEDS.items() for number in numbers]
)
def test_whatever_happens_mail_arrives_once_and_in_order_or_ends_for_a_reason(flavour: str, seed: str) -> None:
    tally = run_round(seed, STEPS, BENCHES[flavour])
    assert tally.steps == STEPS
    assert tally.shared == choose_history(seed, STEPS).is_shared
    assert tally.messages > 0


def test_a_seed_is_a_history() -> None:
    assert str(run_round("again", 10)) == str(run_round("again", 10))


def test_a_tally_tells_what_was_done_and_what_was_not() -> None:
    tally = Tally()
    tally.add(run_round("tally-1", 10))
    tally.add(run_round("tally-2", 10))
    assert tally.steps == 20
    assert "20 steps" in str(tally)
    assert "the verb destroy" in Tally().lacking()
