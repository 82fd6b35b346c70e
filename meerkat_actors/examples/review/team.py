"""The team of a review: a TOML file, read and checked before anything is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from attrs import frozen

from meerkat_actors.errors import DefinitionError
from meerkat_actors.examples.review.agents import AGENTS, LEAD, REVIEWER
from meerkat_actors.records.mob import TEXT_BYTES_MAX, MobMember, mob_members, parse_mob


@frozen(kw_only=True)
class Team:
    """Who takes part: one lead, and at least one reviewer."""

    lead: MobMember
    reviewers: tuple[MobMember, ...]

    @property
    def members(self) -> tuple[MobMember, ...]:
        """Everyone, the lead first."""
        return (self.lead, *self.reviewers)


def load_team(path: Path | None) -> Team:
    """Read a team from a TOML file; None is the one that ships with the package.

    Raises:
        DefinitionError: listing every problem of the file, each with its path.
    """
    members = mob_members(parse_mob(_shipped() if path is None else _read(path), kinds=AGENTS))
    leads = tuple(member for member in members if member.kind == LEAD)
    reviewers = tuple(member for member in members if member.kind == REVIEWER)
    if problems := tuple(_problems(leads, reviewers)):
        raise DefinitionError(problems=problems)
    return Team(lead=leads[0], reviewers=reviewers)


def _problems(leads: tuple[MobMember, ...], reviewers: tuple[MobMember, ...]) -> Iterator[str]:
    # Reviewers write to the member of this name.
    if [member.member for member in leads] != [LEAD]:
        yield f"a review has one agent of kind {LEAD!r}: the member {LEAD!r}, with count 1 @ $.members"
    if not reviewers:
        yield f"a review has at least one member of kind {REVIEWER!r} @ $.members"


def _shipped() -> str:
    return files("meerkat_actors.examples.review").joinpath("review.toml").read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        # Non-blocking: a pipe of that name must not hold up the job.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DefinitionError(problems=("not a regular file; name a TOML file",))
            return file.read(TEXT_BYTES_MAX + 1).decode()
    except OSError as error:
        raise DefinitionError(problems=(f"unreadable: {error.strerror}; name a TOML file",)) from error
    except UnicodeDecodeError as error:
        raise DefinitionError(problems=(f"no UTF-8 at byte {error.start}; save it as UTF-8",)) from error
