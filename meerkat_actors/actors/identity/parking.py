"""Whether an owner has something to do, and what it does when it has not."""

from __future__ import annotations

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.machines.governing import takes_mail
from meerkat_actors.machines.settling import goes_on, has_business
from meerkat_actors.machines.state import IdentityState


def has_work(owner: Owner, state: IdentityState) -> bool:
    """Whether a lap without commands would do something. Parking is level-triggered."""
    if not state.is_created or owner.is_full:
        return False
    if has_mail(owner, state) and room_of(owner, state) > 0:
        return True
    if owner.around.is_closing():
        return False
    return has_business(state, is_alarmed=owner.alarm != 0 or owner.entry.asked_to_suspect)


def has_mail(owner: Owner, state: IdentityState) -> bool:
    """Whether there is mail that it takes; what a retired agent is sent waits in the store."""
    return owner.entry.mail_waiting and takes_mail(state.desired) and not state.is_resetting and not state.is_buried


def room_of(owner: Owner, state: IdentityState) -> int:
    return owner.around.limits.backlog_max - state.backlog


def park_or_leave(owner: Owner, state: IdentityState) -> bool:
    """Park, or end: asked to leave while idle, or the runtime ends. No schedule point from here to the release."""
    entry = owner.entry
    if entry.may_suspect and not state.suspect:
        # What it asked for that was paused, or ended, or has to wait for its turn in progress: others may be watched.
        owner.around.suspects.release(entry)
    is_sent_mail = state.is_created and has_mail(owner, state)
    is_open = state.has_open_input or owner.turn is not None or is_sent_mail
    # Work that waits for an operator, or for whatever wakes the agent next, is not in progress.
    # So does mail that there is no room for: what goes on makes room.
    is_taken = is_sent_mail and room_of(owner, state) > 0
    is_busy = owner.turn is not None or is_taken or (is_open and (owner.is_full or goes_on(state)))
    if entry.is_ending and owner.turn is None:
        if not is_open:
            owner.around.park(entry, is_open, is_busy)
        return True
    if not state.is_created or state.is_buried:
        entry.is_leaving = True
    return owner.around.park(entry, is_open, is_busy)
