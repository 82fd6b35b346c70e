"""Deciding: what waits in two lanes, what displaces what, who wakes, and what a turn is made of."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.machines.lap import Decision
from meerkat_actors.records.codec import encode_header, encode_successor
from meerkat_actors.records.commands import CancelInput, Command, Govern, Look, TakePending
from meerkat_actors.records.effects import InsertInput, Stage
from meerkat_actors.records.headers import Durability, Header, Mode, ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import InputKind, InputState, Lane, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission, Coalesced, Noted, Superseded
from meerkat_actors.records.runs import TurnCompleted, TurnFailed
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Desired, Verb
from tests.machines.laws import admissions_of, decided, outcomes_of
from tests.machines.states import (
    NEW_RUN,
    OLD_RUN,
    STEER,
    all_of,
    an_input,
    busy,
    effects_of,
    end,
    idle,
    input_id,
    line,
    mail,
    run_of,
    send,
    stamp,
    steer,
    steered,
    the,
)

K = InputKind
RETURNED = TurnCompleted("done", (), None, ())
KEYED = Header(supersession_key="price")
PROGRESS = Header(request_id=input_id(900), status=ResponseStatus.IN_PROGRESS)
ASLEEP = Header(wakes=False)


def begun(decision: Decision) -> list[int]:
    """The admissions of the run that begins."""
    return [] if decision.starts is None else [*admissions_of(decision.starts.members)]


def event(number: int, header: Header | None = KEYED) -> OpenInput:
    return an_input(number, K.EXTERNAL_EVENT, header)


# -- supersession and coalescing ----------------------------------------------------------


def test_a_newer_input_of_the_same_kind_and_key_takes_the_place_of_one_that_is_queued() -> None:
    decision = decided(busy(run_of(8), lane=(event(9), 10)), send(11, kind=K.EXTERNAL_EVENT, header=KEYED))
    assert the(MoveInput, decision) == MoveInput(
        AdmissionSequence(9), InputState.QUEUED, None, InputState.SUPERSEDED, None, 0, 0, 0,
        encode_successor(input_id(11)),
    )  # fmt: skip
    assert outcomes_of(decision) == {input_id(9): Superseded(input_id(11))}
    assert admissions_of(decision.state.lane) == [10, 11]


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        (K.EXTERNAL_EVENT, Header(supersession_key="volume")),
        (K.EXTERNAL_EVENT, None),
        (K.PEER_MESSAGE, KEYED),
    ],
    ids=["another key", "no key", "another kind"],
)
def test_nothing_is_displaced_across_keys_and_kinds(kind: InputKind, header: Header | None) -> None:
    decision = decided(busy(run_of(8), lane=(event(9),)), send(11, kind=kind, header=header))
    assert all_of(MoveInput, decision) == []
    assert admissions_of(decision.state.lane)[0] == 9


def test_what_is_staged_or_was_tried_or_interrupted_is_not_taken_back() -> None:
    newer = send(11, kind=K.EXTERNAL_EVENT, header=KEYED)
    assert outcomes_of(decided(busy(run_of(event(9))), newer)) == {}
    for tried in (evolve(event(9), attempts=1), evolve(event(9), interruptions=1)):
        assert outcomes_of(decided(busy(run_of(8), lane=(tried,)), newer)) == {}


def test_what_failed_with_others_is_not_taken_back_when_it_waits_again() -> None:
    failed = decided(busy(run_of(an_input(8), event(9))), end(TurnFailed("ValueError: no"))).state
    assert [(item.admission, item.attempts) for item in failed.lane] == [(9, 1)]
    assert outcomes_of(decided(failed, send(11, kind=K.EXTERNAL_EVENT, header=KEYED))) == {}


def test_what_a_run_gave_back_untried_can_be_displaced_again() -> None:
    keyed = evolve(KEYED, mode=Mode.STEER)
    bound = an_input(9, K.EXTERNAL_EVENT, keyed, position=1)
    ended = decided(busy(run_of(8, bound), desired=Desired.PAUSED), end(RETURNED)).state
    assert admissions_of(ended.steer) == [9]
    newer = decided(ended, send(11, kind=K.EXTERNAL_EVENT, header=keyed))
    assert outcomes_of(newer) == {input_id(9): Superseded(input_id(11))}


def test_inputs_displace_each_other_within_a_lap_and_only_the_newest_is_worked_on() -> None:
    decision = decided(idle(), *(send(number, kind=K.EXTERNAL_EVENT, header=KEYED) for number in (11, 12, 13)))
    assert outcomes_of(decision) == {input_id(11): Superseded(input_id(12)), input_id(12): Superseded(input_id(13))}
    assert begun(decision) == [13]
    assert [each.run_id for each in all_of(InsertInput, decision)] == [None, None, NEW_RUN]


def test_mail_displaces_too_and_what_was_sent_keeps_its_own_record() -> None:
    decision = decided(busy(run_of(8)), TakePending((mail(11, K.PEER_MESSAGE, KEYED), mail(12, K.PEER_MESSAGE, KEYED))))
    assert outcomes_of(decision) == {input_id(11): Superseded(input_id(12))}
    assert admissions_of(decision.state.lane) == [12]


def test_progress_of_one_request_coalesces_and_names_what_it_stands_for() -> None:
    first = decided(busy(run_of(8)), send(11, kind=K.PEER_RESPONSE_PROGRESS, header=PROGRESS))
    second = decided(first.state, send(12, kind=K.PEER_RESPONSE_PROGRESS, header=PROGRESS))
    third = decided(second.state, send(13, kind=K.PEER_RESPONSE_PROGRESS, header=PROGRESS))
    assert outcomes_of(second) == {input_id(11): Coalesced(input_id(12))}
    assert outcomes_of(third) == {input_id(12): Coalesced(input_id(13))}
    whole = evolve(PROGRESS, coalesces=(input_id(11), input_id(12)))
    assert the(InsertInput, third).header == encode_header(whole, K.PEER_RESPONSE_PROGRESS)
    assert [item.header for item in third.state.steer] == [whole]


def test_progress_of_another_request_stays_beside_it() -> None:
    other = evolve(PROGRESS, request_id=input_id(901))
    commands = [
        send(number, kind=K.PEER_RESPONSE_PROGRESS, header=header) for number, header in ((11, PROGRESS), (12, other))
    ]
    decision = decided(busy(run_of(8)), *commands)
    assert outcomes_of(decision) == {}
    assert admissions_of(decision.state.steer) == [11, 12]


def test_what_was_displaced_or_cancelled_makes_room_and_frees_its_key() -> None:
    state = busy(run_of(8), lane=(event(9),))
    cancelled = decided(state, CancelInput(input_id(9), AdmissionSequence(9)))
    newer = decided(cancelled.state, send(10, kind=K.EXTERNAL_EVENT, header=KEYED))
    assert outcomes_of(newer) == {}
    full = decided(state, send(10, kind=K.EXTERNAL_EVENT, header=KEYED), send(11), limits=Limits(backlog_max=3))
    assert [type(reply) for reply in full.replies] == [Admission, Admission]


# -- what needs no turn, and what promises nothing -------------------------------------------------------


def test_an_operation_is_consumed_as_it_is_admitted() -> None:
    for decision in (
        decided(idle(), send(11, kind=K.OPERATION)),
        decided(idle(), TakePending((mail(11, K.OPERATION),))),
    ):
        assert outcomes_of(decision) == {input_id(11): Noted()}
        assert decision.starts is None
        assert not decision.state.has_open_input
    assert the(InsertInput, decided(busy(run_of(8)), send(11, kind=K.OPERATION))).lane is Lane.NONE


def test_an_ephemeral_admission_says_that_it_promises_nothing() -> None:
    decision = decided(idle(), send(11, header=Header(durability=Durability.EPHEMERAL)), send(12))
    assert [reply.durable for reply in decision.replies if isinstance(reply, Admission)] == [False, True]


def test_ephemeral_inputs_that_recovery_found_are_given_up_before_anything_else() -> None:
    lost = an_input(9, header=Header(durability=Durability.EPHEMERAL))
    decision = decided(idle(lane=(10,), lost=(lost,)), Look())
    [(ended, outcome)] = outcomes_of(decision).items()
    assert isinstance(outcome, Abandoned)
    assert (ended, outcome.reason) == (input_id(9), AbandonReason.EPHEMERAL_LOST)
    assert begun(decision) == [10]
    assert decision.state.lost == ()


# -- waking -------------------------------------------------------------------------------


def test_what_does_not_wake_waits_for_whatever_wakes_next() -> None:
    quiet = decided(idle(), send(11, kind=K.EXTERNAL_EVENT, header=ASLEEP))
    assert (quiet.starts, quiet.state.is_awake) == (None, False)
    assert admissions_of(quiet.state.lane) == [11]
    assert decided(quiet.state, Look()).unit is None
    woken = decided(quiet.state, send(12, kind=K.PEER_MESSAGE))
    assert begun(woken) == [11, 12]


def test_requests_of_a_silent_intent_do_not_wake_and_others_do() -> None:
    request = send(11, kind=K.PEER_REQUEST, header=Header(intent="ping"))
    assert begun(decided(idle(), request)) == [11]
    quiet = decided(idle(), request, at=stamp(silent=frozenset({"ping"})))
    assert (begun(quiet), quiet.state.is_awake) == ([], False)


def test_what_came_quietly_during_a_turn_is_worked_on_after_it() -> None:
    during = decided(busy(run_of(8)), send(11, kind=K.EXTERNAL_EVENT, header=ASLEEP))
    assert begun(decided(during.state, end(RETURNED))) == [11]


@pytest.mark.parametrize("verb", [Verb.RETIRE, Verb.RESUME])
def test_an_operators_word_wakes_too(verb: Verb) -> None:
    quiet = decided(idle(), send(11, kind=K.EXTERNAL_EVENT, header=ASLEEP))
    assert begun(decided(quiet.state, Govern(verb))) == [11]


def test_only_what_yields_ends_a_voluntary_wait() -> None:
    assert decided(busy(run_of(8)), steer(11)).stirs
    assert decided(busy(run_of(8)), send(11, kind=K.PEER_MESSAGE)).stirs
    assert not decided(busy(run_of(8)), send(11)).stirs
    assert not decided(idle(), steer(11)).stirs


# -- what a turn is made of ---------------------------------------------------------------


def test_the_steer_lane_goes_first() -> None:
    state = busy(run_of(7), lane=(8,), steer=line(steered(9), steered(10)))
    decision = decided(state, end(RETURNED))
    assert begun(decision) == [9, 10]
    assert [each.admission for each in all_of(Stage, decision)] == [9, 10]
    assert begun(decided(decision.state, end(RETURNED, NEW_RUN), at=stamp(run_id=OLD_RUN))) == [8]


def test_an_idle_agent_that_is_steered_begins_at_once() -> None:
    decision = decided(idle(), steer(11))
    assert begun(decision) == [11]
    assert the(InsertInput, decision).lane is Lane.STEER


P, M, T, C = K.PROMPT, K.PEER_MESSAGE, K.PEER_RESPONSE_TERMINAL, K.CONTINUATION
RESULT = Header(request_id=input_id(900), status=ResponseStatus.COMPLETED)
RESUMING = Header(mode=Mode.QUEUE)


@pytest.mark.parametrize(
    ("kinds", "members"),
    [
        ((P, P, P), 1),
        ((P, M, M), 1),
        ((M, M, M), 3),
        ((M, P, M), 1),
        ((M, K.EXTERNAL_EVENT, K.FLOW_STEP, K.PEER_REQUEST, P), 4),
        ((M, T, M), 1),
        ((T, T, M), 2),
        ((M, C, C), 1),
        ((C, C, M), 2),
    ],
)
def test_a_turn_is_a_prefix_of_its_lane_one_prompt_or_what_is_compatible(
    kinds: tuple[InputKind, ...], members: int
) -> None:
    headers = {T: RESULT, C: RESUMING}
    lane = tuple(an_input(number, kind, headers.get(kind)) for number, kind in enumerate(kinds, start=1))
    decision = decided(idle(lane), Look())
    assert begun(decision) == list(range(1, members + 1))
    assert admissions_of(decision.state.lane) == list(range(members + 1, len(kinds) + 1))


def test_a_turn_takes_as_many_inputs_as_the_limit_says() -> None:
    lane = tuple(an_input(number) for number in range(1, 8))
    assert begun(decided(idle(lane), Look(), limits=Limits(run_inputs_max=3))) == [1, 2, 3]


def test_steered_prompts_share_a_turn() -> None:
    assert begun(decided(idle(steer=line(steered(9), steered(10))), Look())) == [9, 10]


@pytest.mark.parametrize(("attempts", "interruptions"), [(1, 0), (0, 1)])
def test_what_was_tried_with_others_goes_on_alone(attempts: int, interruptions: int) -> None:
    def tried(number: int) -> OpenInput:
        return an_input(number, attempts=attempts, interruptions=interruptions)

    assert begun(decided(idle((tried(1), an_input(2), an_input(3))), Look())) == [1]
    assert begun(decided(idle((an_input(1), tried(2), an_input(3))), Look())) == [1]


def test_inputs_that_were_admitted_before_a_turn_ended_are_one_turn_with_those_after() -> None:
    decision = decided(busy(run_of(8), lane=(an_input(9),)), send(10, kind=M), end(RETURNED), TakePending((mail(11),)))
    assert begun(decision) == [9, 10, 11]
    assert [type(each).__name__ for each in effects_of(decision)].count("Stage") == 1


def test_a_send_that_is_cancelled_in_its_lap_leaves_no_run_behind() -> None:
    commands: list[Command] = [send(11), CancelInput(input_id(11), AdmissionSequence(11)), send(12, header=STEER)]
    decision = decided(idle(), *commands)
    assert [each.run_id for each in all_of(InsertInput, decision)] == [None, NEW_RUN]
    assert begun(decision) == [12]
