"""What an owner reads for itself: mail that was sent to it, and timers of its own that are due.

Each has a bit, which is cleared before the read, so that whatever comes after the read sets it again.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.actors.identity.entry import Entry
from meerkat_actors.actors.identity.parking import has_due_timers, has_mail, hears, room_of
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.machines.decision import Decision
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_effects import DropTimer, FireTimer
from meerkat_actors.records.commands import Checkpoint, EndTurn, FireDue, JournalStep, ResolveIntent, TakePending
from meerkat_actors.records.effects import TakeMail
from meerkat_actors.records.ids import IdentityKey
from meerkat_actors.records.inputs import Mail
from meerkat_actors.records.timers import Timer
from meerkat_actors.store.port import Store

Pulled = TakePending | FireDue
_HEARING: Final = frozenset({Checkpoint, EndTurn})
"""What a turn posts when it can be given something new."""


async def pull(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> list[Pulled]:
    """Read what waits, if there is room for it beside what is asked; it joins whatever this lap commits."""
    entry, room = owner.entry, room_of(owner, state)
    if state.run is not None and any(type(each.command) is EndTurn for each in envelopes):
        room += len(state.run.members)  # they make room, if the turn ended well
    if not state.is_created or owner.is_full or room <= 0:
        return []
    fires = has_due_timers(owner, state)
    takes_mail = has_mail(owner, state) and (
        hears(owner, state) or any(type(each.command) in _HEARING for each in envelopes)
    )
    if not takes_mail and not fires:
        return []
    pull_max = owner.around.limits.pull_max
    # What callers ask in this lap may need the room, too; but one place is the mail's.
    mail_max = min(max(room - len(envelopes), 1), pull_max) if takes_mail else 0
    timers_max = pull_max if fires else 0
    if takes_mail:
        entry.mail_waiting = False
    if fires:
        entry.timers_due = False
    now_ms = owner.around.now_ms() if fires else 0
    mail, timers = await owner.around.storage.read(partial(_read, state.key, mail_max, timers_max, now_ms))
    if takes_mail and len(mail) == mail_max:
        entry.mail_waiting = True
    if fires and len(timers) == timers_max:
        entry.timers_due = True
    pulled: list[Pulled] = []
    if mail:
        pulled.append(TakePending(mail))
    if timers:
        pulled.append(FireDue(timers))
    return pulled


def place_of(envelopes: list[Envelope]) -> int:
    """Where what was pulled is folded: before a checkpoint, which it may steer; else behind what the turn posted.

    Before what callers send in any case: a caller can be refused and try again, mail can't.
    """
    place = 0
    for index, envelope in enumerate(envelopes):
        if type(envelope.command) is Checkpoint:
            return index
        if is_from_turn(envelope):
            place = index + 1  # an operator's word may stand before it
    return place


def is_from_turn(envelope: Envelope) -> bool:
    """Whether the turn in progress posted it."""
    return isinstance(envelope.command, EndTurn | JournalStep | ResolveIntent | Checkpoint)


def last_due_ms(pulled: list[Pulled]) -> int:
    """The latest time that was found to be due; 0 for none. A clock that was set back since then changes nothing."""
    return max((timer.due_ms for each in pulled if type(each) is FireDue for timer in each.timers), default=0)


def keep_waiting(entry: Entry, pulled: list[Pulled], decision: Decision) -> None:
    """What a lap left behind is read again: it may have had no room, however much there is at its end."""
    effects = () if decision.unit is None else decision.unit.effects
    for each in pulled:
        if isinstance(each, TakePending):
            taken = sum(type(effect) is TakeMail for effect in effects)
            entry.mail_waiting = entry.mail_waiting or taken < len(each.mail)
        else:
            fired = sum(type(effect) is FireTimer or type(effect) is DropTimer for effect in effects)
            entry.timers_due = entry.timers_due or fired < len(each.timers)


def put_back(entry: Entry, pulled: list[Pulled]) -> None:
    """What was pulled came to nothing: it is read again."""
    for each in pulled:
        if type(each) is TakePending:
            entry.mail_waiting = True
        else:
            entry.timers_due = True


def _read(
    key: IdentityKey, mail_max: int, timers_max: int, now_ms: int, store: Store
) -> tuple[tuple[Mail, ...], tuple[Timer, ...]]:
    mail = store.pending_mail(key, limit=mail_max) if mail_max else ()
    timers = store.due_timers_of(key, now_ms=now_ms, limit=timers_max) if timers_max else ()
    return mail, timers
