"""The rows of the memory store, and the one way to change them: each change knows how to be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from attrs import frozen

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    OperationId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Letter
from meerkat_actors.records.leases import Lease
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.records.standing import Former, SnapshotRow
from meerkat_actors.records.status import Desired
from meerkat_actors.store.memory_sorted import SortedRows

K = TypeVar("K")
V = TypeVar("V")
Key = TypeVar("Key")

_ABSENT: Final = object()


@hot
class HeadRow:
    """The authority of one identity. Replaced as a whole, never changed in place."""

    kind: str
    session_id: SessionId
    token: FencingToken
    generation: Generation
    version: CheckpointVersion
    digest: bytes
    message_count: int
    sends: int
    last_turn: int
    last_state: int
    is_deleted: bool
    owner: int
    """The incarnation that claimed it last; 0 once released."""
    desired: Desired = Desired.OPEN
    mail_floor: int = 0
    """The sequence up to which mail can't be taken any more."""


@hot
class GivenRow:
    """What an input is: it never changes."""

    sequence: int
    identity: IdentityKey
    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    sender: IdentityKey | None
    idempotency_key: str | None
    header: bytes | None = None
    """Canonical JSON; None for its kind's default."""


@hot
class ProgressRow:
    """Where an input is. Replaced as a whole, never changed in place."""

    state: InputState
    admission: AdmissionSequence | None
    run_id: RunId | None
    attempts: int
    interruptions: int
    not_before_ms: int
    ending: bytes | None
    turn: int
    policy: int = 0
    lane: Lane = Lane.QUEUE
    position: int = 0
    letter: Letter = Letter.NONE
    is_owed: bool = False
    """Whether its answer is owed."""


@hot
class TimerRow:
    """One timer. Replaced as a whole, never changed in place."""

    rowid: int
    """Kept while it is there; of two timers that are due at once the lower one goes first."""
    due_ms: int
    body: bytes
    last: AdmissionSequence
    fired: int


@hot
class EventRow:
    """What a unit told that none of its other rows says."""

    identity: IdentityKey
    body: bytes


@frozen
class GrantRow:
    """What the continuity facade keeps beside the authority row."""

    token: FencingToken
    """Which was granted to ``holder``; a claim of the runtime's leaves it behind."""
    holder: str
    floor: Generation
    former: Former | None


@frozen
class DocumentRow:
    """An opaque document, or the memory of one that was dropped."""

    body: bytes | None
    """None: dropped."""
    epoch: int
    generation: int


class Tables:
    """Dicts of bytes. ``put`` and ``drop`` are the only writers, so ``undo`` is complete."""

    def __init__(self, store_id: str) -> None:
        self.store_id: str = store_id
        self.incarnation: int = 0
        self.was_clean: bool = True
        self.sequence: int = 0
        """The last one given out, of inputs, boundaries and events. No undoing brings it back."""
        self.key: int = 0
        """The last one given out, of identities. No undoing brings it back."""
        self.running: set[int] = set()
        """Owners whose store is open."""
        self.owners: dict[int, Lease] = {}
        """Those who share the store, by their incarnation."""
        self.names: dict[AgentIdentity, IdentityKey] = {}
        self.identities: dict[IdentityKey, AgentIdentity] = {}
        self.heads: dict[IdentityKey, HeadRow] = {}
        self.sessions: dict[SessionId, tuple[IdentityKey, Generation]] = {}
        self.grants: dict[IdentityKey, GrantRow] = {}
        self.snapshots: dict[IdentityKey, dict[tuple[Generation, CheckpointVersion], SnapshotRow]] = {}
        self.configs: dict[IdentityKey, dict[int, bytes]] = {}
        self.given: dict[int, GivenRow] = {}
        self.progress: dict[int, ProgressRow] = {}
        self.admitted: dict[IdentityKey, dict[AdmissionSequence, int]] = {}
        self.sent: dict[tuple[IdentityKey, Lane], SortedRows[int, IdentityKey | None]] = {}
        """Sequences of mail not yet taken, each with its sender; None is from outside."""
        self.open: dict[IdentityKey, dict[int, None]] = {}
        """Sequences of admitted inputs without an outcome."""
        self.by_input_id: dict[InputId, int] = {}
        self.by_idempotency_key: dict[tuple[IdentityKey, str], int] = {}
        self.turns: dict[int, TurnRow] = {}
        self.documents: dict[tuple[IdentityKey, str, str], DocumentRow] = {}
        self.receipts: dict[tuple[IdentityKey, RunId], dict[int, int]] = {}
        """Of each run, the boundaries of its receipts, by their sequence."""
        self.journals: dict[tuple[IdentityKey, RunId], dict[tuple[str, int], JournalEntry]] = {}
        self.owed: dict[IdentityKey, dict[AdmissionSequence, int]] = {}
        """Sequences of consumed requests whose answers are owed."""
        self.timers: dict[IdentityKey, SortedRows[str, TimerRow]] = {}
        self.due: SortedRows[tuple[int, int], tuple[IdentityKey, str]] = SortedRows()
        """Timers of all, by their times and rows."""
        self.due_of: dict[IdentityKey, SortedRows[tuple[int, str], None]] = {}
        """Timers of each, by their times and names."""
        self.timer: int = 0
        """The last row of a timer given out. No undoing brings it back."""
        self.operations: dict[IdentityKey, dict[OperationId, bytes]] = {}
        self.bound: dict[IdentityKey, dict[OperationId, None]] = {}
        """Those of them that end with their process."""
        self.events: SortedRows[int, EventRow] = SortedRows()
        self.event_floor: int = 0
        """Events up to this sequence may have been pruned."""
        self.unsettled: list[tuple[SortedRows[Any, Any], Any]] = []
        """Keys whose places may be empty once it is known what stays."""
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """Set a row."""
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        """Delete a row, if it is there."""
        if key in table:
            self._undo.append((table, key, table.pop(key)))

    def of(self, table: dict[Key, dict[K, V]], key: Key) -> dict[K, V]:
        """The rows of one owner, to put into; an empty one tells nothing, so making it is no change."""
        rows = table.get(key)
        if rows is None:
            rows = table[key] = {}
        return rows

    def sorted_of(self, table: dict[Key, SortedRows[K, V]], key: Key) -> SortedRows[K, V]:
        """The same, of rows that have an order."""
        rows = table.get(key)
        if rows is None:
            rows = table[key] = SortedRows()
        return rows

    def keep(self) -> None:
        """Make what was changed since the last ``keep`` final."""
        self._undo.clear()
        self._settle()

    def undo(self) -> None:
        """Put back everything that was changed since the last ``keep``."""
        while self._undo:
            table, key, before = self._undo.pop()
            if before is _ABSENT:
                del table[key]
            else:
                table[key] = before
        self._settle()

    def _settle(self) -> None:
        for rows, key in self.unsettled:
            rows.settle(key)
        self.unsettled.clear()


Counter = Callable[[], int]
"""Gives the next number of a sequence that never repeats."""
