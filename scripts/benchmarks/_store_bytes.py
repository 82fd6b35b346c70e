"""What turns take on disk, table by table and index by index."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from attrs import frozen

from _common import REPLY, TEXT, open_probe, payload_bytes
from _store_units import create_writers, drop_index, serving
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.rows import typed

AGENTS: Final = 100
TURNS: Final = 100
"""Of each agent."""

LENGTHS: Final = (50, 800)
"""The shortest and the longest message: of one length all, the size says how well that length divides a page."""


@frozen(kw_only=True)
class Part:
    """One table or index."""

    name: str
    kind: str
    """``table`` or ``index``."""
    size_bytes: float
    """Of its pages, per turn."""
    unused_bytes: float
    """Of these, what no cell fills."""


@frozen(kw_only=True)
class Size:
    """What one turn takes, on the average."""

    parts: tuple[Part, ...]
    """The largest first; without those that did not grow."""
    payload_bytes: float
    """What came in, and what went out."""
    kept_bytes: float
    """The same as the tables keep it: the input once, and both messages of the transcript."""

    @property
    def total_bytes(self) -> float:
        """Of all parts."""
        return sum(part.size_bytes for part in self.parts)


def measure_size(path: Path, without: str | None) -> Size:
    """Make turns in a new database at ``path``, and look how far its tables grew."""
    env, random = SystemEnv(), Random(1)
    payload, kept, turns = 0, 0, AGENTS * TURNS
    with serving(open_sqlite(path)) as store:
        writers = create_writers(store, AGENTS, env)
        drop_index(path, without)
        before = _sizes(path)
        for _ in range(TURNS):
            spoken = [(_message(TEXT, random), _message(REPLY, random)) for _ in writers]
            pairs = [writer.turn(env, *both) for writer, both in zip(writers, spoken, strict=True)]
            for half in (0, 1):
                store.commit([pair[half] for pair in pairs])
            store.checkpoint()
            payload += sum(len(text) + len(reply) for text, reply in spoken)
            kept += sum(payload_bytes(text, reply) for text, reply in spoken)
        after = _sizes(path)
    parts = [
        Part(
            name=name,
            kind=kind,
            size_bytes=(size - before[name, kind][0]) / turns,
            unused_bytes=(unused - before[name, kind][1]) / turns,
        )
        for (name, kind), (size, unused) in after.items()
    ]
    return Size(
        parts=tuple(sorted((part for part in parts if part.size_bytes), key=lambda part: -part.size_bytes)),
        payload_bytes=payload / turns,
        kept_bytes=kept / turns,
    )


def _message(words: str, random: Random) -> str:
    return (words * 2)[: random.randint(*LENGTHS)]


def _sizes(path: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """By name and kind: all bytes, and the unused ones."""
    probe = open_probe(path)
    rows = (
        typed(probe)
        .execute(
            "SELECT dbstat.name, coalesce(type, 'table'), pgsize, unused"
            "  FROM dbstat LEFT JOIN sqlite_schema ON sqlite_schema.name = dbstat.name WHERE aggregate = TRUE"
        )
        .fetchall()
    )
    probe.close()
    return {(name, kind): (size, unused) for name, kind, size, unused in rows}
