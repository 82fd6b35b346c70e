"""What an operator may ask of an identity: every wish beside every verb, with a turn in progress and without."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest

from meerkat_actors.machines import governing
from meerkat_actors.machines.governing import ABANDONS, GOVERNING, STANDINGS, TURN_FATES, VerbRefusal, govern
from meerkat_actors.records.status import Desired, Verb

# From reference/runtime.md sections 5.2 and 5.3 and DESIGN.md section 6. "!" is a refusal.
CELLS: Final = """
            open       paused     retired            stopped            destroyed
pause       paused     paused     !nothing_to_pause  !nothing_to_pause  !destroyed
resume      open       open       open               open               !destroyed
retire      retired    retired    retired            retired            !destroyed
stop        stopped    stopped    stopped            stopped            !destroyed
reset       open       open       open               open               !destroyed
recycle     open       open       open               open               !destroyed
destroy     destroyed  destroyed  destroyed          destroyed          destroyed
"""


def expanded() -> dict[tuple[Desired, Verb], Desired | VerbRefusal]:
    heading, *rows = (line.split() for line in CELLS.strip().splitlines())
    return {
        (Desired(desired), Verb(verb)): VerbRefusal(cell[1:]) if cell.startswith("!") else Desired(cell)
        for verb, *cells in rows
        for desired, cell in zip(heading, cells, strict=True)
    }


EXPECTED: Final = expanded()
PAIRS: Final = list(product(Desired, Verb))


def test_the_expected_cells_are_every_cell() -> None:
    assert set(EXPECTED) == set(PAIRS) == set(GOVERNING)


@pytest.mark.parametrize(("desired", "verb"), PAIRS)
def test_every_verb_on_an_identity_at_rest(desired: Desired, verb: Verb) -> None:
    assert govern(desired, verb, is_running=False) is EXPECTED[desired, verb]


@pytest.mark.parametrize(("desired", "verb"), PAIRS)
def test_a_turn_in_progress_is_in_the_way_of_recycling_only(desired: Desired, verb: Verb) -> None:
    expected = EXPECTED[desired, verb]
    if verb is Verb.RECYCLE and desired is not Desired.DESTROYED:
        expected = VerbRefusal.TURN_IN_PROGRESS
    assert govern(desired, verb, is_running=True) is expected


@pytest.mark.parametrize(("desired", "verb"), [pair for pair in PAIRS if isinstance(EXPECTED[pair], Desired)])
def test_a_verb_that_was_done_may_be_asked_for_again(desired: Desired, verb: Verb) -> None:
    once = govern(desired, verb, is_running=False)
    assert isinstance(once, Desired)
    assert govern(once, verb, is_running=False) is once


def test_destroyed_is_for_ever_and_nothing_else_is() -> None:
    reached = {
        desired: {then for verb in Verb if isinstance(then := govern(desired, verb, is_running=False), Desired)}
        for desired in Desired
    }
    assert reached.pop(Desired.DESTROYED) == {Desired.DESTROYED}
    assert all({Desired.OPEN, Desired.DESTROYED} <= there for there in reached.values())


@pytest.mark.parametrize(
    ("predicate", "wishes"),
    [
        ("admits", {"open", "paused"}),
        ("takes_mail", {"open", "paused"}),
        ("begins_runs", {"open", "retired"}),
        ("is_terminal", {"destroyed"}),
    ],
)
def test_what_an_identity_does_while_that_is_wanted_of_it(predicate: str, wishes: set[str]) -> None:
    assert {desired.value for desired in Desired if getattr(governing, predicate)(desired)} == wishes
    assert {desired.value for desired, standing in STANDINGS.items() if getattr(standing, predicate)} == wishes


def test_what_a_verb_does_to_the_turn_in_progress_and_to_what_is_queued() -> None:
    assert {verb.value: fate.value for verb, fate in TURN_FATES.items()} == {
        "pause": "goes_on",
        "resume": "goes_on",
        "retire": "goes_on",
        "stop": "goes_on",
        "reset": "interrupted",
        "recycle": "verb_refused",
        "destroy": "goes_on",
    }
    assert {verb.value: reason.value for verb, reason in ABANDONS.items()} == {
        "stop": "stopped",
        "reset": "reset",
        "destroy": "destroyed",
    }


def test_what_is_wanted_after_abandoning_can_not_still_be_drained() -> None:
    # Retire drains: were it to abandon too, there would be nothing left to begin.
    assert Verb.RETIRE not in ABANDONS
    assert governing.begins_runs(Desired.RETIRED)
