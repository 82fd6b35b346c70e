"""Histories, run: one alone, one chosen by a seed, and one that went wrong made smaller."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, get_args

import trio
import trio.testing
from attrs import Factory, define

from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.outcomes import AbandonReason, Coalesced, Consumed, Noted, Superseded
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.scheduling import Watchdog, seeded
from meerkat_actors.store import MemoryStore, open_sqlite
from meerkat_actors.store.sqlite.examining import examine
from tests.actors.world import VirtualEnv
from tests.histories.callers import Callers
from tests.histories.choosing import History, choose_history
from tests.histories.ledger import Ledger
from tests.histories.moves import Ask, Move
from tests.histories.outside import Life, Outside, ViolationError
from tests.histories.processes import Opener
from tests.histories.reckoning import reckon
from tests.histories.shrinking import TRIES_MAX, shrunk
from tests.histories.world import SeededEnv, World
from tests.store.conftest import MEMORY_FOLDER

STEPS_PER_ROUND: Final = 150

NEVER: Final = {
    AbandonReason.RETIRED: "retired agents always drain",
    AbandonReason.NEVER_EXECUTED: "no agent waits for a thread",
}
"""Endings that no history comes to, and why not."""
_ANSWERS: Final = (
    "answer", "admission", "duplicate", "outcome", "cancelled", "interrupted", "not interrupted", "stirred",
    "recreated", "driven again", "dropped", "idle", "TurnAbandonedError", "UnknownOutcomeError", "WaitEndedError",
    "NotReadyError", "DestroyedError", "BacklogFullError", "IdempotencyConflictError", "UnknownInputError",
)  # fmt: skip

T = TypeVar("T")


class AnyHistory(Protocol):
    """A world of a seed, and what happens in it."""

    @property
    def seed(self) -> str: ...
    @property
    def steps(self) -> Sequence[Any]: ...


H = TypeVar("H", bound=AnyHistory)
Bench = Callable[..., Generator[Opener, None, None]]
"""Makes what opens a store; ``is_shared=True`` for several processes at a time, where a history may have them."""
LEASE_SECONDS: Final = 60.0
"""Of processes that share a store."""


def memory(*, is_shared: bool = False) -> Generator[Opener, None, None]:
    """A memory store, which outlives its processes; ``is_shared``: for several at a time."""
    if is_shared:
        yield MemoryStore(env=VirtualEnv(), ownership="shared", lease_seconds=LEASE_SECONDS).beside
        return
    store = MemoryStore()
    yield lambda: store


def sqlite(*, is_shared: bool = False) -> Generator[Opener, None, None]:
    """A database without fsync, opened anew by each process; looked through at the end."""
    ownership: Ownership = "shared" if is_shared else "exclusive"
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        path = Path(folder, "team.db")
        yield lambda: open_sqlite(
            path, synchronous="normal", ownership=ownership, lease_seconds=LEASE_SECONDS, env=VirtualEnv()
        )
        found = examine(path)
        if found.findings:
            raise ViolationError(kind="doctor finds something", detail=str(found.findings[0]))


BENCHES: Final[dict[str, Bench]] = {"memory": memory, "sqlite": sqlite}


@define(eq=False)
class Tally:
    """What histories did."""

    steps: int = 0
    rounds: int = 0
    kills: int = 0
    closings: int = 0
    inputs: int = 0
    attempts: int = 0
    moves: Counter[str] = Factory(Counter[str])
    told: Counter[str] = Factory(Counter[str])
    """What callers heard."""
    endings: Counter[str] = Factory(Counter[str])
    """How inputs ended."""

    def add(self, other: Tally) -> None:
        """Count what another one counted."""
        self.steps += other.steps
        self.rounds += other.rounds
        self.kills += other.kills
        self.closings += other.closings
        self.inputs += other.inputs
        self.attempts += other.attempts
        self.moves += other.moves
        self.told += other.told
        self.endings += other.endings

    def lacking(self) -> list[str]:
        """What could have occurred and did not."""
        reasons = [reason.value for reason in AbandonReason if reason not in NEVER]
        endings = [*reasons, *(kind.__name__.lower() for kind in (Consumed, Noted, Superseded, Coalesced))]
        moves = [kind.__name__.lower() for kind in get_args(Move) if kind is not Ask]
        return [
            *(f"an input that ended as {name}" for name in endings if not self.endings[name]),
            *(f"the move {name}" for name in (*moves, *Verb, "recreate") if not self.moves[name]),
            *(f"the answer {name}" for name in (*Verb, *_ANSWERS) if not self.told[name]),
        ]

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.steps} steps in {self.rounds} rounds, {self.kills} kills, {self.closings} orderly ends",
                f"{self.inputs} inputs in {self.attempts} attempts ended as: {_listed(self.endings)}",
                f"callers heard: {_listed(self.told)}",
                f"moves: {_listed(self.moves)}",
            )
        )


def run_history(history: History, bench: Bench = memory) -> Tally:
    """Live through a history.

    Raises:
        ViolationError: something happened that must not.
    """
    return lived(history.seed, bench, partial(_live, history))


def lived(seed: str, bench: Bench, live: Callable[[Opener, Watchdog], Awaitable[T]]) -> T:
    """Live in virtual time, with the chance of a seed.

    Raises:
        ViolationError: something happened that must not.
    """
    with contextmanager(bench)() as opener, seeded(seed):
        watchdog = Watchdog()
        try:
            return trio.run(
                live,
                opener,
                watchdog,
                clock=trio.testing.MockClock(autojump_threshold=0),
                instruments=(watchdog,),
            )
        except* ViolationError as group:
            raise _first(group) from None


def run_round(seed: str, steps: int, bench: Bench = memory, *, tries_max: int = TRIES_MAX) -> Tally:
    """Choose a history of so many steps, and live through it.

    Raises:
        ViolationError: something happened that must not; it tells the smallest history found that shows it.
    """
    return lived_or_shrunk(
        choose_history(seed, steps),
        lambda history: run_history(history, bench),
        lambda history, fails: shrunk(history, fails, tries_max),
    )


def lived_or_shrunk(history: H, live: Callable[[H], T], shrink: Callable[[H, Callable[[H], bool]], H]) -> T:
    """What living through a history returns.

    Raises:
        ViolationError: something happened that must not; it tells the smallest history found that shows it.
    """
    found = _tried(history, live)
    if not isinstance(found, ViolationError):
        return found
    last = found

    def fails(some: H) -> bool:
        nonlocal last
        again = _tried(some, live)
        if isinstance(again, ViolationError) and again.kind == found.kind:
            last = again
            return True
        return False

    smallest = shrink(history, fails)
    told = f"{last.detail}\nin the round of seed {history.seed!r}; the smallest history found:\n{smallest}"
    error = ViolationError(kind=found.kind, detail=told)
    error.steps = smallest.steps
    raise error


def _tried(history: H, live: Callable[[H], T]) -> T | ViolationError:
    try:
        return live(history)
    except ViolationError as error:
        return error


async def _live(history: History, opener: Opener, watchdog: Watchdog) -> Tally:
    outside = Outside(Life(1))
    env = SeededEnv(history.seed)
    ledger = Ledger(outside, history.limits, MemoryStore())
    callers = Callers(outside, ledger, env)
    with trio.CancelScope() as watchdog.scope:
        async with trio.open_nursery() as nursery:
            world = World(history, opener, env, outside, ledger, callers, nursery, watchdog)
            await world.live(history.steps)
            await reckon(world)
            nursery.cancel_scope.cancel()
        return _tally(world)
    raise ViolationError(kind="somebody goes round in circles", detail=history.seed)


def _tally(world: World) -> Tally:
    outside, steps = world.outside, world.history.steps
    named = [
        str(step.move.verb or "recreate") if isinstance(step.move, Ask) else type(step.move).__name__.lower()
        for step in steps
    ]
    return Tally(
        steps=len(steps),
        rounds=1,
        kills=outside.kills,
        closings=outside.closings,
        inputs=sum(len(page.ids) for page in world.ledger.pages.values()),
        attempts=sum(outside.begun.values()),
        moves=Counter(named),
        told=Counter(world.callers.told),
        endings=Counter(world.ledger.endings),
    )


def _first(group: BaseExceptionGroup[ViolationError]) -> ViolationError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ViolationError)
    return error


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
