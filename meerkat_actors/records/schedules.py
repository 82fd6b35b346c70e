"""When a timer fires, and what: what ``schedule``, ``after`` and ``send(at=)`` make.

Times are milliseconds of the wall clock, since 1970 UTC.

Reference: ``reference/mob.md`` appendix C.2, for misfire and overlap policies.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.kinds import InputKind


@frozen
class Once:
    """At one time, and never again."""

    at_ms: int


@frozen
class Every:
    """At a time, and again after each so many milliseconds."""

    start_ms: int
    every_ms: int


@frozen
class Cron:
    """By a cron expression of five fields, as the clocks of a time zone show it."""

    expression: str
    timezone: str
    """A name of the IANA database, such as ``Europe/Berlin``."""


Rule = Once | Every | Cron


class Overlap(StrEnum):
    """What becomes of a time that comes while the input of the last one is still open."""

    SKIP = "skip"
    """It fires nothing."""
    QUEUE = "queue"
    """It is admitted behind it."""


@frozen(kw_only=True)
class Plan:
    """What a timer does: the body of its row."""

    rule: Rule
    kind: InputKind
    content: bytes
    """Canonical JSON."""
    header: Header | None = None
    """None for its kind's default."""
    input_id: InputId | None = None
    """Of the one input of a timer that fires once; None for one that follows from the time."""
    catch_up: int = 1
    """Of the times that were missed: so many are made up for, the last ones. 0 skips them all."""
    overlap: Overlap = Overlap.QUEUE


@frozen(kw_only=True)
class ScheduleRecord:
    """One timer, as ``AgentHandle.schedules()`` lists it."""

    identity: AgentIdentity
    name: str
    due_ms: int
    """Its next time."""
    fired: int
    """How often it fired, or was skipped."""
    rule: Rule
    kind: InputKind
    content: JSON
    catch_up: int
    """So many missed times are made up for, the last ones. 0 skips them all."""
    overlap: Overlap
