"""Histories of mail, run: one chosen by a seed, and one that went wrong made smaller."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

import trio
from attrs import Factory, define, evolve

from meerkat_actors.records.agenda_effects import CountSends, DropTimers, FireTimer, SetTimer, SettleRequest
from meerkat_actors.records.effects import BeginGeneration, Bury, Recreate
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.scheduling import Watchdog
from tests.histories.outside import ViolationError
from tests.histories.processes import Opener
from tests.histories.running import Bench, lived, lived_or_shrunk, memory
from tests.histories.shrinking import smaller
from tests.mailing.choosing import MailHistory, choose_history, plainer
from tests.mailing.judging import Verdict, judge
from tests.mailing.winding import wind_up
from tests.mailing.world import new_world

STEPS_PER_ROUND: Final = 120
TRIES_MAX: Final = 250
"""Histories lived through, after which what is left is small enough."""
NEVER: Final = frozenset({AbandonReason.NEVER_EXECUTED})
"""Endings that no mail comes to: no agent waits for a thread."""
_KINDS: Final = tuple(kind for kind in InputKind if kind.value.startswith("peer_"))
_RARE: Final = (
    SettleRequest, CountSends, SetTimer, FireTimer, DropTimers, MoveInput, BeginGeneration, Bury, Recreate,
)  # fmt: skip
_EFFECTS: Final = tuple(effect.__name__ for effect in _RARE)


@define(eq=False)
class Tally:
    """What histories of mail did."""

    rounds: int = 0
    steps: int = 0
    kills: int = 0
    closings: int = 0
    refusals: int = 0
    messages: int = 0
    """Rows of mail, whoever sent them."""
    requests: int = 0
    turns: int = 0
    timers: int = 0
    shared: int = 0
    """Rounds of two processes."""
    kinds: Counter[str] = Factory(Counter[str])
    endings: Counter[str] = Factory(Counter[str])
    """How mail ended."""
    asked: Counter[str] = Factory(Counter[str])
    """What operators asked for."""
    effects: Counter[str] = Factory(Counter[str])

    def add(self, other: Tally) -> None:
        """Count what another one counted."""
        self.rounds += other.rounds
        self.steps += other.steps
        self.kills += other.kills
        self.closings += other.closings
        self.refusals += other.refusals
        self.messages += other.messages
        self.requests += other.requests
        self.turns += other.turns
        self.timers += other.timers
        self.shared += other.shared
        self.kinds += other.kinds
        self.endings += other.endings
        self.asked += other.asked
        self.effects += other.effects

    def lacking(self) -> list[str]:
        """What could have occurred and did not."""
        reasons = [reason.value for reason in AbandonReason if reason not in NEVER]
        endings = [*reasons, "consumed", "superseded", "coalesced"]
        return [
            *(f"mail that ended as {name}" for name in endings if not self.endings[name]),
            *(f"mail of the kind {kind}" for kind in _KINDS if not self.kinds[kind]),
            *(f"the verb {verb}" for verb in (*Verb, "interrupt") if not self.asked[verb]),
            *(f"the effect {name}" for name in _EFFECTS if not self.effects[name]),
            *([] if self.shared else ["two processes"]),
        ]

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.messages} messages, {self.requests} of them requests, {self.timers} timers, {self.turns} turns",
                f"{self.rounds} rounds ({self.shared} of two processes), {self.steps} steps, {self.kills} kills, "
                f"{self.closings} orderly ends, {self.refusals} units refused on purpose",
                f"kinds: {_listed(self.kinds)}",
                f"they ended as: {_listed(self.endings)}",
                f"operators asked: {_listed(self.asked)}",
                f"effects: {_listed(self.effects)}",
            )
        )


def run_history(history: MailHistory, bench: Bench = memory) -> Tally:
    """Live through a history.

    Raises:
        ViolationError: something happened that must not.
    """
    return lived(history.seed, partial(bench, is_shared=history.is_shared), partial(_live, history))


def run_round(seed: str, steps: int, bench: Bench = memory, *, tries_max: int = TRIES_MAX) -> Tally:
    """Choose a history of so many steps, and live through it.

    Raises:
        ViolationError: something happened that must not; it tells the smallest history found that shows it.
    """
    return lived_or_shrunk(
        choose_history(seed, steps),
        lambda history: run_history(history, bench),
        lambda history, fails: evolve(
            history,
            steps=smaller(history.steps, lambda some: fails(evolve(history, steps=some)), plainer, tries_max),
        ),
    )


async def _live(history: MailHistory, opener: Opener, watchdog: Watchdog) -> Tally:
    with trio.CancelScope() as watchdog.scope:
        async with trio.open_nursery() as nursery:
            world = new_world(history, opener, nursery, watchdog)
            await world.live()
            await wind_up(world)
            verdict = judge(world)
            world.raise_complaints()
            for side in world.sides:
                await side.processes.end()
            world.raise_complaints()
            nursery.cancel_scope.cancel()
        return _tally(verdict)
    raise ViolationError(kind="somebody goes round in circles", detail=history.seed)


def _tally(verdict: Verdict) -> Tally:
    world, book = verdict.world, verdict.book
    asked: Counter[str] = Counter()
    for (_, verb), count in world.asked.items():
        asked[verb] += count
    return Tally(
        rounds=1,
        steps=len(world.history.steps),
        kills=world.kills,
        closings=sum(side.outside.closings for side in world.sides),
        refusals=world.refusals,
        messages=len(book.sent),
        requests=sum(sent.kind is InputKind.PEER_REQUEST for sent in book.sent.values()),
        turns=len(verdict.said),
        timers=sum(len(said.timers) for said in verdict.said.values()),
        shared=world.history.is_shared,
        kinds=Counter(sent.kind.value for sent in book.sent.values()),
        endings=verdict.endings,
        asked=asked,
        effects=book.units,
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
