"""Why the store refused an effect on what an identity has yet to do."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.agenda_effects import CountSends, FireTimer, SettleRequest
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.sqlite import agenda_statements as statements
from meerkat_actors.store.sqlite.rows import Database, first_value


def _settle(database: Database, key: int, index: int, effect: SettleRequest) -> Refused | None:
    if first_value(database.execute(statements.READ_OWED, (key, effect.admission))):
        return None
    problem = f"admission {effect.admission} is no request whose answer is owed"
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)


def _fire(database: Database, key: int, index: int, effect: FireTimer) -> Refused | None:
    due = first_value(database.execute(statements.READ_DUE, (key, effect.name)))
    if due == effect.was_due_ms:
        return None
    what = "is not set" if due is None else f"is due at {due!r}"
    problem = f"timer {effect.name!r} {what}, not due at {effect.was_due_ms}"
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)


def _count(database: Database, key: int, index: int, effect: CountSends) -> Refused | None:
    sends = first_value(database.execute(statements.READ_SENDS, (key,)))
    problem = f"{sends!r} messages were sent, not {effect.sends}"
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)


AGENDA_EXPLAIN: Final[MappingProxyType[type, Callable[[Database, int, int, Any], Refused | None]]] = MappingProxyType(
    {SettleRequest: _settle, FireTimer: _fire, CountSends: _count}
)
