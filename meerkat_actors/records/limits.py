"""Every bound of the runtime, each with its unit and its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import Attribute, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import COUNTER_MAX, shown

_SECONDS_MAX: Final = 1e9
"""Some 31 years: a wall clock plus any wait of ours stays far below 2^63 milliseconds."""


def _count(minimum: int) -> Callable[[object, Attribute[int], int], None]:
    def check(_: object, attribute: Attribute[int], value: int) -> None:
        if type(value) is not int or not minimum <= value <= COUNTER_MAX:
            raise InvalidValueError(problem=f"Limits({attribute.name}={shown(value)}): use an int from {minimum} up")

    return check


def _number(most: float, *, positive: bool = False) -> Callable[[object, Attribute[float], float], None]:
    def check(_: object, attribute: Attribute[float], value: float) -> None:
        # NaN fails every comparison.
        if type(value) not in {int, float} or not 0 <= value <= most or (positive and value == 0):
            least = "above 0" if positive else "from 0"
            raise InvalidValueError(
                problem=f"Limits({attribute.name}={shown(value)}): use a number {least} up to {most:,.0f}"
            )

    return check


@frozen(kw_only=True)
class Limits:
    """The bounds of one runtime. A bound that is met is an answer, never a silent loss."""

    mailbox_max: int = field(default=256, validator=_count(1))
    """Envelopes waiting for one owner. Beyond it a sender gets ``MailboxFullError``: four laps' worth."""
    control_max: int = field(default=32, validator=_count(4))
    """Control envelopes waiting for one owner. Small: they are answered before any mail."""
    backlog_max: int = field(default=10_000, validator=_count(1))
    """Open inputs of one identity. They live in the owner's memory; beyond it admission refuses and mail waits."""
    batch_max: int = field(default=2_000, validator=_count(1))
    """Units in one transaction. Larger batches bought nothing and lengthen the wait of the first."""
    threads_max: int = field(default=40, validator=_count(1))
    """Threads in which plain agents and plain steps run at once; more of them wait. Trio's own default."""
    fold_max: int = field(default=64, validator=_count(1))
    """Commands that one decision folds. Bounds an owner's lap to about a millisecond."""
    pull_max: int = field(default=512, validator=_count(1))
    """Mail rows taken at a time: what one turn works on. A lap that takes them all lasts some 8 ms."""
    content_bytes_max: int = field(default=16 * 1024 * 1024, validator=_count(1))
    """Canonical bytes of one input, message or result. Bigger things belong in files."""
    state_bytes_max: int = field(default=1024 * 1024, validator=_count(1))
    """Canonical bytes of one agent's state: it is kept in memory and rewritten when it changes."""
    step_bytes_max: int = field(default=16 * 1024 * 1024, validator=_count(1))
    """Canonical bytes of one journaled result."""
    messages_max: int = field(default=1_000, validator=_count(1))
    """Messages that one turn sends or appends: they are one transaction."""
    turn_bytes_max: int = field(default=64 * 1024 * 1024, validator=_count(1))
    """Canonical bytes that one turn sends, appends and returns: they are one transaction, whose row must fit."""
    owed_max: int = field(default=1_000, validator=_count(0))
    """Requests whose answers an agent may owe at once: they live in its owner's memory."""
    operations_max: int = field(default=1_000, validator=_count(1))
    """Operations of one identity in progress. They live in its owner's memory."""
    operations_kept: int = field(default=256, validator=_count(1))
    """Operations of one identity that ended and are remembered; the oldest end is forgotten first."""
    undeliverable_seconds: float = field(default=7 * 86_400.0, validator=_number(_SECONDS_MAX, positive=True))
    """Time after which mail for a name that nobody has is returned: long enough to create its agent late."""
    clock_look_seconds: float = field(default=0.5, validator=_number(_SECONDS_MAX, positive=True))
    """Time between two looks at the wall clock while timers wait: it may jump, and a timer starts within a second."""
    events_buffer: int = field(default=1_000, validator=_count(1))
    """Events, or pieces of a stream, that wait for one subscriber; beyond them it reads the rest from the store."""
    json_depth_max: int = field(default=64, validator=_count(1))
    """Nesting of any JSON value. Parsers of the field fail between 250 and 2,000."""
    key_length_max: int = field(default=256, validator=_count(1))
    """Characters of an idempotency key or step name: they are indexed."""
    attempts_max: int = field(default=3, validator=_count(1))
    """Failed turns of one run before its input is abandoned."""
    interruptions_max: int = field(default=20, validator=_count(1))
    """Unclean ends survived by one run before its input is abandoned as a crash loop."""
    suspect_from: int = field(default=3, validator=_count(0))
    """Unclean ends from which on a run is suspected of causing them, and begins with no other suspect at work."""
    suspect_seconds: float = field(default=10.0, validator=_number(_SECONDS_MAX))
    """Time that a suspect is watched for. Whoever outlives it is not charged, whatever ends the process later."""
    run_inputs_max: int = field(default=512, validator=_count(1))
    """Inputs that one turn takes from a lane, or one checkpoint. An agent gets one lap a batch of all agents: with 64
    one that 1,000 others wrote to worked off 2,000 messages a second, with 512 12,000."""
    begin_notice_seconds: float = field(default=120.0, validator=_number(_SECONDS_MAX, positive=True))
    """Time after which observers are told, again and again, that a turn waits for a thread to begin in."""
    begin_seconds_max: float = field(default=3600.0, validator=_number(_SECONDS_MAX, positive=True))
    """Time after which such a turn is given up: its inputs are dead letters."""
    backoff_seconds: float = field(default=1.0, validator=_number(_SECONDS_MAX))
    """Wait before the second attempt; doubles with each failure."""
    backoff_seconds_max: float = field(default=60.0, validator=_number(_SECONDS_MAX))
    """The longest wait between two attempts."""
    backoff_jitter: float = field(default=0.1, validator=_number(1))
    """Share of the backoff that is random, so that a failed dependency isn't met by a crowd."""
    full_retry_seconds: float = field(default=0.5, validator=_number(_SECONDS_MAX, positive=True))
    """Wait before a finished turn is offered again to a full disk."""
    passivate_seconds: float = field(default=60.0, validator=_number(_SECONDS_MAX, positive=True))
    """Idle time after which an identity leaves memory."""
    live_max: int = field(default=1_000, validator=_count(1))
    """Identities in memory above which the oldest idle ones leave at once. Soft: it never refuses."""
    restarts_max: int = field(default=3, validator=_count(0))
    """Crashes of one owner within ``restart_window_seconds`` before its identity is quarantined."""
    restart_window_seconds: float = field(default=5.0, validator=_number(_SECONDS_MAX, positive=True))
    """Erlang's default intensity: three in five seconds."""
    restart_seconds: float = field(default=0.05, validator=_number(_SECONDS_MAX))
    """Wait before a crashed owner starts again; doubles with each crash in the window."""
    shutdown_seconds: float = field(default=5.0, validator=_number(_SECONDS_MAX))
    """Time that running turns get when the block is left in good order."""
    cancel_grace_seconds: float = field(default=5.0, validator=_number(_SECONDS_MAX))
    """Time that a cancelled turn gets before its identity is quarantined as stuck."""
    reopen_quiet_seconds: float = field(default=60.0, validator=_number(_SECONDS_MAX))
    """A store that fails again so soon after it was reopened ends the runtime."""
    lease_seconds: float = field(default=15.0, validator=_number(_SECONDS_MAX, positive=True))
    """How long others wait for a runtime that shares its store and says nothing more. Renewed after a third of it."""
    look_seconds: float = field(default=0.05, validator=_number(_SECONDS_MAX, positive=True))
    """Time between two looks at a shared store for what others left to do."""
    drain_seconds: float = field(default=1.0, validator=_number(_SECONDS_MAX))
    """Time for the last commits of owners, and then of storage, after the turns ended."""
    wal_pages_max: int = field(default=1_000, validator=_count(1))
    """WAL pages after which the storage owner checkpoints: small ones keep the slowest commit short."""
