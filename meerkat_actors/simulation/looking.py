"""What a machine holds when all processes on it have ended."""

from __future__ import annotations

from collections.abc import Mapping

from meerkat_actors.records.ids import InputId
from meerkat_actors.simulation.checks import Contents, read_database, read_tables, tables_of
from meerkat_actors.simulation.checks.given import read_given
from meerkat_actors.simulation.machine import DiskMachine, MemoryMachine


def look_at(machine: MemoryMachine | DiskMachine) -> tuple[Contents, Mapping[InputId, bytes]]:
    """Every row, and the content of every input.

    Raises:
        apsw.Error: the database is damaged, or not there.
        LookupError, ValueError: a row makes no sense.
    """
    if isinstance(machine, MemoryMachine):
        return read_tables(tables_of(machine.store)), read_given(machine.store)
    return read_database(machine.path), read_given(machine.path)
