"""The analysis of one source by ruff: findings that depend on the source and ruff's version alone."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Final

import trio
from attrs import frozen
from cattrs import BaseValidationError
from cattrs.preconf.orjson import make_converter
from ruff import find_ruff_bin  # pyright: ignore[reportMissingTypeStubs]  # ruff marks no types; this one is annotated

from meerkat_actors.examples.review.findings import Analysis, Finding, to_json
from meerkat_actors.examples.review.rules import BY_CODE, RULES, SYNTAX, THRESHOLDS
from meerkat_actors.records.content import JSON

FINDINGS_MAX: Final = 500
"""Findings of one file that travel to the lead: more would not be read."""

_REVISION: Final = 1
"""Raised when this module concludes something else from the same output of ruff."""

_ARGUMENTS: Final = (
    "check",
    "--isolated",
    "--no-cache",
    "--no-fix",
    "--quiet",
    "--exit-zero",
    "--output-format=json",
    "--target-version=py313",
    f"--select={','.join(rule.code for rule in RULES)}",
    *(part for threshold in THRESHOLDS for part in ("--config", threshold)),
)
# Ruff looks for packages around the file that it is told of; nothing can be around this one.
_NOWHERE: Final = "/dev/null"
_EXCESS: Final = re.compile(r"\((\d{1,9}) > (\d{1,9})\)")


class AnalysisFailedError(Exception):
    """Ruff gave no answer; the turn fails and is tried again."""


@frozen(kw_only=True)
class _Location:
    row: int


@frozen(kw_only=True)
class _Diagnostic:
    code: str | None
    """None or ``invalid-syntax``, by version, for what ruff can't parse."""
    message: str
    location: _Location


@cache
def analysis_version() -> str:
    """Names everything but the source that an analysis depends on; at most 64 characters."""
    settings = repr((_REVISION, _ARGUMENTS, RULES, SYNTAX, FINDINGS_MAX))
    return f"ruff-{version('ruff')}-{sha256(settings.encode()).hexdigest()[:12]}"


def analysis_problem() -> str | None:
    """Why nothing can be analysed here, and what to do; None if all is well."""
    try:
        find_ruff_bin()
    except FileNotFoundError:
        return "the ruff program is not installed; run: pip install --force-reinstall ruff"
    return None


async def analyse(path: str, source: str) -> JSON:
    """Run ruff over ``source``; an ``Analysis`` as a JSON value.

    Cancelling ends ruff; nothing is left behind.

    Raises:
        AnalysisFailedError: ruff failed, or wrote what is no list of findings.
    """
    completed = await trio.run_process(
        [find_ruff_bin(), *_ARGUMENTS, "--stdin-filename", f"{_NOWHERE}/{path}", "-"],
        stdin=source.encode(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env={},
        # Out of the terminal's group: Ctrl-C is the job's to answer, not a failure of this file.
        process_group=0,
    )
    return to_json(_conclude(completed))


def _conclude(completed: subprocess.CompletedProcess[bytes]) -> Analysis:
    if completed.returncode != 0:
        complaint = completed.stderr.decode(errors="replace").strip()
        message = f"ruff ended with {completed.returncode}: {complaint[:500]}"
        raise AnalysisFailedError(message)
    try:
        diagnostics = _CONVERTER.loads(completed.stdout, tuple[_Diagnostic, ...])
    except (BaseValidationError, TypeError, ValueError) as error:
        message = "ruff wrote what is no list of findings"
        raise AnalysisFailedError(message) from error
    findings = sorted(map(_finding, diagnostics), key=lambda it: (-it.weight, it.line, it.rule, it.message))
    kept = sorted(findings[:FINDINGS_MAX], key=lambda it: (it.line, it.rule, it.message))
    return Analysis(version=analysis_version(), findings=tuple(kept), omitted=len(findings) - len(kept))


def _finding(diagnostic: _Diagnostic) -> Finding:
    rule = BY_CODE.get(diagnostic.code or SYNTAX.code, SYNTAX)
    weight = rule.weight
    if excess := _EXCESS.search(diagnostic.message):
        weight = weight * int(excess[1]) // max(int(excess[2]), 1)
    # One line, and only what is there: some messages quote the source.
    message = " ".join(diagnostic.message.split())[:500]
    return Finding(rule=rule.code, line=diagnostic.location.row, message=message, weight=weight)


_CONVERTER: Final = make_converter()
