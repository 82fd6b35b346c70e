"""R1 to R11 of ``reference/runtime.md`` section 8.1: the rules of recovery, on both stores, behind a SIGKILL."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from meerkat_actors.errors import IdentityBrokenError, StoreFailedError, WaitEndedError
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.simulation.checks import Contents
from tests.actors.world import consumed, echo, gathered, hang, running, told, until
from tests.recovery.lives import FIRST, WORK, in_time
from tests.recovery.places import Place

AFTERWARDS = {**FIRST, "busy": echo}
AT_ONCE = Limits(shutdown_seconds=0)


def kept(seen: Contents) -> object:
    """What no failed recovery changes."""
    return seen.inputs, seen.turns, [(row.name, row.version, row.digest) for row in seen.heads.values()]


def test_r01_only_the_rows_of_the_identity_itself_are_read(place: Place) -> None:
    """Another agent has inputs under the same keys, with the same texts; each has its own."""
    ids = place.crash("accept")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            other = await runtime.agent("A", kind="worker")
            for text in WORK:
                assert not (await other.send(text, idempotency_key=text)).duplicate
            await runtime.wait_idle()
            agent = await runtime.agent("a")
            assert await told(agent) == []
            await agent.resume()
            await runtime.wait_idle()
            assert tuple(await consumed(agent)) == ids
            assert not set(ids) & set(await consumed(other))

    in_time(go_on)


def test_r02_a_missing_receipt_means_that_it_was_not_applied(place: Place) -> None:
    """There are no aliases: what another agent was applied to, with the same text and key, proves nothing here."""

    async def another_applies_it() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await (await runtime.agent("other", kind="worker")).ask("one", idempotency_key="one")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert runtime.statistics().turns == 1
            assert await told(await runtime.agent("a")) == ["one"]

    in_time(another_applies_it)
    place.crash("work_once", "before AppendTurn")
    assert [row.state for row in place.inputs("a")] == [InputState.STAGED]
    in_time(go_on)


def test_r03_an_open_row_without_its_payload_fails_closed_and_its_siblings_go_on(place: Place) -> None:
    rotten, sound = place.crash("two_agents")
    place.spoil(rotten, content=b"")
    before = place.inputs("a")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert isinstance(await (await runtime.agent("b")).wait(InputId(sound)), Consumed)
            with pytest.raises(IdentityBrokenError, match=r"a: broken \("):
                await (await runtime.agent("a")).status()

    in_time(go_on)
    assert place.inputs("a") == before
    place.spoil(rotten, content=b'"for a"')


def test_r04_ended_rows_may_be_incomplete_and_are_kept(place: Place) -> None:
    """Their payload may have been pruned: their outcome is told as before, and their key stays bound."""
    done, waiting = place.crash("work_and_leave_some")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            assert (await runtime.prune(PrunePolicy(keep_inputs=0))).rows
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            assert isinstance(await agent.wait(InputId(done)), Consumed)
            assert (await agent.send("one", idempotency_key="one")).input_id == done
            await agent.resume()
            assert isinstance(await agent.wait(InputId(waiting)), Consumed)

    in_time(go_on)


def test_r05_the_order_is_the_admission_sequence_and_nobody_mints_it_anew(place: Place) -> None:
    ids = place.crash("accept_backwards")
    before = [(row.input_id, row.admission) for row in place.inputs("a")]
    assert before == list(zip(ids, (1, 2, 3), strict=True))

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.send("four")).admission_sequence == 4
            await agent.resume()
            await runtime.wait_idle()
            assert await told(agent) == [*WORK, "four"]

    in_time(go_on)
    assert [(row.input_id, row.admission) for row in place.inputs("a")][:3] == before


def test_r06_attempts_are_what_they_were(place: Place) -> None:
    (input_id,) = place.crash("fail_twice")
    assert [row.attempts for row in place.inputs("a")] == [2]

    async def go_on() -> None:
        async with running(place.store(), {**AFTERWARDS, "failing": hang}, limits=AT_ONCE) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.status()).attempts == 2
            await trio.sleep(100)
            assert (await agent.status()).attempts == 2
        # Whose bound is met by what is stored is tried once more at most.
        async with running(place.store(), AFTERWARDS, limits=Limits(attempts_max=2)) as runtime:
            assert isinstance(await (await runtime.agent("a")).wait(InputId(input_id)), Abandoned)
            agent = await runtime.agent("a")
            assert [record.attempts <= 3 async for record in agent.inputs()] == [True]

    in_time(go_on)


def test_r07_keys_are_known_before_anything_is_admitted(place: Place) -> None:
    """The first thing that anybody asks of the new process, and all at once."""
    ids = place.crash("be_at_work")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            again = await gathered(*(partial(agent.send, text, idempotency_key=text) for text in WORK))
            assert [(each.input_id, each.duplicate) for each in again if not isinstance(each, BaseException)] == [
                (each, True) for each in ids
            ]

    in_time(go_on)


@pytest.mark.parametrize("is_written", [False, True])
def test_r08_recovery_is_one_commit_and_nothing_is_published_before_it(place: Place, is_written: bool) -> None:
    """It fails, written or not: no waiter hears an outcome, and the store is as it was, or one whole commit further."""
    ids = place.crash("be_at_work")
    before = kept(place.look())

    async def fail_to() -> None:
        store = place.store()
        store.fail_next(is_written=is_written)
        with pytest.raises(StoreFailedError):
            async with running(store, AFTERWARDS) as runtime:
                await runtime.wait_idle()
        assert len(store.batches) == 1
        assert len(store.units) == 1

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert tuple(await consumed(await runtime.agent("a"))) == ids

    in_time(fail_to)
    assert (kept(place.look()) == before) is not is_written
    in_time(go_on)


def test_r09_recovery_is_idempotent(place: Place) -> None:
    """Begun and left three times, in good order: what the first one made of it stays."""
    place.crash("be_at_work")

    async def recover() -> Contents:
        async with running(place.store(), FIRST, limits=AT_ONCE) as runtime:
            await until(lambda: runtime.statistics().running == 1)
        return place.look()

    first = kept(in_time(recover))
    assert [kept(in_time(recover)) for _ in range(2)] == [first, first]


def test_r10_what_is_left_to_do_is_done_without_anybody_asking(place: Place) -> None:
    place.crash("be_at_work")

    async def only_open() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await trio.sleep(1)
            assert runtime.statistics().turns == len(WORK)

    in_time(only_open)
    assert {row.state for row in place.inputs("a")} == {InputState.CONSUMED}


def test_r11_waiters_end_with_their_runtime_and_join_again_by_id_or_key(place: Place) -> None:
    """A waiter of a killed process is gone with it; one of a runtime that ends is told."""
    ids = place.crash("be_at_work")

    async def go_on() -> None:
        waits: list[object] = []
        async with trio.open_nursery() as nursery, running(place.store(), FIRST, limits=AT_ONCE) as runtime:
            agent = await runtime.agent("a")

            async def wait() -> None:
                waits.extend(await gathered(partial(agent.wait, InputId(ids[0]))))

            nursery.start_soon(wait)
            await trio.sleep(1)
        assert [type(each) for each in waits] == [WaitEndedError]
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            by_id, by_key = await agent.wait(InputId(ids[0])), await agent.ask("one", idempotency_key="one")
            assert isinstance(by_id, Consumed)
            assert by_id.receipt == by_key.receipt

    in_time(go_on)
