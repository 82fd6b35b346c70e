"""The durable lifecycle of a logical runtime, as a table; and the one way to a lifecycle that is committed.

Rule 1: a stopped runtime can be woken, a destroyed one is final.
Rule 2: committing the state again is legal, so that a repeated command is.
Rule 3: the outer fence of a binding never goes back while the runtime stays bound.
Rule 4: what is committed names what it follows, so that two selections from one past can't both hold.
"""

from __future__ import annotations

from typing import Final, NoReturn, final

from meerkat_actors.errors import IllegalTransitionError, UsageError
from meerkat_actors.records.machine_lifecycle import (
    MachineLifecycleBinding,
    MachineLifecycleSnapshot,
    RuntimeState,
    encode_lifecycle,
)

S = RuntimeState

TRANSITIONS: Final = frozenset(
    {
        *((state, state) for state in S),
        (S.INITIALIZING, S.IDLE),
        (S.INITIALIZING, S.STOPPED),
        (S.INITIALIZING, S.DESTROYED),
        (S.IDLE, S.RUNNING),
        (S.IDLE, S.RETIRED),
        (S.IDLE, S.STOPPED),
        (S.IDLE, S.DESTROYED),
        (S.RUNNING, S.IDLE),
        (S.RUNNING, S.RETIRED),
        (S.RUNNING, S.STOPPED),
        (S.RUNNING, S.DESTROYED),
        (S.RETIRED, S.RUNNING),
        (S.RETIRED, S.IDLE),
        (S.RETIRED, S.STOPPED),
        (S.RETIRED, S.DESTROYED),
        (S.STOPPED, S.IDLE),
        (S.STOPPED, S.DESTROYED),
    }
)
"""Each pair of a state and one that may follow it; anything may come first."""


@final
class MachineLifecycleCommit:
    """A lifecycle that the machine selected: the only kind that a store takes. ``select_lifecycle`` makes it."""

    __slots__ = ("_previous", "_snapshot")
    _previous: MachineLifecycleSnapshot | None
    _snapshot: MachineLifecycleSnapshot

    def __init__(self, *_: object, **__: object) -> None:
        raise UsageError(problem=f"{_NO_WAY}; select_lifecycle() selects what may follow")

    @property
    def snapshot(self) -> MachineLifecycleSnapshot:
        """What was selected."""
        return self._snapshot

    @property
    def previous(self) -> MachineLifecycleSnapshot | None:
        """What it follows; None when it is the first."""
        return self._previous

    @property
    def runtime_state(self) -> RuntimeState:
        """The state that was selected."""
        return self._snapshot.runtime_state

    def store_record(self) -> bytes:
        """What a store keeps: opaque to it."""
        return encode_lifecycle(self._snapshot)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MachineLifecycleCommit):
            return NotImplemented
        return (self._previous, self._snapshot) == (other._previous, other._snapshot)

    def __hash__(self) -> int:
        return hash((self._previous, self._snapshot))

    def __repr__(self) -> str:
        return f"MachineLifecycleCommit({self._snapshot}, previous={self._previous})"

    def __setattr__(self, name: str, _: object) -> NoReturn:
        raise UsageError(problem=f"MachineLifecycleCommit.{name} can't be set; {_NO_WAY}")

    def __reduce__(self) -> NoReturn:
        raise UsageError(problem=f"{_NO_WAY}, so it does not pickle; store_record() is what travels")


_NO_WAY: Final = "MachineLifecycleCommit has no public constructor"


def select_lifecycle(
    current: MachineLifecycleSnapshot | None,
    runtime_state: RuntimeState,
    *,
    binding: MachineLifecycleBinding | None = None,
) -> MachineLifecycleCommit:
    """Select what follows ``current``; ``binding=None`` keeps its binding.

    Raises:
        IllegalTransitionError: ``TRANSITIONS`` has no such pair, or the outer fence would go back.
    """
    kept = MachineLifecycleBinding() if current is None else current.binding
    if current is not None and (current.runtime_state, runtime_state) not in TRANSITIONS:
        raise IllegalTransitionError(
            machine="lifecycle", state=current.runtime_state.value, event=f"to {runtime_state.value}"
        )
    chosen = kept if binding is None else binding
    if kept.fence_token is not None and chosen.fence_token is not None and chosen.fence_token < kept.fence_token:
        raise IllegalTransitionError(
            machine="lifecycle", state=f"bound under fence {kept.fence_token}", event=f"fence {chosen.fence_token}"
        )
    commit = object.__new__(MachineLifecycleCommit)
    object.__setattr__(commit, "_previous", current)
    object.__setattr__(commit, "_snapshot", MachineLifecycleSnapshot(runtime_state=runtime_state, binding=chosen))
    return commit
