"""``run``: the shipped job, as ``scripts/run`` runs it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Review a folder of Python source with a team of agents.")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="For review.md and review.db; default: out/review.")
@click.option("--mob", type=click.Path(path_type=Path), help="Another team, as TOML; default: the one that ships.")
@click.option("--skip-broken", is_flag=True, help="Leave out files that can't be reviewed.")
@click.option("--quiet", is_flag=True, help="Say nothing but what went wrong.")
@click.option("--json", "as_json", is_flag=True, help="Say nothing but one JSON object at the end.")
def run(
    folder: Path | None, out: Path | None, mob: Path | None, *, skip_broken: bool, quiet: bool, as_json: bool
) -> int:
    """Review a FOLDER of Python source with a team of agents; default: this package's own source.

    Kill it when you like: the same command continues, and writes the same report.
    """
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other")  # noqa: EM101 - shown as it is
    try:
        from meerkat_actors.examples.review.command import Options, review
    except ModuleNotFoundError as error:
        if error.name not in {"ruff", "rich"}:
            raise
        problem = f"{error.name} is not installed; run: pip install 'meerkat-actors[examples]'"
        raise click.ClickException(problem) from error
    return review(
        Options(
            folder=folder,
            out=out,
            mob=mob,
            skip_broken=skip_broken,
            quiet=quiet,
            json=as_json,
        )
    )
