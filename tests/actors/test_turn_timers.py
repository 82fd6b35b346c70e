"""The timers that a turn sets and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.actors.turn import Turn
from meerkat_actors.actors.turn.planning import began_ms
from meerkat_actors.errors import InvalidValueError, RejectedInputError, UsageError
from meerkat_actors.machines.admission import refusal
from meerkat_actors.records.agenda_codec import decode_schedule
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Mode, Origin
from meerkat_actors.records.ids import RunId, is_uuid
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import TimerSetting, TurnCompleted
from meerkat_actors.records.schedules import Once, Overlap, Plan
from tests.actors.stub_owner import RUN_ID, StubOwner
from tests.actors.turn_ends import ended

BEGAN_MS: Final = 1_700_000_000_000
"""When the run of these tests began."""


def plan_of(timer: TimerSetting) -> Plan:
    plan = decode_schedule(timer.body)
    assert plan.rule == Once(timer.due_ms)
    assert refusal(plan.kind, plan.header) is None
    return plan


@pytest.mark.parametrize(
    ("delay", "ms"),
    [
        (0, 0),
        (0.0, 0),
        (90, 90_000),
        (0.0015, 2),
        (timedelta(hours=1, microseconds=400), 3_600_000),
        (timedelta(0), 0),
        (1e11, 10**14),
    ],
)
@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_timer_is_due_a_delay_after_the_run_began(delay: float | timedelta, ms: int, is_plain: bool) -> None:
    def plan(turn: Turn) -> str:
        assert round(turn.now.timestamp() * 1000) == BEGAN_MS
        return turn.after(delay, {"do": "it"}, name="again")

    async def plan_async(turn: Turn) -> str:
        return plan(turn)

    ending = await ended(plan if is_plain else plan_async)
    [timer] = ending.extras.timers
    assert (ending.text, timer.name, timer.due_ms) == ("again", "again", BEGAN_MS + ms)
    assert plan_of(timer) == Plan(
        rule=Once(timer.due_ms),
        kind=InputKind.EXTERNAL_EVENT,
        content=b'{"do":"it"}',
        header=Header(origin=Origin.SYSTEM, source="timer:again"),
        input_id=None,
        catch_up=1,
        overlap=Overlap.QUEUE,
    )


async def test_a_timer_is_due_at_the_same_time_on_every_attempt() -> None:
    async def plan(turn: Turn) -> None:
        turn.after(1, "x", name="n")

    owner = StubOwner()
    endings = [await owner.attempt(plan), await owner.attempt(plan)]
    assert all(isinstance(ending, TurnCompleted) for ending in endings)
    first, second = (cast("TurnCompleted", ending).extras.timers for ending in endings)
    assert first == second


@given(st.binary(min_size=6, max_size=6), st.floats(0, 1e11) | st.integers(0, 10**11))
def test_whatever_the_clock_says_a_timer_is_due_within_what_a_store_counts(ms: bytes, seconds: float) -> None:
    digits = ms.hex()
    run_id = RunId(f"{digits[:8]}-{digits[8:]}{RUN_ID[13:]}")
    assert 0 <= began_ms(run_id) <= int.from_bytes(ms, "big")
    assert began_ms(run_id) + round(seconds * 1000) < 2**63


async def test_a_timer_without_a_name_is_given_an_id_that_its_input_has_too() -> None:
    names: list[str] = []

    async def plan(turn: Turn) -> None:
        names.extend([turn.after(1, "x"), turn.after(2, "y", name=None)])

    timers = (await ended(plan)).extras.timers
    assert [timer.name for timer in timers] == names
    assert len(set(names)) == 2
    for timer in timers:
        plan_now = plan_of(timer)
        assert is_uuid(timer.name)
        assert plan_now.input_id == timer.name
        assert plan_now.header is not None
        assert plan_now.header.source == f"timer:{timer.name}"


async def test_what_a_timer_fires_is_of_the_kind_asked_for_and_says_of_itself_what_was_asked_for() -> None:
    async def plan(turn: Turn) -> None:
        turn.after(1, 1, name="a", kind="prompt", mode="steer", correlation_id="c", supersession_key="k", wakes=False)
        turn.after(1, 2, name="b", kind=InputKind.PEER_REQUEST, intent="look")
        turn.after(1, 3, name="c", kind="continuation")

    prompt, request, continuation = map(plan_of, (await ended(plan)).extras.timers)
    assert (prompt.kind, prompt.header) == (
        InputKind.PROMPT,
        Header(
            origin=Origin.SYSTEM,
            source="timer:a",
            mode=Mode.STEER,
            correlation_id="c",
            supersession_key="k",
            wakes=False,
        ),
    )
    assert (request.kind, request.header) == (
        InputKind.PEER_REQUEST,
        Header(origin=Origin.SYSTEM, source="timer:b", intent="look"),
    )
    assert continuation.header is not None
    assert continuation.header.durability is DEFAULT_HEADERS[InputKind.CONTINUATION].durability is Durability.DERIVED


async def test_of_one_name_the_last_word_holds() -> None:
    async def plan(turn: Turn) -> None:
        turn.after(1, "first", name="twice")
        turn.after(2, "second", name="twice")
        turn.after(1, "x", name="taken back")
        turn.cancel_timer("taken back")
        turn.cancel_timer("set again")
        turn.after(3, "y", name="set again")
        turn.cancel_timer("of an earlier turn")
        turn.cancel_timer("of an earlier turn")

    extras = (await ended(plan)).extras
    assert [(timer.name, timer.due_ms - BEGAN_MS, plan_of(timer).content) for timer in extras.timers] == [
        ("twice", 2000, b'"second"'),
        ("set again", 3000, b'"y"'),
    ]
    assert extras.dropped_timers == {"taken back", "of an earlier turn"}


JUNK: Final[Mapping[str, tuple[Callable[[Turn], object], type[BaseException], str]]] = {
    "negative": (lambda turn: turn.after(-1, 1), InvalidValueError, r"after\(-1\): use a number of seconds"),
    "nan": (lambda turn: turn.after(float("nan"), 1), InvalidValueError, "from 0 up"),
    "endless": (lambda turn: turn.after(float("inf"), 1), InvalidValueError, "from 0 up"),
    "too-long": (lambda turn: turn.after(10**400, 1), InvalidValueError, "an int beyond 63 bits"),
    "longest-timedelta": (lambda turn: turn.after(timedelta.max, 1), InvalidValueError, "0 up"),
    "negative-timedelta": (lambda turn: turn.after(timedelta(-1), 1), InvalidValueError, "of -86400.0 seconds"),
    "bool": (lambda turn: turn.after(True, 1), InvalidValueError, "from 0 up"),
    "text": (lambda turn: turn.after(cast("Any", "1"), 1), InvalidValueError, "from 0 up"),
    "no-name": (lambda turn: turn.after(1, 1, name=""), InvalidValueError, "timer name"),
    "long-name": (lambda turn: turn.after(1, 1, name="x" * 257), InvalidValueError, "timer name"),
    "name-of-no-text": (lambda turn: turn.after(1, 1, name=cast("Any", 5)), InvalidValueError, "5 is no timer name"),
    "no-content": (lambda turn: turn.after(1, cast("Any", {1, 2})), InvalidValueError, "timer"),
    "no-kind": (lambda turn: turn.after(1, 1, kind="nonsense"), InvalidValueError, "kind='nonsense'"),
    "kind-none": (lambda turn: turn.after(1, 1, kind=cast("Any", None)), InvalidValueError, "leave it out"),
    "response": (lambda turn: turn.after(1, 1, kind="peer_response_terminal"), RejectedInputError, "request_id"),
    "intent": (lambda turn: turn.after(1, 1, intent="x"), RejectedInputError, "intent"),
    "mode": (lambda turn: turn.after(1, 1, kind="operation", mode="steer"), RejectedInputError, "no mode"),
    "option": (lambda turn: cast("Any", turn).after(1, 1, durability="ephemeral"), TypeError, "'durability'"),
    "no-name-to-cancel": (lambda turn: turn.cancel_timer(""), InvalidValueError, "timer name"),
    "none-to-cancel": (lambda turn: turn.cancel_timer(cast("Any", None)), InvalidValueError, "timer name"),
}


@pytest.mark.parametrize("way", JUNK)
async def test_what_can_be_no_timer_is_refused_and_leaves_none(way: str) -> None:
    use, error, told = JUNK[way]

    async def careless(turn: Turn) -> None:
        with pytest.raises(error, match=told):
            use(turn)

    extras = (await ended(careless)).extras
    assert (extras.timers, extras.dropped_timers) == ((), frozenset())


async def test_timers_are_counted_and_replacing_one_is_not_one_more() -> None:
    async def plan(turn: Turn) -> None:
        for name in ("a", "b", "a"):
            turn.after(1, 1, name=name)
            turn.cancel_timer(f"not {name}")
        with pytest.raises(UsageError, match="a turn sets at most 2 timers"):
            turn.after(1, 1)
        with pytest.raises(UsageError, match="a turn cancels at most 2 timers"):
            turn.cancel_timer("c")
        turn.send("b", "messages are counted apart")

    extras = (await ended(plan, limits=Limits(messages_max=2))).extras
    assert [timer.name for timer in extras.timers] == ["a", "b"]
    assert extras.dropped_timers == {"not a", "not b"}


async def test_what_timers_say_counts_among_the_bytes_of_a_turn() -> None:
    async def plan(turn: Turn) -> None:
        turn.after(1, "x" * 60)
        with pytest.raises(InvalidValueError, match="timer: a turn sends, appends and returns at most 100 bytes"):
            turn.after(1, "x" * 60)
        with pytest.raises(InvalidValueError, match="message"):
            turn.send("b", "x" * 60)

    assert len((await ended(plan, limits=Limits(turn_bytes_max=100))).extras.timers) == 1
