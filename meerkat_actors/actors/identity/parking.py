"""Whether an owner has something to do, and what it does when it has not."""

from __future__ import annotations

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.machines.governing import admits, takes_mail
from meerkat_actors.machines.settling import goes_on, has_business
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.status import Desired


def has_work(owner: Owner, state: IdentityState) -> bool:
    """Whether a lap without commands would do something. Parking is level-triggered."""
    if not state.is_created or owner.is_full:
        return False
    entry = owner.entry
    if entry.mail_waiting or entry.timers_due:
        is_called = (has_mail(owner, state) and hears(owner, state)) or has_due_timers(owner, state)
        if is_called and room_of(owner, state) > 0:
            return True
    if owner.around.is_closing():
        return False
    return has_business(state, is_alarmed=owner.alarm != 0 or entry.asked_to_suspect)


def has_mail(owner: Owner, state: IdentityState) -> bool:
    """Whether there is mail that it takes; what a retired agent is sent waits in the store."""
    return owner.entry.mail_waiting and takes_mail(state.desired) and not state.is_resetting and not state.is_buried


def hears(owner: Owner, state: IdentityState) -> bool:
    """Whether mail is taken as it comes; else with the next checkpoint of the turn in progress, or with its end.

    To take each message in a unit of its own, while nobody works on it, would cost a commit and an event.
    """
    return not state.is_executing or owner.turn is None or owner.turn.is_resting


def has_due_timers(owner: Owner, state: IdentityState) -> bool:
    """Whether timers of its own are due that it fires; those of a stopped agent wait for it to be resumed."""
    return owner.entry.timers_due and admits(state.desired) and not state.is_resetting and not state.is_buried


def room_of(owner: Owner, state: IdentityState) -> int:
    """How many more inputs it may have open."""
    return owner.around.limits.backlog_max - state.backlog


def park_or_leave(owner: Owner, state: IdentityState) -> bool:
    """Park, or end: asked to leave while idle, or the runtime ends. No schedule point from here to the release."""
    entry = owner.entry
    if entry.may_suspect and not state.suspect:
        # What it asked for that was paused, or ended, or has to wait for its turn in progress: others may be watched.
        owner.around.suspects.release(entry)
    if entry.mail_waiting and state.is_created and (state.is_buried or state.desired is Desired.RETIRED):
        entry.mail_waiting = False
        owner.around.return_mail(entry.identity)
    is_called = state.is_created and (has_mail(owner, state) or has_due_timers(owner, state))
    is_open = state.has_open_input or owner.turn is not None or is_called
    # Work that waits for an operator, or for whatever wakes the agent next, is not in progress.
    # Nor are mail and timers that there is no room for: what goes on makes room.
    is_taken = is_called and room_of(owner, state) > 0
    is_busy = owner.turn is not None or is_taken or (is_open and (owner.is_full or goes_on(state)))
    if entry.is_ending and owner.turn is None:
        if not is_open:
            owner.around.park(entry, is_open, is_busy)
        return True
    if not state.is_created or state.is_buried:
        entry.is_leaving = True
    return owner.around.park(entry, is_open or _is_operating(state) or _is_watched(owner), is_busy)


def _is_watched(owner: Owner) -> bool:
    """Whether somebody waits for what is not this owner's work: an operation of others, a timer."""
    return any(
        not slot.is_given_up
        for watchers in (owner.waiters, owner.callers)
        for slots in watchers.values()
        for slot in slots
    )


def _is_operating(state: IdentityState) -> bool:
    """Whether an operation goes on that ends with this process: whoever carries it out is here."""
    return any(not each.is_external and not each.status.is_terminal for each in state.operations.values())
