"""What can be wrong with a unit: fences, counters, ids, digests, texts, and effects that have no place in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from attrs import evolve, fields

from meerkat_actors.records.continuity_effects import BuryRecord, CreateRecord, Exhume, Grant
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    Claim,
    CreateIdentity,
    Effect,
    Recreate,
    Release,
    SetDesired,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AdmissionSequence,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
)
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Mail
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.records.status import Desired
from tests.store.unit_campaign_agenda import count_sends, tell
from tests.store.unit_campaign_effects import CONTENTS, HEADERS, RUNTIME_MAKERS, append, continuity
from tests.store.unit_campaign_sight import NAMES, Sight, number_of, sender_key

R = TypeVar("R")

HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "a\udfff",
    "\u202ereversed",
    "é" * 160,
    "x" * 160,
    "x" * 161,
    "x" * 513,
    "rt:alice:0",
    "../../etc",
    "'; DROP TABLE head; --",
)
HOSTILE_IDS: Final = (
    "",
    "no uuid",
    "\ud800",
    "0" * 32,
    "AAAAAAAA-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-00000000000\0",
    "{00000000-0000-0000-0000-000000000001}",
)
HOSTILE_COUNTERS: Final = (-1, 0, 1, COUNTER_MAX, COUNTER_MAX + 1, 2**70, True, False)
NOBODYS_KEY: Final = IdentityKey(2**40)
"""Given to nobody, in no store."""

_BODY: Final = fields(AppendTurn).body.name


def spoil(sight: Sight, unit: Unit) -> Unit:
    """The same unit with one mistake, which need not matter."""
    return sight.chance.choice(_WAYS)(sight, unit)


def _other_fence(sight: Sight, unit: Unit) -> Unit:
    # Stale or forged: behind, ahead, or far out.
    name = sight.chance.choice(("token", "generation", "version"))
    value: int = getattr(unit.fence, name)
    return evolve(unit, fence=_with(unit.fence, name, sight.chance.choice(_counters(value))))


def _other_key(sight: Sight, unit: Unit) -> Unit:
    keys = [IdentityKey(place) for place in range(1, len(NAMES) + 1)]
    # To create under a key that no store gave out is no mistake that stores could agree about.
    creates = any(type(effect) in _CREATES for effect in unit.effects)
    forged = [
        IdentityKey(number) for number in HOSTILE_COUNTERS if type(number) is bool or not 0 < number <= COUNTER_MAX
    ]
    forged += keys if creates else [*keys, NOBODYS_KEY, IdentityKey(COUNTER_MAX)]
    return evolve(unit, fence=evolve(unit.fence, key=sight.chance.choice(forged)))


def _other_name(sight: Sight, unit: Unit) -> Unit:
    name = sight.chance.choice((*NAMES, *HOSTILE_TEXTS))
    return evolve(unit, fence=_with(unit.fence, "identity", name))


def _other_field(sight: Sight, unit: Unit) -> Unit:
    if not unit.effects:
        return unit
    place = sight.chance.randrange(len(unit.effects))
    effect = unit.effects[place]
    attributes = [each for each in fields(type(effect)) if each.name != _BODY]
    if not attributes:
        return unit
    attribute = sight.chance.choice(attributes)
    # Wrong values, of the types that the port asks for: nothing is absent that can't be.
    nothing = (None,) if "None" in str(attribute.type) else ()
    values = (*_other_values(sight, attribute.name, getattr(effect, attribute.name)), *nothing)
    return _replaced(unit, place, _with(effect, attribute.name, sight.chance.choice(values)))


def _other_run(sight: Sight, unit: Unit) -> Unit:
    runs = list(sight.world.runs)[-6:]
    places = [
        (place, name)
        for place, effect in enumerate(unit.effects)
        for name in ("run_id", "was_run")
        if getattr(effect, name, None) is not None
    ]
    if not places or not runs:
        return _other_fence(sight, unit)
    place, name = sight.chance.choice(places)
    return _replaced(unit, place, _with(unit.effects[place], name, sight.chance.choice(runs)))


def _twice(sight: Sight, unit: Unit) -> Unit:
    if not unit.effects:
        return unit
    return evolve(unit, effects=(*unit.effects, sight.chance.choice(unit.effects)))


def _without(sight: Sight, unit: Unit) -> Unit:
    if not unit.effects:
        return unit
    place = sight.chance.randrange(len(unit.effects))
    return evolve(unit, effects=(*unit.effects[:place], *unit.effects[place + 1 :]))


def _with_a_stranger(sight: Sight, unit: Unit) -> Unit:
    # Of the runtime's and the facade's effects, those that the unit would not hold.
    chance = sight.chance
    makers: list[Callable[[Sight], Effect | None]] = [maker for maker, _ in RUNTIME_MAKERS]
    token = unit.fence.token
    effects: list[Effect] = [
        Claim(FencingToken(token - 1)),
        Exhume(FencingToken(token - 1)),
        CreateIdentity("worker", sight.session),
        Recreate(FencingToken(token - 1), "worker", sight.world.new_session()),
        BeginGeneration(sight.world.new_session()),
        SetDesired(chance.choice(tuple(Desired))),
        Bury(),
        Grant("cat"),
        BuryRecord(sight.session),
        Release(),
        tell(sight),
        count_sends(sight),
    ]
    made = chance.choice(makers)(sight)
    effects += [] if made is None else [made] * 4
    effects += () if sight.authority is None else continuity(sight)
    return evolve(unit, effects=(*unit.effects, chance.choice(effects)))


def _created_again(sight: Sight, _: Unit) -> Unit:
    # Also with a session of others, and over a tombstone.
    chance, sessions = sight.chance, (sight.world.new_session(), *sight.world.sessions[-8:])
    fence = IdentityFence(sight.name, sight.fence.key, FencingToken(1), Generation(0), CheckpointVersion(0))
    session = chance.choice(sessions)
    made = CreateIdentity("worker", session) if chance.random() < 0.5 else CreateRecord(session)
    return Unit(fence, (made,))


def _out_of_turn(sight: Sight, unit: Unit) -> Unit:
    # Mail that is not the oldest of its pair.
    if len(sight.mail) < 2:
        return _other_fence(sight, unit)
    return Unit(sight.fence, (_taking(sight, sight.mail[-1]),))


def _too_late(sight: Sight, unit: Unit) -> Unit:
    # Mail that was taken, returned or left below the floor since it was seen; or that waits still.
    seen = sight.world.seen_mail.get(sight.name)
    if not seen:
        return _other_fence(sight, unit)
    return evolve(unit, effects=(_taking(sight, sight.chance.choice(seen)), *unit.effects))


def _taking(sight: Sight, mail: Mail) -> TakeMail:
    return TakeMail(number_of(mail.input_id), sender_key(mail), AdmissionSequence(sight.next_admission), None)


def _proven_again(sight: Sight, unit: Unit) -> Unit:
    # A receipt that the run has.
    runs = [run for (name, run), count in sight.world.receipts.items() if name == sight.name and count]
    if not runs:
        return _other_fence(sight, unit)
    sight.run = sight.chance.choice(runs)
    count = sight.world.receipts[sight.name, sight.run]
    again = RecordReceipt(sight.run, sight.chance.randrange(1, count + 1))
    return Unit(sight.fence, (again, append(sight)))


def _nothing(_: Sight, unit: Unit) -> Unit:
    return evolve(unit, effects=())


_CREATES: Final = frozenset[type]({CreateIdentity, CreateRecord})
_WAYS: Final[tuple[Callable[[Sight, Unit], Unit], ...]] = (
    *[_other_field] * 8,
    *[_other_fence] * 3,
    *[_other_run] * 2,
    _other_key,
    _other_key,
    _other_name,
    _created_again,
    _out_of_turn,
    _out_of_turn,
    _too_late,
    _too_late,
    _proven_again,
    _twice,
    _without,
    _with_a_stranger,
    _with_a_stranger,
    _nothing,
)


def _other_values(sight: Sight, name: str, value: object) -> Sequence[object]:
    world = sight.world
    match value:
        case bool():
            return (not value,)
        case Lane():
            return (*Lane, 1, 3)
        case int():
            return _counters(value)
        case InputKind() | InputState() | Desired():
            return tuple(type(value))
        case _ if name == "header":
            return (*HEADERS, "{}")
        case _ if name == "result":
            return (b"", *CONTENTS)
        case bytes() if name == "digest":
            return (b"", value[:-1], value + b"\0", bytes(32))
        case bytes():
            return (b"", b"\0", b"\xff" * 5000, *CONTENTS)
        case _ if name == "abandoned":
            return tuple(Abandoned(AbandonReason.RESET, text) for text in HOSTILE_TEXTS)
        case _ if name in {"run_id", "was_run"}:
            return (*list(world.runs)[-6:], *HOSTILE_IDS)
        case _ if name == "input_id":
            return (*list(world.inputs)[:8], *HOSTILE_IDS)
        case _ if name in {"session_id", "attempt", "previous"}:
            return (*world.sessions[-8:], *HOSTILE_IDS)
        case _ if name == "recipient":
            return (*NAMES, *HOSTILE_TEXTS)
        case _ if name == "expected":
            return HOSTILE_COUNTERS
        case _ if name == "ending":
            return (b"{}",)
        case _:
            return (*HOSTILE_TEXTS, "a")


def _counters(value: int) -> Sequence[int]:
    near = (value - 1, value + 1, value + 1, value - 1, value + 7)
    return (*near, *HOSTILE_COUNTERS)


def _with(record: R, name: str, value: object) -> R:
    # Of a type that no caller may give: type checkers are not asked.
    unchecked: Any = record
    changed: R = evolve(unchecked, **{name: value})
    return changed


def _replaced(unit: Unit, place: int, effect: Effect) -> Unit:
    return evolve(unit, effects=(*unit.effects[:place], effect, *unit.effects[place + 1 :]))
