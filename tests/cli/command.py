"""The command: in a process of its own, in this one, or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import orjson

from meerkat_actors.cli import main
from tests.examples.command import environment

MEERKAT: Final = (sys.executable, "-m", "meerkat_actors")


def meerkat(
    *arguments: object, cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, with no terminal."""
    return subprocess.run(
        [*MEERKAT, *map(str, arguments)],
        cwd=cwd,
        env={**environment(), **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def here(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command to its end in this process, as a process of its own would run it."""
    words = list(map(str, arguments))
    with chdir(cwd), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def told(*arguments: object, cwd: Path) -> str:
    """What a command says that ends well and complains of nothing."""
    ended = here(*arguments, cwd=cwd)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def rows(*arguments: object, cwd: Path) -> list[dict[str, Any]]:
    """The JSON lines of a command that ends well."""
    return [orjson.loads(line) for line in told(*arguments, "--json", cwd=cwd).splitlines()]


def refused(*arguments: object, cwd: Path) -> str:
    """The one line of a command that ends with 2 and prints nothing else."""
    ended = here(*arguments, cwd=cwd)
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def shown(
    *arguments: object, cwd: Path, variables: Mapping[str, str] | None = None, columns: int = 100
) -> tuple[bytes, int]:
    """What a command sends to a terminal of so many columns, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    running = subprocess.Popen(
        [*MEERKAT, *map(str, arguments)],
        cwd=cwd,
        env={**environment(), "TERM": "xterm-256color", **(variables or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    received = b""
    # A terminal whose other end closed is an error to read on Linux.
    with contextlib.suppress(OSError):
        while more := os.read(ours, 65536):
            received += more
    os.close(ours)
    return received, running.wait(timeout=60)
