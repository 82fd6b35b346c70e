"""What a lease means at an instant: how long it runs, when to renew it, when it is over.

A lease says who is probably alive. What keeps a late writer out is the fence in its transaction, and
that transaction's own look at the lease's row: a row that was taken away is never renewed.

=====================  ==========================  =====================================
the row is             its owner                   others
=====================  ==========================  =====================================
there, not expired     writes; renews at a third   are refused its identities
there, expired         renews with its next write  may take the row away, and then claim
gone                   writes nothing, begins anew claim
=====================  ==========================  =====================================

Reference: Gray and Cheriton, "Leases", SOSP 1989; ``reference/continuity.md`` section 3.
"""

from __future__ import annotations

from meerkat_actors.records.leases import Holder, Lease


def remaining_ms(lease: Lease, now_ms: int) -> int:
    """How long the lease still runs. Never longer than a renewal gives, whatever the row says."""
    return max(0, min(lease.expires_ms - now_ms, lease.ttl_ms))


def holder_of(lease: Lease, now_ms: int) -> Holder:
    """The lease's owner, for whoever is refused."""
    return Holder(name=lease.holder, expires_in=remaining_ms(lease, now_ms) / 1000)


def is_due(lease: Lease, now_ms: int) -> bool:
    """Whether its owner renews it now: a third of its time has passed, or the row claims too much."""
    return not lease.expires_ms - lease.ttl_ms <= now_ms < lease.expires_ms - lease.ttl_ms * 2 // 3


def is_over(lease: Lease, *, boot: str, now_ms: int, is_running: bool, trusts_clock: bool) -> bool:
    """Whether its owner is gone for all that others can know.

    ``is_running``: its lock is held. ``trusts_clock``: false for a looker that was itself late, and would
    take for dead who only waited for the same disk.
    """
    if lease.boot != boot or not is_running:
        return True
    return trusts_clock and remaining_ms(lease, now_ms) == 0
