"""Two faults: what the first one left is opened and believed, and then the power is cut at several moments.

Each pair is five runs, one for each cut.
"""

from __future__ import annotations

import sys
from typing import Final

from tests.crashes.fire_command import Campaign, run
from tests.crashes.fire_doublefaults import CUTS, doublefaults

CHUNK: Final = 35

if __name__ == "__main__":
    sys.exit(
        run(
            Campaign(
                name="doublefaults",
                about=__doc__ or "",
                work=doublefaults,
                noun="pairs",
                numbers=10_000 // CUTS,
                chunk=CHUNK,
            )
        )
    )
