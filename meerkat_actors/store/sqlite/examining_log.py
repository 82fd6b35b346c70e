"""Whether the log beside a database goes on behind what SQLite takes of it: then commits are lost.

SQLite reads a log up to the first frame whose checksum does not fit, and takes the rest for what a crash left
unfinished. Every commit is synced before the next one begins, so a crash leaves one transaction there, and no two.
A log that was cut says nothing of that, but after a kill the index beside it (``-shm``) still says how long it was:
until the first one who looks makes it anew, so it is read before.
Formats: https://sqlite.org/fileformat2.html#walformat and https://sqlite.org/walformat.html#walidxfmt
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from struct import Struct
from typing import Final

import apsw
from attrs import frozen

from meerkat_actors.store.sqlite.examining_findings import Check, Findings
from meerkat_actors.store.sqlite.rows import Database
from meerkat_actors.store.sqlite.schema import PAGE_BYTES
from meerkat_actors.store.sqlite.surveying import owners_of

_HEADER_BYTES: Final = 32
_FRAME: Final = Struct(">II8s8x")
"""Page number, the database's pages after a commit (0 within a transaction), salts, checksums."""
_FRAME_BYTES: Final = _FRAME.size + PAGE_BYTES

_SALTS_AT: Final = 16
"""Of the log's salts, in its header."""
_INDEX: Final = Struct("=I8xB3xI12x8s8x")
"""Version, whether it was made, the frames of all commits, and the salts of their log."""
_INDEX_VERSION: Final = 3_007_000
_COPIED_AT: Final = 96
"""Of the number of frames that were copied into the database, in the index."""

# Not in a transaction. NOOP copies nothing: it tells how many frames are taken.
_READ_FRAMES: Final = "PRAGMA wal_checkpoint(NOOP)"


@frozen(kw_only=True)
class LogIndex:
    """What the last writers of a log left in its index."""

    frames: int
    """The length of the log, in frames."""
    copied: int
    """How many of them are in the database too."""
    salts: bytes
    """Whose frames they are: a log that began anew has others."""


def read_log_index(path: str) -> LogIndex | None:
    """The index of the log of a store that nobody owns, before anybody connects to it; None where it says nothing."""
    if owners_of(path):
        return None  # its owner's locks are on that file, and in this process closing it would drop them
    try:
        with open(f"{path}-shm", "rb") as file:
            content = file.read(_COPIED_AT + 4)
    except OSError:
        return None
    first, second = content[: _INDEX.size], content[_INDEX.size : 2 * _INDEX.size]
    if len(content) < _COPIED_AT + 4 or first != second:
        return None
    version, is_made, frames, salts = _INDEX.unpack(first)
    if version != _INDEX_VERSION or not is_made:
        return None
    return LogIndex(frames=frames, copied=int.from_bytes(content[_COPIED_AT:], sys.byteorder), salts=salts)


def examine_log(path: str, database: Database, found: Findings, index: LogIndex | None) -> None:
    """Look at the end of the log, unless somebody who owns the store writes there now."""
    if owners_of(path):
        return
    try:
        row = database.execute(_READ_FRAMES).fetchone()
        taken = 0 if row is None else max(int(row[1]), 0)
        if index is not None and _is_short(f"{path}-wal", taken, index):
            found.add(Check.LOG, f"it had {index.frames} frames of commits, and {taken} are left")
        _say(found, taken, _commits_behind(f"{path}-wal", taken))
    except (apsw.Error, OSError) as error:
        found.add(Check.UNREADABLE, f"the log: {error}")


def _is_short(log: str, taken: int, index: LogIndex) -> bool:
    if taken >= index.frames or (not taken and index.copied == index.frames):
        return False
    salts = _read(log, _HEADER_BYTES)[_SALTS_AT : _SALTS_AT + 8]
    # A log that begins anew says so before its index does.
    return len(salts) < 8 or salts == index.salts


def _read(log: str, length: int) -> bytes:
    try:
        with open(log, "rb") as file:
            return file.read(length)
    except FileNotFoundError:
        return b""


def _commits_behind(log: str, taken: int) -> int:
    """How many commits of the same life of the log are behind the first ``taken`` frames."""
    commits: Counter[bytes] = Counter()
    salts = b""
    if not os.path.exists(log):
        return 0
    with open(log, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for frame in range(max(taken - 1, 0), (size - _HEADER_BYTES) // _FRAME_BYTES):
            file.seek(_HEADER_BYTES + frame * _FRAME_BYTES)
            page, pages, salt = _FRAME.unpack(file.read(_FRAME.size))
            if frame == taken - 1:
                salts = salt
            elif page and pages:
                commits[salt] += 1
    # Frames of an earlier life have other salts; where none was taken, the header itself may be damaged.
    return commits[salts] if salts else max(commits.values(), default=0)


def _say(found: Findings, taken: int, commits: int) -> None:
    if commits > 1:
        found.add(Check.LOG, f"frame {taken + 1} is damaged, and {commits} commits behind it are lost")
    elif commits:
        found.notes.append(f"the log ends with a transaction that was cut off behind frame {taken}, as by a crash")
