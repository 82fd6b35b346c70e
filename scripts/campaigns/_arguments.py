"""What campaigns read from their command lines."""

from __future__ import annotations

import argparse


def from_1(text: str) -> int:
    """A number from 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        message = f"{text}: use a number from 1"
        raise argparse.ArgumentTypeError(message)
    return number
