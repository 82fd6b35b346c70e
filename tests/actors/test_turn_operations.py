"""The operations that a turn starts, waits for and is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import pytest
from attrs import evolve

from meerkat_actors.actors.turn import Turn, TurnJob
from meerkat_actors.errors import InvalidValueError, TooManyOperationsError, UsageError
from meerkat_actors.machines.operation import collected
from meerkat_actors.machines.operations import SOURCE
from meerkat_actors.records.agenda_codec import decode_operation, encode_operation
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header
from meerkat_actors.records.ids import OperationId, is_uuid
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationKind, OperationStatus
from meerkat_actors.records.operation_record import OperationRecord, operation_record
from meerkat_actors.records.runs import NO_EXTRAS, TurnCompleted
from tests.actors.stub_owner import StubOwner, member
from tests.actors.turn_ends import ended

S: Final = OperationStatus


def an_operation(number: int, status: OperationStatus = S.RUNNING, **fields: Any) -> Operation:  # noqa: ANN401 - as its class has them
    """The ``number``-th that was started."""
    operation_id = OperationId(f"018bcfe5-6000-7abc-8123-{number:012}")
    return Operation(operation_id, f"job {number}", status=status, **fields)


def an_end(number: int, sequence: int) -> Operation:
    """One that ended, as the ``sequence``-th."""
    return an_operation(number, S.COMPLETED, content=b'{"n":1}', sequence=sequence)


def held(*operations: Operation) -> dict[OperationId, Operation]:
    return {operation.operation_id: operation for operation in operations}


def a_continuation(source: str | None) -> OpenInput:
    header: Header = evolve(DEFAULT_HEADERS[InputKind.CONTINUATION], source=source)
    return member(1, None, kind=InputKind.CONTINUATION, header=header)


@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_turn_starts_operations(is_plain: bool) -> None:
    ids: list[OperationId] = []

    def start(turn: Turn) -> None:
        ids.append(turn.start_operation("index"))
        ids.append(turn.start_operation("import", external=True))
        ids.append(turn.start_operation("child", kind=OperationKind.MEMBER))

    async def start_async(turn: Turn) -> None:
        start(turn)

    started = (await ended(start if is_plain else start_async)).extras.operations
    assert started == (
        Operation(ids[0], "index"),
        Operation(ids[1], "import", is_external=True),
        Operation(ids[2], "child", OperationKind.MEMBER),
    )
    assert all(map(is_uuid, ids))
    assert len(set(ids)) == 3
    assert [decode_operation(encode_operation(operation)) for operation in started] == list(started)


async def test_what_is_no_operation_is_refused() -> None:
    async def careless(turn: Turn) -> None:
        for name in ("", "x" * 257, cast("Any", 1)):
            with pytest.raises(InvalidValueError, match="operation name"):
                turn.start_operation(name)
        for kind in ("barrier", OperationKind.BARRIER, cast("Any", None)):
            with pytest.raises(InvalidValueError, match="use 'background' or 'member'"):
                turn.start_operation("x", kind=kind)
        with pytest.raises(InvalidValueError, match="kind='nonsense': use one of"):
            turn.start_operation("x", kind="nonsense")
        with pytest.raises(InvalidValueError, match="external=None: use True or False"):
            turn.start_operation("x", external=cast("Any", None))

    assert (await ended(careless)).extras.operations == ()


async def test_no_more_operations_are_in_progress_than_may_be() -> None:
    operations = held(an_operation(1), an_end(2, 1), an_operation(3, S.RETIRING))

    async def start(turn: Turn) -> None:
        turn.start_operation("one more")
        with pytest.raises(TooManyOperationsError, match="a: 3 operations in progress"):
            turn.start_operation("and another")
        with pytest.raises(TooManyOperationsError, match="a: 3 operations in progress"):
            turn.when_all([])

    ending = await ended(start, operations=operations, limits=Limits(operations_max=3))
    assert [operation.name for operation in ending.extras.operations] == ["one more"]


async def test_a_turn_starts_at_most_so_many_operations() -> None:
    async def start(turn: Turn) -> None:
        turn.start_operation("a")
        turn.start_operation("b")
        with pytest.raises(UsageError, match="a turn starts at most 2 operations"):
            turn.start_operation("c")

    assert len((await ended(start, limits=Limits(messages_max=2))).extras.operations) == 2


# -- barriers -----------------------------------------------------------------------------


async def test_a_barrier_is_an_operation_of_known_ones_in_the_order_given() -> None:
    running, done = an_operation(1), an_end(2, 1)
    ids: list[OperationId] = []

    async def wait(turn: Turn) -> None:
        own = turn.start_operation("own")
        ids.extend([own, done.operation_id, running.operation_id])
        ids.append(turn.when_all(iter(ids[:])))

    *_, barrier = (await ended(wait, operations=held(running, done))).extras.operations
    assert barrier == Operation(ids[3], "when_all", OperationKind.BARRIER, is_external=True, members=tuple(ids[:3]))


async def test_a_barrier_of_nothing_is_one_that_has_nothing_to_wait_for() -> None:
    async def wait(turn: Turn) -> None:
        turn.when_all([])

    [barrier] = (await ended(wait)).extras.operations
    assert (barrier.kind, barrier.members, barrier.status) == (OperationKind.BARRIER, (), S.RUNNING)


JUNK_IDS: Final[list[tuple[object, str]]] = [
    (["018bcfe5-6000-7abc-8123-999999999999"], "a: no operation '018b"),
    ([5], "no operation 5"),
    ([{}], "no operation a dict"),
    (["018bcfe5-6000-7abc-8123-000000000001"] * 2, "twice"),
    ("018bcfe5-6000-7abc-8123-000000000001", "use a collection of ids"),
    (None, r"when_all\(None\): use a collection of ids"),
]


@pytest.mark.parametrize(("ids", "told"), JUNK_IDS)
async def test_a_barrier_of_what_is_unknown_or_named_twice_is_refused(ids: object, told: str) -> None:
    async def wait(turn: Turn) -> None:
        with pytest.raises(UsageError, match=told):
            turn.when_all(cast("Iterable[OperationId]", ids))

    assert (await ended(wait, operations=held(an_operation(1)))).extras.operations == ()


async def test_one_barrier_runs_at_a_time() -> None:
    old = an_operation(1, S.COMPLETED, kind=OperationKind.BARRIER, sequence=3)

    async def wait(turn: Turn) -> None:
        turn.when_all([old.operation_id])  # a barrier that ended is an operation as any other
        with pytest.raises(UsageError, match="waits for all of some operations already"):
            turn.when_all([old.operation_id])

    assert len((await ended(wait, operations=held(old))).extras.operations) == 1

    async def wait_again(turn: Turn) -> None:
        with pytest.raises(UsageError, match="waits for all of some operations already"):
            turn.when_all([])

    running = an_operation(2, kind=OperationKind.BARRIER)
    assert (await ended(wait_again, operations=held(running))).extras.operations == ()


# -- what it is shown ---------------------------------------------------------------------


async def test_operations_are_shown_by_their_starts_with_their_content_decoded_afresh() -> None:
    second = an_operation(2, S.FAILED, content=b'{"why":[1]}', sequence=1, members=(an_operation(1).operation_id,))

    async def look(turn: Turn) -> None:
        before = turn.operations
        assert [record.name for record in before] == ["job 1", "job 2"]
        assert before[1] == OperationRecord(
            operation_id=second.operation_id,
            name="job 2",
            kind=OperationKind.BACKGROUND,
            status=S.FAILED,
            content={"why": [1]},
            members=second.members,
            sequence=1,
        )
        cast("Any", before[1].content)["why"] = "spoilt"
        names = [f"own {number}" for number in range(20)]
        for name in names:
            turn.start_operation(name)
        after = turn.operations
        assert after[1].content == {"why": [1]}
        assert [record.name for record in after[2:]] == names
        assert turn.completions == ()

    ending = await ended(look, operations=held(second, an_operation(1)))
    assert ending.extras.seen_completions == 0


async def test_what_was_collected_is_neither_shown_nor_waited_for() -> None:
    last = collected(an_end(2, 2))

    async def look(turn: Turn) -> None:
        assert [record.name for record in turn.operations] == ["job 1"]
        with pytest.raises(UsageError, match=f"no operation '{last.operation_id}'"):
            turn.when_all([last.operation_id])

    await ended(look, operations=held(last, an_end(1, 1)))


def test_a_status_comes_to_one_of_four_words() -> None:
    public = {status: operation_record(an_operation(1, status)).public_status for status in S}
    assert public == {
        S.PROVISIONING: "running", S.RUNNING: "running", S.RETIRING: "running",
        S.COMPLETED: "completed",
        S.FAILED: "failed", S.TERMINATED: "failed",
        S.ABORTED: "cancelled", S.CANCELLED: "cancelled", S.RETIRED: "cancelled",
    }  # fmt: skip


ENDS: Final = (an_end(2, 4), an_end(1, 7))


async def test_who_looks_at_completions_takes_them_up() -> None:
    async def look(turn: Turn) -> None:
        assert [(record.sequence, record.content) for record in turn.completions] == [(4, {"n": 1}), (7, {"n": 1})]
        assert turn.completions == turn.completions

    async def look_elsewhere(turn: Turn) -> None:
        turn.operations  # noqa: B018 - looking is what is tested

    assert (await ended(look, completions=ENDS)).extras.seen_completions == 7
    assert (await ended(look_elsewhere, operations=held(*ENDS), completions=ENDS)).extras == NO_EXTRAS


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (a_continuation(SOURCE), 7),
        (a_continuation("someone else"), 0),
        (a_continuation(None), 0),
        (member(1, "x", kind=InputKind.EXTERNAL_EVENT, header=Header(source=SOURCE)), 0),
    ],
)
async def test_a_turn_that_their_continuation_begins_takes_completions_up(given: OpenInput, seen: int) -> None:
    async def pass_by(_: Turn) -> None:
        pass

    async def pass_checkpoint(turn: Turn) -> None:
        await turn.checkpoint()

    assert (await ended(pass_by, given, completions=ENDS)).extras.seen_completions == seen
    # A continuation without any end to take up: there is nothing to say.
    assert (await ended(pass_by, given)).extras is NO_EXTRAS
    owner = StubOwner()
    owner.steer.append(given)

    def ends(job: TurnJob) -> None:
        job.completions = ENDS

    owner.before_run = ends
    bound = await owner.attempt(pass_checkpoint)
    assert isinstance(bound, TurnCompleted)
    assert bound.extras.seen_completions == seen


async def test_a_turn_that_is_over_takes_nothing_up() -> None:
    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    await ended(keep, completions=ENDS)
    with pytest.raises(UsageError, match="this turn is over"):
        kept[0].completions  # noqa: B018 - looking is what is tested
    assert kept[0].operations == ()


async def test_operations_are_not_started_when_the_turn_is_over() -> None:
    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    await ended(keep)
    with pytest.raises(UsageError, match="this turn is over"):
        kept[0].start_operation("x")
    with pytest.raises(UsageError, match="this turn is over"):
        kept[0].when_all([])
