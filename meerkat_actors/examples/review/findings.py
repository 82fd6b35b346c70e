"""What a review is made of, and its form in messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen
from cattrs import BaseValidationError, Converter

from meerkat_actors.records.content import JSON


@frozen(kw_only=True)
class Finding:
    """One thing to mend."""

    rule: str
    line: int
    """The first line is 1."""
    message: str
    weight: int
    """How much it counts; a file's score is the sum of its findings' weights."""


@frozen(kw_only=True)
class Analysis:
    """What one version of the analysis found in one source."""

    version: str
    """Two analyses of the same version find the same in the same source."""
    findings: tuple[Finding, ...]
    """The heaviest, by line."""
    omitted: int
    """Findings beyond the most that one message carries."""


@frozen(kw_only=True)
class Review:
    """One file's analysis, as a reviewer sends it to the lead."""

    path: str
    digest: str
    """Of the file's bytes."""
    analysis: Analysis

    @property
    def score(self) -> int:
        """What its findings weigh together."""
        return sum(finding.weight for finding in self.analysis.findings)

    @property
    def found(self) -> int:
        """How many findings there are, those that did not travel included."""
        return len(self.analysis.findings) + self.analysis.omitted


def to_json(value: Review | Analysis) -> JSON:
    """The record as a JSON value."""
    return _CONVERTER.unstructure(value)  # type: ignore[no-any-return]  # cattrs can't say which


def parse_analysis(content: JSON) -> Analysis:
    """The analysis in a journaled result.

    Raises:
        cattrs.BaseValidationError: it is no analysis.
    """
    return _CONVERTER.structure(content, Analysis)


def parse_review(content: JSON) -> Review | None:
    """The review in a message; None if the message is something else."""
    if not isinstance(content, Mapping):
        return None
    try:
        return _CONVERTER.structure(content, Review)
    except BaseValidationError:
        return None


_CONVERTER: Final = Converter(forbid_extra_keys=True)
