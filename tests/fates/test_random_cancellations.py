"""Random programs of callers that are cancelled at random: what each of them believes is compared with the store.

``scripts/campaign cancellations`` does the same for longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from meerkat_actors.errors import OwnerStoppedError
from meerkat_actors.records.ids import AdmissionSequence, Generation
from meerkat_actors.records.outcomes import Admission, Noted, Outcome
from meerkat_actors.records.status import Desired, IdentityStatus
from tests.fates.cancelling import Refused, Returned, Told
from tests.fates.judging import problems_of
from tests.fates.programs import History, Record, run_program
from tests.fates.random_cancellations import cancel_at_random
from tests.fates.world import InMemory, looking_at

COUNT = 100
"""About a second."""


def test_whoever_is_cancelled_at_random_is_right_about_everything_else() -> None:
    tally = cancel_at_random(COUNT, "test")
    assert tally.violations == []
    assert tally.cut
    assert tally.killed
    assert {what.split()[0] for what in tally.told} >= {
        "send",
        "ask",
        "wait",
        "cancel",
        "interrupt",
        "reset",
        "destroy",
    }


def test_a_seed_is_one_history() -> None:
    first, second = (run_program("the same/1", InMemory())[0] for _ in range(2))
    assert [str(each) for each in first.records] == [str(each) for each in second.records]
    assert first.ended == second.ended


# -- lies -------------------------------------------------------------------------------------


def is_new(record: Record) -> bool:
    return isinstance(record.told, Returned) and isinstance(record.told.value, Admission)


def is_told(record: Record) -> bool:
    return isinstance(record.told, Returned) and isinstance(record.told.value, Outcome)


def is_reset(record: Record) -> bool:
    return record.what == "reset" and isinstance(record.told, Returned)


def is_status(record: Record) -> bool:
    return isinstance(record.told, Returned) and isinstance(record.told.value, IdentityStatus)


def with_told(told: Told) -> Callable[[Record], Record]:
    return lambda record: evolve(record, told=told)


def other_sequence(record: Record) -> Record:
    assert isinstance(record.told, Returned)
    assert isinstance(record.told.value, Admission)
    first = record.told.value
    other = AdmissionSequence(first.admission_sequence + 1)
    return evolve(record, told=Returned(Admission(first.input_id, other, first.duplicate, first.durable)))


def true_interrupt(record: Record) -> Record:
    return evolve(record, what="interrupt", told=Returned(value=True))


def other_generation(record: Record) -> Record:
    assert isinstance(record.told, Returned)
    assert isinstance(record.told.value, IdentityStatus)
    return evolve(record, ended=-1, begun=-1, told=Returned(evolve(record.told.value, generation=Generation(99))))


LIES: Sequence[tuple[str, Callable[[Record], bool], Callable[[Record], Record]]] = (
    ("another admission", is_new, other_sequence),
    ("an admission of what was never asked", is_new, lambda record: evolve(record, key="never")),
    ("a refusal of what is there", is_new, with_told(Refused(OwnerStoppedError(identity="a")))),
    ("another outcome", is_told, with_told(Returned(Noted()))),
    ("a reset that was none", is_reset, lambda record: evolve(record, what="pause")),
    ("an interruption of nothing", is_status, true_interrupt),
    ("a later generation before", is_status, other_generation),
    ("a settled letter that is none", is_new, lambda record: evolve(record, what="drop", key="none")),
)  # fmt: skip


@pytest.mark.parametrize(("lie", "fits", "tell"), LIES, ids=[lie for lie, _, _ in LIES])
def test_a_lie_is_found(lie: str, fits: Callable[[Record], bool], tell: Callable[[Record], Record]) -> None:
    """Of the first programs that give an occasion to tell it, some show it; without it none shows anything."""
    found = 0
    for number in range(40):
        history, place = run_program(f"lies/{number}", InMemory())
        with looking_at(place) as store:
            assert problems_of(history, store) == []
            found += any(problems_of(each, store) for each in told_otherwise(history, fits, tell))
        if found:
            break
    assert found, lie


def told_otherwise(history: History, fits: Callable[[Record], bool], tell: Callable[[Record], Record]) -> list[History]:
    """The same history, with one record changed, for each that can be."""
    records = history.records
    return [
        evolve(history, records=(*records[:at], tell(record), *records[at + 1 :]))
        for at, record in enumerate(records)
        if fits(record)
    ]


def test_a_verb_that_was_forgotten_is_found() -> None:
    history, place = run_program("verbs/1", InMemory())
    calm = {name: evolve(agent, desired=Desired.DESTROYED) for name, agent in history.calm.items()}
    with looking_at(place) as store:
        assert problems_of(history, store) == []
        assert problems_of(evolve(history, calm=calm), store)
