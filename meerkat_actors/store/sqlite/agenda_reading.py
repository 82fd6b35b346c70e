"""Reads of mail and timers of one connection: none of them writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, IdentityKey, InputId, is_unicode
from meerkat_actors.records.inputs import Mail
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store.returning import Addressee, why_returned
from meerkat_actors.store.sqlite import agenda_queries as queries
from meerkat_actors.store.sqlite.rows import Database, Row, addressee_of, mail_of, timer_of

WAITING_MAX: Final = 1_000
"""Mail of a name that nobody has which one look goes through: where so much of it is young, so is the rest."""
_LATER_MAX: Final = 256
"""Timers that are not due yet which one look goes through for one that may fire."""


def read_mail(database: Database, key: IdentityKey, limit: int) -> tuple[Mail, ...]:
    """The oldest mail of a recipient that may be taken: what steers first."""
    room = max(limit, 0)
    mail = [mail_of(row) for row in database.execute(queries.READ_STEERED_MAIL, (key, room))]
    if len(mail) < room:
        mail += (mail_of(row) for row in database.execute(queries.READ_MAIL, (key, room - len(mail))))
    return tuple(mail)


def read_recipients(database: Database, after: int, limit: int) -> tuple[Recipient, ...]:
    """A page of names for which mail waits."""
    found = database.execute(queries.READ_RECIPIENTS, (max(after, 0), max(limit, 0)))
    return tuple(Recipient(key=key, identity=name) for key, name in found)


def read_addressee(database: Database, identity: AgentIdentity) -> tuple[IdentityKey, Addressee | None] | None:
    """A name's key, and what decides whether its identity may take mail; None for a name never mentioned."""
    row = database.execute(queries.READ_ADDRESSEE, (identity,)).fetchone() if is_unicode(identity) else None
    return None if row is None else (IdentityKey(row[0]), addressee_of(row[1:]))


def read_undeliverable(
    database: Database, identity: AgentIdentity, absent_before_ms: int, limit: int
) -> tuple[Returnable, ...]:
    """The oldest mail of a recipient that can't be taken any more, and why."""
    found = read_addressee(database, identity)
    if found is None or limit <= 0:
        return ()
    key, addressee = found
    returnable: list[Returnable] = []
    for row in database.execute(queries.READ_WAITING, _waiting(key, addressee, limit)):
        mail = mail_of(row)
        abandoned = why_returned(addressee, mail.sequence, mail.input_id, absent_before_ms=absent_before_ms)
        if abandoned is not None:
            returnable.append(Returnable(mail=mail, abandoned=abandoned))
            if len(returnable) == limit:
                break
    return tuple(returnable)


def read_due_timers(database: Database, owner: int, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
    """Whose timers are due, of so many at most."""
    begin = (-1, 0) if after is None else (after.due_ms, after.rowid)
    identities: dict[AgentIdentity, None] = {}
    place, room = begin, max(limit, 0)
    for due_ms, number, name, may_fire in _timers(database, begin, now_ms, owner, room + 1):
        if not room:
            cursor = TimerCursor(due_ms=place[0], rowid=place[1])
            return DueLook(identities=tuple(identities), cursor=cursor, next_due_ms=None)
        room, place = room - 1, (due_ms, number)
        if may_fire:
            identities[name] = None
    return DueLook(identities=tuple(identities), cursor=None, next_due_ms=_next_due(database, now_ms, owner))


def read_due_timers_of(database: Database, key: IdentityKey, now_ms: int, limit: int) -> tuple[Timer, ...]:
    """The timers of one identity that are due."""
    return tuple(timer_of(row) for row in database.execute(queries.READ_DUE_TIMERS_OF, (key, now_ms, max(limit, 0))))


def read_timers(database: Database, identity: AgentIdentity, after: str | None, limit: int) -> tuple[Timer, ...]:
    """A page of an identity's timers, by name."""
    begin = "" if after is None else after
    if not is_unicode(identity) or not is_unicode(begin):
        return ()
    return tuple(timer_of(row) for row in database.execute(queries.READ_TIMERS, (identity, begin, max(limit, 0))))


def _waiting(key: IdentityKey, addressee: Addressee | None, limit: int) -> Row:
    if addressee is None:
        return key, COUNTER_MAX, max(limit, WAITING_MAX)
    takes_nothing = why_returned(addressee, COUNTER_MAX, InputId(""), absent_before_ms=0) is not None
    return key, COUNTER_MAX if takes_nothing else addressee.mail_floor, limit


def _next_due(database: Database, now_ms: int, owner: int) -> int | None:
    later = None
    for nth, (due_ms, _, _, may_fire) in enumerate(
        _timers(database, (now_ms, COUNTER_MAX), COUNTER_MAX, owner, _LATER_MAX), 1
    ):
        # Behind so many that may not fire it is time to look again.
        if may_fire or nth == _LATER_MAX:
            later = due_ms
            break
    return later


def _timers(
    database: Database, beyond: tuple[int, int], until_ms: int, owner: int, limit: int
) -> Iterator[tuple[int, int, AgentIdentity, bool]]:
    for due_ms, number, name, may_fire in database.execute(queries.READ_DUE_TIMERS, (*beyond, until_ms, owner, limit)):
        yield due_ms, number, AgentIdentity(name), bool(may_fire)
