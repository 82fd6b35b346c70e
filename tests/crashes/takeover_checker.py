"""What must hold of a shared store, whoever was stopped or killed: from the file and the logs alone.

What holds of a store of one's own holds here, too, and is checked by the same rules: among them that the tokens of an
identity's boundaries never go back, as they would if a former owner had written after the next one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from tests.crashes.checker import NOTHING, InputRow, Rows, Violation, check_ended, check_rows, read_rows
from tests.crashes.takeover_lines import Complained, Note, told
from tests.crashes.takeover_work import folded


def read_copy(database: Path, copy: Path) -> Rows:
    """Read a database that others may have open: a copy of one instant."""
    if not database.exists():
        return NOTHING
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return read_rows(copy)


def check_shared(rows: Rows, notes: Sequence[Note], *, is_ended: bool) -> list[Violation]:
    """What is wrong at any instant; ``is_ended``: and what besides, when all work is done.

    ``notes`` were taken before the rows were read.
    """
    lines = told(notes)
    found = check_rows(rows, lines)
    if not rows.is_readable:
        return found
    return [
        *found,
        *_complaints(notes),
        *_memories(rows),
        *_numbers(rows),
        *_pairs(rows),
        *(check_ended(rows, lines) if is_ended else ()),
    ]


def _complaints(notes: Sequence[Note]) -> Iterator[Violation]:
    for note in notes:
        if isinstance(note.noted, Complained):
            yield Violation("complaint", f"process {note.pid}: {note.noted.event}")


def _memories(rows: Rows) -> Iterator[Violation]:
    """What an agent said that it remembers is what its conversation says that it was told."""
    memories: defaultdict[str, tuple[int, str]] = defaultdict(lambda: (0, ""))
    for turn in rows.turns:
        count, digest = memories[turn.identity]
        for entry in turn.log:
            if entry["role"] == "user":
                count, digest = count + 1, folded(digest, str(entry["content"]["path"]))
        memories[turn.identity] = count, digest
        said = [entry["content"] for entry in turn.log if entry["role"] == "assistant"]
        if said != [f"{count} {digest}"]:
            yield Violation("memory", f"{turn.identity}, version {turn.version}: says {said}, not {count} {digest}")


def _numbers(rows: Rows) -> Iterator[Violation]:
    """Nobody is told one number twice, whichever inputs brought it."""
    consumed = Counter(
        (turn.identity, "mail" if "sender" in entry else "prompt", str(entry["content"]["path"]))
        for turn in rows.turns
        for entry in turn.log
        if entry["role"] == "user"
    )
    for (identity, kind, path), times in consumed.items():
        if times > 1:
            yield Violation("doubled", f"{identity} was told {path} {times} times, as {kind}")


def _pairs(rows: Rows) -> Iterator[Violation]:
    """Mail between two is admitted in the order in which it was sent, without a gap."""
    pairs: defaultdict[tuple[str, str], list[InputRow]] = defaultdict(list)
    for row in rows.inputs.values():
        if row.sender is not None:
            pairs[row.sender, row.identity].append(row)
    for (sender, recipient), mail in pairs.items():
        mail.sort(key=lambda row: row.number or 0)
        for earlier, later in pairwise(mail):
            if later.admission is not None and (earlier.admission is None or earlier.admission > later.admission):
                yield Violation(
                    "order",
                    f"{sender} to {recipient}: {earlier.number} at {earlier.admission}, and"
                    f" {later.number} at {later.admission}",
                )
