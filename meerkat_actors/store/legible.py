"""What a row that is rotten does to whoever reads it: one typed error, for every reader on every floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from meerkat_actors.errors import StoreCorruptError

R = TypeVar("R")

UNDECODABLE: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What decoding a rotten row raises; also text that is not UTF-8."""


def legible(path: str, read: Callable[[], R]) -> R:
    """Read and decode rows; one rotten row fails this reading, never a commit.

    Raises:
        StoreCorruptError: a row that does not decode.
    """
    try:
        return read()
    except UNDECODABLE as error:
        problem = f"holds a row that can't be read ({type(error).__name__}: {error}); restore it from a backup"
        raise StoreCorruptError(path=path, problem=problem) from error
