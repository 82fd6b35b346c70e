"""Time, ids and chance of a simulated process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import RFC_4122, UUID

import pytest
import trio

from meerkat_actors.records.ids import is_uuid
from meerkat_actors.simulation.clock import VirtualClock
from meerkat_actors.simulation.env import EPOCH_MS, SimulatedEnv

T = TypeVar("T")


def after(seconds: float, look: Callable[[], T]) -> T:
    """What is seen so many virtual seconds after the beginning."""

    async def main() -> T:
        await trio.sleep(seconds)
        return look()

    return trio.run(main, clock=VirtualClock())


def test_its_clocks_begin_at_the_epoch_and_go_with_virtual_time() -> None:
    env = SimulatedEnv("1")
    assert after(0, lambda: (env.wall_ms(), env.boot_ms())) == (EPOCH_MS, 0)
    assert after(1234.5678, lambda: (env.wall_ms(), env.boot_ms())) == (EPOCH_MS + 1_234_568, 1_234_568)


def test_a_wrong_wall_clock_is_wrong_at_once_and_the_other_stays_right() -> None:
    skew = [0]
    env = SimulatedEnv("1", lambda: skew[0])
    skew[0] = -3_600_000
    assert after(7, lambda: (env.wall_ms(), env.boot_ms())) == (EPOCH_MS - 3_593_000, 7_000)


def test_ids_tell_the_wall_clock_as_wrong_as_it_is() -> None:
    """As those of ``SystemEnv`` do, from which the ages of inputs are told."""
    env = SimulatedEnv("1", lambda: 86_400_000)
    assert UUID(after(2, env.new_id)).int >> 80 == EPOCH_MS + 86_402_000


def test_ids_are_uuids_of_version_7_and_no_two_are_the_same() -> None:
    env = SimulatedEnv("1")
    ids = after(0, lambda: [env.new_id() for _ in range(5_000)])
    assert len(set(ids)) == 5_000
    assert all(map(is_uuid, ids))
    assert {(each.version, each.variant) for each in map(UUID, ids)} == {(7, RFC_4122)}


@pytest.mark.parametrize("skew_ms", [-(10**15), 10**15])
def test_a_clock_however_wrong_makes_ids(skew_ms: int) -> None:
    env = SimulatedEnv("1", lambda: skew_ms)
    assert is_uuid(after(0, env.new_id))
    assert 0 <= after(0, env.wall_ms) < 1 << 48


def test_the_same_seed_is_the_same_chance_and_another_is_another() -> None:
    def drawn(seed: str) -> tuple[float, str]:
        env = SimulatedEnv(seed)
        return env.random("a").random(), after(0, env.new_id)

    assert drawn("1") == drawn("1")
    assert len({drawn(f"{seed}") for seed in range(100)}) == 100


def test_streams_know_nothing_of_each_other() -> None:
    env, other = SimulatedEnv("1"), SimulatedEnv("1")
    for name in ("b", "ids", "a/b"):
        other.random(name).random()
        after(0, other.new_id)
    assert env.random("a").random() == other.random("a").random()
    assert env.random("a") is env.random("a")


def test_whoever_draws_from_a_stream_of_any_name_changes_no_id() -> None:
    env, other = SimulatedEnv("1"), SimulatedEnv("1")
    other.random("ids").random()
    assert after(0, env.new_id) == after(0, other.new_id)
