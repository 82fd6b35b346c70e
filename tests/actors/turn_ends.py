"""Turns that are given what an owner may give them, and what they end with; nobody carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from meerkat_actors.actors.turn import AgentFunction, TurnJob
from meerkat_actors.machines.admission import refusal
from meerkat_actors.records.ids import is_uuid
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.runs import TurnCompleted, TurnFailed
from tests.actors.stub_owner import StubOwner


async def ended(agent: AgentFunction, *inputs: OpenInput, **given: object) -> TurnCompleted:
    """What a turn ended with, its job being given that besides; what it raised is raised here."""
    owner = StubOwner(*inputs)
    owner.before_run = partial(_give, given)
    ending = await owner.attempt(agent)
    if isinstance(ending, TurnFailed) and ending.raised is not None:
        raise ending.raised
    assert isinstance(ending, TurnCompleted)
    extras = ending.extras
    for sending in ending.sendings:
        assert is_uuid(sending.input_id)
        assert refusal(sending.kind, sending.header) is None
    assert not extras.answered & extras.deferred
    assert not extras.dropped_timers & {timer.name for timer in extras.timers}
    return ending


def _give(given: Mapping[str, object], job: TurnJob) -> None:
    for name, value in given.items():
        setattr(job, name, value)
