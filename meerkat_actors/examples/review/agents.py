"""The two kinds of agent of a review mob."""

from __future__ import annotations

from typing import Final

import meerkat_actors as meerkat
from meerkat_actors.examples.review.analysis import analyse
from meerkat_actors.examples.review.findings import Review, parse_analysis, parse_review, to_json
from meerkat_actors.examples.review.text import printable
from meerkat_actors.records.content import JSON

LEAD: Final = "lead"
REVIEWER: Final = "reviewer"


async def reviewer(turn: meerkat.Turn) -> str:
    """Analyse each source it was sent and send the findings to the lead of its mob.

    The source travels in the input, so a turn that runs again after a crash reviews the same text.
    """
    mob, _, _ = turn.identity.partition("/")
    summaries: list[str] = []
    for item in turn.inputs:
        path, digest, source = _task(item.content)
        analysis = parse_analysis(await turn.step("analyse", analyse, path, source))
        turn.send(f"{mob}/{LEAD}", to_json(Review(path=path, digest=digest, analysis=analysis)))
        summaries.append(f"{printable(path)}: {_findings(len(analysis.findings) + analysis.omitted)}")
    return "; ".join(summaries)


async def lead(turn: meerkat.Turn) -> str:
    """Take note of each review. What it received is its record: its state stays one number."""
    verdicts: list[str] = []
    for item in turn.inputs:
        review = parse_review(item.content)
        if review is None:
            verdicts.append("no review; left aside")
            continue
        score = sum(finding.weight for finding in review.analysis.findings)
        verdicts.append(f"{printable(review.path)}: score {score}")
    received = turn.state if isinstance(turn.state, int) else 0
    turn.set_state(received + len(verdicts))
    return "; ".join(verdicts)


AGENTS: Final = {LEAD: lead, REVIEWER: reviewer}
"""What ``open_runtime`` is given: every kind that a team of this job may name."""


def task(path: str, digest: str, source: str) -> JSON:
    """What a reviewer is sent for one file."""
    return {"path": path, "digest": digest, "source": source}


def _task(content: JSON) -> tuple[str, str, str]:
    match content:
        case {"path": str(path), "digest": str(digest), "source": str(source)}:
            return path, digest, source
        case _:
            message = "a reviewer is sent path, digest and source"
            raise ValueError(message)


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"
