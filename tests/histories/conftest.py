"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.histories.processes import Opener
from tests.histories.running import BENCHES


@pytest.fixture(params=BENCHES)
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens the same store again for each process."""
    with contextmanager(BENCHES[str(request.param)])() as opener:
        yield opener
