"""Several stores on the same state, as several processes have it, and a clock of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from attrs import evolve

from meerkat_actors.records.commits import CommitOutcome, Committed, HeldElsewhere
from meerkat_actors.records.effects import Claim, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.store.writing import Writer, read

TTL: Final = 15_000
"""Milliseconds that a renewal gives, unless a test says otherwise."""


class Clock(SystemEnv):
    """Goes when it is told to."""

    def __init__(self, now: int = 1_000_000) -> None:
        super().__init__()
        self.now = now

    def boot_ms(self) -> int:
        return self.now


class Sharers(Protocol):
    """Opens stores on one state."""

    clock: Clock

    def open(self, *, serves: bool = True, lease_seconds: float = TTL / 1000) -> Store:
        """One more, that serves already unless it is told not to."""
        ...

    def close(self) -> None:
        """Close all of them."""
        ...


class MemorySharers:
    """Over dicts."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._first: MemoryStore | None = None

    def open(self, *, serves: bool = True, lease_seconds: float = TTL / 1000) -> Store:
        if self._first is None:
            self._first = MemoryStore(env=self.clock, ownership="shared", lease_seconds=lease_seconds)
            store = self._first
        else:
            store = self._first.beside(lease_seconds=lease_seconds)
        if serves:
            store.begin()
        return store

    def close(self) -> None:
        """Nothing is held."""


class SqliteSharers:
    """Over one file. Each store has descriptors of its own, so within one process, too, their locks exclude."""

    def __init__(self, clock: Clock, database: Path, vfs: str | None = None) -> None:
        self.clock = clock
        self._database = database
        self._vfs = vfs
        self._opened: list[Store] = []

    def open(self, *, serves: bool = True, lease_seconds: float = TTL / 1000) -> Store:
        store = open_sqlite(
            self._database,
            synchronous="normal",
            ownership="shared",
            lease_seconds=lease_seconds,
            vfs=self._vfs,
            env=self.clock,
        )
        self._opened.append(store)
        if serves:
            store.begin()
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


def claimed(store: Store, name: str) -> tuple[Writer, CommitOutcome]:
    """A writer that read an existing identity and claimed it, and how that went."""
    found = read(store, name)
    head = found.head
    assert head is not None, f"{name} was never created"
    fence = IdentityFence(found.identity, found.key, FencingToken(head.token + 1), head.generation, head.version)
    (outcome,) = store.commit([Unit(fence, (Claim(head.token),))])
    return Writer(store, fence, head.session_id), outcome


def taken(store: Store, name: str) -> Writer:
    """A writer of an existing identity that nobody else holds."""
    writer, outcome = claimed(store, name)
    assert isinstance(outcome, Committed), outcome
    return writer


def held(store: Store, name: str) -> HeldElsewhere:
    """Why an identity can't be claimed: another holds it."""
    _, outcome = claimed(store, name)
    assert isinstance(outcome, HeldElsewhere), outcome
    return outcome


def beside(writer: Writer, store: Store) -> Writer:
    """The same beliefs, and another store to write through."""
    return Writer(store, evolve(writer.fence), writer.session_id)


def pass_time(clock: Clock, ms: int, *awake: Store) -> None:
    """Let time go by, in which the stores that are awake look around as often as they must."""
    end = clock.now + ms
    while clock.now < end:
        clock.now = min(end, clock.now + TTL // 4)
        for store in awake:
            assert not store.look_around().is_lost
