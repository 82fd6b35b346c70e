"""One kind of statement that a unit runs."""

from __future__ import annotations

from attrs import frozen


@frozen
class Step:
    """One statement, the effect it is for, and whether each of its rows must touch exactly one row."""

    sql: str
    effect: type
    counted: bool = True
