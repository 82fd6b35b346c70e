"""Lives that end badly, in processes of their own: on a small disk, without root's rights, under a limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
NOBODY: Final = 65534

# In name spaces of its own, where an ordinary user may mount: what is mounted is gone with the last process.
_MOUNT: Final = 'size="$1"; folder="$2"; shift 2; mount -t tmpfs -o "size=$size" small "$folder" && exec "$@"'
_MOUNT_DEVICE: Final = (
    'size="$1"; folder="$2"; shift 2; set -e; mount -t tmpfs -o "size=$size" small "$folder"; cd "$folder"; mkdir mnt;'
    ' truncate -s 64M image; mkfs.ext4 -q -E nodiscard image; mount -o loop image mnt; cd /; exec "$@"'
)
# Whoever becomes another user does so when everything is imported: the interpreter itself may be root's.
_LIVE: Final = """
import importlib, os, sys
from pathlib import Path
user, module, name, folder = sys.argv[1:5]
life = getattr(importlib.import_module(module), name)
if int(user):
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
life(Path(folder), *sys.argv[5:])
"""

Life = Callable[..., None]
"""A function of a module, of a folder and further words; what it asserts is asserted in its process."""


def command_of(life: Life, folder: Path, *words: object, user: int = 0) -> list[str]:
    """How to live it in another process, as another user unless that is 0."""
    named = (user, life.__module__, life.__qualname__, folder, *words)
    return [sys.executable, "-W", "error", "-c", _LIVE, *map(str, named)]


def environment() -> dict[str, str]:
    """What a life needs."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def lived(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Live it to its end."""
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def live_well(command: Sequence[str]) -> str:
    """Live it to a good end; what it printed."""
    ended = lived(command)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def small_disk(folder: Path, kilobytes: int) -> list[str]:
    """What to start a process through, so that it finds a file system of its own in ``folder``."""
    if not _may_mount():
        pytest.skip("this system lets nobody mount in a name space of his own")
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", f"{kilobytes}k", str(folder)]


@cache
def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "small", "/tmp"],  # noqa: S108
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def failing_disk(folder: Path, kilobytes: int) -> list[str]:
    """The same with an ext4 in ``folder/mnt`` whose device is a file in that small file system.

    When that is full, the device fails: the kernel takes writes, and their fsync does not succeed.
    """
    if not _may_mount_devices():
        pytest.skip("this system has no loop devices for us, or no mkfs.ext4")
    return ["unshare", "--mount", "sh", "-c", _MOUNT_DEVICE, "sh", f"{kilobytes}k", str(folder)]


@cache
def _may_mount_devices() -> bool:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--mount", "sh", "-c", _MOUNT_DEVICE, "sh", "8192k", folder, "true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def require_root() -> None:
    """Skip the test for whoever can't become another user."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
