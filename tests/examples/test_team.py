"""The team of a review: the one that ships, and what another one must be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meerkat_actors.errors import DefinitionError
from meerkat_actors.examples.review.team import load_team
from meerkat_actors.records.mob import TEXT_BYTES_MAX

FINE = """
name = "crew"
profiles.boss.kind = "lead"
profiles.hand.kind = "reviewer"
members.lead.profile = "boss"
members.ann.profile = "hand"
members.bob = { profile = "hand", count = 2 }
"""


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        load_team(path)
    return caught.value.problems


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "team.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_shipped_team_is_a_lead_and_four_reviewers() -> None:
    assert [member.identity for member in load_team(None).members] == [
        "review/lead",
        "review/reviewer-1",
        "review/reviewer-2",
        "review/reviewer-3",
        "review/reviewer-4",
    ]


def test_another_team_may_have_other_names_and_numbers(tmp_path: Path) -> None:
    team = load_team(written(tmp_path, FINE))
    assert team.lead.identity == "crew/lead"
    assert [member.identity for member in team.reviewers] == ["crew/ann", "crew/bob-1", "crew/bob-2"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("members.lead.", "members.chief.", "a review has one agent of kind 'lead'"),
        ("members.lead.profile", "members.lead.count = 2\nmembers.lead.profile", "a review has one agent"),
        ('"boss"', '"hand"', "a review has one agent of kind 'lead'"),
        ('ann.profile = "hand"', 'ann.profile = "boss"', "a review has one agent of kind 'lead'"),
        ('kind = "reviewer"', 'kind = "critic"', "unknown kind 'critic'; known: lead, reviewer"),
        ('"hand"', '"boss"', "a review has at least one member of kind 'reviewer'"),
    ],
)
def test_a_team_that_cannot_review_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert any(told.startswith(problem) for told in problems(written(tmp_path, FINE.replace(old, new))))


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone") == ("unreadable: No such file or directory; name a TOML file",)
    assert problems(tmp_path) == ("unreadable: Is a directory; name a TOML file",)
    os.mkfifo(tmp_path / "pipe")
    assert problems(tmp_path / "pipe") == ("not a regular file; name a TOML file",)
    assert problems(written(tmp_path, b"name = '\xff'")) == ("no UTF-8 at byte 8; save it as UTF-8",)
    assert problems(written(tmp_path, b"#" * (TEXT_BYTES_MAX + 10))) == (f"larger than {TEXT_BYTES_MAX} bytes @ $",)
