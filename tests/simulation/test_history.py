"""Each check of clients' histories finds what it is for, and a history in which all went well has nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation import history
from meerkat_actors.simulation.checks import violations
from meerkat_actors.simulation.client import Asked
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS


@pytest.fixture(scope="module")
def seen() -> Seen:
    """A history of questions in which nothing goes wrong."""
    found: list[Seen] = []

    def keep(told: Seen) -> Iterator[str]:
        found.append(told)
        return iter(())

    scenario = evolve(WORKLOADS["asks-memory"], seconds=5.0, checks=(keep,))
    assert run(scenario, "seen", Plan()).violations == ()
    return found[0]


def _one(seen: Seen, **changes: Any) -> Seen:  # noqa: ANN401 - any field of Asked
    """One answer was told otherwise."""
    first: Asked = evolve(seen.asked[0], **changes)
    return evolve(seen, asked=(first, *seen.asked[1:]))


def _other_text(seen: Seen) -> Seen:
    outcome = seen.asked[0].outcome
    assert isinstance(outcome, Consumed)
    return _one(seen, outcome=Consumed("something else", outcome.receipt))


def _forgotten(seen: Seen) -> Seen:
    """The store forgot the newest input."""
    contents = seen.contents
    gone = {asked.input_id for asked in seen.asked[-1:]}
    return evolve(seen, contents=evolve(contents, inputs=tuple(i for i in contents.inputs if i.input_id not in gone)))


def _out_of_order(seen: Seen) -> Seen:
    """Two answers of one agent, of which the older call is said to have come behind the newer one's end."""
    first = seen.asked[0]
    last = [each for each in seen.asked if each.agent == first.agent][-1]
    return _one(seen, begun=last.ended + 1, ended=last.ended + 2)


HARMS: tuple[tuple[Callable[[Seen], Iterator[str]], Callable[[Seen], Seen]], ...] = (
    (history.check_what_was_acknowledged_is_there, _forgotten),
    (history.check_what_was_acknowledged_is_there, lambda seen: _one(seen, agent="counter-9")),
    (history.check_contents_are_those_that_were_asked, lambda seen: _one(seen, content="something else")),
    (history.check_what_was_refused_left_nothing, lambda seen: _one(seen, refused="NotReadyError")),
    (history.check_texts_are_those_of_the_turns, _other_text),
    (history.check_later_calls_have_later_versions, _out_of_order),
    (history.check_nothing_is_there_that_nobody_asked_for, lambda seen: evolve(seen, asked=seen.asked[1:])),
    (history.check_every_call_was_answered_once, lambda seen: evolve(seen, asked=(*seen.asked, seen.asked[0]))),
)


@pytest.mark.parametrize("check", history.CHECKS)
def test_a_good_history_has_nothing_to_find(seen: Seen, check: Callable[[Seen], Iterator[str]]) -> None:
    assert len(seen.asked) > 5
    assert list(check(seen)) == []


@pytest.mark.parametrize(("check", "harm"), HARMS)
def test_each_check_finds_what_it_is_for(
    seen: Seen, check: Callable[[Seen], Iterator[str]], harm: Callable[[Seen], Seen]
) -> None:
    assert list(check(harm(seen)))


def test_a_violation_names_the_agent_the_input_and_the_times(seen: Seen) -> None:
    asked = seen.asked[0]
    (told,) = history.check_contents_are_those_that_were_asked(_one(seen, content="something else"))
    assert {asked.agent, str(asked.input_id)} <= set(told.replace(":", "").split())
    assert f"{asked.called:.3f} to {asked.returned:.3f} s" in told


def test_what_was_asked_and_not_heard_of_is_no_phantom(seen: Seen) -> None:
    unheard = evolve(seen, asked=seen.asked[1:], unanswered=frozenset({seen.asked[0].input_id}))
    assert list(history.check_nothing_is_there_that_nobody_asked_for(unheard)) == []
    assert any(told.startswith("i17") for told in violations(history.evidence_of(unheard)))


def test_an_unsure_refusal_may_have_left_something(seen: Seen) -> None:
    unsure = _one(seen, refused="DestroyedError", is_unsure=True)
    assert list(history.check_what_was_refused_left_nothing(unsure)) == []


def test_what_is_open_for_ever_is_told(seen: Seen) -> None:
    *older, newest = seen.contents.inputs
    row = evolve(newest, state=InputState.QUEUED)
    still_open = evolve(seen, contents=evolve(seen.contents, inputs=(*older, row)))
    (told,) = history.check_everything_ended(still_open)
    assert newest.input_id in told
