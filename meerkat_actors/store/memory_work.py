"""One unit of the memory store at work."""

from __future__ import annotations

from collections.abc import Callable

from meerkat_actors.records.commits import DuplicateInput, HeldElsewhere, Refused
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.store.fencing import creation_refusal
from meerkat_actors.store.memory_tables import Counter, Tables

No = Refused | DuplicateInput | HeldElsewhere


@hot
class Work:
    """One unit at work: its effects share this."""

    tables: Tables
    fence: IdentityFence
    next_sequence: Counter
    next_key: Counter
    owner: int
    """The incarnation that commits."""
    clock: Callable[[], int]
    """By which leases run, in milliseconds."""
    turn: int
    """The sequence of the boundary that the unit appends; 0 for none."""


def name_key(tables: Tables, identity: AgentIdentity, key: IdentityKey) -> None:
    """Give a name its key."""
    tables.put(tables.names, identity, key)
    tables.put(tables.identities, key, identity)


def creation_mismatch(work: Work, index: int) -> Refused | None:
    """Why the unit's identity can't be created under its key; None if it can."""
    tables, fence = work.tables, work.fence
    return creation_refusal(
        fence,
        index,
        has_head=fence.key in tables.heads,
        key_of_name=tables.names.get(fence.identity),
        name_of_key=tables.identities.get(fence.key),
    )
