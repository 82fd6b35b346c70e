"""One random unit after the other: mostly what an owner would send, sometimes with a mistake in it."""

from __future__ import annotations

from random import Random
from typing import Final

from attrs import evolve

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.effects import Claim, Effect, EndInput, InsertInput, Release, SendMail, Unit
from meerkat_actors.records.ids import AgentIdentity, FencingToken
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.store import Store
from tests.store.unit_campaign_agenda import TELLS, count_sends, tell
from tests.store.unit_campaign_effects import RUNTIME_MAKERS, append, continuity, create, exhume
from tests.store.unit_campaign_lives import govern, recreate
from tests.store.unit_campaign_sides import Planned
from tests.store.unit_campaign_sight import NAMES, OWNERS, Sight, World, authority_of, look
from tests.store.unit_campaign_spoiling import spoil

EFFECTS_MAX: Final = 8
MISTAKES: Final = 0.4
"""How often a unit of a batch that is not calm has a mistake made in it."""
STALE: Final = 0.12
"""How often an owner does not look before it writes."""
AT_HOME: Final = 0.9
"""How often what is tried is what the identity is there for."""
CLAIMS: Final = 0.06
RELEASES: Final = 0.02
GOVERNS: Final = 0.08
"""How often a unit says what is wanted of its identity."""
RECREATES: Final = 0.5
"""How often who lifts a tombstone makes an agent of it, and no record of the facade's."""
REPEATS: Final = 0.08
"""How often the id or the key of an input was there before."""
SHARED_KEYS: Final = ("job", "other", "third")

_MAKERS: Final = tuple(maker for maker, _ in RUNTIME_MAKERS)
_WEIGHTS: Final = tuple(weight for _, weight in RUNTIME_MAKERS)


def choose_unit(
    chance: Random, world: World, model: Store, names: tuple[AgentIdentity, ...], *, is_calm: bool
) -> tuple[Planned, int]:
    """A planned unit of one of the names, and which of its owners sends it."""
    name, owner = chance.choice(names), chance.randrange(OWNERS)
    afresh = is_calm or chance.random() >= STALE
    sight = look(chance, world, model, name, owner, afresh=afresh)
    unit = _sensible(sight, is_calm=is_calm)
    if not is_calm and chance.random() < MISTAKES:
        unit = spoil(sight, unit)
        if chance.random() < 0.2:
            unit = spoil(sight, unit)
    if len(unit.effects) > 1 and chance.random() < 0.3:  # the order given is not the order done
        unit = evolve(unit, effects=tuple(chance.sample(unit.effects, len(unit.effects))))
    unit = evolve(unit, effects=unit.effects[:EFFECTS_MAX])
    key = unit.fence.key
    if type(key) is int and 1 <= key <= len(NAMES):  # also another's
        name = NAMES[key - 1]
    return Planned(unit, name, authority_of(model, name)), owner


def _sensible(sight: Sight, *, is_calm: bool) -> Unit:
    """What an owner would send; where mistakes may be, also what it would send elsewhere."""
    chance = sight.chance
    is_at_home = is_calm or chance.random() < AT_HOME
    if sight.authority is None:
        effects = create(sight)
    elif not sight.is_alive:
        effects = _lifted(sight) if is_at_home else _runtime(sight)
    elif sight.is_opaque:
        effects = continuity(sight) if is_at_home else _runtime(sight)
    else:
        effects = _served(sight) if is_at_home else continuity(sight)
    if sight.is_alive and chance.random() < CLAIMS and not isinstance(effects[0], Release):
        previous = sight.fence.token
        sight.fence = evolve(sight.fence, token=FencingToken(previous + 1))
        effects = (Claim(previous), *effects)
    if not is_calm:
        effects = tuple(_repeated(sight, each) for each in effects)
    return Unit(sight.fence, effects)


def _served(sight: Sight) -> tuple[Effect, ...]:
    return (Release(),) if sight.chance.random() < RELEASES else _runtime(sight)


def _lifted(sight: Sight) -> tuple[Effect, ...]:
    return recreate(sight) if sight.chance.random() < RECREATES else exhume(sight)


def _runtime(sight: Sight) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    for maker in sight.chance.choices(_MAKERS, _WEIGHTS, k=sight.chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 6))):
        if maker is append or any(isinstance(each, RecordReceipt) for each in effects):
            continue
        effect = maker(sight)
        if effect is not None:
            effects.append(effect)
    consumes = any(isinstance(each, EndInput) and each.abandoned is None for each in effects)
    proves = any(isinstance(each, RecordReceipt) for each in effects)
    governs = sight.chance.random() < GOVERNS
    appends = consumes or proves or (not effects and not governs) or sight.chance.random() < 0.3
    if appends:
        effects.append(append(sight))
    if governs:
        effects.append(govern(sight, is_boundary=appends))
    if not appends and any(isinstance(each, SendMail) for each in effects):
        effects.insert(0, count_sends(sight))
    if sight.chance.random() < TELLS:
        effects.insert(0, tell(sight))
    return tuple(effects)


def _repeated(sight: Sight, effect: Effect) -> Effect:
    chance, known = sight.chance, sight.world.inputs
    if not isinstance(effect, InsertInput | SendMail) or chance.random() >= REPEATS:
        return effect
    if isinstance(effect, SendMail) or chance.random() < 0.2:  # perhaps another's
        return evolve(effect, input_id=chance.choice(tuple(known)))
    if chance.random() < 0.4:
        return evolve(effect, idempotency_key=chance.choice(SHARED_KEYS))
    return _sent_again(sight, effect)


def _sent_again(sight: Sight, effect: InsertInput) -> InsertInput:
    """What a caller sends that did not hear: the same input, with the key that it had or with another one."""
    rows = sight.model.page_inputs(sight.name, after=None, limit=5, newest_first=True)
    if not rows:
        return effect
    row = sight.chance.choice(rows)
    key = sight.chance.choice((row.idempotency_key, row.idempotency_key, *SHARED_KEYS, None))
    return evolve(
        effect, input_id=row.input_id, content=row.content, digest=content_digest(row.content), idempotency_key=key
    )
