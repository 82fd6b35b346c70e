"""Plans: data that survives a file, and is drawn at the rates that were asked for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.disk.faults import FITTING, Failure, Operation
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.plan import (
    KINDS,
    OF_DISK,
    CallerCancelled,
    ClockJumps,
    Crash,
    Delayed,
    DiskFails,
    DiskFull,
    Fault,
    Govern,
    Moment,
    Plan,
    PowerCut,
    Restart,
    SentTwice,
    SlowCommits,
    Stall,
    TurnsHang,
    TurnsRaise,
)

AT = st.floats(0, 1e9)
COUNTS = st.integers(1, COUNTER_MAX)
MOMENTS = st.sampled_from([*Moment])
FAILURES = st.sampled_from([(operation, failure) for operation, fitting in FITTING.items() for failure in fitting])


def disk_fails(at: float, which: tuple[Operation, Failure], nth: int) -> Fault:
    return DiskFails(at=at, operation=which[0], failure=which[1], nth=nth)


OF_KIND: dict[str, st.SearchStrategy[Fault]] = {
    "Crash": st.builds(Crash, at=AT, moment=MOMENTS),
    "PowerCut": st.builds(PowerCut, at=AT, moment=MOMENTS, image=st.sampled_from([*Image])),
    "Restart": st.builds(Restart, at=AT),
    "DiskFails": st.builds(disk_fails, AT, FAILURES, COUNTS),
    "DiskFull": st.builds(DiskFull, at=AT, seconds=AT),
    "SlowCommits": st.builds(SlowCommits, at=AT, seconds=AT, each=AT),
    "TurnsRaise": st.builds(TurnsRaise, at=AT, times=COUNTS),
    "TurnsHang": st.builds(TurnsHang, at=AT, seconds=AT),
    "CallerCancelled": st.builds(CallerCancelled, at=AT, steps=COUNTS),
    "SentTwice": st.builds(SentTwice, at=AT),
    "Delayed": st.builds(Delayed, at=AT, seconds=AT),
    "ClockJumps": st.builds(ClockJumps, at=AT, ms=st.integers(-(10**12), 10**12)),
    "Stall": st.builds(Stall, at=AT, seconds=AT),
    "Govern": st.builds(Govern, at=AT, agent=st.integers(0, COUNTER_MAX), verb=st.sampled_from([*Verb])),
}


def test_every_kind_is_tried() -> None:
    assert OF_KIND.keys() == KINDS.keys()


@given(st.lists(st.one_of(*OF_KIND.values()), max_size=20))
def test_a_plan_survives_a_file(faults: list[Fault]) -> None:
    plan = Plan(tuple(faults))
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert str(again) == str(plan), "the same words, so the same trace"
    assert Plan.from_json(plan.to_json().decode()) == plan
    assert plan.to_json().count(b"\n") == len(faults) + 2 or not faults


@pytest.mark.parametrize("name", KINDS)
def test_what_was_drawn_of_each_kind_survives_a_file(name: str) -> None:
    plan = Faults(rates={name: 60}).plan("1", 100, is_durable=True)
    assert {type(fault).__name__ for fault in plan.faults} == {name}
    assert Plan.from_json(plan.to_json()) == plan


def test_an_int_is_as_good_as_a_float() -> None:
    assert str(Crash(at=5)) == str(Crash(at=5.0))
    assert str(Plan.from_json('[{"fault": "Crash", "at": 5}]')) == str(Plan((Crash(at=5.0),)))


def test_a_plan_is_in_the_order_of_its_times_however_it_was_edited() -> None:
    late, soon, too = Crash(at=9), Restart(at=1), SentTwice(at=1)
    assert Plan((late, soon, too)).faults == (soon, too, late)
    assert Plan((late, too, soon)).faults == (too, soon, late)


def test_faults_are_taken_away_by_their_places() -> None:
    plan = Plan((Crash(at=1), Crash(at=2), Crash(at=3)))
    assert plan.without(0, 2) == Plan((Crash(at=2),))
    assert plan.without() == plan
    assert str(plan.without(0, 1, 2)) == "no faults"


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "{}", "null", "7", '""', '"abc"', "[null]", "[7]", "[[]]", '[[["fault", "Crash"], ["at", 1]]]',
        "[{}]", '[{"at": 1}]', '[{"fault": "Crash"}]', '[{"fault": "Wrong", "at": 1}]', '[{"fault": 7, "at": 1}]',
        '[{"fault": ["Crash"], "at": 1}]', '[{"fault": "_Timed", "at": 1}]', '[{"fault": "Crash", "at": 1, "more": 1}]',
        '[{"fault": "Crash", "at": "1"}]', '[{"fault": "Crash", "at": true}]', '[{"fault": "Crash", "at": null}]',
        '[{"fault": "Crash", "at": -1}]', '[{"fault": "Crash", "at": 1e300}]', '[{"fault": "Crash", "at": NaN}]',
        '[{"fault": "Crash", "at": [1]}]', '[{"fault": "Crash", "at": 1, "moment": "never"}]',
        '[{"fault": "Crash", "at": 1, "moment": {}}]', '[{"fault": "Crash", "at": 99999999999999999999999999}]',
        '[{"fault": "TurnsRaise", "at": 1, "times": 0}]', '[{"fault": "TurnsRaise", "at": 1, "times": 1.5}]',
        '[{"fault": "TurnsRaise", "at": 1, "times": "2"}]', '[{"fault": "TurnsRaise", "at": 1, "times": true}]',
        '[{"fault": "CallerCancelled", "at": 1, "steps": -3}]', '[{"fault": "ClockJumps", "at": 1, "ms": 1e3}]',
        '[{"fault": "ClockJumps", "at": 1, "ms": 9223372036854775807}]', '[{"fault": "Delayed", "at": 1}]',
        '[{"fault": "Govern", "at": 1, "agent": -1, "verb": "stop"}]',
        '[{"fault": "DiskFails", "at": 1, "operation": "sync", "failure": "lie"}]',
        '[{"fault": "DiskFails", "at": 1, "operation": "write", "failure": "error", "nth": 0}]',
        "[" * 100_000, b"\xff\xfe", "[\"\ud800\"]",
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused(text: bytes | str) -> None:
    with pytest.raises(InvalidValueError, match="plan"):
        Plan.from_json(text)


def test_a_refusal_names_the_fault_and_the_field() -> None:
    with pytest.raises(InvalidValueError, match=r"fault 1 of a plan: TurnsHang: .*seconds"):
        Plan.from_json('[{"fault": "Crash", "at": 1}, {"fault": "TurnsHang", "at": 1, "seconds": -1}]')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["at", "moment", "image", "seconds", "each", "times", "steps", "ms", "agent", "verb", "nth"])


@given(st.sampled_from([*KINDS]), st.dictionaries(FIELDS, JSON))
def test_whatever_a_file_says_is_a_plan_or_is_refused(kind: str, fields: dict[str, Any]) -> None:
    try:
        plan = Plan.from_json(orjson.dumps([{"fault": kind, **fields}]))
    except InvalidValueError:
        return
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("at", [-0.001, float("nan"), float("inf"), 1e10, "1", None, True])
def test_no_fault_is_at_a_time_that_never_comes(at: Any) -> None:  # noqa: ANN401 - none of the right kind
    with pytest.raises(InvalidValueError, match=r"Crash\.at"):
        Crash(at=at)


def test_a_disk_fails_as_disks_do() -> None:
    with pytest.raises(InvalidValueError, match="a read fails by error; not by full"):
        DiskFails(at=1, operation=Operation.READ, failure=Failure.FULL)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_drawn_at_its_rate(name: str) -> None:
    """Five sigmas of a Poisson process: of the seed, so that it never fails by chance."""
    for rate in (0.5, 6.0):
        faults = Faults(rates={name: rate}).plan("seed", 60 * 2_000, is_durable=True).faults
        assert abs(len(faults) - 2_000 * rate) < 5 * (2_000 * rate) ** 0.5
        first_half = sum(fault.at < 60_000 for fault in faults)
        assert abs(first_half - 1_000 * rate) < 5 * (1_000 * rate) ** 0.5


def test_a_plan_is_of_its_seed_and_a_kind_knows_nothing_of_the_others() -> None:
    alone = Faults(rates={"Crash": 5}).plan("1", 600, is_durable=True)
    among = Faults.all(5).plan("1", 600, is_durable=True)
    assert Plan(tuple(fault for fault in among.faults if isinstance(fault, Crash))) == alone
    assert Faults.all(5).plan("1", 600, is_durable=True) == among
    assert Faults.all(5).plan("2", 600, is_durable=True) != among
    assert [fault.at for fault in among.faults] == sorted(fault.at for fault in among.faults)


def test_every_choice_of_every_kind_is_drawn() -> None:
    faults = Faults.all(60).plan("1", 3_600, is_durable=True).faults
    assert {fault.moment for fault in faults if isinstance(fault, Crash)} == {*Moment}
    assert {fault.image for fault in faults if isinstance(fault, PowerCut)} == {*Image}
    assert {fault.verb for fault in faults if isinstance(fault, Govern)} == {*Verb}
    found = {(fault.operation, fault.failure) for fault in faults if isinstance(fault, DiskFails)}
    drawn = {operation: fitting for operation, fitting in FITTING.items() if operation is not Operation.RENAME}
    assert found == {(operation, failure) for operation, fitting in drawn.items() for failure in fitting}
    assert {fault.ms > 0 for fault in faults if isinstance(fault, ClockJumps)} == {True, False}


def test_without_a_disk_nothing_of_a_disk_is_drawn_and_the_rest_is_the_same() -> None:
    durable = Faults.all(5).plan("1", 600, is_durable=True)
    memory = Faults.all(5).plan("1", 600, is_durable=False)
    assert {type(fault).__name__ for fault in durable.faults} == {*KINDS}
    assert memory == Plan(tuple(fault for fault in durable.faults if type(fault).__name__ not in OF_DISK))


@pytest.mark.parametrize("rate", [-1, -0.0001, float("nan"), float("inf"), 1e7, "2", None, True])
def test_what_is_no_rate_is_refused(rate: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises(InvalidValueError, match="rate of 'Crash'"):
        Faults(rates={"Crash": rate})
    with pytest.raises(InvalidValueError, match="rate of"):
        Faults.all(rate)


def test_kinds_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="of Crash"):
        Faults(rates={"Crahs": 1})
    with pytest.raises(InvalidValueError, match="no such kinds"):
        Faults.all(without=("Crash", "Crahs"))


@pytest.mark.parametrize("rate", [0, 0.0, 5e-324, 1e-300])
def test_next_to_nothing_is_nothing(rate: float) -> None:
    assert Faults.all(rate).plan("1", 1e6, is_durable=True) == Plan()
    assert Faults.none().plan("1", 1e6, is_durable=True) == Plan()


def test_rates_are_those_of_the_moment_in_which_they_were_given() -> None:
    rates = {"Crash": 1.0}
    faults = Faults(rates=rates)
    rates["Crash"] = -1.0
    assert faults.rates == {"Crash": 1.0}
