"""How text that others wrote is shown: nothing in it may steer a terminal or a page."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, with everything that doesn't print spelled out as an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def clipped(text: str, length_max: int) -> str:
    """The text, or as much of it as fits, with dots where it was cut."""
    return text if len(text) <= length_max else f"{text[: length_max - 3]}..."
