"""Who serves a store that several runtimes share."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity

Ownership = Literal["exclusive", "shared"]
"""Whether one runtime serves a store, or several, each of which claims the identities that it serves."""


@frozen(kw_only=True)
class Lease:
    """One runtime's place among those that share a store. It holds what it claimed while it has this row.

    The clock is the kernel's since its boot: it never jumps, and goes on while the machine sleeps.
    """

    owner: int
    """Its incarnation: unique per beginning to serve."""
    holder: str
    """Its process, for people."""
    boot: str
    """The boot that the clock counts from."""
    expires_ms: int
    """From then on others may take over."""
    ttl_ms: int
    """What each renewal gives."""


@frozen(kw_only=True)
class Holder:
    """Who holds an identity, as far as others can know."""

    name: str
    """Its process, for people."""
    expires_in: float
    """Seconds until its lease ends, unless it is renewed. A claim may be refused a lease longer than that."""


@frozen(kw_only=True)
class News:
    """What one look at a shared store found."""

    is_lost: bool
    """Somebody took over from this runtime: nothing that it claimed is its own any more."""
    work: tuple[AgentIdentity, ...]
    """Agents with something to do that no other runtime holds, as far as it is new."""


NOTHING_NEW: Final = News(is_lost=False, work=())
LOST: Final = News(is_lost=True, work=())
