"""What every test shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import nullcontext
from typing import Final

import pytest
from hypothesis import settings

from tests.invariants.exempt import BY_HAND, reason_for
from tests.invariants.watching import Watch, Watching
from tests.measuring import unmeasured

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

WATCHING: Final = Watching()


def pytest_configure() -> None:
    WATCHING.install()


def pytest_unconfigure() -> None:
    WATCHING.remove()


# They try many histories of the same lines: to measure them, too, would take three minutes.
REPEATING: Final = (
    "tests/crashes/",
    "tests/faults/",
    "tests/fates/",
    "tests/histories/",
    "tests/machines/test_identity_histories.py",
    "tests/mailing/",
    "tests/simulation/test_campaigns.py",
    "tests/simulation/test_history_resources.py",
    "tests/simulation/test_mutants.py",
    "tests/simulation/test_workloads.py",
    "tests/store/test_model.py",
    "tests/store/test_sharing_histories.py",
    "tests/store/test_units_campaign.py",
    "tests/testing/test_conformance_catches.py",
    "tests/timers/test_crowds.py",
    "tests/timers/test_jumps.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Hold every store that the test served to the invariants, while its fixtures keep their files."""
    is_repeating = item.nodeid.startswith(REPEATING) or item.get_closest_marker("slow") is not None
    try:
        with unmeasured() if is_repeating else nullcontext():
            yield
    finally:
        watch, WATCHING.watch = WATCHING.watch, Watch()
    if reason_for(item.nodeid) is None:
        problems = watch.violations(is_by_hand=item.nodeid.startswith(BY_HAND))
        assert not problems, "\n".join(problems)
