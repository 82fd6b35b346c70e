"""The content of every input, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from meerkat_actors.records.ids import InputId, uuid_text
from meerkat_actors.simulation.checks.reading import opened, tables_of
from meerkat_actors.store import MemoryStore


def read_given(source: Path | MemoryStore) -> Mapping[InputId, bytes]:
    """By input; empty where it was pruned. Of a database that nobody writes to.

    Raises:
        apsw.Error: the database is damaged, or not there.
    """
    if isinstance(source, MemoryStore):
        return {row.input_id: row.content for row in tables_of(source).given.values()}
    with opened(source) as database:
        rows = database.execute("SELECT input_id, content FROM input")
        return {InputId(uuid_text(input_id)): content for input_id, content in rows}
