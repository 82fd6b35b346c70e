"""Who is kept apart, and why."""

from __future__ import annotations

from meerkat_actors.actors.observer import Observers
from meerkat_actors.errors import IdentityBrokenError
from meerkat_actors.records.events import IdentityBroke
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.supervision import Quarantined, remedy_of


class Quarantine:
    """The identities of one runtime that are kept apart, in the order in which they broke. Never waits."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._broken: dict[AgentIdentity, IdentityBroke] = {}

    def __contains__(self, identity: AgentIdentity) -> bool:
        return identity in self._broken

    @property
    def identities(self) -> tuple[AgentIdentity, ...]:
        """Who is kept apart."""
        return tuple(self._broken)

    def get(self, identity: AgentIdentity) -> IdentityBroke | None:
        """Why an identity is kept apart; None: it is not."""
        return self._broken.get(identity)

    def add(self, identity: AgentIdentity, reason: str, detail: str) -> None:
        """Keep an identity apart, and tell observers."""
        broke = IdentityBroke(identity=identity, reason=reason, detail=detail)
        self._broken[identity] = broke
        self._observers.notify(broke)

    def lift(self, identity: AgentIdentity) -> None:
        """Let an identity begin again."""
        del self._broken[identity]

    def records(self) -> tuple[Quarantined, ...]:
        """Who is kept apart, for people."""
        return tuple(
            Quarantined(
                identity=broke.identity, reason=broke.reason, detail=broke.detail, remedy=remedy_of(broke.reason)
            )
            for broke in self._broken.values()
        )


def broken_error(broke: IdentityBroke) -> IdentityBrokenError:
    """What is told to whoever asks something of an identity that is kept apart."""
    return IdentityBrokenError(identity=broke.identity, reason=broke.reason, detail=broke.detail)
