"""Units and stores for the tests of the storage owner, and a brake on its writer thread."""

from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager

from meerkat_actors.actors.storage import StorageHandle, open_storage
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    SessionId,
)
from meerkat_actors.records.limits import Limits
from tests.actors.faulty import FaultyStore
from tests.actors.world import VirtualEnv

FULL = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")


IDS = VirtualEnv()


def creation(number: int) -> Unit:
    """A unit of its own for each number."""
    fence = IdentityFence(
        AgentIdentity(f"a{number}"), IdentityKey(number), FencingToken(1), Generation(0), CheckpointVersion(0)
    )
    return Unit(fence, (CreateIdentity("kind", SessionId(IDS.new_id())),))


def open_over(store: FaultyStore, limits: Limits | None = None) -> AbstractAsyncContextManager[StorageHandle]:
    return open_storage(store, limits or Limits(), after_commit=lambda _: None, notify=lambda _: None)


class Brake:
    """Holds the writer thread in a commit until it is released."""

    def __init__(self) -> None:
        self.is_in = threading.Event()
        self._may_go = threading.Event()

    def __call__(self, _: object) -> None:
        self.is_in.set()
        assert self._may_go.wait(20)

    def release(self) -> None:
        self._may_go.set()
