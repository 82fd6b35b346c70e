"""``sim``: many histories of one scenario under faults, each by its seed, or one of them again."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

JOBS_MAX: Final = 256
"""As of a sweep, whose own takes as long to import as the simulation."""


class _Path(click.Path):
    """A path, and no empty text, which would be the current folder."""

    def convert(self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See ``click.ParamType``."""
        if not str(value):
            self.fail("it is empty", param, ctx)
        return Path(value)


_A_PATH: Final = _Path()


@click.command(short_help="Simulate SCENARIO under faults, one history a seed.")
@click.argument("scenario", required=False)
@click.option(
    "--seeds",
    default="0..99",
    show_default=True,
    metavar="A..B",
    help="One history each; both included; or 7, or 1,4..9.",
)
@click.option("--jobs", type=click.IntRange(1, JOBS_MAX), metavar="N", help="Processes; default: one for each CPU.")
@click.option(
    "--faults",
    default="all",
    show_default=True,
    metavar="WHAT",
    help="all, none, all:RATE or Crash=2,PowerCut=1 in a virtual minute; or a file with a plan.",
)
@click.option("--save", type=_A_PATH, metavar="DIR", help="Keep rows and failures; the same command continues.")
@click.option("--replay", type=_A_PATH, metavar="FILE", help="Play one saved failure again.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one for each seed.")
def sim(
    scenario: str | None,
    seeds: str,
    jobs: int | None,
    faults: str,
    save: Path | None,
    replay: Path | None,
    *,
    as_json: bool,
) -> int:
    """Simulate SCENARIO: its agents over the real store, under a virtual clock, with one history for each seed.

    SCENARIO is MODULE:NAME, found from the current directory too, or the name of one that ships; without it those are
    listed. Ctrl-C ends it in order, and what was saved stays.

    Exit codes: 0 all went well; 1 something happened that must not; 2 bad arguments, or a process of it was killed;
    130 interrupted.
    """
    if replay is not None and (told := _told_beside("replay", "as_json")):
        problem = f"--replay takes everything from the file, and no {', '.join(told)}"
        raise click.UsageError(problem)
    # Here and not above: other commands need no simulation, which takes as long to import as all they need.
    from meerkat_actors.cli.simulating import Sweep, list_workloads, play_again, sweep

    if replay is not None:
        return play_again(replay, as_json=as_json)
    if scenario is None:
        return list_workloads(as_json=as_json)
    return sweep(Sweep(scenario=scenario, seeds=seeds, faults=faults, jobs=jobs, save=save), as_json=as_json)


def _told_beside(*names: str) -> list[str]:
    """What was given on the command line beside these."""
    context = click.get_current_context()
    return [
        parameter.opts[0] if isinstance(parameter, click.Option) else (parameter.name or "").upper()
        for parameter in context.command.params
        if parameter.name not in names
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
