"""The command: arguments in, an exit code out. 0 done, 1 something was given up on, 2 bad input, 130 Ctrl-C."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeGuard

import trio
from attrs import evolve, frozen

from meerkat_actors.errors import DefinitionError, MeerkatError
from meerkat_actors.examples.review.analysis import analysis_problem
from meerkat_actors.examples.review.folder import BrokenFile, SourceFolder, read_folder
from meerkat_actors.examples.review.job import Job, JobResult, review_folder
from meerkat_actors.examples.review.narrator import Voice, open_narrator, voice_for
from meerkat_actors.examples.review.progress import Progress
from meerkat_actors.examples.review.summary import tell_interruption, tell_result
from meerkat_actors.examples.review.team import Team, load_team
from meerkat_actors.examples.review.terminal import complain, complain_of, count, say

DONE: Final = 0
GIVEN_UP: Final = 1
BAD_INPUT: Final = 2
SIGNALLED: Final = 128
"""Plus the signal's number, as shells count."""

LINKS_MAX: Final = 10
"""Links that leave the folder and are named one by one."""

_OWN_SOURCE: Final = Path(__file__).parents[2]
_OUT: Final = Path("out/review")


@frozen(kw_only=True)
class _Signalled:
    """The job was asked to stop."""

    number: int


@frozen(kw_only=True)
class Options:
    """What the command was asked; None takes the default."""

    folder: Path | None = None
    out: Path | None = None
    mob: Path | None = None
    skip_broken: bool = False
    quiet: bool = False
    json: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; None takes the arguments of the process. Returns the exit code."""
    return review(Options(**vars(_parser().parse_args(arguments))))


def review(options: Options) -> int:
    """Review a folder as the options say. Returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape, and no traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    voice = voice_for(quiet=options.quiet, json=options.json)
    try:
        job = _checked(options, _silent if voice in {Voice.QUIET, Voice.JSON} else say)
        return BAD_INPUT if job is None else _run(job, voice)
    except KeyboardInterrupt:
        # Before the job has its own answer to Ctrl-C, or after its end.
        complain("interrupted: the same command continues")
        return SIGNALLED + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m meerkat_actors.examples.review",
        description="Review a folder of Python source with a team of durable agents. Kill it when you like:"
        " the same command continues, and writes the same report.",
    )
    parser.add_argument("folder", nargs="?", type=Path, help="default: this package's own source")
    parser.add_argument("--out", type=Path, help=f"for review.md and review.db (default: {_OUT})")
    parser.add_argument("--mob", type=Path, help="another team, as TOML (default: the one that ships)")
    parser.add_argument("--skip-broken", action="store_true", help="leave out files that can't be reviewed")
    silence = parser.add_mutually_exclusive_group()
    silence.add_argument("--quiet", action="store_true", help="say nothing but what went wrong")
    silence.add_argument("--json", action="store_true", help="say nothing but one JSON object at the end")
    return parser


# -- bad input: all of it is told, and nothing was written --------------------------------


def _checked(options: Options, tell: Callable[[str], None]) -> Job | None:
    team = _team(options.mob)
    sources = _sources(options.folder or _OWN_SOURCE, tell, skip_broken=options.skip_broken)
    if problem := analysis_problem():
        complain(f"error: {problem}")
        return None
    if team is None or sources is None:
        return None
    return Job(folder=sources, team=team, out=options.out or _OUT)


def _team(mob: Path | None) -> Team | None:
    try:
        return load_team(mob)
    except DefinitionError as error:
        complain_of(mob or "the team that ships", error.problems)
        return None


def _sources(folder: Path, tell: Callable[[str], None], *, skip_broken: bool) -> SourceFolder | None:
    sources = read_folder(folder)
    if sources.problem is not None:
        complain_of(folder, (sources.problem,))
        return None
    if sources.broken and not skip_broken:
        complain_of(folder, tuple(map(_line, sources.broken)), "or leave such files out with --skip-broken")
        return None
    if not sources.files:
        complain_of(folder, (*map(_line, sources.broken), "no file is left to review"))
        return None
    if sources.broken:
        tell(f"left out: {count(len(sources.broken), 'file')}, named in the report")
    for link in sources.skipped[:LINKS_MAX]:
        tell(f"skipped: {link}: a link that leaves the folder")
    if len(sources.skipped) > LINKS_MAX:
        tell(f"skipped: {count(len(sources.skipped) - LINKS_MAX, 'more such link')}")
    return sources


def _line(file: BrokenFile) -> str:
    line = "" if file.line is None else f":{file.line}"
    return f"{file.path}{line}: {file.problem}"


def _silent(text: str) -> None:
    """For voices that leave out what goes well."""


# -- the job, until it ends or is asked to -------------------------------------------------


def _run(job: Job, voice: Voice) -> int:
    try:
        with open_narrator(job, voice) as narrator:
            ended = trio.run(_until_signalled, evolve(job, look=narrator.picture.look), narrator)
    except (MeerkatError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        leaves = tuple(_leaves([error]))
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            ended = _Signalled(number=signal.SIGINT)
        elif all(isinstance(leaf, (MeerkatError, OSError)) for leaf in leaves):
            for told in dict.fromkeys(map(_told, leaves)):
                complain(f"error: {told}")
            return BAD_INPUT
        else:
            raise
    if isinstance(ended, _Signalled):
        code = SIGNALLED + ended.number
        tell_interruption(job, voice, code=code)
        return code
    code = GIVEN_UP if ended.dead_letters or ended.missing else DONE
    tell_result(job, ended, voice, code=code)
    return code


async def _until_signalled(job: Job, progress: Progress) -> JobResult | _Signalled:
    ended: JobResult | _Signalled | None = None
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            nonlocal ended
            # One signal asks; the next one, with Python's own handler back in place, insists.
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    ended = _Signalled(number=number)
                    break
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        ended = await review_folder(job, progress)
        nursery.cancel_scope.cancel()
    assert ended is not None
    return ended


def _leaves(errors: Iterable[BaseException]) -> Iterator[BaseException]:
    for error in errors:
        if _is_group(error):
            yield from _leaves(error.exceptions)
        else:
            yield error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _told(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
