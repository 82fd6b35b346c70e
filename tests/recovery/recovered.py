"""What the tests of recovery ask of an agent after the crash."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import IdentityBrokenError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.runtime import Runtime
from meerkat_actors.simulation.checks import Contents
from tests.actors.world import consumed, echo, told
from tests.recovery.lives import WORK, fail, hand_on

AFTERWARDS = {"worker": echo, "busy": echo, "failing": fail, "handing": hand_on, "reading": echo}
"""What the kinds do once the killed life is over."""

GONE_ON = Limits(shutdown_seconds=0)


def rows(seen: Contents) -> object:
    """All that recovery must not change without need."""
    return seen.inputs, seen.turns, {key: (row.version, row.digest) for key, row in seen.heads.items()}


async def done_once(agent: AgentHandle, ids: tuple[str, ...], texts: tuple[str, ...] = WORK) -> None:
    """Each input was consumed once, in its order, by turns that said so."""
    assert tuple(await consumed(agent)) == ids
    assert tuple(await told(agent)) == texts
    for each in ids:
        assert isinstance(await agent.wait(InputId(each)), Consumed)


async def broken(runtime: Runtime, name: str) -> str:
    with pytest.raises(IdentityBrokenError) as caught:
        await runtime.agent(name)
    return str(caught.value)
