"""A run: one or more inputs bound to one execution, across its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meerkat_actors.records.facts import Fact
from meerkat_actors.records.headers import Header
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, InputId, RunId
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.operation import Operation


@hot
class JournalEntry:
    """The recorded result of one step."""

    arguments: bytes
    """Digest of the arguments it was called with."""
    result: bytes
    """Canonical JSON. Empty: it was about to run, and what came of it is not known."""
    is_once: bool = False
    """Whether it is never run twice without being asked."""


CHECKPOINT: Final = ""
"""The name under which checkpoints are journaled; no step has it. Their results are empty lists of JSON."""

Journal = Mapping[tuple[str, int], JournalEntry]
"""Recorded steps of one run, by name and how often the name was used before (from 1)."""


@hot
class Run:
    """A run is durable: it lives in columns of its inputs' rows."""

    run_id: RunId
    """Kept across attempts."""
    members: tuple[OpenInput, ...]
    """What staging froze, then what checkpoints bound, each in order; never empty."""
    attempts: int
    """Failed turns so far."""
    interruptions: int
    """Unclean ends since the last durable progress."""
    not_before_ms: int
    """Wall clock before which the next attempt does not start; 0 for at once."""
    journal: Journal
    is_unclean: bool = False
    """Whether the process, or its owner, ended under it: to be counted before it begins again."""

    @property
    def base(self) -> tuple[OpenInput, ...]:
        """What the run was staged with."""
        return tuple(member for member in self.members if member.position == 0)


@hot
class Sending:
    """A message that a turn sends, committed with the turn."""

    recipient: AgentIdentity
    input_id: InputId
    content: bytes
    kind: InputKind = InputKind.PEER_MESSAGE
    header: Header | None = None
    """None for its kind's default."""


@hot
class TimerSetting:
    """A timer that a turn sets."""

    name: str
    due_ms: int
    """Wall clock."""
    body: bytes
    """Canonical JSON, see ``encode_schedule``."""


@hot
class TurnExtras:
    """What few turns leave behind, committed with the turn."""

    answered: frozenset[InputId] = frozenset()
    """Requests, of this turn or owed, to which a terminal response is among what it sends."""
    deferred: frozenset[InputId] = frozenset()
    """Requests of this turn whose answer it puts off."""
    timers: tuple[TimerSetting, ...] = ()
    dropped_timers: frozenset[str] = frozenset()
    """Names of timers that it ends. None of them is among those that it sets."""
    emitted: tuple[Fact, ...] = ()
    """What it tells observers."""
    operations: tuple[Operation, ...] = ()
    """Operations that it starts."""
    seen_completions: int = 0
    """The sequence of the last completion that it was shown and has taken up; 0 for none."""


NO_EXTRAS: Final = TurnExtras()


@hot
class TurnCompleted:
    """A turn returned."""

    text: str | None
    """What it returned; None when it returned nothing."""
    entries: tuple[bytes, ...]
    """Canonical transcript entries that it added beyond its inputs, its text last."""
    state: bytes | None
    """Canonical JSON of the state it set; None when it set none."""
    sendings: tuple[Sending, ...]
    checkpoints: int = 0
    """How many it passed: what a later one bound it never saw."""
    extras: TurnExtras = NO_EXTRAS


@hot
class TurnFailed:
    """A turn raised."""

    error: str
    """Type and message, never a traceback."""
    raised: BaseException | None = None
    """For observers; never stored."""


@hot
class TurnCancelled:
    """A turn was cancelled from outside.

    At the runtime's end it writes nothing, and runs again with its journal; interrupted, it keeps its messages.
    """

    entries: tuple[bytes, ...] = ()
    """Canonical transcript entries that it added beyond its inputs."""
    checkpoints: int = 0


@hot
class TurnNeverBegan:
    """A turn that waited for a thread longer than anyone should, and was given up."""


TurnEnding = TurnCompleted | TurnFailed | TurnCancelled | TurnNeverBegan
