"""A history that two stores differ about, made smaller as long as they differ about the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from attrs import define, evolve

from meerkat_actors.records.effects import Effect, Unit
from tests.store.unit_campaign_sides import Batch, Moment

T = TypeVar("T")

TRIES_MAX: Final = 3_000
"""Replays after which what is left is small enough."""


@define(eq=False)
class _Search:
    fails: Callable[[Sequence[Moment]], bool]
    tries: int = 0

    def still_fails(self, history: Sequence[Moment]) -> bool:
        """Whether that is worth keeping; once the tries are spent, nothing is."""
        self.tries += 1
        return self.tries <= TRIES_MAX and self.fails(history)


def shrunk(history: Sequence[Moment], fails: Callable[[Sequence[Moment]], bool]) -> tuple[Moment, ...]:
    """The smallest history found that still ``fails``: fewer moments, fewer units, fewer effects, plainer batches."""
    search = _Search(fails)
    now = tuple(history)
    while True:
        before = now
        now = fewer(now, search.still_fails)
        for place in range(len(now)):
            now = _plainer(now, place, search)
        if now == before:
            return now


def _plainer(history: tuple[Moment, ...], place: int, search: _Search) -> tuple[Moment, ...]:
    batch = history[place]
    if not isinstance(batch, Batch):
        return history

    def still_fails(other: Batch) -> bool:
        return search.still_fails((*history[:place], other, *history[place + 1 :]))

    poison = 0 if batch.poison and still_fails(Batch(batch.planned, 0)) else batch.poison
    batch = Batch(fewer(batch.planned, lambda planned: still_fails(Batch(planned, poison))), poison)
    for number in range(len(batch.planned)):
        batch = _leaner(batch, number, still_fails)
    return (*history[:place], batch, *history[place + 1 :])


def _leaner(batch: Batch, number: int, still_fails: Callable[[Batch], bool]) -> Batch:
    each = batch.planned[number]

    def with_effects(effects: tuple[Effect, ...]) -> Batch:
        leaner = evolve(each, unit=Unit(each.unit.fence, effects))
        return Batch((*batch.planned[:number], leaner, *batch.planned[number + 1 :]), batch.poison)

    return with_effects(fewer(each.unit.effects, lambda effects: still_fails(with_effects(effects))))


def fewer(items: tuple[T, ...], still_fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out what can be left out: halves first, then less and less."""
    size = len(items)
    while size:
        start = 0
        while start < len(items):
            rest = items[:start] + items[start + size :]
            if still_fails(rest):
                items = rest
            else:
                start += size
        size //= 2
    return items
