"""What all owners of identities of one runtime are given, and how they say that they can't go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import trio
from attrs import Factory, define

from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.suspects import Suspects
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import AgentKind, TurnJob
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AgentIdentity, RunId
from meerkat_actors.records.leases import Holder
from meerkat_actors.records.limits import Limits

_WALL_MS_MAX: Final = 2**62
"""Milliseconds far beyond any date, and far enough below 2^63 to add a backoff."""


UNKNOWN_KIND: Final = "unknown_kind"
"""The reason of a quarantine for a kind that this runtime was not given."""
UNREADABLE: Final = "unreadable"
"""The reason of a quarantine for a config or a state that the classes of today can't read."""


class BrokenIdentityError(Exception):
    """The identity can't be owned; its entry stays as a quarantine. Never leaves this floor."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class HeldElsewhereError(Exception):
    """Another runtime that shares the store holds the identity. Never leaves this floor."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(holder)
        self.holder = holder


@define(eq=False)
class Counters:
    """Counted since the runtime was opened."""

    turns: int = 0
    inputs: int = 0
    running: int = 0
    turn_ended: trio.lowlevel.ParkingLot = Factory(trio.lowlevel.ParkingLot)
    """Unparked when the last running turn ended and what it ended with is durable."""

    def end_turn(self) -> None:
        """Count a turn less."""
        self.running -= 1
        if not self.running and self.turn_ended:
            self.turn_ended.unpark_all()


@define(eq=False, kw_only=True)
class Surroundings:
    """What all owners of one runtime are given."""

    storage: StorageHandle
    agents: Mapping[str, AgentKind]
    env: Env
    limits: Limits
    observers: Observers
    counters: Counters
    jitter: Callable[[], float]
    threads: trio.CapacityLimiter
    """For plain agents and plain steps: one that hangs takes none of the host's own threads."""
    start_turn: Callable[[TurnJob], None]
    post_later: Callable[[Entry, Envelope, float], None]
    """Posts an envelope to an owner's control mailbox after some seconds."""
    park: Callable[[Entry, bool, bool], bool]
    """Told that an owner parks, whether it has open input, and whether it will go on with it by itself; answers
    whether it shall leave."""
    suspects: Suspects
    is_closing: Callable[[], bool]
    return_mail: Callable[[AgentIdentity], None]
    """Told of an identity that has mail which it will never take."""
    wiring: Wiring | None = None
    """Whom the names mean that turns send to; None: every name is an identity."""
    publish: Callable[[AgentIdentity, RunId, int, str], None] | None = None
    """Told each piece of a turn's stream: whose, of which run and attempt. None: nobody listens."""

    def now_ms(self) -> int:
        """The wall clock. One that is set to nonsense may delay a retry, and no more."""
        return min(max(self.env.wall_ms(), 0), _WALL_MS_MAX)
