"""Random mail among fifty agents that are governed, refused, and killed with their processes, on both stores.

The same as ``tests/mailing``, for as many messages as you like. A violation is printed with its seed and the smallest
history found that shows it.
"""

from __future__ import annotations

import sys
from typing import Final

from scripts.campaigns._rounds import Campaign, run
from tests.mailing.running import STEPS_PER_ROUND, Tally, run_round

MAIL: Final = Campaign(
    name="mail",
    about=__doc__ or "",
    noun="messages",
    count=100_000,
    per_round=STEPS_PER_ROUND,
    rounds_per_line=10,
    new_tally=Tally,
    counted=lambda tally: tally.messages,
    run_round=run_round,
)

if __name__ == "__main__":
    sys.exit(run(MAIL))
