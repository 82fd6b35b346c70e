"""Which agents are supervised together, and how far a group is with beginning anew."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import Factory, define

from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.supervision import SupervisionGroup, require_apart


@define(eq=False)
class GroupState:
    """One group, as its supervisors share it. Changed only by synchronous code."""

    group: SupervisionGroup
    crashes: tuple[float, ...] = ()
    """Times of its crashes that may still count."""
    is_escalated: bool = False
    """Whether it was given up, and nobody of it was repaired since."""
    ending: set[AgentIdentity] = Factory(set[AgentIdentity])
    """Whose owners were told to end and have not: while there are any, nobody of the group begins."""
    waiting: set[AgentIdentity] = Factory(set[AgentIdentity])
    """Whose owners ended, and begin anew when the group does."""
    begin_at: dict[AgentIdentity, float] = Factory(dict[AgentIdentity, float])
    """When each of them may, by Trio's clock."""
    changed: trio.lowlevel.ParkingLot = Factory(trio.lowlevel.ParkingLot)
    """Where those park who wait to begin."""


class Groups:
    """The groups of one runtime. Never waits."""

    def __init__(self, groups: Sequence[SupervisionGroup] = ()) -> None:
        self._states: dict[str, GroupState] = {}
        self._of: dict[str, GroupState] = {}
        self._ending: dict[AgentIdentity, GroupState] = {}
        for group in groups:
            self.set(group)

    def set(self, group: SupervisionGroup) -> None:
        """Supervise a group from now on. It replaces one of the same name, whose crashes are forgotten.

        Raises:
            InvalidValueError: a member is in another group.
        """
        former = self._states.get(group.name)
        others = [state.group for state in self._states.values() if state is not former]
        require_apart((*others, group))
        state = former or GroupState(group)
        for member in state.group.members:
            self._of.pop(member, None)
        state.group, state.crashes, state.is_escalated = group, (), False
        self._states[group.name] = state
        self._of.update(dict.fromkeys(group.members, state))

    def of(self, identity: AgentIdentity) -> GroupState | None:
        """The group of an identity; None: it has none."""
        return self._of.get(identity)

    def note_ending(self, identity: AgentIdentity, state: GroupState) -> None:
        """The identity's owner was told to end, and the group waits for it."""
        state.ending.add(identity)
        self._ending[identity] = state

    def note_end(self, identity: AgentIdentity) -> None:
        """The identity's owner ended, or none is there: nobody has to wait for it. Idempotent."""
        state = self._ending.pop(identity, None)
        if state is not None:
            state.ending.discard(identity)
            if not state.ending:
                state.changed.unpark_all()

    def forgive(self, identity: AgentIdentity) -> None:
        """The identity is repaired: where its whole group was given up, its crashes are forgotten."""
        state = self._of.get(identity)
        if state is not None and state.is_escalated:
            state.crashes, state.is_escalated = (), False
