"""How what users' code raised is told: as short text that every encoder takes."""

from __future__ import annotations

from typing import Final

import trio

_LENGTH_MAX: Final = 500
_OWN_CANCELLED: Final = "Cancelled: raised by the agent itself"


def described(error: BaseException) -> str:
    """Type and message, never a traceback."""
    if isinstance(error, trio.Cancelled):
        return _OWN_CANCELLED
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: ASYNC103, BLE001 - its own words are the agent's code, too
        text = f"{type(error).__name__}, which can't be printed"
    # What agents raise may hold anything; what we store is text that every encoder takes.
    return clipped(text.encode("utf-8", "backslashreplace").decode())


def clipped(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= _LENGTH_MAX else f"{text[: _LENGTH_MAX - 3]}..."
