"""The main job, killed again and again at random instants, loses nothing and repeats nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from meerkat_actors.examples.review.progress import Phase
from tests.crashes.campaign import KILL_SHARES, Budget, Campaign
from tests.crashes.sources import write_sources


@pytest.mark.alone
@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """At least 10 in each phase, over as many jobs as that takes; every database is checked after every kill."""
    seed = os.environ.get("MEERKAT_SEED", "sigkill-1")
    budget = Budget(signal=signal.SIGKILL, blows=100, blows_per_phase_min=10, shares=KILL_SHARES)
    campaign = Campaign(budget=budget, seed=seed, folder=tmp_path)
    tally = campaign.run(write_sources(tmp_path / "src", budget.files))
    told = f"seed={seed}\n{tally}"
    print(told)
    assert tally.violations == [], told
    assert tally.blows_in_all >= 100, told
    assert min(map(tally.of_phase, Phase)) >= 10, told
    # It was work that they met: inputs acknowledged and not yet all done, runs begun and begun again.
    assert tally.acknowledged == tally.jobs * budget.files, told
    assert 0 < tally.outcomes < tally.acknowledged_before, told
    assert tally.interruptions > 0, told
