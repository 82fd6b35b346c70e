"""Power cuts at random moments of a recorded life, with random images: reopen, check, go on writing, check.

With --runtime as the first argument a whole runtime lives, is cut, and finishes its work: each number is a life, with
12 cuts, or with a fault of the disk and 5.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from tests.crashes.fire_command import Campaign, run
from tests.crashes.fire_powercuts import CUTS_PER_RECORDING, powercuts
from tests.crashes.fire_runtime import runtime_cuts

STORE: Final = Campaign(
    name="powercuts", about=__doc__ or "", work=powercuts, noun="cuts", numbers=50_000, chunk=CUTS_PER_RECORDING
)
RUNTIME: Final = Campaign(
    name="powercuts --runtime", about=__doc__ or "", work=runtime_cuts, noun="lives", numbers=100, chunk=10
)


def main(arguments: Sequence[str]) -> int:
    """Run the campaign that is asked for."""
    if arguments[:1] == ["--runtime"]:
        return run(RUNTIME, arguments[1:])
    return run(STORE, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
