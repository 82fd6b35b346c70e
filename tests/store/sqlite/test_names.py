"""Keys of names: remembered up to a bound, and right beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meerkat_actors.records.commits import Committed
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import naming
from tests.store.writing import created, insert, key_of, read, send


def test_a_forgotten_name_keeps_its_key(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "REMEMBERED_MAX", 2)
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    alice = created(store, "alice")
    names = [f"name-{number}" for number in range(6)]
    for round_ in range(3):
        alice.must_commit(*(send(name, number) for number, name in enumerate(names)))
        assert {len(store.pending_mail(key_of(store, name), limit=9)) for name in names} == {round_ + 1}
    assert len({key_of(store, name) for name in names}) == 6
    store.close()


def test_a_name_of_a_refused_batch_is_looked_up_again(database: Path) -> None:
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    alice, bob = created(store, "alice"), created(store, "bob")
    stale = alice.forged(version=9)
    first, second = store.commit([stale.unit(send("new", 1)), bob.unit(insert(1))])
    assert not isinstance(first, Committed)
    assert isinstance(second, Committed)
    bob.must_commit(send("new", 1))
    bob.must_commit(send("new", 2))
    assert len(store.pending_mail(read(store, "new").key, limit=9)) == 2
    store.close()
