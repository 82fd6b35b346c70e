"""RT1 to RT10 of ``reference/runtime.md`` section 8.5, on both stores; the database's owner is killed by SIGKILL."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.status import Phase
from tests.actors.world import running, told
from tests.recovery.lives import FIRST, WORK, in_time
from tests.recovery.places import Place
from tests.recovery.recovered import AFTERWARDS, GONE_ON, broken, done_once, rows


def test_rt01_what_was_accepted_is_queued_after_a_crash_and_executed_once(place: Place) -> None:
    ids = place.crash("accept")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            assert ((await agent.status()).backlog, (await agent.status()).phase) == (len(WORK), Phase.IDLE)
            await agent.resume()
            await runtime.wait_idle()
            await done_once(agent, ids)

    in_time(go_on)


def test_rt02_what_was_staged_is_begun_again(place: Place) -> None:
    """DESIGN.md: it stays staged, for the same run, which begins again before any selection."""
    ids = place.crash("be_at_work")
    staged = [row for row in place.inputs("a") if row.state is InputState.STAGED]
    assert [row.input_id for row in staged] == [ids[0]]

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            agent = await runtime.agent("a")
            await done_once(agent, ids)
            receipts = [receipt async for receipt in agent.receipts()]
            assert receipts[-1].run_id == staged[0].run

    in_time(go_on)


def test_rt03_what_has_a_receipt_is_consumed_and_not_replayed(place: Place) -> None:
    """There is no state between applied and consumed here: boundary and receipt are one commit."""
    (input_id,) = place.crash("work_once", "after AppendTurn")
    assert [row.state for row in place.inputs("a")] == [InputState.CONSUMED]

    async def go_on() -> None:
        store = place.store()
        async with running(store, AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert runtime.statistics().turns == 0
            await done_once(await runtime.agent("a"), (input_id,), ("one",))

    in_time(go_on)


def test_rt04_what_has_no_receipt_is_replayed_exactly_once(place: Place) -> None:
    (input_id,) = place.crash("work_once", "before AppendTurn")
    assert place.look().turns == ()

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            assert runtime.statistics().turns == 1
            await done_once(await runtime.agent("a"), (input_id,), ("one",))

    in_time(go_on)


def test_rt05_what_is_ephemeral_is_dropped_and_the_rest_is_kept(place: Place) -> None:
    """DESIGN.md: dropped means an outcome of its own, ``abandoned`` (ephemeral_lost)."""
    durable, derived, ephemeral = place.crash("accept_each_durability")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            await agent.resume()
            await runtime.wait_idle()
            for kept in (durable, derived):
                assert isinstance(await agent.wait(InputId(kept)), Consumed)
            lost = await agent.wait(InputId(ephemeral))
            assert isinstance(lost, Abandoned)
            assert lost.reason is AbandonReason.EPHEMERAL_LOST

    in_time(go_on)


def test_rt06_a_key_holds_after_a_crash_for_what_is_open_and_what_has_ended(place: Place) -> None:
    done, waiting = place.crash("work_and_leave_some")

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            for text, first in (("one", done), ("two", waiting)):
                again = await agent.send(text, idempotency_key=text)
                assert (again.input_id, again.duplicate) == (first, True)
            assert len([each async for each in agent.inputs()]) == 2

    in_time(go_on)


def test_rt07_rows_under_another_spelling_of_the_name_are_not_consulted(place: Place) -> None:
    """There are no legacy aliases: an identity is its text, and nothing is looked up by a session id.

    So an agent whose name is the session id of another one is somebody else, whatever its rows say and however
    new they are; and the facade's rows, under the name of the seeds, are nobody's input.
    """
    ids = place.crash("be_at_work")

    async def go_on() -> None:
        async with running(place.store(), FIRST, limits=GONE_ON) as runtime:
            session = (await (await runtime.agent("a")).status()).session_id
            alias = await runtime.agent(session, kind="busy")
            await alias.send("newer", idempotency_key=WORK[0])
            snapshot = OpsSnapshot(epoch_id=session, body=b"newer")
            await runtime.runtime_store.persist_ops_lifecycle(f"old-{session}", snapshot)
            assert await runtime.runtime_store.load_ops_lifecycle(f"canonical-{session}") is None
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            await done_once(await runtime.agent("a"), ids)
            assert await told(await runtime.agent(session)) == ["newer"]

    in_time(go_on)


def test_rt08_a_recovery_whose_commit_fails_changes_nothing_and_is_tried_again(place: Place) -> None:
    ids = place.crash("be_at_work")
    before = rows(place.look())

    async def fail_to() -> None:
        store = place.store()
        store.fail_from(0)
        with pytest.raises(StoreFailedError):
            async with running(store, AFTERWARDS) as runtime:
                await runtime.wait_idle()
        assert store.batches, "it never got there"

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            await runtime.wait_idle()
            await done_once(await runtime.agent("a"), ids)

    in_time(fail_to)
    assert rows(place.look()) == before
    in_time(go_on)


def test_rt09_an_open_row_without_what_it_needs_is_damage_before_anything_is_written(place: Place) -> None:
    """Every row has its policy and payload; what no version wrote there is told, and kept as it is."""
    ids = place.crash("accept")
    place.spoil(ids[1], content=b"{")
    before = rows(place.look())

    async def look() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            assert "a: broken (" in await broken(runtime, "a")
            assert runtime.statistics().units == 0

    in_time(look)
    assert rows(place.look()) == before
    place.spoil(ids[1], content=b'"two"')


def test_rt10_an_ended_row_without_it_is_tolerated(place: Place) -> None:
    done, _ = place.crash("work_and_leave_some")
    place.spoil(done, policy=77)

    async def go_on() -> None:
        async with running(place.store(), AFTERWARDS) as runtime:
            agent = await runtime.agent("a")
            await agent.resume()
            await runtime.wait_idle()
            assert isinstance(await agent.wait(InputId(done)), Consumed)
            assert await told(agent) == ["one", "two"]

    in_time(go_on)
    place.spoil(done, policy=0)
