"""The lane's queue: what leaves anywhere, and comes back to its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.machines.line import EMPTY, Line, line_of
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import OpenInput
from tests.machines.states import waiting_input

Move: TypeAlias = tuple[Literal["append", "rest", "leave", "take back"], int]
MOVES: Final[st.SearchStrategy[list[Move]]] = st.lists(
    st.tuples(st.sampled_from(("append", "append", "rest", "leave", "leave", "take back")), st.integers(0, 99)),
    max_size=200,
)


@given(MOVES)
def test_a_line_is_a_sorted_list_of_who_waits(moves: list[Move]) -> None:
    line, model, gone, number = EMPTY, list[OpenInput](), list[OpenInput](), 0
    for move, chosen in moves:
        before, held = line, list(model)
        if move == "append":
            number += 1
            line = line.append(waiting_input(number))
            model.append(waiting_input(number))
        elif move == "take back":
            back = sorted(gone[: 1 + chosen % 5], key=lambda item: item.admission)
            gone = gone[len(back) :]
            line = line.take_back(tuple(waiting_input(item.admission) for item in back))
            model = sorted([*model, *back], key=lambda item: item.admission)
        elif model and move == "rest":
            gone.append(model.pop(0))
            line = line.rest()
        elif model:
            gone.append(model.pop(chosen % len(model)))
            line = line.without(gone[-1].admission)
        assert list(before) == held, "a line was changed"
        _agree(line, model, gone)


def _agree(line: Line, model: list[OpenInput], gone: list[OpenInput]) -> None:
    assert list(line) == model
    assert len(line) == len(model)
    assert (line is EMPTY) == (not model)
    if model:
        assert line.head == model[0]
    assert all(line.get(item.admission) == item and item.admission in line for item in model)
    assert not any(item.admission in line for item in gone)
    assert repr(line) == f"<Line of {len(model)}>"


def test_what_left_is_forgotten_before_it_outnumbers_who_waits() -> None:
    line = line_of(tuple(waiting_input(number) for number in range(1, 1001)))
    for number in range(2, 1000):
        line = line.without(AdmissionSequence(number))
    assert [item.admission for item in line] == [1, 1000]
    # How much it keeps is what this is about.
    order = line._order  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    assert len(order) <= 2 * len(line) + 32


@pytest.mark.parametrize("ask", [lambda: EMPTY.head, lambda: EMPTY.rest()])
def test_asking_an_empty_line_is_our_own_bug(ask: Callable[[], object]) -> None:
    with pytest.raises(AssertionError):
        ask()


def test_one_that_waits_alone_leaves_an_empty_line() -> None:
    line = EMPTY.append(waiting_input(1))
    assert line.rest() is EMPTY
    assert line.without(AdmissionSequence(1)) is EMPTY
    assert line_of(()) is EMPTY
    assert line.take_back(()) is line
