"""What the system says of this process: its memory, and the bytes that it wrote."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Final

import apsw
from attrs import frozen

_KIB: Final = 1_024
_LIBC: Final = ctypes.CDLL(None)


@frozen(kw_only=True)
class Memory:
    """The memory of this process after a full collection, in bytes."""

    rss: int
    """``VmRSS``: what is resident, shared pages included."""
    rss_trimmed: int
    """The same, after the C library gave back what it kept free."""
    sqlite: int
    """What SQLite holds of it: nearly all of it pages of its cache, which is bounded."""


def read_memory() -> Memory:
    """Collect, then look twice: before and after ``malloc_trim``."""
    gc.collect()
    rss = _resident_bytes()
    if hasattr(_LIBC, "malloc_trim"):  # glibc only
        _LIBC.malloc_trim(0)
    used, _ = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)
    return Memory(rss=rss, rss_trimmed=_resident_bytes(), sqlite=used)


def written_bytes() -> int:
    """The bytes that this process has passed to ``write`` and ``pwrite`` so far.

    ``wchar``, because ``write_bytes`` counts pages that a block device was charged with: always 0 on a memory file
    system. The log's shared index is mapped, and a socket is not written to: neither is counted.
    """
    return int(_fields(Path("/proc/self/io"))["wchar"])


def _resident_bytes() -> int:
    return int(_fields(Path("/proc/self/status"))["VmRSS"].split()[0]) * _KIB


def _fields(path: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines())
