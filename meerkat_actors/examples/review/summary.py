"""What a job says when it ends: two lines, a page for people, or one object for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, assert_never

from meerkat_actors.examples.review.findings import Review
from meerkat_actors.examples.review.job import Job, JobResult
from meerkat_actors.examples.review.narrator import Voice
from meerkat_actors.examples.review.terminal import complain, count, say
from meerkat_actors.examples.review.text import clipped, printable
from meerkat_actors.records.content import JSON

if TYPE_CHECKING:
    from rich.console import Console

WORST_MAX: Final = 3
"""Files that a summary names; the report has them all."""


def tell_result(job: Job, result: JobResult, voice: Voice, *, code: int) -> None:
    """Say what the run did, and what its agents gave up on."""
    match voice:
        case Voice.LIVE:
            from rich.console import Console

            _print_page(Console(highlight=False, markup=False, emoji=False), job, result)
        case Voice.PLAIN:
            say(_turns(result))
            say(f"database: {job.database}")
        case Voice.JSON:
            _print_object(_object(job, result, code))
        case Voice.QUIET:
            pass
        case _:
            assert_never(voice)
    for letter in result.dead_letters:
        reason = f"{letter.outcome.reason}: {clipped(letter.outcome.detail, 300)}"
        complain(f"given up on: {letter.path} by {letter.identity} ({reason})")
    named = {letter.path for letter in result.dead_letters}
    for path in result.missing:
        if path not in named:
            complain(f"not reviewed: {path}: nothing of it reached the lead")


def tell_interruption(job: Job, voice: Voice, *, code: int) -> None:
    """Say what is safe, and how to go on."""
    if voice is Voice.JSON:
        _print_object({"status": "interrupted", "exit_code": code, "database": str(job.database)})
    complain(f"interrupted: everything acknowledged is safe in {job.database}; the same command continues")


def _turns(result: JobResult) -> str:
    turns, commits = count(result.statistics.turns, "turn"), count(result.statistics.commits, "commit")
    return f"{turns}, {commits}, {_turns_per_second(result):.0f} turns/s"


def _turns_per_second(result: JobResult) -> float:
    return result.statistics.turns / result.seconds if result.seconds > 0 else 0.0


# -- for people ----------------------------------------------------------------------------


def _print_page(console: Console, job: Job, result: JobResult) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(job, result):
        table.add_row(Text(name, style="bold"), Text(printable(value)))
    given_up = bool(result.dead_letters or result.missing)
    console.print()
    console.print(Text(_headline(result), style="bold yellow" if given_up else "bold green"))
    console.print(table)
    console.print()
    for line in _next(job, given_up=given_up):
        console.print(Text(printable(line), style="dim"))


def _headline(result: JobResult) -> str:
    faulty = sum(1 for review in result.reviews if review.found)
    findings = sum(review.found for review in result.reviews)
    where = f" in {count(faulty, 'file')}" if faulty else ""
    files = count(len(result.reviews), "file")
    if result.missing:
        files = f"{len(result.reviews)} of {count(len(result.reviews) + len(result.missing), 'file')}"
    return f"Reviewed {files}: {count(findings, 'finding')}{where}."


def _facts(job: Job, result: JobResult) -> Iterator[tuple[str, str]]:
    for place, review in enumerate(_worst(result)):
        yield "" if place else "worst", f"{review.path} (score {review.score})"
    left_out = [
        *([f"{count(len(job.folder.broken), 'broken file')}, named in the report"] if job.folder.broken else []),
        *([count(len(job.folder.skipped), "link")] if job.folder.skipped else []),
    ]
    if left_out:
        yield "left out", "; ".join(left_out)
    yield "work", f"{_turns(result)} in {result.seconds:.1f} s"
    yield "report", str(job.report)
    yield "database", str(job.database)


def _next(job: Job, *, given_up: bool) -> Iterator[str]:
    if given_up:
        yield "The same command again tries once more what was given up on."
    else:
        yield "Read the report, mend a file, run the same command again: only what changed is reviewed."
    if find_spec("click") is not None:
        yield f"Look inside: meerkat-actors status {job.database}"


# -- for programs --------------------------------------------------------------------------


def _object(job: Job, result: JobResult, code: int) -> JSON:
    return {
        "status": "done" if code == 0 else "given_up",
        "exit_code": code,
        "folder": job.folder.name,
        "files": len(job.folder.files),
        "reviewed": len(result.reviews),
        "findings": sum(review.found for review in result.reviews),
        "worst": [{"path": review.path, "score": review.score} for review in _worst(result)],
        "turns": result.statistics.turns,
        "commits": result.statistics.commits,
        "seconds": round(result.seconds, 3),
        "turns_per_second": round(_turns_per_second(result), 1),
        "given_up": [
            {
                "path": letter.path,
                "identity": letter.identity,
                "reason": letter.outcome.reason.value,
                "detail": letter.outcome.detail,
            }
            for letter in result.dead_letters
        ],
        "missing": list(result.missing),
        "broken": [{"path": file.path, "line": file.line, "problem": file.problem} for file in job.folder.broken],
        "skipped": list(job.folder.skipped),
        "report": str(job.report),
        "database": str(job.database),
    }


def _print_object(value: JSON) -> None:
    # ASCII: a path that would steer a terminal is an escape.
    say(json.dumps(value, ensure_ascii=True))


def _worst(result: JobResult) -> list[Review]:
    faulty = [review for review in result.reviews if review.score]
    return sorted(faulty, key=lambda review: (-review.score, review.path))[:WORST_MAX]
