"""What timers mean, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.agenda_effects import DropTimer, DropTimers, FireTimer, SetTimer
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity, IdentityKey
from meerkat_actors.records.status import Desired
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_sharing import is_held
from meerkat_actors.store.memory_tables import Tables, TimerRow
from meerkat_actors.store.memory_work import Work

_NEVER_FIRES: Final = frozenset({Desired.STOPPED, Desired.RETIRED, Desired.DESTROYED})


def due_timers(tables: Tables, owner: int, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
    """See ``Store.due_timers``."""
    begin = None if after is None else (after.due_ms, after.rowid)
    due = takewhile(lambda place: place[0] <= now_ms, tables.due.beyond(begin))
    looked = list(islice(due, max(limit, 0)))
    found = (tables.due.rows[place][0] for place in looked if _may_fire(tables, place, owner))
    identities = tuple(dict.fromkeys(tables.identities[key] for key in found))
    if looked and next(due, None) is not None:
        last_ms, rowid = looked[-1]
        return DueLook(identities=identities, cursor=TimerCursor(due_ms=last_ms, rowid=rowid), next_due_ms=None)
    later = (place[0] for place in tables.due.beyond((now_ms, COUNTER_MAX)) if _may_fire(tables, place, owner))
    return DueLook(identities=identities, cursor=None, next_due_ms=next(later, None))


def due_timers_of(tables: Tables, key: IdentityKey, now_ms: int, limit: int) -> tuple[Timer, ...]:
    """See ``Store.due_timers_of``."""
    rows = tables.due_of.get(key)
    if rows is None:
        return ()
    due = takewhile(lambda place: place[0] <= now_ms, rows.beyond(None))
    return tuple(_timer(tables, key, name) for _, name in islice(due, max(limit, 0)))


def page_timers(tables: Tables, identity: AgentIdentity, after: str | None, limit: int) -> tuple[Timer, ...]:
    """See ``Store.page_timers``."""
    key = tables.names.get(identity)
    rows = None if key is None else tables.timers.get(key)
    if key is None or rows is None:
        return ()
    return tuple(_timer(tables, key, name) for name in islice(rows.beyond(after), max(limit, 0)))


def next_due_ms(tables: Tables, key: IdentityKey) -> int:
    """When an identity's next timer is due; 0 for none."""
    rows = tables.due_of.get(key)
    first = None if rows is None else rows.first()
    return 0 if first is None else first[0]


def _timer(tables: Tables, key: IdentityKey, name: str) -> Timer:
    row = tables.timers[key].rows[name]
    return Timer(name, row.due_ms, row.body, row.last, row.fired)


def _may_fire(tables: Tables, place: tuple[int, int], owner: int) -> bool:
    head = tables.heads[tables.due.rows[place][0]]
    return not head.is_deleted and head.desired not in _NEVER_FIRES and not is_held(tables, head, owner)


def _set(effect: SetTimer, _: int, work: Work) -> None:
    tables = work.tables
    now = tables.sorted_of(tables.timers, work.fence.key).rows.get(effect.name)
    if now is None:
        tables.timer += 1
    else:
        _take_down(work, effect.name, now)
    rowid = tables.timer if now is None else now.rowid
    _put_up(work, effect.name, TimerRow(rowid, effect.due_ms, effect.body, AdmissionSequence(0), 0))


def _fire(effect: FireTimer, index: int, work: Work) -> Refused | None:
    tables = work.tables
    now = tables.sorted_of(tables.timers, work.fence.key).rows.get(effect.name)
    if now is None or now.due_ms != effect.was_due_ms:
        what = "is not set" if now is None else f"is due at {now.due_ms}"
        problem = f"timer {effect.name!r} {what}, not due at {effect.was_due_ms}"
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)
    _take_down(work, effect.name, now)
    if effect.due_ms is not None:
        _put_up(work, effect.name, evolve(now, due_ms=effect.due_ms, last=effect.last, fired=now.fired + 1))
    return None


def _drop(effect: DropTimer, _: int, work: Work) -> None:
    now = work.tables.sorted_of(work.tables.timers, work.fence.key).rows.get(effect.name)
    if now is not None:
        _take_down(work, effect.name, now)


def _drop_all(_: DropTimers, __: int, work: Work) -> None:
    rows = work.tables.sorted_of(work.tables.timers, work.fence.key)
    for name in list(rows):
        _take_down(work, name, rows.rows[name])


def _put_up(work: Work, name: str, row: TimerRow) -> None:
    tables, key = work.tables, work.fence.key
    tables.sorted_of(tables.timers, key).put(tables, name, row)
    tables.due.put(tables, (row.due_ms, row.rowid), (key, name))
    tables.sorted_of(tables.due_of, key).put(tables, (row.due_ms, name), None)


def _take_down(work: Work, name: str, row: TimerRow) -> None:
    tables, key = work.tables, work.fence.key
    tables.timers[key].drop(tables, name)
    tables.due.drop(tables, (row.due_ms, row.rowid))
    tables.due_of[key].drop(tables, (row.due_ms, name))


TIMERS_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], Refused | None]]] = MappingProxyType(
    {SetTimer: _set, FireTimer: _fire, DropTimer: _drop, DropTimers: _drop_all}
)
