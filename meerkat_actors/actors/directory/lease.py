"""How a runtime keeps its place beside others that share its store."""

from __future__ import annotations

from typing import Final

import trio

from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreError, StoreFullError
from meerkat_actors.records.events import LeaseLost
from meerkat_actors.records.limits import Limits

_LOOKS_PER_LEASE: Final = 4
"""A renewal is due after a third of a lease, so two looks may fail before it is over."""


async def keep_lease(directory: Directory, storage: StorageHandle, limits: Limits, observers: Observers) -> None:
    """Look around for as long as the runtime lives: renew, take over from the dead, wake who has work.

    Owns:  the runtime's lease. Ends: cancelled, after the owners; or with storage, which tells everyone else.
    """
    seconds = min(limits.look_seconds, limits.lease_seconds / _LOOKS_PER_LEASE)
    while True:
        await trio.sleep(seconds)
        try:
            news = await storage.read(lambda store: store.look_around())
            if news.is_lost:
                # First, and without a schedule point: whatever they do next, they write nothing.
                observers.notify(LeaseLost(live=directory.lose_all()))
                await storage.begin_anew()
        except StoreFullError:
            continue  # nobody can write: nobody can take over either
        except StoreError:
            return
        for identity in news.work:
            directory.post_mail(identity)
