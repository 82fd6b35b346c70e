"""Effects on what an identity has yet to do, as an owner would send them: answers, timers, operations, and facts."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.agenda_codec import encode_facts, encode_operation
from meerkat_actors.records.agenda_effects import (
    CountSends,
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.facts import Configured
from meerkat_actors.records.ids import AdmissionSequence, OperationId
from meerkat_actors.records.operation import Operation, OperationStatus
from tests.store.unit_campaign_sight import Sight
from tests.store.writing import uuid_of

TIMER_NAMES: Final = ("a", "b", "c", "d")
TIMES_MS: Final = range(0, 90, 10)
"""Few, so that several timers are due at once."""
OPERATIONS: Final = tuple(OperationId(uuid_of((1 << 90) + number)) for number in range(4))
TELLS: Final = 0.25
"""How often a unit that does something else tells of it."""


def settle_request(sight: Sight) -> SettleRequest | None:
    return SettleRequest(sight.owed.pop(0)) if sight.owed else None


def set_timer(sight: Sight) -> SetTimer | None:
    name = sight.chance.choice(TIMER_NAMES)
    return SetTimer(name, sight.chance.choice(TIMES_MS), b"{}") if _first(sight, name) else None


def fire_timer(sight: Sight) -> FireTimer | None:
    if not sight.timers:
        return None
    timer, chance = sight.timers.pop(0), sight.chance
    if not _first(sight, timer.name):
        return None
    following = None if chance.random() < 0.3 else timer.due_ms + chance.choice((10, 20))
    return FireTimer(timer.name, timer.due_ms, following, AdmissionSequence(sight.next_admission - 1))


def drop_timer(sight: Sight) -> DropTimer | None:
    name = sight.chance.choice(TIMER_NAMES)
    return DropTimer(name) if _first(sight, name) else None


def drop_timers(sight: Sight) -> DropTimers | None:
    firsts = [_first(sight, name) for name in TIMER_NAMES]
    return DropTimers() if all(firsts) else None


def put_operation(sight: Sight) -> PutOperation | None:
    chance = sight.chance
    operation = Operation(chance.choice(OPERATIONS), "fetch", status=chance.choice(tuple(OperationStatus)))
    is_first = _first(sight, operation.operation_id)
    return (
        PutOperation(operation.operation_id, encode_operation(operation), not operation.status.is_terminal)
        if is_first
        else None
    )


def drop_operation(sight: Sight) -> DropOperation | None:
    operation_id = sight.chance.choice(OPERATIONS)
    return DropOperation(operation_id) if _first(sight, operation_id) else None


def tell(sight: Sight) -> RecordEvents:
    """What is never alone in its unit."""
    return RecordEvents(encode_facts((Configured(sight.chance.randrange(9)),)))


def count_sends(sight: Sight) -> CountSends:
    """What no boundary does in the same unit."""
    sight.sends += sight.chance.randrange(3)
    return CountSends(sight.sends)


def agenda(sight: Sight) -> Effect | None:
    """One of them that may stand anywhere."""
    made: Effect | None = sight.chance.choice(_MAKERS)(sight)
    return made


_MAKERS: Final = (
    *[settle_request] * 4,
    *[set_timer] * 5,
    *[fire_timer] * 4,
    drop_timer,
    drop_timers,
    *[put_operation] * 4,
    *[drop_operation] * 2,
)


def _first(sight: Sight, key: str) -> bool:
    # A unit touches a timer, or an operation, at most once.
    is_first = key not in sight.touched
    sight.touched.add(key)
    return is_first
