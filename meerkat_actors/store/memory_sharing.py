"""Who shares a memory store: several objects on the same tables, as several processes share a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.effects import Claim, Release
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.leases import Lease
from meerkat_actors.store.fencing import held_elsewhere
from meerkat_actors.store.memory_mail import has_mail
from meerkat_actors.store.memory_tables import HeadRow, Tables
from meerkat_actors.store.memory_work import No, Work


def _claim(_: Claim, index: int, work: Work) -> No | None:
    heads, key = work.tables.heads, work.fence.key
    head = heads[key]
    # What the continuity facade serves has holders of its own.
    other = None if head.owner == work.owner or head.kind == OPAQUE_KIND else work.tables.owners.get(head.owner)
    if other is not None:
        return held_elsewhere(other, index, work.clock())
    work.tables.put(heads, key, evolve(head, token=work.fence.token, owner=work.owner))
    return None


def _release(_: Release, __: int, work: Work) -> No | None:
    heads, key = work.tables.heads, work.fence.key
    work.tables.put(heads, key, evolve(heads[key], owner=0))
    return None


SHARING_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {Claim: _claim, Release: _release}
)


class MemoryLeases:
    """See ``LeaseTable``. A lock here is a name in a set, which ``close`` takes away."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> Sequence[Lease]:
        """See ``LeaseTable.all``."""
        return tuple(self._tables.owners.values())

    def put(self, lease: Lease) -> None:
        """See ``LeaseTable.put``."""
        self._tables.owners[lease.owner] = lease

    def drop(self, owner: int) -> None:
        """See ``LeaseTable.drop``."""
        self._tables.owners.pop(owner, None)

    def is_running(self, owner: int) -> bool:
        """See ``LeaseTable.is_running``."""
        return owner in self._tables.running


def unheld_work(tables: Tables, owner: int) -> tuple[AgentIdentity, ...]:
    """Agents with something to do that no other owner holds, in the order of their names."""
    return tuple(
        sorted(
            tables.identities[key]
            for key, head in tables.heads.items()
            if (tables.open.get(key) or tables.bound.get(key) or has_mail(tables, key))
            and _may_serve(tables, head, owner)
        )
    )


def unheld_mail(tables: Tables, owner: int, after: int) -> tuple[AgentIdentity, ...]:
    """Those of them with mail that came after the sequence ``after``."""
    return tuple(
        identity for identity in unheld_work(tables, owner) if has_mail(tables, tables.names[identity], after=after)
    )


def is_held(tables: Tables, head: HeadRow, owner: int) -> bool:
    """Whether another owner holds the identity."""
    return head.owner != owner and head.owner in tables.owners


def _may_serve(tables: Tables, head: HeadRow, owner: int) -> bool:
    return not is_held(tables, head, owner) and not head.is_deleted and head.kind[:1] != "@"
