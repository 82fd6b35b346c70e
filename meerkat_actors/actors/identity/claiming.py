"""How an owner comes to hold its identity, and gives it up.

In a store of one's own a claim costs nothing: it rides on the owner's first unit. Where others share
the store it is a unit by itself, before anything that was read is acted on: claiming decides who acts.
"""

from __future__ import annotations

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.actors.identity.refusal import is_fence_lost
from meerkat_actors.actors.identity.surroundings import BrokenIdentityError, HeldElsewhereError
from meerkat_actors.errors import OwnershipLostError, StoreFullError
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.activation import Activation, Broken, Head
from meerkat_actors.records.commits import Committed, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.effects import Claim, Release, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.records.status import Desired


async def read_activation(owner: Owner) -> Activation:
    """What the store holds of the identity.

    Raises:
        BrokenIdentityError: its rows contradict each other, its kind is unknown, or it is not the runtime's to serve.
    """
    identity = owner.entry.identity
    # Cleared before the read: what is sent, or comes due, after it sets its bit again.
    owner.entry.mail_waiting = owner.entry.timers_due = False
    activation = await owner.around.storage.read(lambda store: store.activate(identity))
    if isinstance(activation, Broken):
        raise BrokenIdentityError(reason=activation.reason, detail=activation.detail)
    head = activation.head
    if activation.has_mail or (head is not None and (head.is_buried or head.desired is Desired.RETIRED)):
        # What these never take is looked after when they park.
        owner.entry.mail_waiting = True
    if 0 < activation.next_due_ms <= owner.around.now_ms():
        owner.entry.timers_due = True
    return activation


async def claim(owner: Owner, activation: Activation, head: Head) -> FencingToken | None:
    """Claim what was read, by a unit of its own, and return the token; None when somebody wrote since: read it again.

    What was read may be older than the claim, also where it went through: an input that the former owner
    admitted in between moved neither token nor version. So the owner begins with what it reads after it.

    Raises:
        HeldElsewhereError: another runtime holds it.
        OwnershipLostError: this runtime lost its lease.
        StoreFullError: the disk is full, nothing was claimed.
    """
    storage, identity = owner.around.storage, activation.identity
    if activation.holder is not None:
        raise HeldElsewhereError(activation.holder)
    fence = IdentityFence(identity, activation.key, FencingToken(head.token + 1), head.generation, head.version)
    require_lease(owner)  # or a new incarnation would hold what this owner, which belongs to the old one, leaves
    outcome = await storage.commit(Unit(fence, (Claim(head.token),)))
    match outcome:
        case Committed():
            return fence.token
        case HeldElsewhere():
            raise HeldElsewhereError(outcome.holder)
        case Refused(reason=RefusalReason.STALE_OWNER):
            raise OwnershipLostError(identity=identity, reason=outcome.current)
        case Refused(reason=RefusalReason.STORE_FULL):
            problem = f"disk full, {identity} was not claimed; make room, then retry"
            raise StoreFullError(path=storage.location, problem=problem)
        case Refused() if is_fence_lost(outcome):
            return None
        case _:
            msg = f"{identity}: a claim was refused: {outcome}"
            raise AssertionError(msg)


async def release(owner: Owner, state: IdentityState) -> None:
    """Give the identity up to those that share the store. A successor in this runtime comes behind it.

    Refused or not, it is over: who took over meanwhile needs no release.
    """
    if owner.around.storage.is_shared and state.is_created:
        await owner.around.storage.commit(Unit(state.fence, (Release(),)))


def require_lease(owner: Owner) -> None:
    """Refuse to go on once the runtime lost its lease.

    Raises:
        OwnershipLostError: it did.
    """
    if owner.entry.is_lost:
        raise OwnershipLostError(identity=owner.entry.identity, reason="another runtime took over from this one")
