"""RT11 to RT20 of ``reference/runtime.md`` section 8.5, on both stores; the database's owner is killed by SIGKILL."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import NotReadyError
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.status import Desired, Phase
from meerkat_actors.simulation.checks import Contents
from tests.actors.world import passes, running, said, told
from tests.recovery.lives import FIRST, WORK, fail, hand_on, in_time
from tests.recovery.places import Place
from tests.recovery.recovered import AFTERWARDS, GONE_ON, broken, done_once, rows


def test_rt11_work_wins_over_a_lifecycle_that_is_over(place: Place) -> None:
    """DESIGN.md: ``stop`` abandons the queue and lets the run in flight end, also after a crash; no phase is stored."""
    ids = place.crash("stop_at_work")
    assert [row.state for row in place.inputs("a")] == [InputState.STAGED, InputState.ABANDONED, InputState.ABANDONED]

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            agent = await runtime.agent("a")
            status = await agent.status()
            assert (status.desired, status.phase) == (Desired.STOPPED, Phase.IDLE)
            assert isinstance(await agent.wait(InputId(ids[0])), Consumed)
            for each in ids[1:]:
                outcome = await agent.wait(InputId(each))
                assert isinstance(outcome, Abandoned)
                assert outcome.reason is AbandonReason.STOPPED
            assert await told(agent) == ["one"]

    in_time(go_on)


def test_rt12_who_is_retired_stays_so_and_drains_after_a_crash(place: Place) -> None:
    ids = place.crash("retire_with_work")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            agent = await runtime.agent("a")
            assert (await agent.status()).desired is Desired.RETIRED
            await done_once(agent, ids)
            with pytest.raises(NotReadyError):
                await agent.send("more")

    in_time(go_on)


def test_rt13_recovering_twice_is_recovering_once(place: Place) -> None:
    place.crash("retire_with_work")

    async def recover() -> Contents:
        async with running(place.store(), FIRST, limits=GONE_ON) as runtime:
            await (await runtime.agent("a")).status()
            await passes(20)
        return place.look()

    once = in_time(recover)
    assert rows(in_time(recover)) == rows(once)


def test_rt14_fifo_is_preserved_across_a_restart(place: Place) -> None:
    """Also under ids that fall: the admission sequence is the order, and ids are none."""
    ids = place.crash("accept_backwards")
    assert list(ids) == sorted(ids, reverse=True)

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            await agent.resume()
            await runtime.wait_idle()
            await done_once(agent, ids)

    in_time(go_on)


def test_rt15_attempts_survive_a_crash(place: Place) -> None:
    """Two failures, a crash, and one more: that is three."""
    (input_id,) = place.crash("fail_twice")
    attempts: list[int] = []

    async def go_on() -> None:
        async def last(turn: object) -> None:
            attempts.append(1)
            await fail(turn)  # type: ignore[arg-type]  # it is a turn

        async with running(place.store(), {**AFTERWARDS, "failing": last}) as runtime:
            outcome = await (await runtime.agent("a")).wait(InputId(input_id))
            assert isinstance(outcome, Abandoned)
            assert outcome.reason is AbandonReason.ATTEMPTS_EXHAUSTED

    in_time(go_on)
    assert len(attempts) == 1


def test_rt16_what_was_staged_and_recovered_can_be_staged_again(place: Place) -> None:
    """Crash after crash amid the same turn, each in a life of its own; then it ends."""
    ids = place.crash("be_at_work")
    run = {row.run for row in place.inputs("a") if row.state is InputState.STAGED}
    for _ in range(2):
        assert place.crash("be_at_work") == ids
        assert {row.run for row in place.inputs("a") if row.state is InputState.STAGED} == run

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            await done_once(await runtime.agent("a"), ids)

    in_time(go_on)


@pytest.mark.parametrize("boundary", [1, 2])
def test_rt17_two_runs_that_ended_both_tell_their_outcome(place: Place, boundary: int) -> None:
    """Killed right behind the first boundary, and behind the second, before anybody was told of either."""
    place.crash("end_two_runs", f"after AppendTurn {boundary}")
    assert len(place.look().turns) == boundary

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            outcomes = [(await agent.ask(text, idempotency_key=text)).receipt for text in WORK[:2]]
            assert [receipt.checkpoint_version for receipt in outcomes] == [1, 2]
            assert len({receipt.run_id for receipt in outcomes}) == 2

    in_time(go_on)


def test_rt18_one_damaged_row_does_not_block_its_neighbours(place: Place) -> None:
    rotten, sound = place.crash("two_agents")
    place.spoil(rotten, content=b"{")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert isinstance(await (await runtime.agent("b")).wait(InputId(sound)), Consumed)
            assert "a: broken (" in await broken(runtime, "a")

    in_time(go_on)
    place.spoil(rotten, content=b'"for a"')


def test_rt19_a_restart_does_not_replay_what_was_applied(place: Place) -> None:
    """The memory store's restart is another runtime on the same object."""

    async def twice() -> None:
        turns: list[int] = []
        for _ in range(2):
            async with running(place.store(), {"worker": hand_on}) as runtime:
                agent = await runtime.agent("a", kind="worker")
                assert (await agent.ask("one", idempotency_key="one")).text == "did one"
                await runtime.wait_idle()
                turns.append(runtime.statistics().turns)
                assert await said(agent) == ["did one"]
        assert turns == [1, 0]

    in_time(twice)


def test_rt20_a_crash_at_every_commit_keeps_the_five_promises(place: Place) -> None:
    """P1 to P5, by what callers were told before the kill and find after it; and by the invariants, at the end."""
    number = 0
    while True:
        number += 1
        here = place.another()
        known = here.crashed("work_together", f"commit {number}")
        if known is None:
            break
        in_time(keeps_the_promises, here, known)
    assert number > 2 * len(WORK)


async def keeps_the_promises(place: Place, known: tuple[str, ...]) -> None:
    before = place.look()
    sent = dict(line.split(" ")[1:] for line in known if line.startswith("sent"))
    done = [line.split(" ", 2)[1:] for line in known if line.startswith("done")]
    # P1: what was acknowledged is there. P5: what was told was committed by then.
    assert set(sent.values()) <= before.by_id.keys()
    by_key = {row.key: row for row in before.inputs}
    assert all(by_key[text].state is InputState.CONSUMED for text, _ in done)
    async with running(place.store(), AFTERWARDS) as runtime:
        reader, agent = await runtime.agent("reader", kind="reading"), await runtime.agent("a", kind="handing")
        for text in WORK:
            answer = await agent.ask(text, idempotency_key=text)
            # P4: one outcome, the one that was told before.
            assert answer.text == f"did {text}"
            assert sent.get(text, answer.receipt.contributors[0]) == answer.receipt.contributors[0]
        await runtime.wait_idle()
        # P2 and P3: each was applied once, and so was what it caused.
        assert await told(agent) == list(WORK)
        assert await told(reader) == [f"{text} was number {nth}" for nth, text in enumerate(WORK, 1)]
        assert {record.state async for record in reader.inputs()} == {InputState.CONSUMED}
