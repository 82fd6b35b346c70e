"""W1 to W8 of ``reference/runtime.md`` section 10.1: who waits for an outcome, on both stores."""

from __future__ import annotations

from functools import partial

import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import WaitEndedError
from meerkat_actors.records.effects import EndInput, InsertInput
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission, Consumed
from tests.actors.world import Gate, echo, gathered, hang, running, said, until
from tests.recovery.lives import WORK, in_time
from tests.recovery.places import Place


def test_w01_all_who_wait_get_the_same_outcome(place: Place) -> None:
    async def wait_together() -> None:
        gate = Gate()
        async with running(place.store(), {"gate": gate}) as runtime:
            agent = await runtime.agent("a", kind="gate")
            admission = await agent.send("x")
            await until(lambda: gate.begun == 1)
            gate.open()
            outcomes = await gathered(*[partial(agent.wait, admission.input_id)] * 20)
            assert len({str(outcome) for outcome in outcomes}) == 1
            assert all(isinstance(outcome, Consumed) for outcome in outcomes)

    in_time(wait_together)


def test_w02_an_outcome_that_nobody_waits_for_is_no_fault(place: Place) -> None:
    """Nothing is resolved where nobody waits; and a slot that was resolved is not resolved again."""

    async def nobody_waits() -> None:
        async with running(place.store(), {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            admission = await agent.send("x")
            await runtime.wait_idle()
            assert runtime.statistics().waiters == 0
            # Who gave up waiting is nobody, too.
            with trio.move_on_after(0):
                await agent.wait(admission.input_id)
            assert isinstance(await agent.wait(admission.input_id), Consumed)
            slot: ReplySlot[int] = ReplySlot()
            slot.resolve(1)
            assert await slot.wait() == 1

    in_time(nobody_waits)


def test_w03_who_waits_while_the_runtime_ends_is_told_so(place: Place) -> None:
    async def end_under_waiters() -> None:
        waits: list[object] = []
        async with (
            trio.open_nursery() as nursery,
            running(place.store(), {"hang": hang}, limits=Limits(shutdown_seconds=0)) as runtime,
        ):
            agent = await runtime.agent("a", kind="hang")
            running_one, queued = await agent.send("x"), await agent.send("y")

            async def wait(input_id: InputId) -> None:
                waits.extend(await gathered(partial(agent.wait, input_id)))

            nursery.start_soon(wait, running_one.input_id)
            nursery.start_soon(wait, queued.input_id)
            await trio.sleep(1)
        assert [type(each) for each in waits] == [WaitEndedError, WaitEndedError]

    in_time(end_under_waiters)


def test_w04_who_waits_changes_nothing(place: Place) -> None:
    """The same work, waited for or not, is the same rows: nothing branches on whether anybody waits."""

    async def work(name: str, *, is_waited_for: bool) -> None:
        async with running(here.store(), {"echo": echo}) as runtime:
            agent = await runtime.agent(name, kind="echo")
            for text in WORK:
                admission = await agent.send(text)
                if is_waited_for:
                    await agent.wait(admission.input_id)
            await runtime.wait_idle()

    looks: list[object] = []
    for is_waited_for in (True, False):
        here = place.another()
        in_time(partial(work, "a", is_waited_for=is_waited_for))
        seen = here.look()
        looks.append(
            (
                [(row.state, row.admission, row.attempts, row.position, row.letter) for row in seen.inputs],
                [(row.version, seen.proofs[row.sequence].count) for row in seen.turns],
                [(row.version, row.message_count, row.sends) for row in seen.heads.values()],
            )
        )
    assert looks[0] == looks[1]


def test_w05_asking_registers_with_the_admission_and_a_duplicate_joins_it(place: Place) -> None:
    async def ask_twice() -> None:
        gate = Gate()
        store = place.store()
        async with running(store, {"gate": gate}) as runtime:
            agent = await runtime.agent("a", kind="gate")
            answers: list[object] = []
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    answers.extend(await gathered(*[partial(agent.ask, "x", idempotency_key="k")] * 5))

                nursery.start_soon(ask)
                await until(lambda: gate.begun == 1)
                gate.open()
            assert len({str(answer) for answer in answers}) == 1
            assert len(store.effects(InsertInput)) == 1
            assert gate.begun == 1

    in_time(ask_twice)


def test_w06_who_joins_what_has_ended_reads_its_outcome(place: Place) -> None:
    """No owner is started for it, and nothing is written."""

    async def join_late() -> None:
        store = place.store()
        async with running(store, {"echo": echo}, limits=Limits(passivate_seconds=1)) as runtime:
            agent = await runtime.agent("a", kind="echo")
            answer = await agent.ask("x")
            await trio.sleep(10)
            commits = len(store.batches)
            outcome = await agent.wait(answer.receipt.contributors[0])
            assert isinstance(outcome, Consumed)
            assert outcome.receipt == answer.receipt
            assert (runtime.statistics().live, len(store.batches)) == (0, commits)

    in_time(join_late)


def test_w07_the_next_run_does_not_orphan_who_waits_for_the_last(place: Place) -> None:
    """The first run's outcome is durable with its boundary, which stages the next: those who wait hear of it."""

    async def one_behind_the_other() -> None:
        gates = {"one": Gate(), "two": Gate()}

        async def agent_of_both(turn: Turn) -> str:
            return await gates[turn.text](turn)

        store = place.store()
        async with running(store, {"both": agent_of_both}) as runtime:
            agent = await runtime.agent("a", kind="both")
            first, second = await agent.send("one"), await agent.send("two")
            async with trio.open_nursery() as nursery:
                outcomes: list[object] = []

                async def wait() -> None:
                    outcomes.append(await agent.wait(first.input_id))

                nursery.start_soon(wait)
                await until(lambda: gates["one"].begun == 1)
                gates["one"].open()
                await until(lambda: gates["two"].begun == 1)
                # The second is in progress, and its waiter has yet to come.
                assert await said(agent) == ["one"]
                await until(lambda: len(outcomes) == 1)
                gates["two"].open()
            assert isinstance(await agent.wait(second.input_id), Consumed)
        ended = [[type(each) for each in unit.effects].count(EndInput) for unit in store.units]
        assert max(ended) == 1

    in_time(one_behind_the_other)


def test_w08_a_wait_also_works_after_a_restart(place: Place) -> None:
    """After a crash, for what is open and for what has ended."""
    done, open_one = place.crash("work_and_leave_some")
    assert [row.state for row in place.inputs("a")] == [InputState.CONSUMED, InputState.QUEUED]

    async def wait_for_both() -> None:
        async with running(place.store(), {"worker": echo}) as runtime:
            agent = await runtime.agent("a")
            assert isinstance(await agent.wait(InputId(done)), Consumed)
            outcomes = await gathered(partial(agent.wait, InputId(open_one)), agent.resume)
            assert isinstance(outcomes[0], Consumed)

    in_time(wait_for_both)


def test_i16_nobody_hears_of_what_is_not_committed_yet(place: Place) -> None:
    """At each commit: what anybody was told until then is in the store before it."""

    async def look_at_each_commit() -> None:
        store = place.store()
        told: list[object] = []
        looked: list[int] = []

        def look(_: object) -> None:
            consumed = sum(row.state is InputState.CONSUMED for row in place.look().inputs)
            outcomes = sum(isinstance(each, Consumed) for each in told)
            admissions = sum(isinstance(each, Admission) for each in told)
            assert outcomes <= consumed
            assert admissions <= len(place.look().inputs)
            looked.append(outcomes)

        store.before_commit = look
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            for text in WORK:
                told.append(await agent.send(text))
                told.append(await agent.wait(told[-1].input_id))  # type: ignore[attr-defined]  # an admission
        assert max(looked) >= 2

    in_time(look_at_each_commit)


def test_i18_a_lifecycle_is_published_once_it_is_committed(place: Place) -> None:
    """A commit that fails leaves the agent as it was, for whoever asks next and for the store."""

    async def fail_to_pause() -> None:
        store = place.store()
        statuses: list[str] = []
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")

            def look(_: object) -> None:
                (head,) = place.look().heads.values()
                statuses.append(head.desired.value)

            store.before_commit = look
            await agent.pause()
            statuses.append((await agent.status()).desired.value)
            await agent.resume()
        assert statuses[:3] == ["open", "paused", "paused"]

    in_time(fail_to_pause)


def test_i28_who_goes_away_takes_nothing_with_him(place: Place) -> None:
    async def go_away() -> None:
        gate = Gate()
        async with running(place.store(), {"gate": gate}) as runtime:
            agent = await runtime.agent("a", kind="gate")
            with trio.move_on_after(1):
                await agent.ask("x", idempotency_key="k")
            gate.open()
            assert (await agent.ask("x", idempotency_key="k")).text == "x"
            assert gate.begun == 1

    in_time(go_away)
