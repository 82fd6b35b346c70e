"""What the SQLite store's own tests share: here a disk is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.sqlite.damage_sample import make_sample


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "team.db"


# -- healthy databases to damage: made once, written anew for each test -----------------------


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one that was closed."""
    return make_sample(tmp_path_factory.mktemp("clean"), is_clean=True)


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one whose process was killed."""
    return make_sample(tmp_path_factory.mktemp("killed"), is_clean=False)
