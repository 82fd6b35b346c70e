"""The trace: the same history is the same hash, another history is another."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from meerkat_actors.simulation.clock import VirtualClock
from meerkat_actors.simulation.scheduling import seeded
from meerkat_actors.simulation.trace import Trace


def traced(seed: str, lines: Sequence[str] = (), *, tasks: int = 6, pause: float = 1.0) -> Trace:
    trace = Trace(lines_kept=3)

    async def work() -> None:
        for _ in range(3):
            await trio.sleep(pause)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(work)
        for line in lines:
            trace.note(line)
            await trio.sleep(0.5)

    with seeded(seed):
        trio.run(main, clock=VirtualClock(), instruments=(trace,))
    return trace


def test_the_same_history_is_the_same_hash() -> None:
    first = traced("1", ["a", "b"])
    ballast = [object() for _ in range(10_000)]
    again = traced("1", ["a", "b"])
    assert (again.digest, again.steps) == (first.digest, first.steps)
    del ballast


def test_whatever_differs_is_another_hash() -> None:
    digests = {
        traced("1").digest,
        traced("2").digest,  # the same steps, in another order
        traced("1", tasks=7).digest,
        traced("1", ["a"]).digest,
        traced("1", ["b"]).digest,
        traced("1", ["a", "b"]).digest,
        traced("1", ["b", "a"]).digest,
        traced("1", ["a"], pause=2.0).digest,  # the same, at another time
    }
    assert len(digests) == 8


def test_a_hundred_seeds_are_a_hundred_orders_of_the_same_steps() -> None:
    found = [traced(str(seed)) for seed in range(100)]
    assert len({trace.digest for trace in found}) >= 95


def test_the_newest_lines_are_kept_with_their_times() -> None:
    trace = traced("1", ["a", "b", "c", "d"])
    assert trace.lines == ["      3.500000  b", "      4.000000  c", "      4.500000  d"]


def test_the_hash_so_far_can_be_had_at_any_time_and_changes_nothing() -> None:
    trace = Trace()
    assert trace.digest == trace.digest == Trace().digest


def test_no_text_is_too_hostile_to_be_noted() -> None:
    hostile = "half a surrogate \ud800, NUL \x00, a line\nof its own"
    trace = traced("1", [hostile])
    assert hostile in trace.lines[0]
    assert trace.digest != traced("1").digest


def test_a_detail_is_shown_and_is_not_in_the_hash() -> None:
    async def main(trace: Trace, detail: str) -> None:
        trace.note("it failed", detail)

    first, second = Trace(), Trace()
    for trace, detail in ((first, "in /tmp/1"), (second, "in /tmp/2")):
        trio.run(main, trace, detail, clock=VirtualClock())
    assert first.digest == second.digest
    assert [first.lines, second.lines] == [[f"      0.000000  it failed: in /tmp/{each}"] for each in (1, 2)]
