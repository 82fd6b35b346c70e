"""One runtime's place among those that share a store: its lease, and what it does about the others'.

Who is late, but was not taken over from, renews in the very transaction that writes next. Who was taken
over from has no row any more, and writes nothing: the row is looked at in the transaction, not before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import evolve

from meerkat_actors.machines.lease import holder_of, is_due, is_over, remaining_ms
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import Claim, CreateIdentity, Unit
from meerkat_actors.records.leases import Lease
from meerkat_actors.store.continuity_fitting import is_continuity


class LeaseTable(Protocol):
    """The leases of one store. ``put`` and ``drop`` happen in the open transaction."""

    def all(self) -> Sequence[Lease]:
        """Every lease there is."""
        ...

    def put(self, lease: Lease) -> None:
        """Begin or renew a lease."""
        ...

    def drop(self, owner: int) -> None:
        """End a lease, if it is there."""
        ...

    def is_running(self, owner: int) -> bool:
        """Whether the owner's lock is held. The kernel lets it go when a process dies, however it dies."""
        ...


class Membership:
    """Made when a shared store is opened; ``owner`` is 0 until it serves."""

    def __init__(
        self, table: LeaseTable, *, clock: Callable[[], int], boot: str, holder: str, lease_seconds: float
    ) -> None:
        self.owner: int = 0
        self.clock = clock
        self._table = table
        self._boot = boot
        self._holder = holder
        self._ttl_ms = max(1, round(1000 * lease_seconds))
        self._has_claimed = False
        self._has_swept = False
        self._patient_until = 0

    def join(self, owner: int) -> None:
        """Begin to serve, in the transaction that raised the incarnation to ``owner``; then ``adopt`` it."""
        now = self.clock()
        self._table.drop(self.owner)  # its own former one, if it begins anew without having ended
        self._sweep(now)
        self._table.put(self._renewed(owner, now))

    def adopt(self, owner: int) -> None:
        """The transaction that joined, or left (0), was committed."""
        self.owner = owner
        self._has_claimed = False
        self._has_swept = False  # what ended badly before it is its own to recover

    def leave(self) -> bool:
        """End in good order, in the transaction that ends serving; then ``adopt`` no owner.

        Whether everybody did, as far as this one saw.
        """
        self._table.drop(self.owner)
        return not self._table.all() and not self._has_swept

    def enter(self, units: Sequence[Unit] = ()) -> bool:
        """The first thing in every transaction that writes. False: taken over from, and nothing may be written."""
        now = self.clock()
        mine = self._mine()
        if mine is None and self._has_claimed:
            return False
        # Without a claim there was nothing to take, so a new row is as good as the old one.
        if mine is None or is_due(mine, now):
            self._table.put(self._renewed(self.owner, now))
        if mine is not None and remaining_ms(mine, now) == 0:
            # Who was late itself does not take the others for dead: they may have waited for the same disk.
            self._patient_until = now + self._ttl_ms
        if self._claims(units):
            self._sweep(now)
        return True

    def note(self, units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
        """After the transaction that ``enter`` began: from its first claim on it has something to lose."""
        if not self._has_claimed:
            told = zip(units, outcomes, strict=True)
            self._has_claimed = self._claims([unit for unit, outcome in told if type(outcome) is Committed])

    def is_lost(self) -> bool:
        """Whether somebody took over from this runtime."""
        return self._has_claimed and self._mine() is None

    def has_duty(self) -> bool:
        """Whether a transaction is due: to renew, or because somebody's lease is over."""
        now = self.clock()
        mine = self._mine()
        return mine is None or is_due(mine, now) or any(self._is_over(lease, now) for lease in self._table.all())

    def do_duty(self) -> bool:
        """Renew, and end the leases that are over, in the open transaction. False: see ``enter``."""
        if not self.enter():
            return False
        self._sweep(self.clock())
        return True

    def held(self, found: Activation | Broken) -> Activation | Broken:
        """What was read of an identity, with who else holds it, if one still does."""
        if isinstance(found, Broken) or found.head is None or found.head.owner in {0, self.owner}:
            return found
        now = self.clock()
        for lease in self._table.all():
            if lease.owner == found.head.owner and not self._is_over(lease, now):
                return evolve(found, holder=holder_of(lease, now))
        return found

    def others(self) -> frozenset[int]:
        """The other owners there are."""
        return frozenset(lease.owner for lease in self._table.all() if lease.owner != self.owner)

    def _sweep(self, now: int) -> None:
        for lease in self._table.all():
            if self._is_over(lease, now):
                self._table.drop(lease.owner)
                self._has_swept = True

    def _is_over(self, lease: Lease, now: int) -> bool:
        return lease.owner != self.owner and is_over(
            lease,
            boot=self._boot,
            now_ms=now,
            is_running=self._table.is_running(lease.owner),
            trusts_clock=now >= self._patient_until,
        )

    def _mine(self) -> Lease | None:
        return next((lease for lease in self._table.all() if lease.owner == self.owner), None)

    def _renewed(self, owner: int, now: int) -> Lease:
        return Lease(
            owner=owner,
            holder=self._holder,
            boot=self._boot,
            expires_ms=now + self._ttl_ms,
            ttl_ms=self._ttl_ms,
        )

    @staticmethod
    def _claims(units: Sequence[Unit]) -> bool:
        # What the continuity facade grants is no claim: its holders are its callers' own.
        return any(
            (type(effect) is Claim and not is_continuity(unit)) or type(effect) is CreateIdentity
            for unit in units
            for effect in unit.effects
        )
