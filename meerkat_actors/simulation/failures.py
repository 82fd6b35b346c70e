"""A seed that failed, as a file: everything that it takes to play it again, in any process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import evolve, frozen

from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.records.ids import shown
from meerkat_actors.simulation.outcome import Lived
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.rows import gist_of, kept

_PROBLEMS_TOLD: Final = 3
_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_unstructure_hook(Plan, lambda plan: orjson.loads(plan.to_json()))
_CONVERTER.register_structure_hook(Plan, lambda told, _: Plan.from_json(orjson.dumps(told)))


@frozen(kw_only=True)
class FailedSeed:
    """One seed that failed, with the smallest plan that was found for it."""

    scenario: str
    """Its name."""
    found_at: str | None
    """As ``module:name``, or a built-in workload; None: only whoever has the object can play it again."""
    parameters: str
    """As its row's."""
    seed: int
    plan: Plan
    trace: str
    """The hash of all that happened under this plan."""
    seconds: float
    """Virtual, until it was over."""
    violations: tuple[str, ...]
    lines: tuple[str, ...]
    """The newest of what happened, each with its virtual second; of a plan that was not shrunk, none."""
    faults_drawn: int
    """In the plan with which it failed first."""
    is_shrunk: bool
    """Whether smaller plans were tried."""
    is_repeatable: bool
    """Whether the same seed and plan were the same history a second time; True where nobody tried."""

    def __str__(self) -> str:
        return f"seed {self.seed}: {gist_of(self.violations[0]) if self.violations else 'no violation'}"

    def to_json(self) -> bytes:
        """For a file that may be edited."""
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(_CONVERTER.unstructure(self), option=option)

    @classmethod
    def from_json(cls, text: bytes | str) -> FailedSeed:
        """What was written.

        Raises:
            InvalidValueError: it is something else.
        """
        try:
            told: object = orjson.loads(text)
            if not isinstance(told, dict):
                raise InvalidValueError(problem=f"not a failure as a sweep saves it, but {shown(told)}")
            return _CONVERTER.structure(told, cls)
        except cattrs.BaseValidationError as error:
            problems = cattrs.transform_error(error)
            more = len(problems) - _PROBLEMS_TOLD
            problem = "; ".join(problems[:_PROBLEMS_TOLD]) + (f"; and {more} more" if more > 0 else "")
            raise InvalidValueError(problem=f"not a failure as a sweep saves it: {problem}") from error
        except (AttributeError, TypeError, ValueError, LookupError) as error:
            raise InvalidValueError(problem=f"not a failure as a sweep saves it: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Write the file, which is there in whole or not at all.

        Raises:
            UsageError: it can't be written there.
        """
        target = Path(path)
        beside = target.with_name(f".{target.name}.new")
        try:
            beside.write_bytes(self.to_json())
            beside.replace(target)
        except OSError as error:
            raise UsageError(problem=f"nothing can be saved as {target}: {error.strerror or error}") from error
        return target

    @classmethod
    def load(cls, path: str | Path) -> FailedSeed:
        """Read a file that ``save`` wrote.

        Raises:
            UsageError: there is no such file.
            InvalidValueError: it holds something else.
        """
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise UsageError(problem=f"no failure can be read from {path}: {error.strerror or error}") from error
        try:
            return cls.from_json(text)
        except InvalidValueError as error:
            raise InvalidValueError(problem=f"{path} is {error}") from error

    def path_in(self, folder: Path) -> Path:
        """Where a sweep saves it: ``failure-SEED.json``, unless the same seed of another sweep is there."""
        path = folder / f"failure-{self.seed}.json"
        return path if _may_take(path, self) else folder / f"failure-{self.seed}-{self.parameters}.json"

    def with_lived(self, lived: Lived) -> FailedSeed:
        """The same seed, as it failed with a smaller plan."""
        return evolve(
            self,
            plan=lived.plan,
            trace=lived.trace,
            seconds=lived.seconds,
            violations=kept(lived.violations),
            lines=_kept_lines(lived.lines),
            is_shrunk=True,
        )

    def unrepeatable(self, lines: tuple[str, ...]) -> FailedSeed:
        """The same seed, which was another history a second time; lines are those of that one."""
        return evolve(self, lines=_kept_lines(lines), is_repeatable=False)


def _kept_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Lines of characters that a file takes."""
    return tuple(line.encode("utf-8", "backslashreplace").decode("utf-8") for line in lines)


def _may_take(path: Path, failed: FailedSeed) -> bool:
    try:
        found = FailedSeed.load(path)
    except UsageError:  # nothing that could be played again
        return True
    return (found.scenario, found.parameters) == (failed.scenario, failed.parameters)
