"""Histories by chance: what is chosen depends on the seed alone."""

from __future__ import annotations

from random import Random
from typing import Final

from attrs import frozen

from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import Verb
from tests.histories.moves import (
    AGENTS,
    OPS,
    SILENT_INTENT,
    Admit,
    Again,
    Ask,
    Await,
    Cancel,
    Close,
    Drop,
    GiveUp,
    Interrupt,
    Kill,
    Moment,
    Move,
    Pass,
    Redrive,
    Release,
    Step,
    Stir,
    WaitIdle,
)

K = InputKind

_INDEX_MAX: Final = 10_000
_PASSES: Final = (0, 1, 2, 3, 5, 8, 13, None, None, None, None, None)
_SECONDS: Final = (0.1, 1.0, 1.0, 3.0, 12.0, 100.0)
REQUESTS: Final = ("01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002")
_PROGRESS: Final = ("accepted", "in_progress", "partial_result")
_RESULTS: Final = ("completed", "failed")
_VERBS: Final = {
    Verb.PAUSE: 4, Verb.RESUME: 8, Verb.RETIRE: 2, Verb.STOP: 2, Verb.RESET: 3, Verb.RECYCLE: 3, Verb.DESTROY: 1,
    None: 5,
}  # fmt: skip
"""None: to create anew."""
_WEIGHTS: Final = {
    Admit: 40, Again: 4, Await: 5, Cancel: 6, Interrupt: 5, Stir: 2, Ask: 8, Redrive: 3, Drop: 2, WaitIdle: 1,
    GiveUp: 3, Release: 9, Pass: 9, Kill: 3, Close: 1,
}  # fmt: skip


@frozen(kw_only=True)
class History:
    """A world and what happens in it."""

    seed: str
    """Of ids, and of the order of tasks."""
    limits: Limits
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        told = "\n".join(f"  {step.move}, passes={step.passes}" for step in self.steps)
        return f"seed {self.seed!r}, {self.limits}\n{told}"


def choose_history(seed: str, steps: int) -> History:
    """Choose so many steps, and the bounds of their world."""
    chance = Random(seed)
    limits = Limits(
        attempts_max=3,
        interruptions_max=chance.choice((2, 4, 6)),
        suspect_from=chance.choice((1, 2, 3)),
        run_inputs_max=chance.choice((1, 3, 64)),
        fold_max=chance.choice((1, 2, 64)),
        pull_max=chance.choice((1, 64)),
        backlog_max=chance.choice((5, 100, 100)),
        batch_max=chance.choice((1, 2_000)),
        live_max=chance.choice((1, 1_000)),
        shutdown_seconds=chance.choice((0.0, 5.0)),
    )
    # A quiet world gets further: what is half done by the one kind of trouble meets the other.
    governed, killed = chance.choice((0.0, 0.3, 1.0, 2.0)), chance.choice((0.0, 0.3, 1.0, 6.0))
    factors: dict[type, float] = {Ask: governed, Kill: killed, Close: min(killed, 1.0)}
    weights = {kind: weight * factors.get(kind, 1.0) for kind, weight in _WEIGHTS.items()}
    ops = chance.sample(OPS, chance.randint(4, len(OPS)))
    return History(seed=seed, limits=limits, steps=tuple(_step(chance, weights, ops) for _ in range(steps)))


def _step(chance: Random, weights: dict[type, float], ops: list[str]) -> Step:
    [kind] = chance.choices(list(weights), list(weights.values()))
    return Step(_move(chance, kind, ops), chance.choice(_PASSES))


def _move(chance: Random, kind: type, ops: list[str]) -> Move:
    agent, index = chance.choice(AGENTS), chance.randrange(_INDEX_MAX)
    simple: dict[type, Move] = {
        Again: Again(index=index, asks=chance.random() < 0.3),
        Await: Await(index=index),
        Cancel: Cancel(index=-1 - index % 6 if index % 2 else index),  # mostly one of the last: the others are over
        Interrupt: Interrupt(agent=agent, at_checkpoint=chance.random() < 0.4),
        Stir: Stir(agent=agent),
        Ask: Ask(agent=agent, verb=chance.choices(list(_VERBS), list(_VERBS.values()))[0]),
        Redrive: Redrive(index=index, by_id=chance.random() < 0.3),
        Drop: Drop(index=index),
        WaitIdle: WaitIdle(),
        GiveUp: GiveUp(index=index),
        Release: Release(),
        Pass: Pass(seconds=chance.choice(_SECONDS)),
        Kill: Kill(moment=chance.choice(tuple(Moment)), commits=chance.randint(1, 4)),
        Close: Close(),
    }
    return _admit(chance, agent, ops) if kind is Admit else simple[kind]


def _admit(chance: Random, agent: str, ops: list[str]) -> Admit:
    kind = chance.choice((K.PROMPT, K.PROMPT, K.PROMPT, K.PEER_MESSAGE, K.PEER_MESSAGE, *K))
    options: dict[str, str | bool] = {}
    if kind is K.PEER_RESPONSE_PROGRESS:
        options |= {"request_id": chance.choice(REQUESTS), "status": chance.choice(_PROGRESS)}
    elif kind is not K.OPERATION:
        if kind is K.PEER_RESPONSE_TERMINAL:
            options |= {"request_id": chance.choice(REQUESTS), "status": chance.choice(_RESULTS)}
        if chance.random() < 0.4:
            options["mode"] = chance.choice(("queue", "steer", "steer"))
        if kind is K.PEER_REQUEST and chance.random() < 0.5:
            options["intent"] = SILENT_INTENT
    if chance.random() < 0.3:
        options["supersession_key"] = chance.choice("xy")
    if chance.random() < 0.15:
        options["durability"] = chance.choice(("ephemeral", "durable"))
    if chance.random() < 0.15:
        options["wakes"] = False
    if chance.random() < 0.1:
        options["in_transcript"] = False
    return Admit(
        agent=agent,
        kind=kind,
        ops=tuple(chance.choice(ops) for _ in range(chance.choice((0, 1, 1, 2, 3, 4)))),
        options=tuple(options.items()),
        key=chance.randrange(30) if chance.random() < 0.2 else None,
        asks=chance.random() < 0.4,
    )
