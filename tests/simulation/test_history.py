"""Each check of clients' histories finds what it is for, and a history in which all went well has nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.checks import violations
from meerkat_actors.simulation.client import Asked
from meerkat_actors.simulation.history import CHECKS, answers, damage, ends, evidence_of, order
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.marking import Mark, Progress, read_mark
from tests.store.sqlite.test_backup import run_sql, work


def _lived(name: str) -> Seen:
    found: list[Seen] = []

    def keep(told: Seen) -> Iterator[str]:
        found.append(told)
        return iter(())

    scenario = evolve(WORKLOADS[name], seconds=5.0, checks=(keep,))
    assert run(scenario, "seen", Plan()).violations == ()
    return found[0]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """A history of questions in which nothing goes wrong."""
    return _lived("asks")


@pytest.fixture(scope="module")
def sent() -> Seen:
    """One of messages that are sent."""
    return _lived("mail-memory")


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


def _last_of_the_first_agent(seen: Seen) -> Asked:
    return [each for each in seen.asked if each.agent == seen.asked[0].agent][-1]


def _by_a_former_owner(seen: Seen) -> Seen:
    """The first answers of all are of a newer owner than those that came after them."""
    row = seen.contents.by_id[seen.asked[0].input_id]
    turns = tuple(evolve(turn, token=900) if turn.sequence == row.turn else turn for turn in seen.contents.turns)
    return evolve(seen, contents=evolve(seen.contents, turns=turns))


def _gone_back(seen: Seen) -> Seen:
    """Every agent is where it began."""
    heads = {key: evolve(head, version=0) for key, head in seen.contents.heads.items()}
    return evolve(seen, contents=evolve(seen.contents, heads=heads))


def _without_a_boundary(seen: Seen) -> Seen:
    return evolve(seen, contents=evolve(seen.contents, turns=seen.contents.turns[1:]))


def _other_receipt(seen: Seen) -> Seen:
    """Two were told of one boundary, and not of the same."""
    outcome = seen.asked[0].outcome
    assert isinstance(outcome, Consumed)
    return _one(seen, outcome=Consumed(outcome.text, evolve(outcome.receipt, message_count=900)))


def _overtaken(seen: Seen) -> Seen:
    """The last input of the first agent is ahead of all."""
    last = _last_of_the_first_agent(seen).input_id
    inputs = tuple(evolve(row, admission=0) if row.input_id == last else row for row in seen.contents.inputs)
    return evolve(seen, contents=evolve(seen.contents, inputs=inputs))


def _crowded(seen: Seen) -> Seen:
    """As if each agent had room for one."""
    limits = evolve(seen.scenario.limits, backlog_max=1)
    return evolve(seen, scenario=evolve(seen.scenario, limits=limits))


Harm = Callable[[Seen], Seen]
HistoryCheck = Callable[[Seen], Iterator[str]]

HARMS: tuple[tuple[HistoryCheck, Harm], ...] = (
    (answers.check_what_was_acknowledged_is_there, _forgotten),
    (answers.check_what_was_acknowledged_is_there, lambda seen: _one(seen, agent="counter-9")),
    (answers.check_contents_are_those_that_were_asked, lambda seen: _one(seen, content="something else")),
    (answers.check_what_was_refused_left_nothing, lambda seen: _one(seen, refused="NotReadyError")),
    (answers.check_texts_are_those_of_the_turns, _other_text),
    (answers.check_boundaries_are_those_that_were_told, _without_a_boundary),
    (answers.check_boundaries_are_those_that_were_told, _other_receipt),
    (answers.check_nothing_is_there_that_nobody_asked_for, lambda seen: evolve(seen, asked=seen.asked[1:])),
    (answers.check_every_call_was_answered_once, lambda seen: evolve(seen, asked=(*seen.asked, seen.asked[0]))),
    (order.check_later_calls_have_later_versions, _out_of_order),
    (order.check_later_calls_have_later_places, _out_of_order),
    (order.check_later_calls_have_later_places, _overtaken),
    (order.check_no_former_owner_answers, _by_a_former_owner),
    (order.check_nothing_went_back, _gone_back),
    (order.check_nothing_went_back, lambda seen: evolve(seen, served=seen.contents.incarnation + 1)),
    (ends.check_backlogs_stay_within_their_bound, _crowded),
)


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_history_has_nothing_to_find(seen: Seen, check: HistoryCheck) -> None:
    assert len(seen.asked) > 5
    assert list(check(seen)) == []


@pytest.mark.parametrize(("check", "harm"), HARMS)
def test_each_check_finds_what_it_is_for(seen: Seen, check: HistoryCheck, harm: Harm) -> None:
    assert list(check(harm(seen)))


def test_a_violation_names_the_agent_the_input_and_the_times(seen: Seen) -> None:
    asked = seen.asked[0]
    (told,) = answers.check_contents_are_those_that_were_asked(_one(seen, content="something else"))
    assert {asked.agent, str(asked.input_id)} <= set(told.replace(":", "").split())
    assert f"{asked.called:.3f} to {asked.returned:.3f} s" in told


def test_what_was_asked_and_not_heard_of_is_no_phantom(seen: Seen) -> None:
    unheard = evolve(seen, asked=seen.asked[1:], unanswered=frozenset({seen.asked[0].input_id}))
    assert list(answers.check_nothing_is_there_that_nobody_asked_for(unheard)) == []
    assert any(told.startswith("i17") for told in violations(evidence_of(unheard)))


def test_an_unsure_refusal_may_have_left_something(seen: Seen) -> None:
    unsure = _one(seen, refused="DestroyedError", is_unsure=True)
    assert list(answers.check_what_was_refused_left_nothing(unsure)) == []


def test_what_is_open_for_ever_is_told(seen: Seen) -> None:
    *older, newest = seen.contents.inputs
    row = evolve(newest, state=InputState.QUEUED)
    still_open = evolve(seen, contents=evolve(seen.contents, inputs=(*older, row)))
    (told,) = ends.check_everything_ended(still_open)
    assert newest.input_id in told


def test_progress_that_nobody_was_woken_for_may_wait(seen: Seen) -> None:
    # Found by seed 1021 of "requests": it came after the last turn of the one who had asked.
    *older, newest = seen.contents.inputs
    row = evolve(newest, state=InputState.QUEUED, kind=InputKind.PEER_RESPONSE_PROGRESS.value)
    waiting = evolve(seen, contents=evolve(seen.contents, inputs=(*older, row)))
    assert list(ends.check_everything_ended(waiting)) == []


def test_a_place_that_was_told_is_the_one_in_the_queue(sent: Seen) -> None:
    first = next(asked for asked in sent.asked if asked.admission is not None)
    assert first.admission is not None
    told = evolve(first, admission=evolve(first.admission, admission_sequence=AdmissionSequence(900)))
    otherwise = evolve(sent, asked=tuple(told if asked is first else asked for asked in sent.asked))
    assert list(order.check_later_calls_have_later_places(sent)) == []
    (problem,) = order.check_later_calls_have_later_places(otherwise)
    assert "was told of place 900" in problem


def test_a_message_that_was_told_no_place_is_elsewhere(sent: Seen) -> None:
    """A process that does not own the agent passes it on, as mail."""
    asked = tuple(
        evolve(each, admission=each.admission and evolve(each.admission, admission_sequence=AdmissionSequence(0)))
        for each in sent.asked
    )
    assert list(order.check_later_calls_have_later_places(evolve(sent, asked=asked))) == []


def test_a_store_that_is_behind_its_mark_is_told(seen: Seen, tmp_path: Path) -> None:
    location = str(tmp_path / "team.db")
    contents = evolve(seen.contents, location=location)
    here = Mark("0" * 32, 1, contents.incarnation, contents.sequence)
    for mark, violations_wanted in ((here, 0), (evolve(here, sequence=here.sequence + 1), 1)):
        with closing(Progress(location, may_lose=False)) as progress:
            progress.keep(mark)
        assert len(list(order.check_nothing_went_back(evolve(seen, contents=contents)))) == violations_wanted


def test_a_mark_lies_beside_the_store_while_it_is_looked_at() -> None:
    marks: list[Mark | None] = []

    def look(told: Seen) -> Iterator[str]:
        marks.append(read_mark(told.contents.location))
        return iter(())

    run(evolve(WORKLOADS["asks"], seconds=2.0, checks=(look,)), "seen", Plan())
    (mark,) = marks
    assert mark is not None


def test_a_file_that_doctor_has_something_to_say_of_is_told(seen: Seen, tmp_path: Path) -> None:
    work(tmp_path / "team.db")
    copy = tmp_path / "copy.db"  # nobody serves it, so it may be damaged
    back_up(tmp_path / "team.db", copy)
    beside = evolve(seen, contents=evolve(seen.contents, location=str(copy)))
    assert list(damage.check_the_file_is_sound(beside)) == []
    run_sql(copy, "UPDATE head SET message_count = message_count + 1 WHERE key = 1")
    (problem,) = damage.check_the_file_is_sound(beside)
    assert "message_count" in problem
