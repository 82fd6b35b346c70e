"""The report of a review: Markdown that depends on the sources and the analysis alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from attrs import frozen

from meerkat_actors.examples.review.findings import Finding, Review
from meerkat_actors.examples.review.folder import BrokenFile
from meerkat_actors.examples.review.rules import BY_CODE
from meerkat_actors.examples.review.text import clipped, printable

_TOP = 10
_MARKUP = frozenset("\\`*_[]<|~&")


@frozen(kw_only=True)
class Reviewed:
    """All that a report is made of."""

    folder: str
    """The folder's own name."""
    version: str
    """Of the analysis."""
    reviews: tuple[Review, ...]
    missing: tuple[str, ...]
    """Paths of which no review reached the lead."""
    broken: tuple[BrokenFile, ...]
    """Files left out because they can't be reviewed."""


def compose_report(reviewed: Reviewed) -> str:
    """Compose the page, worst files first; equal reviews make equal bytes, in whatever order they came."""
    ranked = sorted(reviewed.reviews, key=lambda review: (-review.score, review.path))
    faulty = [review for review in ranked if review.analysis.findings]
    lines = [
        f"# Review of {_code(reviewed.folder)}",
        "",
        f"{_count(len(ranked), 'file')} reviewed, {_count(sum(review.found for review in ranked), 'finding')}"
        f" in {_count(len(faulty), 'file')}; {len(ranked) - len(faulty)} without any.",
        "",
        f"Analysed with {_code(reviewed.version)}."
        " A file's score is the sum of the weights of its findings; the worst come first.",
        *_gaps(reviewed),
        *_by_rule(ranked),
        *_worst(faulty),
        *_files(faulty),
    ]
    return "\n".join(lines) + "\n"


def _gaps(reviewed: Reviewed) -> Iterator[str]:
    if reviewed.missing:
        yield from ("", "## Not reviewed", "", "No review of these reached the lead:", "")
        yield from (f"- {_code(path)}" for path in sorted(reviewed.missing))
    if reviewed.broken:
        yield from ("", "## Left out", "", "These files can't be reviewed as they are:", "")
        for file in reviewed.broken:
            line = "" if file.line is None else f", line {file.line}"
            yield f"- {_code(file.path)}{line}: {_escaped(file.problem)}"


def _by_rule(reviews: Iterable[Review]) -> Iterator[str]:
    findings = Counter[str]()
    weights = Counter[str]()
    files = Counter[str]()
    for review in reviews:
        files.update({finding.rule for finding in review.analysis.findings})
        for finding in review.analysis.findings:
            findings[finding.rule] += 1
            weights[finding.rule] += finding.weight
    if not findings:
        return
    yield from ("", "## Findings by rule", "")
    yield from ("| Rule | Meaning | Findings | Files | Weight |", "|:--|:--|--:|--:|--:|")
    for rule in sorted(findings, key=lambda rule: (-weights[rule], rule)):
        yield f"| {_escaped(rule)} | {_meaning(rule)} | {findings[rule]} | {files[rule]} | {weights[rule]} |"


def _worst(faulty: list[Review]) -> Iterator[str]:
    if not faulty:
        return
    yield from ("", "## Worst files", "", "| | File | Score | Findings | Most of it |", "|--:|:--|--:|--:|:--|")
    for place, review in enumerate(faulty[:_TOP], start=1):
        weights = Counter[str]()
        for finding in review.analysis.findings:
            weights[finding.rule] += finding.weight
        heaviest = min(weights, key=lambda rule: (-weights[rule], rule))
        yield f"| {place} | {_code(review.path)} | {review.score} | {review.found} | {_meaning(heaviest)} |"


def _files(faulty: list[Review]) -> Iterator[str]:
    if faulty:
        yield from ("", "## Findings by file")
    for review in faulty:
        yield from ("", f"### {_code(review.path)}", "")
        yield from (f"Score {review.score}, {_count(review.found, 'finding')}.", "")
        yield from map(_line, sorted(review.analysis.findings, key=_order))
        if review.analysis.omitted:
            yield f"- and {review.analysis.omitted} more"


def _order(finding: Finding) -> tuple[int, str, str]:
    return finding.line, finding.rule, finding.message


def _line(finding: Finding) -> str:
    return f"- line {finding.line}: {_message(finding.message)} ({_escaped(finding.rule)}, {finding.weight})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _meaning(rule: str) -> str:
    return BY_CODE[rule].meaning if rule in BY_CODE else _escaped(rule)


# -- text that comes from the sources ------------------------------------------------------


def _code(text: str) -> str:
    # Spelled out, because no escape of these two holds both in a code span and in a table.
    shown = printable(text).replace("`", "\\x60").replace("|", "\\x7c")
    return f"`{shown}`" if shown.strip() else "(empty)"


def _message(message: str) -> str:
    # Ruff quotes names in backticks; an odd number of them quotes nothing.
    parts = clipped(message, 300).split("`")
    if len(parts) % 2 == 0:
        return _escaped("".join(parts))
    return "".join(_code(part) if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in _MARKUP else character for character in printable(text))
