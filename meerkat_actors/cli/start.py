"""Where the command begins: with what it needs installed, or with how to install that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

_NEEDED: Final = frozenset({"click", "rich"})
"""What the extra ``cli`` brings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; None takes the arguments of the process. Returns the exit code."""
    try:
        # Here and not above: without the extra there is nothing to import.
        import rich  # noqa: F401  # pyright: ignore[reportUnusedImport]  # asked for before a table needs it

        from meerkat_actors.cli.commands import run_command
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        print(f"error: {error.name} is not installed; run: pip install 'meerkat-actors[cli]'", file=sys.stderr)
        return 2
    return run_command(arguments)
