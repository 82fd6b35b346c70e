"""What a completed turn leaves behind besides its transcript: mail, answers, timers, operations, events.

Rule 1: a request gets one terminal response. Its turn gives it, or puts it off, or else what the turn returned is it.
Rule 2: what a turn says to a request that ended under it - an owed one, when its agent was stopped - is not sent: the
        failure that ended it was the response.
"""

from __future__ import annotations

from meerkat_actors.machines import operations
from meerkat_actors.machines.boundary import response_header
from meerkat_actors.machines.firing import keep_timers
from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_effects import SettleRequest
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.effects import EndInput
from meerkat_actors.records.headers import ResponseStatus
from meerkat_actors.records.ids import COUNTER_MAX, RunId
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.mail import Owed, derived_id
from meerkat_actors.records.runs import NO_EXTRAS, Sending, TurnCompleted, TurnExtras


def leave(lap: Lap, run_id: RunId, members: tuple[OpenInput, ...], ending: TurnCompleted) -> None:
    """Consume the members of the run, and send and set what its turn did."""
    extras = ending.extras
    for sending in ending.sendings:
        if sending.header is None or _is_wanted(lap.state, members, sending):
            lap.send(sending)
    for member in members:
        is_owed = False
        if member.kind is InputKind.PEER_REQUEST and member.sender is not None:
            is_owed = _answer(lap, member, ending)
        lap.effects.append(EndInput(member.admission, run_id, None, is_owed))
    if extras is not NO_EXTRAS:
        _leave_extras(lap, extras)


def _leave_extras(lap: Lap, extras: TurnExtras) -> None:
    state = lap.state
    for request_id in sorted(extras.answered):
        owed = state.owed.get(request_id)
        if owed is not None:
            lap.effects.append(SettleRequest(owed.admission))
            state.owed = state.owed.delete(request_id)
    keep_timers(lap, extras)
    operations.begin_of_turn(lap, extras)
    for fact in extras.emitted:
        lap.tell(fact)


def _is_wanted(state: IdentityState, members: tuple[OpenInput, ...], sending: Sending) -> bool:
    request_id = None if sending.header is None else sending.header.request_id
    return (
        request_id is None
        or request_id in state.owed
        or any(member.input_id == request_id and member.kind is InputKind.PEER_REQUEST for member in members)
    )


def _answer(lap: Lap, request: OpenInput, ending: TurnCompleted) -> bool:
    """Answer a request with what the turn returned, unless the turn answered it; whether its answer is owed."""
    extras, request_id, sender = ending.extras, request.input_id, request.sender
    assert sender is not None
    if request_id in extras.answered:
        return False
    correlation_id = None if request.header is None else request.header.correlation_id
    if request_id in extras.deferred:
        lap.state.owed = lap.state.owed.set(
            request_id, Owed(request.admission, request_id, sender, correlation_id)
        )  # fmt: skip
        return True
    content = encode_json(ending.text, what="response", bytes_max=COUNTER_MAX, depth_max=1)
    header = response_header(request_id, correlation_id, ResponseStatus.COMPLETED)
    answer = derived_id(lap.stamp.now_ms, request_id, "completed")
    lap.send(Sending(sender, answer, content, InputKind.PEER_RESPONSE_TERMINAL, header))
    return False
