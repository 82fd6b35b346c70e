"""The conformance suite as its users meet it: from any runner or none, with a bench or only a function."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

import pytest

from meerkat_actors.errors import UsageError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.store import MemoryStore, Store
from meerkat_actors.testing import conformance
from tests.testing.benches import MemoryBench

CHECKS: Final = conformance.checks()
NO_SUBJECTS: Final = {"checking", "looking", "suite", "writing"}

BY_HAND: Final = """
import sys
for name in ("pytest", "_pytest", "pluggy", "pytest_trio", "hypothesis"):
    sys.modules[name] = None  # as if it were not installed
from meerkat_actors.store import MemoryStore
from meerkat_actors.testing import conformance

tried = [check.run(MemoryStore) for check in conformance.checks() if not check.needs_restart]
print(len(tried))
"""

WITHOUT_ASSERTIONS: Final = """
from meerkat_actors.errors import UsageError
from meerkat_actors.store import MemoryStore
from meerkat_actors.testing import conformance
from meerkat_actors.testing.conformance import runs

for attempt in (conformance.checks, lambda: runs.only_a_queued_input_is_staged.run(MemoryStore)):
    try:
        attempt()
    except UsageError as error:
        print(error)
"""


class Counting(MemoryStore):
    """Writes down when it begins and is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def begin(self) -> Opening:
        self.calls.append("begin")
        return super().begin()

    def close(self) -> None:
        self.calls.append("close")
        super().close()


class Failing(Counting):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        raise NotImplementedError(len(units))


def check_named(name: str) -> conformance.Check:
    (check,) = (each for each in CHECKS if each.name == name)
    return check


def output_of(program: str, *options: str) -> list[str]:
    """What another Python prints."""
    ran = subprocess.run([sys.executable, *options, "-c", program], check=True, capture_output=True, text=True)
    return ran.stdout.splitlines()


def test_every_check_has_a_name_of_its_own_and_says_what_it_demands() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) > 300
    assert [check.name for check in CHECKS if not (check.__doc__ or "").endswith(".")] == []
    assert check_named("mail.mail_is_taken_once").__doc__ == "Mail that was taken is there no more."


def test_no_file_of_checks_is_left_out_of_the_suite() -> None:
    files = {module.name for module in pkgutil.iter_modules(conformance.__path__)}
    assert {check.name.partition(".")[0] for check in CHECKS} == files - NO_SUBJECTS


def test_it_runs_by_hand_where_no_test_runner_is_installed() -> None:
    assert output_of(BY_HAND) == [str(sum(not check.needs_restart for check in CHECKS))]


def test_it_refuses_to_run_where_assertions_do_not() -> None:
    said = "the conformance suite is made of assertions: run Python without -O"
    assert output_of(WITHOUT_ASSERTIONS, "-O") == [said, said]
    assert output_of(WITHOUT_ASSERTIONS) == []


def test_a_check_that_restarts_says_that_it_needs_a_bench() -> None:
    check = check_named("duplicates.a_key_stands_for_its_input_for_ever")
    assert check.needs_restart
    with pytest.raises(UsageError, match="a_key_stands_for_its_input_for_ever restarts the store: run it with a Bench"):
        check.run(MemoryStore)
    check.run(MemoryBench(MemoryStore))


def test_few_checks_need_a_bench() -> None:
    subjects = {check.name.partition(".")[0] for check in CHECKS if check.needs_restart}
    agenda = {"facts", "mail_lanes", "operations", "requests", "pruning_events", "returns", "timers"}
    assert subjects == {"duplicates", "events", "restarts"} | agenda


@pytest.mark.parametrize("make", [Counting, Failing])
def test_a_check_begins_the_store_and_closes_it_also_when_it_fails(make: type[Counting]) -> None:
    store = make()
    expected = pytest.raises(AssertionError) if make is Failing else nullcontext()
    with expected:
        check_named("runs.only_a_queued_input_is_staged").run(lambda: store)
    assert store.calls == ["begin", "close"]


def test_a_check_closes_what_the_restart_gave_it() -> None:
    store = Counting()
    check_named("restarts.everything_is_there_after_no_end").run(MemoryBench(lambda: store))
    assert store.calls == ["begin", "close", "begin", "close"]


def test_where_a_store_can_not_be_made_is_no_broken_rule() -> None:
    def nowhere() -> Store:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        check_named("runs.only_a_queued_input_is_staged").run(nowhere)
