"""What a sweep found, for people and for programs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from meerkat_actors.simulation.failures import FailedSeed
from meerkat_actors.simulation.plan import line_of
from meerkat_actors.simulation.rows import ID, Row

LINES_TOLD: Final = 40
"""Of what happened, in a story."""
_AROUND: Final = 2
"""Lines told before and after one that names what failed."""
_FAILURES_TOLD: Final = 10
"""Beside the first, with one line each."""


class SimulationFailedError(AssertionError):
    """A sweep found violations; its message is the whole report."""


@frozen(kw_only=True)
class Totals:
    """Of all seeds together."""

    seeds: int
    failed: int
    seconds: float
    """Virtual."""
    steps: int
    boots: int
    inputs: int
    turns: int
    fired: Mapping[str, int]


@frozen(kw_only=True)
class Report:
    """The rows of a sweep, and its failures."""

    scenario: str
    found_at: str | None
    """As ``module:name``, or a built-in workload."""
    rows: tuple[Row, ...]
    """By seed."""
    failures: tuple[FailedSeed, ...]
    """By seed; the first of each kind are shrunk."""
    folder: Path | None = None
    """Where it was saved."""

    @property
    def first(self) -> FailedSeed | None:
        """The failure to look at: that of the lowest seed."""
        return self.failures[0] if self.failures else None

    @property
    def totals(self) -> Totals:
        """Of all rows."""
        return totals_of(self.rows)

    def require(self) -> None:
        """Let a test fail if any seed did.

        Raises:
            SimulationFailedError: one did; it tells the whole story.
        """
        if self.failures:
            raise SimulationFailedError(str(self))

    def table(self) -> str:
        """A line for each seed."""
        heading = (
            f"{'seed':>8}  {'trace':32}  {'seconds':>10}  {'steps':>9}  {'boots':>5}  {'inputs':>7}  {'turns':>7}"
            f"  {'faults':>6}  violations"
        )
        lines = [
            f"{row.seed:>8}  {row.trace:32}  {row.seconds:>10,.0f}  {row.steps:>9,}  {row.boots:>5,}  {row.inputs:>7,}"
            f"  {row.turns:>7,}  {sum(row.fired.values()):>6,}  {len(row.violations) or ''}".rstrip()
            for row in self.rows
        ]
        return "\n".join((heading, *lines))

    def command(self, failed: FailedSeed) -> str:
        """What to type to play it again."""
        if failed.found_at is None:
            return f"replay(report.failures[{self.failures.index(failed)}], scenario)  # no other process finds it"
        if self.folder is None:
            name = f"failure-{failed.seed}.json"
            return f"report.failures[{self.failures.index(failed)}].save({name!r}), {_replay_of(Path(name))}"
        return _replay_of(failed.path_in(self.folder))

    def __str__(self) -> str:
        return self.told()

    def told(self, *, again: str | None = None) -> str:
        """The whole story; ``again`` is what to type to play the first failure again, where there is more to it."""
        return "\n".join(self._lines(again))

    def _lines(self, again: str | None) -> Iterator[str]:
        totals, first = self.totals, self.first
        yield f"{self.scenario}: {totals.failed or 'none'} of {_counted(totals.seeds, 'seed')} failed"
        yield (
            f"  {totals.seconds:,.0f} virtual seconds, {_counted(totals.boots, 'boot')}, "
            f"{_counted(totals.inputs, 'input')} acknowledged, {_counted(totals.turns, 'turn')}"
        )
        if totals.fired:
            yield "  faults that hurt: " + ", ".join(f"{name} {count:,}" for name, count in totals.fired.items())
        if first is None:
            return
        yield ""
        yield from self._story(first, again=again)
        others = self.failures[1:]
        if others:
            yield ""
            yield "Also failed:"
            yield from (f"  {each}" for each in others[:_FAILURES_TOLD])
            if len(others) > _FAILURES_TOLD:
                yield f"  and {_counted(len(others) - _FAILURES_TOLD, 'seed')} more"

    def _story(self, failed: FailedSeed, *, again: str | None = None) -> Iterator[str]:
        """Line by line: what is wrong, what is left of the plan, what happened around it, how to play it again."""
        yield f"First failure: seed {failed.seed}"
        for violation in failed.violations:
            yield from _indented(violation)
        faults = len(failed.plan.faults)
        yield f"Plan ({faults} of the {_counted(failed.faults_drawn, 'fault')} drawn):"
        yield from (f"  {line_of(fault)}" for fault in failed.plan.faults)
        yield f"It was over at virtual second {failed.seconds:,.3f}; trace {failed.trace or '-'}"
        if not failed.is_repeatable:
            yield "The same seed was another history a second time: a global, or chance, isn't of the seed."
        if failed.lines:
            yield "What happened around it:"
            yield from (f"  {line}" for line in lines_around(failed))
        yield f"Play it again: {again or self.command(failed)}"


def totals_of(rows: Collection[Row]) -> Totals:
    """What the histories of these rows did, in all."""
    fired: Counter[str] = Counter()
    for row in rows:
        fired.update(row.fired)
    return Totals(
        seeds=len(rows),
        failed=sum(1 for row in rows if row.violations),
        seconds=sum(row.seconds for row in rows),
        steps=sum(row.steps for row in rows),
        boots=sum(row.boots for row in rows),
        inputs=sum(row.inputs for row in rows),
        turns=sum(row.turns for row in rows),
        fired=dict(sorted(fired.items())),
    )


def lines_around(failed: FailedSeed) -> list[str]:
    """The newest lines that name what failed, or a fault, with some around each; else the newest of all."""
    names = {*(ID.findall(failed.violations[0]) if failed.violations else ()), *map(str, failed.plan.faults)}
    naming = [place for place, line in enumerate(failed.lines) if any(name in line for name in names)]
    if not naming:
        return [*failed.lines[-LINES_TOLD:]]
    told = sorted({place + near for place in naming for near in range(-_AROUND, _AROUND + 1)})[-LINES_TOLD:]
    lines: list[str] = []
    last: int | None = None
    for place in (each for each in told if 0 <= each < len(failed.lines)):
        if last is not None and place != last + 1:
            lines.append("...")
        lines.append(failed.lines[place])
        last = place
    return lines


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}" for line in text.splitlines())


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _replay_of(path: Path) -> str:
    return f"meerkat-actors sim --replay {shlex.quote(str(path))}"
