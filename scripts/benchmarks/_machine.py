"""Anchors of the machine, printed beside every result: without them a figure means nothing next year."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

import apsw
import trio
from attrs import frozen

from _common import fresh_folder, quantile

SYNCS: Final = 64
SYNC_BYTES: Final = 4_096
CHECKPOINT_SECONDS: Final = 0.3
CHECKPOINTS_AT_ONCE: Final = 1_000


@frozen(kw_only=True)
class Machine:
    """What the figures were measured on."""

    python: str
    trio: str
    apsw: str
    sqlite: str
    cpus: int
    load_average: float
    """Of the last minute, when the measurement began: above a few tenths, somebody else is at work."""
    disk: str
    disk_sync_p50_seconds: float
    """A write of 4 KiB into allocated space, made durable."""
    trio_checkpoints_per_second: float

    def lines(self) -> tuple[str, ...]:
        """For people."""
        return (
            f"python {self.python}, trio {self.trio}, apsw {self.apsw}, SQLite {self.sqlite}, "
            f"{self.cpus} CPUs, load {self.load_average:.2f}",
            f"fsync p50 {self.disk_sync_p50_seconds * 1e6:,.0f} us in {self.disk}, "
            f"trio {self.trio_checkpoints_per_second:,.0f} checkpoints/s",
        )


def disk_sync_p50(folder: Path) -> float:
    """How long the disk takes to make 4 KiB durable, in seconds."""
    with fresh_folder(folder) as fresh:
        return quantile(_sync_seconds(fresh / "sync-probe"), 0.5)


def _sync_seconds(path: Path) -> list[float]:
    block = b"\0" * SYNC_BYTES
    taken: list[float] = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SYNC_BYTES)
        os.fsync(descriptor)
        for _ in range(SYNCS):
            started = perf_counter()
            os.pwrite(descriptor, block, 0)
            os.fdatasync(descriptor)
            taken.append(perf_counter() - started)
    finally:
        os.close(descriptor)
    return taken


async def trio_checkpoints_per_second() -> float:
    """How often one task alone can pass through Trio's scheduler."""
    done, started = 0, perf_counter()
    while perf_counter() - started < CHECKPOINT_SECONDS:
        for _ in range(CHECKPOINTS_AT_ONCE):
            await trio.lowlevel.checkpoint()
        done += CHECKPOINTS_AT_ONCE
    return done / (perf_counter() - started)


def describe_machine(disk: Path) -> Machine:
    """Measure the anchors; takes about half a second."""
    load_average = os.getloadavg()[0]
    return Machine(
        python=f"{platform.python_version()} ({sys.implementation.name})",
        trio=trio.__version__,
        apsw=apsw.apsw_version(),
        sqlite=apsw.sqlite_lib_version(),
        cpus=os.cpu_count() or 1,
        load_average=load_average,
        disk=str(disk),
        disk_sync_p50_seconds=disk_sync_p50(disk),
        trio_checkpoints_per_second=trio.run(trio_checkpoints_per_second),
    )
