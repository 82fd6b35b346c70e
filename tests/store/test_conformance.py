"""Every store there is conforms: the shipped suite, each check over each flavour, also where it is shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meerkat_actors.store import Store
from meerkat_actors.testing import conformance
from tests.store.conftest import Bench


def name_of(check: conformance.Check) -> str:
    return check.name


@pytest.mark.parametrize("check", conformance.checks(), ids=name_of)
def test_a_store_keeps_the_rule(bench: Bench, check: conformance.Check) -> None:
    check.run(bench)


@pytest.fixture
def shared(flavour: str, database: Path) -> Iterator[Bench]:
    """Where stores are made that others may share, and nobody does."""
    bench = Bench(flavour, database, "shared")
    yield bench
    bench.close()


@pytest.mark.parametrize("check", conformance.checks(), ids=name_of)
def test_a_shared_store_keeps_the_rule(shared: Bench, check: conformance.Check) -> None:
    check.run(shared)


def test_a_store_says_where_it_is(store: Store, flavour: str) -> None:
    assert store.location.endswith("team.db" if flavour == "sqlite" else ":memory:")
    assert store.inline == (flavour == "memory")
