"""Events as subscribers are told them: cursors that say one place, and rows that tell what happened."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Final, get_args

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.codec import encode_entry, encode_turn
from meerkat_actors.records.facts import Destroyed, Emitted, Fact, TimerDropped
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, CheckpointVersion, Generation, InputId, RunId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Receipt, ReceiptOutcome
from meerkat_actors.records.runtime_events import (
    DETAILS,
    EVENTS_BEGINNING,
    InputAccepted,
    MessageSent,
    Place,
    TurnEnded,
    cursor_at,
    events_of,
    place_of,
)
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind

ALICE: Final = AgentIdentity("alice")
INPUT: Final = InputId("00000000-0000-0000-0000-000000000001")
RUN: Final = RunId("00000000-0000-0000-0000-000000000002")
COUNTERS: Final = st.integers(0, COUNTER_MAX)

BLANK: Final = StoredEvent(
    sequence=7,
    kind=StoredEventKind.ADMITTED,
    identity=ALICE,
    input_id=None,
    sender=None,
    run_id=None,
    version=None,
)
ADMITTED: Final = evolve(BLANK, input_id=INPUT, input_kind=InputKind.PROMPT)
SENT: Final = evolve(ADMITTED, kind=StoredEventKind.SENT, sender=AgentIdentity("bob"))


def turn(*facts: Fact, text: str = "said", outcome: ReceiptOutcome = ReceiptOutcome.COMPLETED) -> StoredEvent:
    receipt = Receipt(ALICE, Generation(0), CheckpointVersion(3), RUN, 1, (INPUT,), "00", 2, outcome)
    entries = (
        encode_entry(role="user", content=b'{"events":"no facts"}', input_id=INPUT, sender=None),
        encode_entry(role="assistant", content=f'"{text}"'.encode(), input_id=None, sender=None),
    )
    body = encode_turn(
        entries=entries, receipt=receipt, text=text, state=None, facts=encode_facts(facts) if facts else None
    )
    return evolve(BLANK, kind=StoredEventKind.TURN, run_id=RUN, version=CheckpointVersion(3), body=body)


def facts(*told: Fact) -> StoredEvent:
    return evolve(BLANK, kind=StoredEventKind.FACTS, body=encode_facts(told))


@given(COUNTERS, COUNTERS, COUNTERS)
def test_a_cursor_says_its_place(epoch: int, sequence: int, told: int) -> None:
    place = Place(epoch=epoch, sequence=sequence, told=told)
    assert place_of(cursor_at(place)) == place


@given(st.text(max_size=120) | st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode().rstrip("=")))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        place = place_of(text)
    except InvalidValueError:
        return
    assert cursor_at(place) == text


@pytest.mark.parametrize(
    "said",
    ["1.2", "1.2.3.4", "-1.2.3", "1.2.9223372036854775808", "1.02.3", "1.2.3 ", "+1.2.3", "1_0.2.3", "\u0661.2.3"],
)
def test_a_cursor_that_we_would_not_write_is_refused(said: str) -> None:
    with pytest.raises(InvalidValueError, match="EVENTS_BEGINNING"):
        place_of(urlsafe_b64encode(said.encode()).decode().rstrip("="))


def test_the_beginning_and_what_is_no_text_say_no_place() -> None:
    assert cursor_at(Place(epoch=1, sequence=2)) != EVENTS_BEGINNING
    for other in (EVENTS_BEGINNING, "", None, 7, b"MS4yLjA", cursor_at(Place(epoch=1, sequence=2)) + "="):
        with pytest.raises(InvalidValueError):
            place_of(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_an_input_a_message_and_a_turn_are_told() -> None:
    assert [event.detail for event in events_of(ADMITTED, 1)] == [InputAccepted(INPUT, InputKind.PROMPT)]
    assert [event.detail for event in events_of(SENT, 1)] == [
        MessageSent(INPUT, InputKind.PROMPT, AgentIdentity("bob"))
    ]
    for outcome in ReceiptOutcome:
        ended = TurnEnded(RUN, CheckpointVersion(3), (INPUT,), outcome)
        assert [event.detail for event in events_of(turn(outcome=outcome), 1)] == [ended]


def test_what_a_turn_did_besides_follows_its_end_in_order() -> None:
    told = (TimerDropped("a"), Emitted("noted", b'{"a":[1,"\xc3\xa9"]}'), TimerDropped("b"))
    events = events_of(turn(*told, text="plain"), 1)
    assert [event.detail for event in events[1:]] == list(told)
    assert isinstance(events[0].detail, TurnEnded)
    assert [event.detail for event in events_of(facts(*told), 1)] == list(told)


def test_a_cursor_lies_behind_its_event_and_the_last_one_behind_its_row() -> None:
    events = events_of(facts(Destroyed(), Destroyed(), Destroyed()), 5)
    assert [place_of(event.cursor) for event in events] == [
        Place(epoch=5, sequence=6, told=1),
        Place(epoch=5, sequence=6, told=2),
        Place(epoch=5, sequence=7),
    ]


@pytest.mark.parametrize(
    "row",
    [
        evolve(ADMITTED, input_id=None),
        evolve(ADMITTED, input_kind=None),
        evolve(SENT, sender=None),
        evolve(turn(), run_id=None),
        evolve(turn(), body=None),
        evolve(turn(), body=b"[]"),
        evolve(turn(), body=b"\xff"),
        evolve(turn(), body=b'{"count":1,"events":7,"log":[],"text":null}'),
        evolve(facts(Destroyed()), body=None),
        evolve(facts(Destroyed()), body=b'[{"fact":"Unheard"}]'),
        evolve(facts(Destroyed()), body=b'[{"fact":"TimerDropped"}]'),
        evolve(facts(Destroyed()), body=b"{}x"),
    ],
)
def test_a_row_that_says_nothing_is_refused(row: StoredEvent) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        events_of(row, 1)


def test_every_type_of_detail_has_a_name_of_its_own() -> None:
    assert set(DETAILS.values()) == {InputAccepted, MessageSent, TurnEnded, *get_args(Fact)}
