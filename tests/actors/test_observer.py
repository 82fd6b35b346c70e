"""Who is told what happens: every observer, synchronously, and none of them can fail an owner."""

from __future__ import annotations

import logging

import pytest
from attrs import evolve

from meerkat_actors.actors.observer import Observers, log_event
from meerkat_actors.records.events import CommitRefused, Event, IdentityBroke, TurnRaised
from meerkat_actors.records.ids import AgentIdentity, RunId

RAISED = TurnRaised(identity=AgentIdentity("a"), run_id=RunId("r"), attempts=2, error="ValueError: no")
BROKE = IdentityBroke(identity=AgentIdentity("a"), reason="unknown_kind", detail="kind 'x'")


def test_an_event_is_one_line_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="meerkat_actors"):
        log_event(RAISED)
        log_event(BROKE)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "TurnRaised identity=a run_id=r attempts=2 error=ValueError: no"),
        ("WARNING", "IdentityBroke identity=a reason=unknown_kind detail=kind 'x'"),
    ]


def test_what_a_turn_raised_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("no number")
    except ValueError as error:
        log_event(evolve(RAISED, exception=error))
    assert "TurnRaised identity=a" in caplog.text
    assert 'int("no number")' in caplog.text
    assert "exception=" not in caplog.text


def test_every_observer_hears_every_event_also_behind_one_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    first: list[Event] = []
    second: list[Event] = []

    def odd(_: Event) -> None:
        message = "odd observer"
        raise KeyError(message)

    observers = Observers([first.append, odd, second.append])
    refused = CommitRefused(identity=AgentIdentity("a"), reason="store_full")
    for event in (RAISED, refused):
        observers.notify(event)
    assert first == second == [RAISED, refused]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "failed on CommitRefused" in caplog.text
