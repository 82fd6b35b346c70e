"""``python -m meerkat_actors.examples.review``: the command, or how to install what it needs."""

from __future__ import annotations

import signal
import sys


def _main() -> int:
    try:
        from meerkat_actors.examples.review.command import main
    except ModuleNotFoundError as error:
        if error.name not in {"ruff", "rich"}:
            raise
        print(f"error: {error.name} is not installed; run: pip install 'meerkat-actors[examples]'", file=sys.stderr)
        return 2
    return main()


if __name__ == "__main__":
    _code = _main()
    # All is said: Ctrl-C from here on would only make the interpreter complain while it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(_code)
