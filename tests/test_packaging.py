"""What is installed: it is what the tests import, says what it runs on, and warns where it was not tried."""

from __future__ import annotations

import re
import sys
import time
import tomllib
import warnings
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

import meerkat_actors
from meerkat_actors import StoreInUseError, UnsupportedPlatformWarning, open_runtime
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import locking, opening
from tests.actors.world import echo

ROOT: Final = Path(__file__).parent.parent
TRIED: Final = re.search(r"VERSIONS=\((.*)\)", (ROOT / "scripts/installed").read_text(encoding="utf-8"))


def warned(path: Path) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_sqlite(path).close()
    return caught


def test_the_tests_import_the_checkout_or_else_what_is_installed() -> None:
    found = Path(str(meerkat_actors.__file__)).parent
    if (ROOT / "meerkat_actors").is_dir():
        assert found == ROOT / "meerkat_actors"
    else:
        assert found.parent.name == "site-packages"
        assert found.is_relative_to(sys.prefix)


@pytest.mark.parametrize("name", ["py.typed", "examples/review/review.toml"])
def test_what_is_no_module_is_there_too(name: str) -> None:
    assert files(meerkat_actors).joinpath(name).is_file()


def test_the_claimed_pythons_are_those_that_are_tried() -> None:
    assert TRIED is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    claimed = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert set(claimed) <= set(TRIED[1].split())
    assert project["requires-python"] == f">={claimed[0]}"
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in TRIED[1].split()


def test_the_metadata_is_the_only_place_of_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata("meerkat-actors")["Version"] == project["version"]
    assert not hasattr(meerkat_actors, "__version__")


def test_on_linux_a_store_opens_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PLATFORM", "linux")
    assert warned(tmp_path / "team.db") == []


def test_elsewhere_every_opening_warns_once_and_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PLATFORM", "darwin")
    for _ in range(2):
        (warning,) = warned(tmp_path / "team.db")
        assert warning.category is UnsupportedPlatformWarning
        assert warning.filename == __file__
        assert "darwin is not supported, Linux is" in str(warning.message)


async def test_elsewhere_a_runtime_warns_once_and_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PLATFORM", "darwin")
    # What other systems lack: processes as files, and clocks of single threads.
    monkeypatch.setattr(locking, "PROCESSES", str(tmp_path / "none"))
    monkeypatch.delattr(time, "pthread_getcpuclockid")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with open_runtime(tmp_path / "team.db", agents={"echo": echo}) as runtime:
            agents = [await runtime.agent(f"a-{number}", kind="echo") for number in range(3)]
            assert [(await agent.ask("x")).text for agent in agents for _ in range(5)] == ["x"] * 15
            with pytest.raises(StoreInUseError, match="can't be seen from here"):
                open_sqlite(tmp_path / "team.db")
    assert {warning.category for warning in caught} == {UnsupportedPlatformWarning}


def test_a_warning_taken_for_an_error_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PLATFORM", "darwin")
    with pytest.raises(UnsupportedPlatformWarning):
        open_sqlite(tmp_path / "team.db")
    assert list(tmp_path.iterdir()) == []
