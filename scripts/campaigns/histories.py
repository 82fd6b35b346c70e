"""Random histories of two agents, callers, an operator and processes that end in every way, on both stores.

The same as ``tests/histories``, for as many steps as you like. A violation is printed with its seed and the smallest
history found that shows it.
"""

from __future__ import annotations

import sys
from typing import Final

from scripts.campaigns._rounds import Campaign, run
from tests.histories.running import STEPS_PER_ROUND, Tally, run_round

HISTORIES: Final = Campaign(
    name="histories",
    about=__doc__ or "",
    noun="steps",
    count=50_000,
    per_round=STEPS_PER_ROUND,
    rounds_per_line=50,
    new_tally=Tally,
    counted=lambda tally: tally.steps,
    run_round=run_round,
)

if __name__ == "__main__":
    sys.exit(run(HISTORIES))
