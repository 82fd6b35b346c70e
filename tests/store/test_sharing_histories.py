"""Random lives of two stores on one state: over SQLite all goes as over memory, and no number is given out twice."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.commits import CommitOutcome, Committed, HeldElsewhere, Refused
from meerkat_actors.records.effects import Claim, CreateIdentity, Effect, Release, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation, InputId, RunId, SessionId
from meerkat_actors.records.stored_events import StoredEvent
from meerkat_actors.store import Store
from meerkat_actors.store.sqlite import naming
from meerkat_actors.testing.conformance.looking import EVERYTHING
from tests.store.conftest import MEMORY_FOLDER
from tests.store.looking import picture
from tests.store.sharers import TTL, Clock, MemorySharers, Sharers, SqliteSharers
from tests.store.writing import Writer, insert, read, send, take, uuid_of

NAMES: Final = ("ann", "ben", "cid")
STRANGERS: Final = tuple(f"stranger-{number}" for number in range(8))
ALL: Final = NAMES + STRANGERS

Told: TypeAlias = tuple[object, ...]


@frozen
class Act:
    """What a unit is to do, in words: its numbers are found when it is made."""

    verb: str
    name: str
    recipient: str


@frozen
class Move:
    """One step of one of the two: a batch of units, or what happens to it as a whole."""

    side: int
    what: str | int | tuple[Act, ...]


ACTS: Final = st.builds(
    Act,
    st.sampled_from(("create", "create", "claim", "claim", "release", "admit", "send", "send", "take", "turn", "none")),
    st.sampled_from(NAMES + STRANGERS[:2]),
    st.sampled_from(ALL),
)
MOVES: Final = st.builds(
    Move,
    st.sampled_from((0, 1)),
    st.one_of(
        st.lists(ACTS, min_size=1, max_size=4).map(tuple),
        st.lists(ACTS, min_size=1, max_size=4).map(tuple),
        st.sampled_from(("look", "look", "die", "leave", "begin", "read")),
        st.sampled_from((1, TTL // 3, TTL - 1, TTL)),
    ),
)


class World:
    """Two stores of one flavour, what each of them believes, and what was ever seen of keys and events."""

    def __init__(self, sharers: Sharers) -> None:
        self.sharers = sharers
        self.stores = [sharers.open(), sharers.open()]
        self.incarnations: list[int | None] = [1, 2]
        """None: its last beginning failed."""
        self._numbers = count(1)
        self._beliefs: list[dict[str, Writer]] = [{}, {}]
        self._looks: list[dict[str, Activation]] = [{}, {}]
        self._sent: list[set[InputId]] = [set(), set()]
        self._seen = [0, 0]
        self._name_of_key: dict[int, str] = {}
        self._events: tuple[StoredEvent, ...] = ()
        for side, name in enumerate(NAMES[:2]):
            self._commit(side, [self._unit(side, Act("create", name, name))])

    def step(self, move: Move) -> Told:
        """Do it, and tell what came of it in words that two flavours share."""
        told = self._step(move.side, move.what)
        lists = [store.identities_with_work() for store in self.stores]
        events = self.stores[0].page_events(after=0, limit=EVERYTHING)
        assert events == self.stores[1].page_events(after=0, limit=EVERYTHING)
        assert events[: len(self._events)] == self._events, "what is committed later comes behind"
        self._events = events
        return (*told, *lists)

    def end(self) -> object:
        """Everything that is left, as a newcomer finds it once both are dead."""
        for store in self.stores:
            store.close()
        newcomer = self.sharers.open()
        for name in ALL:
            self._read(newcomer, name)
        return picture(newcomer, *ALL)

    def _step(self, side: int, what: str | int | tuple[Act, ...]) -> Told:
        store = self.stores[side]
        match what:
            case int():
                self.sharers.clock.now += what
                return ()
            case tuple():
                units = [self._unit(side, act) for act in what]
                return tuple(map(_words, self._commit(side, units)))
            case "look":
                return self._look(side)
            case "read":
                self._looks[side] = {name: self._read(store, name) for name in ALL}
                return ()
            case "die":
                store.close()
                self.stores[side] = self.sharers.open(serves=False)
            case "leave":
                store.end(clean=True)
            case _:
                pass
        self._beliefs[side], self._looks[side] = {}, {}
        self._seen[side] = 0
        self.incarnations[side] = None
        opening = self.stores[side].begin()
        self.incarnations[side] = opening.incarnation
        return opening.incarnation, opening.was_clean

    def _commit(self, side: int, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = self.stores[side].commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            name = unit.fence.identity
            if isinstance(outcome, Committed):
                fence = IdentityFence(
                    name, unit.fence.key, unit.fence.token, unit.fence.generation, CheckpointVersion(outcome.version)
                )
                self._beliefs[side][name] = Writer(self.stores[side], fence, SessionId(uuid_of(1)))
        return outcomes

    def _unit(self, side: int, act: Act) -> Unit:
        store, name = self.stores[side], act.name
        # Who looked before acts by what it saw then; the next time it looks again.
        look = self._looks[side].pop(name, None)
        found = self._read(store, name) if look is None else look
        fence = IdentityFence(found.identity, found.key, FencingToken(1), Generation(0), CheckpointVersion(0))
        if found.head is not None:
            fence = IdentityFence(
                found.identity, found.key, found.head.token, found.head.generation, found.head.version
            )
        if act.verb == "claim" and found.head is not None:
            higher = FencingToken(found.head.token + 1)
            claimed = IdentityFence(fence.identity, fence.key, higher, fence.generation, fence.version)
            return Unit(claimed, (Claim(found.head.token),))
        belief = self._beliefs[side].get(name)
        writer = Writer(store, fence, SessionId(uuid_of(1))) if belief is None else belief
        return writer.unit(*self._effects(side, act, writer, found))

    def _effects(self, side: int, act: Act, writer: Writer, found: Activation) -> tuple[Effect, ...]:
        match act.verb:
            case "create" if found.head is None:
                return (CreateIdentity("worker", SessionId(self._id())),)
            case "release":
                return (Release(),)
            case "admit" | "create":
                return (insert(found.admissions + 1, input_id=InputId(self._id())),)
            case "send":
                ids = [InputId(self._id()) for _ in range(2)]
                self._sent[side].update(ids)
                stranger = f"{act.recipient}-{act.name}"
                return send(act.recipient, 1, input_id=ids[0]), send(stranger, 2, input_id=ids[1])
            case "take":
                mail = self.stores[side].pending_mail(found.key, limit=1)
                return tuple(take(one, found.admissions + 1) for one in mail)
            case "turn":
                return (writer.boundary(RunId(self._id())),)
            case _:
                return ()

    def _look(self, side: int) -> Told:
        store = self.stores[side]
        news = store.look_around()
        if news.is_lost:
            assert news.work == ()
            return ("lost",)
        work = store.identities_with_work()
        assert set(news.work) <= set(work)
        assert list(news.work) == sorted(set(news.work))
        for name in work:
            mail = store.pending_mail(read(store, name).key, limit=EVERYTHING)
            if any(one.sequence > self._seen[side] and one.input_id not in self._sent[side] for one in mail):
                assert name in news.work, f"mail for {name} came, and side {side} was not told"
        self._seen[side] = self._events[-1].sequence if self._events else 0
        return ("kept",)

    def _read(self, store: Store, name: str) -> Activation:
        found = read(store, name)
        assert self._name_of_key.setdefault(found.key, name) == name, "one key, two names"
        return found

    def _id(self) -> str:
        return uuid_of(0xA11_0000 + next(self._numbers))


def _words(outcome: CommitOutcome) -> Told:
    match outcome:
        case Committed():
            return ("committed", outcome.version)
        case Refused():
            return (outcome.reason, outcome.effect)
        case HeldElsewhere():
            return ("held", outcome.effect, outcome.holder.expires_in)
        case _:
            return ("duplicate", outcome.effect, outcome.identity, outcome.first)


@given(moves=st.lists(MOVES, max_size=40))
@settings(max_examples=80, deadline=None)
def test_two_stores_on_a_file_live_as_two_in_memory(moves: Sequence[Move]) -> None:
    """Keys are set aside two at a time here, so that they run out within batches, also within those that fail."""
    folder = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder) as parent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(naming, "RESERVED", 2)
        on_file = SqliteSharers(Clock(), Path(parent, "team.db"))
        worlds = [World(MemorySharers(Clock())), World(on_file)]
        for move in moves:
            in_memory, in_file = (world.step(move) for world in worlds)
            assert in_file == in_memory, move
        at_end = [world.end() for world in worlds]
        assert at_end[0] == at_end[1]
        on_file.close()
