"""What may be forgotten: a policy, what it says at one moment, and what was forgotten by it."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, assert_never, cast

from attrs import Attribute, evolve, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import is_counter, shown
from meerkat_actors.records.inputs import InputState

SECONDS_MAX: Final = 1e10
"""Some 300 years: no clock of ours is older."""


class PruneKind(StrEnum):
    """Whatever can be forgotten, in the order in which it is gone through."""

    INPUTS = "inputs"
    """Content of inputs that have their outcome."""
    SNAPSHOTS = "snapshots"
    """Documents of the continuity facade that no session in force and no rollback can ask for."""
    DOCUMENTS = "documents"
    """Runtime sessions as they were before the current snapshot."""
    JOURNALS = "journals"
    """Recorded steps of runs that are over."""
    EVENTS = "events"
    """What units told observers besides: rows of ``RecordEvents``. Inputs and turns tell of themselves for ever."""


def _a_count_or_none(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not is_counter(value):
        raise InvalidValueError(problem=f"PrunePolicy({attribute.name}={shown(value)}): use an int from 0 up, or None")


def _seconds_or_none(_: object, attribute: Attribute[Any], value: object) -> None:
    # NaN fails every comparison.
    if value is not None and (type(value) not in {int, float} or not 0 <= cast("float", value) <= SECONDS_MAX):
        problem = f"PrunePolicy({attribute.name}={shown(value)}): use 0 to {SECONDS_MAX:,.0f} seconds, or None"
        raise InvalidValueError(problem=problem)


def _a_bool(_: object, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not bool:
        raise InvalidValueError(problem=f"PrunePolicy({attribute.name}={shown(value)}): use True or False")


@frozen(kw_only=True)
class PrunePolicy:
    """What may be forgotten. What no run, session, rollback or reader can ask for any more may be, always.

    With neither ``keep_inputs`` nor ``older_than_seconds`` no input loses its content; with both it must be beyond
    both. Inputs of the runtime-store facade keep theirs, which it gives back byte for byte. Without
    ``events_older_than_seconds`` no event goes.

    Raises:
        InvalidValueError: a field of another form.
    """

    keep_inputs: int | None = field(default=None, validator=_a_count_or_none)
    """The last so many admissions of each agent keep their content."""
    older_than_seconds: float | None = field(default=None, validator=_seconds_or_none)
    """Inputs of this age and less keep theirs. The age is told by the input's id (UUIDv7), and so by the clock of
    who minted it; an input whose id tells no time has no age, and keeps its content."""
    dead_letters: bool = field(default=False, validator=_a_bool)
    """Whether abandoned inputs may lose theirs, too: nobody can look into them then, or give them another try."""
    former_snapshots: bool = field(default=False, validator=_a_bool)
    """Whether the runtime-store facade's snapshot before the current one may go: a recovery that finds the current
    one damaged has nothing else."""
    events_older_than_seconds: float | None = field(default=None, validator=_seconds_or_none)
    """Events of this age and less are kept; None keeps all. An event has no clock of its own: it is as old as the
    first input behind it, by that one's id (UUIDv7); while there is none, or its id tells no time, it is kept. A
    reader whose cursor is older than what is left is told so."""

    def order(self, now_ms: int, *, is_dry_run: bool) -> PruneOrder:
        """What the policy says at that moment of the wall clock."""
        return PruneOrder(
            policy=self,
            before_ms=_before(now_ms, self.older_than_seconds),
            is_dry_run=is_dry_run,
            events_before_ms=_before(now_ms, self.events_older_than_seconds),
        )


@frozen(kw_only=True)
class PruneOrder:
    """A policy at one moment: the same for every chunk, so that they add up to one answer."""

    policy: PrunePolicy
    before_ms: int | None
    """Inputs minted before it are old enough; None where age does not matter."""
    is_dry_run: bool
    """Whether to tell only what would be forgotten."""
    events_before_ms: int | None = None
    """Events before an input minted before it are old enough; None where none is."""

    def forgets_input(self, state: InputState, input_id: bytes, rank: int) -> bool:
        """Whether an agent's input loses its content; ``rank`` is how many of its agent were admitted after it."""
        keep = self.policy.keep_inputs
        if keep is None and self.before_ms is None:
            return False
        if not state.is_terminal or (state is InputState.ABANDONED and not self.policy.dead_letters):
            return False
        if keep is not None and rank < keep:
            return False
        minted = minted_ms(input_id)
        return self.before_ms is None or (minted is not None and minted < self.before_ms)

    def forgets_event(self, next_input_id: bytes | None) -> bool:
        """Whether an event goes: the row, and the floor of events rises to its sequence in the same transaction.

        ``next_input_id`` is that of the input with the lowest sequence above its own; None for none.
        """
        minted = None if next_input_id is None else minted_ms(next_input_id)
        return minted is not None and self.events_before_ms is not None and minted < self.events_before_ms


def minted_ms(input_id: bytes) -> int | None:
    """The wall clock of who made an id, in milliseconds since 1970 UTC; None for one that is no UUIDv7."""
    return int.from_bytes(input_id[:6], "big") if input_id[6] >> 4 == 7 else None


def _before(now_ms: int, age_seconds: float | None) -> int | None:
    return None if age_seconds is None else now_ms - round(1000 * age_seconds)


@frozen
class PruneCursor:
    """How far a pruning came. Opaque: who prunes goes on with the one that the last step returned."""

    kind: PruneKind
    after: tuple[int | str | bytes, ...] = ()
    """The key of the last row that was looked at."""


PRUNE_BEGIN: Final = PruneCursor(next(iter(PruneKind)))
"""Where a pruning begins."""
PRUNE_ROWS: Final = 250
"""Rows that one chunk looks at: where all of them go, it takes about a millisecond, and others wait as long."""

_AFTER: Final = MappingProxyType(dict(zip(PruneKind, (*[*PruneKind][1:], None), strict=True)))


def cursor_beyond(kind: PruneKind) -> PruneCursor | None:
    """Where the next kind begins; None behind the last one."""
    following = _AFTER[kind]
    return None if following is None else PruneCursor(following)


@frozen(kw_only=True)
class PruneStep:
    """What one chunk did."""

    kind: PruneKind
    rows: int
    size_bytes: int
    following: PruneCursor | None
    """Where to go on; None when all was gone through."""
    free_bytes: int
    """Pages of the file that are empty now."""


@frozen(kw_only=True)
class Forgotten:
    """How much of one kind went, or would."""

    rows: int = 0
    size_bytes: int = 0
    """Of the content alone: rows, keys and pages take more."""


@frozen(kw_only=True)
class PruneReport:
    """What a pruning forgot. A dry run tells the same of itself as the pruning after it."""

    is_dry_run: bool
    inputs: Forgotten = Forgotten()
    """Inputs that lost their content. Their rows stay."""
    snapshots: Forgotten = Forgotten()
    documents: Forgotten = Forgotten()
    journals: Forgotten = Forgotten()
    events: Forgotten = Forgotten()
    """Rows of events. What they weigh is their facts."""
    free_bytes: int = 0
    """Pages of the file that are empty now, and will be filled before it grows again. What small contents leave is
    room in pages, which is not counted; only compacting gives it back."""

    @property
    def rows(self) -> int:
        """All that was forgotten."""
        return sum(self.of(kind).rows for kind in PruneKind)

    @property
    def size_bytes(self) -> int:
        """All that was forgotten."""
        return sum(self.of(kind).size_bytes for kind in PruneKind)

    def of(self, kind: PruneKind) -> Forgotten:
        """What was forgotten of one kind."""
        match kind:
            case PruneKind.INPUTS:
                return self.inputs
            case PruneKind.SNAPSHOTS:
                return self.snapshots
            case PruneKind.DOCUMENTS:
                return self.documents
            case PruneKind.JOURNALS:
                return self.journals
            case PruneKind.EVENTS:
                return self.events
            case _:
                assert_never(kind)

    def plus(self, step: PruneStep) -> PruneReport:
        """With one chunk more."""
        so_far = self.of(step.kind)
        now = Forgotten(rows=so_far.rows + step.rows, size_bytes=so_far.size_bytes + step.size_bytes)
        changes: dict[str, Any] = {step.kind.value: now}
        return evolve(self, free_bytes=step.free_bytes, **changes)

    def compacted(self) -> PruneReport:
        """After the file was written anew."""
        return evolve(self, free_bytes=0)
