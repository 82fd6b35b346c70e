"""One process that shares a store with others: ``sharing_worker.py DATABASE``. It says a line for each timer.

It ends when its input does.
"""

from __future__ import annotations

import sys
from typing import Final

import trio

import meerkat_actors as meerkat

LEASE_SECONDS: Final = 1.0
"""So soon another process takes over from one that was killed."""


async def say(turn: meerkat.Turn) -> None:
    """Say whose turn it is, and what it was told."""
    for each in turn.inputs:
        sys.stdout.write(f"{turn.identity} {each.content}\n")
    sys.stdout.flush()


async def main() -> None:
    limits = meerkat.Limits(lease_seconds=LEASE_SECONDS)
    async with meerkat.open_runtime(sys.argv[1], agents={"say": say}, ownership="shared", limits=limits):
        await trio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    trio.run(main)
