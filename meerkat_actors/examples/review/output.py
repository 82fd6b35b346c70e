"""Writing a page so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path


def write_page(path: Path, text: str) -> None:
    """Write ``text`` to ``path``; on return it is durable.

    Raises:
        OSError: the disk refused; the old page is still there.
    """
    # One name for ever: a crash leaves one partial page at most, and the next writing takes it over.
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
