"""What campaigns of a runtime under load share: where its store lies, its agents, and what its process holds."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

import trio

import meerkat_actors as meerkat

MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a memory file system is what is asked for
CREATIONS_AT_ONCE: Final = 256


def name_of(number: int) -> str:
    """The agent of that number."""
    return f"a-{number}"


async def create_agents(runtime: meerkat.Runtime, count: int, *, kind: str) -> list[meerkat.AgentHandle]:
    """Create the agents, a few hundred at a time."""
    handles: dict[int, meerkat.AgentHandle] = {}
    limiter = trio.CapacityLimiter(CREATIONS_AT_ONCE)

    async def create(number: int) -> None:
        async with limiter:
            handles[number] = await runtime.agent(name_of(number), kind=kind)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(create, number)
    return [handles[number] for number in range(count)]


def resident_bytes() -> int:
    """``VmRSS``: what is resident of this process, shared pages included."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return int(fields["VmRSS"].split()[0]) * 1024


def require_room(parser: argparse.ArgumentParser, folder: Path, needed: int) -> None:
    """End the program with a message where there is no such folder, or not so many bytes free in it."""
    if not folder.is_dir():
        parser.error(f"{folder}: not a folder; name one with --disk")
    if shutil.disk_usage(folder).free < needed:
        parser.error(f"{folder}: the database may need {needed / 1e9:.1f} GB, which are not free there; try --disk")
