"""Callers of the continuity facade, for its tests: each is one holder with one token."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from attrs import define, evolve, frozen

from meerkat_actors.records.continuity import (
    Broken,
    ContinuityRecord,
    ContinuityResolveState,
    Ready,
    SessionSnapshot,
    Uninitialized,
)
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    SessionId,
)
from meerkat_actors.store import ContinuityStore, Store
from tests.actors.faulty import FaultyStore
from tests.store.writing import uuid_of

ANN: Final = AgentIdentity("ann")
BEN: Final = AgentIdentity("triage:ben")


def session(number: int) -> SessionId:
    """One of many session ids."""
    return SessionId(uuid_of(0x5E55_0000 + number))


def record(generation: int = 0, number: int | None = None, identity: str = ANN, version: int = 0) -> ContinuityRecord:
    """A record whose session has the generation's number, unless it has another."""
    return ContinuityRecord(
        identity=AgentIdentity(identity),
        session_id=session(generation if number is None else number),
        generation=Generation(generation),
        checkpoint_version=CheckpointVersion(version),
    )


def said(text: str) -> SessionSnapshot:
    """A document."""
    return SessionSnapshot(data=text.encode())


@define(eq=False)
class Caller:
    """One holder's way to the store; its token is what it believes."""

    facade: ContinuityStore
    token: int

    def upsert(self, wanted: ContinuityRecord) -> ContinuityRecord:
        return self.facade.upsert_continuity_record(record=wanted, fencing_token=FencingToken(self.token))

    def save(self, version: int, of: ContinuityRecord | None = None, text: str | None = None) -> None:
        of = record() if of is None else of
        self.facade.save_session_snapshot(
            identity=of.identity,
            session_id=of.session_id,
            generation=of.generation,
            version=CheckpointVersion(version),
            fencing_token=FencingToken(self.token),
            snapshot=said(f"v{version}" if text is None else text),
        )

    def delete(self, identity: str = ANN) -> None:
        self.facade.delete_continuity_record(identity=AgentIdentity(identity), fencing_token=FencingToken(self.token))

    def roll_back(self, attempt: ContinuityRecord, previous: ContinuityRecord | None) -> None:
        self.facade.rollback_continuity_record(
            attempt=attempt, previous=previous, fencing_token=FencingToken(self.token)
        )

    def drop(self, of: ContinuityRecord, revision: str) -> bool:
        return self.facade.delete_session_snapshot_if_current_revision(
            identity=of.identity,
            session_id=of.session_id,
            fencing_token=FencingToken(self.token),
            expected_current_revision=revision,
        )

    def state(self, identity: str = ANN) -> ContinuityResolveState:
        name = AgentIdentity(identity)
        return self.facade.resolve_many(identities=[name])[name]

    def ready(self, identity: str = ANN) -> Ready:
        state = self.state(identity)
        assert isinstance(state, Ready), state
        return state

    def gone(self, identity: str = ANN) -> Uninitialized:
        state = self.state(identity)
        assert isinstance(state, Uninitialized), state
        return state

    def broken(self, identity: str = ANN) -> Broken:
        state = self.state(identity)
        assert isinstance(state, Broken), state
        return state

    def text(self, number: int = 0, back: int = 0) -> str | None:
        found = self.facade.load_session_snapshot(session_id=session(number), back=back)
        return None if found is None else found.data.decode()

    def head(self, identity: str = ANN) -> tuple[int, int, int]:
        """Token, generation and version as they are stored."""
        now = self.ready(identity)
        return now.fencing_token, now.record.generation, now.record.checkpoint_version

    def at(self, token: int) -> Caller:
        """The same holder with another token."""
        return Caller(self.facade, token)


def caller(store: Store, token: int, holder: str | None = None) -> Caller:
    """A holder of its own, unless it says which."""
    return Caller(ContinuityStore(store, holder=holder), token)


@frozen
class Look:
    """All that a caller can see of one identity, and the rows of its sessions."""

    state: ContinuityResolveState
    rows: tuple[object, ...]


def look(store: Store, identity: str = ANN, sessions: int = 6) -> Look:
    """What is stored, to compare before and after."""
    state = caller(store, 1).state(identity)
    rows = [row for number in range(sessions) for row in store.read_snapshots(session(number), limit=9)]
    return Look(state, tuple(evolve(cast("Any", row)) for row in rows))


def meanwhile(store: Store, happens: Callable[[], object]) -> Store:
    """The same store, on which something else happens once between a look and its write."""
    faulty = FaultyStore(store)

    def once(_: Sequence[Unit]) -> None:
        faulty.before_commit = lambda _: None
        happens()

    faulty.before_commit = once
    return faulty


@contextmanager
def unchanged(store: Store, *identities: str) -> Generator[None]:
    """Nothing is written in the block, whatever is tried."""
    before = [look(store, identity) for identity in identities or (ANN,)]
    yield
    assert [look(store, identity) for identity in identities or (ANN,)] == before
