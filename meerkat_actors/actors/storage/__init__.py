"""The storage owner: all writes of all owners, in batches, through one writer thread."""

from __future__ import annotations

from meerkat_actors.actors.storage.counters import StorageCounters as StorageCounters
from meerkat_actors.actors.storage.owner import StorageHandle as StorageHandle
from meerkat_actors.actors.storage.owner import open_storage as open_storage
