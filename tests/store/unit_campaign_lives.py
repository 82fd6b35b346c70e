"""Effects that govern an identity, end its life and begin its next one, as an owner would send them."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from meerkat_actors.records.effects import BeginGeneration, Bury, Effect, Recreate, SetDesired
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.records.status import Desired
from tests.store.unit_campaign_effects import KINDS, configure
from tests.store.unit_campaign_sight import Sight

BESIDE_A_BOUNDARY: Final = (SetDesired, SetDesired, Bury)
ANYWHERE: Final = (SetDesired, SetDesired, BeginGeneration, BeginGeneration, Bury)


def govern(sight: Sight, *, is_boundary: bool) -> Effect:
    """One word of the operator's: nothing begins a generation beside a boundary."""
    chance = sight.chance
    wanted = chance.choice(BESIDE_A_BOUNDARY if is_boundary else ANYWHERE)
    if wanted is SetDesired:
        return SetDesired(chance.choice(tuple(Desired)))
    return BeginGeneration(sight.world.new_session()) if wanted is BeginGeneration else Bury()


def recreate(sight: Sight) -> tuple[Effect, ...]:
    """Lift the tombstone for an agent."""
    chance, previous = sight.chance, sight.fence.token
    sight.fence = evolve(sight.fence, token=FencingToken(previous + 1))
    lifted = Recreate(previous, chance.choice(KINDS), sight.world.new_session())
    return (lifted, configure(sight)) if chance.random() < 0.4 else (lifted,)
