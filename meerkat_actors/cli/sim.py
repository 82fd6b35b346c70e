"""``sim``: many histories of one scenario under faults, each by its seed, or one of them again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

JOBS_MAX: Final = 256


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
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="DIR", help="Keep rows and failures; the same command continues."
)
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE", help="Play one saved failure again.")
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

    Exit codes: 0 all went well; 1 something happened that must not; 2 bad arguments; 130 interrupted.
    """
    if replay is not None and (scenario is not None or save is not None):
        raise click.UsageError("--replay takes its scenario from the file")  # noqa: EM101 - shown as it is
    # Here and not above: other commands need no simulation, which takes as long to import as all they need.
    from meerkat_actors.cli.simulating import Sweep, list_workloads, play_again, sweep

    if replay is not None:
        return play_again(replay, as_json=as_json)
    if scenario is None:
        return list_workloads(as_json=as_json)
    return sweep(Sweep(scenario=scenario, seeds=seeds, faults=faults, jobs=jobs, save=save), as_json=as_json)
