"""What the SQLite store's own tests share: here a disk is meant."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "team.db"
