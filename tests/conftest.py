"""What every test shares."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# Before anybody imports it: its assertions then tell their values.
pytest.register_assert_rewrite("meerkat_actors.testing.conformance")

# No deadline: on a shared machine it measures the neighbours. print_blob: a failure can be replayed from its output.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

# Readline, which pytest loads, sets them for whatever pytest starts: also for the workers of xdist, whose tables would
# then be as wide as that.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# A shell starts what runs in its background with SIGINT ignored, and children inherit that: then no test of Ctrl-C
# tests anything. A test run is nobody's background.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
