"""What a runtime says of itself: counted as it goes, or summed over its live owners when somebody asks."""

from __future__ import annotations

from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.identity import Counters
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.records.status import Statistics


def read_statistics(directory: Directory, storage: StorageHandle, counters: Counters) -> Statistics:
    """Look at everyone who is live, without asking them."""
    entries = directory.entries()
    depths = [entry.mailbox.depth for entry in entries]
    stored = storage.counters
    return Statistics(
        turns=counters.turns,
        inputs=counters.inputs,
        units=stored.units,
        commits=stored.commits,
        live=len(depths),
        running=counters.running,
        broken=directory.broken,
        queued_envelopes=sum(depths),
        deepest_mailbox=max(depths, default=0),
        open_inputs=sum(entry.backlog for entry in entries),
        waiters=sum(entry.waiters for entry in entries),
        batch_mean=stored.batch_mean,
        batch_max=stored.batch_max,
        commit_seconds=stored.commit_seconds,
        sync_seconds=stored.sync_seconds,
        wait_seconds=stored.wait_seconds,
    )
