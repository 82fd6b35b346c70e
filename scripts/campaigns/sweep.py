"""Every operation of a script in turn, every way in which a disk can fail it, once and for good.

Then reopen, check, go on writing, check. And a power cut at every moment of the same script, with every image.
Its numbers are the faults and then the moments: each is several runs. Without a bound, all of them.
"""

from __future__ import annotations

import sys
from typing import Final

from meerkat_actors.simulation import FITTING
from tests.crashes.fire_command import Campaign, run
from tests.crashes.fire_sweep import size_of_sweep, sweep

CHUNK: Final = 60


def main() -> int:
    """Run the campaign."""
    campaign = Campaign(
        name="sweep",
        about=__doc__ or "",
        work=sweep,
        noun="numbers",
        numbers=size_of_sweep(),
        chunk=CHUNK,
        must_fire=["any cut", *(f"{kind} {failure}" for kind, failures in FITTING.items() for failure in failures)],
    )
    return run(campaign)


if __name__ == "__main__":
    sys.exit(main())
