"""Kills at every commit of a piece of work, and whoever comes back."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

import trio
from attrs import define, field, frozen

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import OwnerUnit, Unit
from meerkat_actors.simulation.checks import Evidence, violations
from meerkat_actors.store import Store
from meerkat_actors.store.sqlite.examining import examine
from tests.actors.faulty import FaultyStore, broken
from tests.fates.acts import Act
from tests.fates.beliefs import Beliefs, Client
from tests.fates.facts import AgentFacts, Facts, problems_in, read_facts
from tests.fates.listening import listening, misheard
from tests.fates.tricks import Outside
from tests.fates.world import BEGINNING_MS, OnDisk, Place, Surroundings, looking_at, play, serving


def _nothing() -> None:
    return None


class WatchedStore(FaultyStore):
    """Tells of every commit, also of what a runtime writes by itself: before it, and between COMMIT and the answer."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.posts: list[OwnerUnit] = []
        self.commits = 0
        self.what = ""
        """What the last commit was, for people."""
        self.before: Callable[[], None] = _nothing
        self.after: Callable[[], None] = _nothing

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        self._begin(", ".join(map(_named, units)))
        outcomes = super().commit(units)
        self.after()
        return outcomes

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        self.posts.append(unit)
        self._begin(f"the runtime ({type(unit.effect).__name__})")
        outcome = super().post(unit)
        self.after()
        return outcome

    def _begin(self, what: str) -> None:
        self.before()
        self.commits += 1
        self.what = f"commit {self.commits}: {what}"


@frozen(kw_only=True)
class Moment:
    """What there was besides the store when its process ended."""

    beliefs: Beliefs
    outside: Outside
    now_ms: int
    """By the wall clock."""


@frozen(kw_only=True)
class Kill:
    """What a kill left behind."""

    where: str
    place: Place
    moments: tuple[Moment, ...]
    """What else may have happened by then: amid the commit, and at the last moment before the next one."""


@frozen(kw_only=True)
class Life:
    """An act from its beginning to its end."""

    facts: Facts
    wrong: tuple[str, ...]
    """What was wrong at its end."""
    units: tuple[Unit, ...]
    posts: tuple[OwnerUnit, ...]
    kills: tuple[Kill, ...]


@define(eq=False)
class Player:
    """Whoever plays an act, and what there is around the process."""

    beliefs: Beliefs = field(factory=Beliefs)
    surroundings: Surroundings = field(factory=Surroundings)
    _seen_ms: int = BEGINNING_MS

    def moment(self) -> Moment:
        """How things are now; once the process has ended, as they were when that was asked last."""
        if trio.lowlevel.in_trio_run():
            self._seen_ms = self.surroundings.wall_ms()
        outside = Outside(list(self.surroundings.outside.done))
        return Moment(beliefs=self.beliefs.copy(), outside=outside, now_ms=self._seen_ms)

    @staticmethod
    def after(moment: Moment, *, down_seconds: float = 0) -> Player:
        """Whoever comes back then, so long after it."""
        ahead_ms = moment.now_ms - BEGINNING_MS + round(1000 * down_seconds)
        outside = Outside(list(moment.outside.done))
        return Player(moment.beliefs.lasting(), Surroundings(ahead_ms, outside))


def live(act: Act, place: Place) -> Life:
    """Play an act undisturbed, and keep what a kill would leave: before the first commit, and in and after each."""
    store = WatchedStore(place.open())
    player = Player()
    kills: list[Kill] = []
    amid: list[tuple[str, Place, Moment]] = []

    def finish() -> None:
        then = player.moment()
        for where, copy, moment in amid:
            kills.append(Kill(where=f"{act}: {where}", place=copy, moments=(moment, then)))
        amid.clear()
        if not kills:
            kills.append(Kill(where=f"{act}: before the first commit", place=place.copy(), moments=(then,)))

    store.before = finish
    store.after = lambda: amid.append((store.what, place.copy(), player.moment()))
    facts, wrong = come_back(act, store, player)
    finish()
    wrong += problems_at(act, place)
    return Life(facts=facts, wrong=tuple(wrong), units=tuple(store.units), posts=tuple(store.posts), kills=tuple(kills))


def survive(act: Act, kill: Kill, wanted: Facts) -> list[str]:
    """Look at what a kill left, ask again, and compare: what is wrong."""
    wrong = problems_at(act, kill.place)
    with looking_at(kill.place) as store:
        facts = read_facts(store)
        wrong += problems_in(store)
        for moment in kill.moments:
            wrong += moment.beliefs.contradicted_by(facts) + misheard(moment.beliefs, store, is_all=False)
    first, last = kill.moments[0], kill.moments[-1]
    # What was done outside in between is either done, or not.
    chosen = [last] if first.outside.done == last.outside.done else [first, last]
    for moment, place in zip(chosen, [kill.place, *(kill.place.copy() for _ in chosen[1:])], strict=True):
        wrong += _go_on(act, place, moment, wanted, kill.where)
    return [f"{kill.where}: {one}" for one in wrong]


def _go_on(act: Act, place: Place, moment: Moment, wanted: Facts, seed: str) -> list[str]:
    player = Player.after(moment)
    ended, wrong = come_back(act, place.open(), player, seed=seed)
    wrong += moment.beliefs.lasting().contradicted_by(ended) + problems_at(act, place)
    was, became = shown(wanted, act), shown(ended, act)
    wrong += difflib.ndiff(was, became) if was != became else ()
    if isinstance(place, OnDisk):
        wrong += map(str, examine(place.path).findings)
        place.remove()
    return wrong


def live_until(act: Act, place: Place, nth: int, *, is_written: bool) -> Kill | None:
    """Play an act whose ``nth`` commit fails: nothing of it was written, or all of it and its answer is lost.

    None: it has fewer commits.
    """
    store = WatchedStore(place.open())

    def fail() -> None:
        if store.commits >= nth - (not is_written):
            raise broken()

    if is_written:
        store.after = fail
    else:
        store.before = fail
    player = Player()
    try:
        come_back(act, store, player)
    except StoreFailedError:
        end = "answer lost" if is_written else "not written"
        return Kill(where=f"{act}: commit {nth} failed, {end}", place=place, moments=(player.moment(),))
    return None


def come_back(act: Act, store: Store, player: Player, *, seed: object = 1) -> tuple[Facts, list[str]]:
    """Play an act to its end over a store; what is true then, and what is wrong."""
    beliefs, surroundings = player.beliefs, player.surroundings

    async def main() -> tuple[Facts, list[str]]:
        async with (
            serving(store, seed=seed, limits=act.limits, surroundings=surroundings) as runtime,
            listening(runtime, beliefs),
        ):
            await act.play(Client(runtime, beliefs, surroundings))
            await runtime.wait_idle()
            await trio.sleep(1)  # until whoever listens has heard of it
            facts = read_facts(store)
            wrong = problems_in(store) + beliefs.contradicted_by(facts) + misheard(beliefs, store, is_all=True)
            return facts, wrong

    return play(main, seed=seed)


def problems_at(act: Act, place: Place) -> list[str]:
    """The invariants that the rows of a store break, which nobody serves."""
    return violations(Evidence(contents=place.read(), attempts_max=act.limits.attempts_max))


def shown(facts: Facts, act: Act) -> list[str]:
    """What must be the same wherever a kill came, line by line."""
    return [line for name, agent in facts.items() for line in _lines(name, agent, act)]


def _lines(name: str, agent: AgentFacts, act: Act) -> list[str]:
    version = "?" if act.free or act.is_loose else agent.version
    inputs = [one for one in agent.inputs if not _is_free(one.name, act)]
    transcript = [entry for entry in agent.transcript if not _is_free(entry[2], act)]
    lines = [
        f"{agent.is_there} {agent.generation}.{version} {agent.desired} {agent.is_buried} {agent.config!r}",
        f"owes {agent.owed}",
        *(str(one) for one in (*agent.timers, *agent.operations) if not _is_free(str(one), act)),
    ]
    if act.is_loose:
        lines += sorted(f"{one.name} {one.state} {one.ending.partition(':')[0]} {one.letter}" for one in inputs)
        lines += sorted(str(entry) for entry in transcript if entry[1] == "user")
    else:
        lines += [*map(str, inputs), *map(str, transcript)]
    return [f"{name}: {line}" for line in lines]


def _is_free(line: str, act: Act) -> bool:
    return any(word in line for word in act.free)


def _named(unit: Unit) -> str:
    return f"{unit.fence.identity}({' '.join(type(effect).__name__ for effect in unit.effects)})"
