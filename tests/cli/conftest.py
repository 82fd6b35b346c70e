"""What the tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.cli.office import fill


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``a.db``, that a runtime wrote and left in good order."""
    folder = tmp_path_factory.mktemp("office")
    trio.run(fill, folder / "a.db")
    return folder
