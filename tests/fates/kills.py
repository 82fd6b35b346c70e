"""Kills at every commit of a piece of work, and whoever comes back."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from copy import deepcopy

from attrs import frozen

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.store import Store
from meerkat_actors.store.sqlite.examining import examine
from tests.actors.faulty import FaultyStore
from tests.fates.acts import Act
from tests.fates.beliefs import Beliefs, Client
from tests.fates.facts import AgentFacts, Facts, problems_in, read_facts
from tests.fates.world import OnDisk, Place, looking_at, play, serving


@frozen(kw_only=True)
class Kill:
    """What a kill left behind."""

    where: str
    place: Place
    beliefs: tuple[Beliefs, ...]
    """What a client may have been told by then: amid the commit, and at the last moment before the next one."""


@frozen(kw_only=True)
class Life:
    """An act from its beginning to its end."""

    facts: Facts
    wrong: tuple[str, ...]
    """What was wrong at its end."""
    units: tuple[Unit, ...]
    kills: tuple[Kill, ...]


def live(act: Act, place: Place) -> Life:
    """Play an act undisturbed, and keep what a kill would leave: before the first commit, and in and after each."""
    store = FaultyStore(place.open())
    beliefs = Beliefs()
    kills: list[Kill] = []
    amid: list[tuple[str, Place, Beliefs]] = []

    def keep(where: str) -> None:
        amid.append((where, place.copy(), deepcopy(beliefs)))

    def finish(_: Sequence[Unit] = ()) -> None:
        for where, copy, then in amid:
            kills.append(Kill(where=where, place=copy, beliefs=(then, deepcopy(beliefs))))
        amid.clear()
        if not kills:
            kills.append(Kill(where="before the first commit", place=place.copy(), beliefs=(deepcopy(beliefs),)))

    def committed(units: Sequence[Unit], _: Sequence[CommitOutcome]) -> None:
        keep(f"commit {len(store.batches)}: {', '.join(map(_named, units))}")

    store.before_commit = finish
    store.after_commit = committed
    facts, wrong = come_back(act, store, beliefs)
    finish()
    return Life(facts=facts, wrong=tuple(wrong), units=tuple(store.units), kills=tuple(kills))


def survive(act: Act, kill: Kill, wanted: Facts) -> list[str]:
    """Look at what a kill left, ask again, and compare: what is wrong."""
    with looking_at(kill.place) as store:
        facts, wrong = read_facts(store), problems_in(store)
    for beliefs in kill.beliefs:
        wrong += beliefs.contradicted_by(facts)
    lasting = kill.beliefs[-1].lasting()
    ended, later = come_back(act, kill.place.open(), deepcopy(lasting), seed=kill.where)
    wrong += later + lasting.contradicted_by(ended)
    wrong += difflib.ndiff(shown(wanted, act), shown(ended, act)) if shown(wanted, act) != shown(ended, act) else ()
    if isinstance(kill.place, OnDisk):
        wrong += map(str, examine(kill.place.path).findings)
        kill.place.remove()
    return [f"{kill.where}: {one}" for one in wrong]


def live_until(act: Act, place: Place, nth: int, *, is_written: bool) -> Kill | None:
    """Play an act whose ``nth`` commit fails: nothing of it was written, or all of it and its answer is lost.

    None: it has fewer commits.
    """
    store = FaultyStore(place.open())
    if is_written:
        store.fail_after(nth - 1)
    else:
        store.fail_from(nth - 1)
    beliefs = Beliefs()
    try:
        come_back(act, store, beliefs)
    except StoreFailedError:
        end = "answer lost" if is_written else "not written"
        return Kill(where=f"commit {nth} failed, {end}", place=place, beliefs=(beliefs,))
    return None


def come_back(act: Act, store: Store, beliefs: Beliefs, *, seed: object = 1) -> tuple[Facts, list[str]]:
    """Play an act to its end over a store; what is true then, and what is wrong."""

    async def main() -> tuple[Facts, list[str]]:
        async with serving(store, seed=seed) as runtime:
            await act.play(Client(runtime, beliefs))
            await runtime.wait_idle()
            facts = read_facts(store)
            return facts, problems_in(store) + beliefs.contradicted_by(facts)

    return play(main, seed=seed)


def shown(facts: Facts, act: Act) -> list[str]:
    """What must be the same wherever a kill came, line by line."""
    return [line for name, agent in facts.items() for line in _lines(name, agent, act.free)]


def _lines(name: str, agent: AgentFacts, free: frozenset[str]) -> list[str]:
    version = "?" if free else agent.version
    lines = [
        f"{name}: {agent.is_there} {agent.generation}.{version} {agent.desired} {agent.is_buried} {agent.config!r}"
    ]
    lines += [f"{name}: {one}" for one in agent.inputs if one.name not in free]
    return lines + [f"{name}: {entry}" for entry in agent.transcript if not any(one in entry[2] for one in free)]


def _named(unit: Unit) -> str:
    return f"{unit.fence.identity}({' '.join(type(effect).__name__ for effect in unit.effects)})"
