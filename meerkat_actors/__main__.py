"""``python -m meerkat_actors``: the command line."""

from __future__ import annotations

import signal
import sys

from meerkat_actors.cli import main

if __name__ == "__main__":
    _code = main()
    # All is said: Ctrl-C from here on would only make the interpreter complain while it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(_code)
