"""Histories of mail by chance: what is chosen depends on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from attrs import evolve, frozen

from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import Verb
from tests.histories.moves import Close, Interrupt, Kill, Moment, Pass
from tests.mailing.moves import BUSY, LATE, PRESENT, Govern, Letters, MailMove, MailStep, Prompt, Prune, Refuse

WAYS: Final[tuple[str, ...]] = (
    "send", "send", "send", "steer", "supersede", "quiet", "request", "request", "request", "urgent", "after",
)  # fmt: skip
"""What agents do on behalf of what they get, see ``tests.mailing.agents``."""
UNDELIVERABLE_SECONDS: Final = 30.0
WALK_SECONDS: Final = 4_000.0
"""Virtual seconds in which the courier looks at everybody's mail."""
_PASSES: Final = (0, 1, 3, 8, 20, 60, 200, None)
_SECONDS: Final = (0.1, 1.0, 3.0, 12.0, 70.0)
_VERBS: Final = {
    Verb.PAUSE: 5, Verb.RESUME: 10, Verb.RETIRE: 3, Verb.STOP: 4, Verb.RESET: 6, Verb.RECYCLE: 1, Verb.DESTROY: 3,
    None: 8,
}  # fmt: skip
"""None: to create, also anew."""
_WEIGHTS: Final = {
    Prompt: 40, Govern: 30, Interrupt: 4, Refuse: 3, Prune: 1, Letters: 3, Pass: 10, Kill: 4, Close: 1,
}  # fmt: skip
_REFUSALS: Final = (RefusalReason.NOT_HEAD_OF_PAIR, RefusalReason.INPUT_STATE_CONFLICT)


@frozen(kw_only=True)
class MailHistory:
    """A world of agents that write to each other, and what happens to them."""

    seed: str
    """Of ids, and of the order of tasks."""
    limits: Limits
    is_shared: bool
    """Whether two processes share the store."""
    ways: tuple[str, ...]
    steps: tuple[MailStep, ...]

    def __str__(self) -> str:
        told = "\n".join(f"  {step}" for step in self.steps)
        shared = "two processes" if self.is_shared else "one process"
        return f"seed {self.seed!r}, {shared}, {self.ways}, {self.limits}\n{told}"


def choose_history(seed: str, steps: int) -> MailHistory:
    """Choose so many steps, and the bounds of their world."""
    chance = Random(seed)
    is_shared = chance.random() < 0.25
    limits = Limits(
        attempts_max=chance.choice((2, 3)),  # with one only, a batch would fail as a whole
        interruptions_max=chance.choice((3, 6, 20)),
        run_inputs_max=chance.choice((1, 3, 64)),
        fold_max=chance.choice((1, 4, 64)),
        pull_max=chance.choice((1, 5, 64)),
        backlog_max=chance.choice((3, 10, 10_000)),
        owed_max=chance.choice((2, 1_000)),
        batch_max=chance.choice((1, 7, 2_000)),
        live_max=chance.choice((1, 10, 1_000)),
        passivate_seconds=60.0 if is_shared else chance.choice((0.5, 60.0)),
        shutdown_seconds=chance.choice((0.0, 5.0)),
        undeliverable_seconds=UNDELIVERABLE_SECONDS,
        # Refusals on purpose are no reason to keep an agent apart.
        restarts_max=1_000,
        # Each look is an event of virtual time, and nothing here is in a hurry.
        lease_seconds=60.0,
        look_seconds=2.0,
    )
    # A quiet world gets further: what is half done by the one kind of trouble meets the other.
    governed, killed = chance.choice((0.3, 1.0, 1.0, 2.0)), chance.choice((0.0, 0.3, 1.0, 3.0))
    factors: dict[type, float] = {Govern: governed, Kill: killed, Refuse: killed, Close: min(killed, 1.0)}
    weights = {kind: weight * factors.get(kind, 1.0) for kind, weight in _WEIGHTS.items()}
    return MailHistory(
        seed=seed,
        limits=limits,
        is_shared=is_shared,
        ways=WAYS,
        steps=tuple(_step(chance, weights, f"{number}", is_shared=is_shared) for number in range(steps)),
    )


def plainer(step: MailStep) -> Iterator[MailStep]:
    """The same with one thing less."""
    if step.passes is not None:
        yield evolve(step, passes=None)
    if step.side:
        yield evolve(step, side=0)
    move = step.move
    if isinstance(move, Prompt):
        for budget in (0, 1, 2, 4, 8, move.budget // 2, move.budget - 1):
            if 0 <= budget < move.budget:
                yield evolve(step, move=evolve(move, budget=budget))


def _step(chance: Random, weights: dict[type, float], label: str, *, is_shared: bool) -> MailStep:
    [kind] = chance.choices(list(weights), list(weights.values()))
    side = chance.randrange(2) if is_shared else 0
    return MailStep(_move(chance, kind, label, is_shared=is_shared), chance.choice(_PASSES), side)


def _move(chance: Random, kind: type, label: str, *, is_shared: bool) -> MailMove:
    agent = chance.choice(BUSY if chance.random() < 0.6 else (*PRESENT, *LATE))
    # Who shares a store looks at it all the time, so there hours are too long.
    is_long = chance.random() < 0.05 and not is_shared
    moves: dict[type, MailMove] = {
        Prompt: Prompt(agent=chance.choice(PRESENT), label=label, budget=chance.choice((4, 15, 40, 100))),
        Govern: Govern(agent=agent, verb=chance.choices(list(_VERBS), list(_VERBS.values()))[0]),
        Interrupt: Interrupt(agent=agent, at_checkpoint=chance.random() < 0.4),
        Refuse: Refuse(reason=chance.choice(_REFUSALS)),
        Prune: Prune(),
        Letters: Letters(drives_again=chance.random() < 0.8),
        Pass: Pass(seconds=WALK_SECONDS if is_long else chance.choice(_SECONDS)),
        Kill: Kill(moment=chance.choice(tuple(Moment)), commits=chance.randint(1, 30)),
        Close: Close(),
    }
    return moves[kind]
