"""What can go wrong with one operation of a disk, and where it is to go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import define, field, frozen
from attrs.validators import ge


class Operation(StrEnum):
    """What a disk is asked for."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"
    RENAME = "rename"
    """Of calls beside SQLite only."""


class Failure(StrEnum):
    """What becomes of an operation."""

    ERROR = "error"
    """An I/O error; nothing was done. A failed sync leaves its pages dirty: the next one may succeed."""
    SHORT = "short"
    """A write that ends early with an I/O error: its first part was written."""
    FULL = "full"
    """The disk is full: a first part of the write, perhaps none of it, was written."""
    FORGETTING = "forgetting"
    """A failed sync that marks its pages clean, as Linux does: they are shown, and no later sync writes them."""
    LIE = "lie"
    """It reports success, and nothing was done. Of a truncation or a deletion, it is also what SQLite makes of an
    error where it ignores one: APSW would raise it."""
    CUT = "cut"
    """The power fails in the midst of it. Everything afterwards is an error."""


FITTING: Final[Mapping[Operation, tuple[Failure, ...]]] = MappingProxyType(
    {
        Operation.OPEN: (Failure.ERROR,),
        Operation.READ: (Failure.ERROR,),
        Operation.WRITE: (Failure.ERROR, Failure.SHORT, Failure.FULL),
        Operation.TRUNCATE: (Failure.ERROR, Failure.LIE),
        Operation.SYNC: (Failure.ERROR, Failure.FORGETTING),
        Operation.DELETE: (Failure.ERROR, Failure.LIE),
        Operation.RENAME: (Failure.ERROR,),
    }
)
"""The failures of each operation that a store must survive. A sync that lies is none of them: nothing can help."""


@frozen(kw_only=True)
class Fault:
    """One failure, of the ``nth`` operation of a kind from now on."""

    operation: Operation
    failure: Failure
    nth: int = field(default=1, validator=ge(1))
    times: int | None = 1
    """For how many operations of the kind in a row; None: it stays."""
    suffix: str | None = None
    """Only of files whose names end so; None: of all."""


@define(eq=False)
class Planned:
    """A fault, and how many operations it has seen."""

    fault: Fault
    seen: int = 0

    def meets(self, operation: Operation, name: str) -> bool:
        """Count one operation; whether it fails."""
        fault = self.fault
        if operation is not fault.operation or (fault.suffix is not None and not name.endswith(fault.suffix)):
            return False
        self.seen += 1
        return self.seen >= fault.nth and (fault.times is None or self.seen < fault.nth + fault.times)
