"""A history in which something goes wrong, made smaller as long as the same goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from attrs import evolve

from tests.histories.choosing import History
from tests.histories.moves import Admit, Again, Step
from tests.store.unit_campaign_shrinking import fewer

S = TypeVar("S")

TRIES_MAX: Final = 600
"""Histories lived through, after which what is left is small enough."""


def shrunk(history: History, fails: Callable[[History], bool], tries_max: int = TRIES_MAX) -> History:
    """The smallest history found that still ``fails``: fewer steps, then plainer ones."""
    steps = smaller(history.steps, lambda steps: fails(evolve(history, steps=steps)), _plainer, tries_max)
    return evolve(history, steps=steps)


def smaller(
    steps: tuple[S, ...],
    fails: Callable[[tuple[S, ...]], bool],
    plainer: Callable[[S], Iterable[S]],
    tries_max: int = TRIES_MAX,
) -> tuple[S, ...]:
    """The smallest steps found that still ``fails``: fewer, then plainer ones, until neither helps."""
    tries = 0

    def still_fails(steps: tuple[S, ...]) -> bool:
        nonlocal tries
        tries += 1
        return tries <= tries_max and fails(steps)

    while True:
        before = steps
        steps = fewer(steps, still_fails)
        for place in range(len(steps)):
            for simple in plainer(steps[place]):
                if still_fails((*steps[:place], simple, *steps[place + 1 :])):
                    steps = (*steps[:place], simple, *steps[place + 1 :])
                    break
        if steps == before:
            return steps


def _plainer(step: Step) -> Iterator[Step]:
    """The same with one thing less."""
    move = step.move
    if step.passes is not None:
        yield evolve(step, passes=None)
    if isinstance(move, Admit):
        for place in range(len(move.ops)):
            yield evolve(step, move=evolve(move, ops=move.ops[:place] + move.ops[place + 1 :]))
        for place in range(len(move.options)):
            yield evolve(step, move=evolve(move, options=move.options[:place] + move.options[place + 1 :]))
        if move.key is not None:
            yield evolve(step, move=evolve(move, key=None))
    if isinstance(move, Admit | Again) and move.asks:
        yield evolve(step, move=evolve(move, asks=False))
