"""Lines for people: on standard output what goes well, on standard error what does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from meerkat_actors.examples.review.text import printable


def say(text: str) -> None:
    """One line on standard output; a reader that went away doesn't end the job."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """One line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def complain_of(what: Path | str, problems: tuple[str, ...], hint: str | None = None) -> None:
    """Several problems of one thing, one line each; nothing was written because of them."""
    if len(problems) == 1 and hint is None:
        complain(f"error: {what}: {problems[0]}")
        return
    complain(f"error: {what}: {count(len(problems), 'problem')}; nothing was written")
    for problem in problems:
        complain(f"  {problem}")
    if hint is not None:
        complain(f"  {hint}")


def count(number: int, noun: str) -> str:
    """The number with its noun: ``1 turn``, ``2 turns``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
