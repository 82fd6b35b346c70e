"""What an identity has yet to do, in dicts: answers that it owes, timers, operations; and what its units told."""

from __future__ import annotations

from attrs import Factory, define

from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import decode_facts, encode_operation
from meerkat_actors.records.agenda_effects import (
    AgendaEffect,
    CountSends,
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.facts import Fact
from meerkat_actors.records.ids import AdmissionSequence, OperationId
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.timers import Timer


@define
class Agenda:
    """``apply`` asserts what a store guards."""

    owed: dict[AdmissionSequence, Owed] = Factory(dict[AdmissionSequence, Owed])
    timers: dict[str, Timer] = Factory(dict[str, Timer])
    operations: dict[OperationId, bytes] = Factory(dict[OperationId, bytes])
    told: list[Fact] = Factory(list[Fact])

    def owe(self, request: OpenInput) -> None:
        """A turn consumed a request, and put its answer off."""
        assert request.kind is InputKind.PEER_REQUEST
        assert request.sender is not None, "an answer owed to nobody"
        assert request.admission not in self.owed
        self.owed[request.admission] = owed_for(request)

    def apply(self, effect: AgendaEffect) -> None:
        match effect:
            case SettleRequest():
                assert effect.admission in self.owed, "settled, and not owed"
                del self.owed[effect.admission]
            case SetTimer():
                self.timers[effect.name] = Timer(effect.name, effect.due_ms, effect.body, AdmissionSequence(0), 0)
            case FireTimer():
                self._fire(effect)
            case DropTimer():
                self.timers.pop(effect.name, None)
            case DropTimers():
                self.timers.clear()
            case PutOperation():
                self.operations[effect.operation_id] = effect.body
            case DropOperation():
                self.operations.pop(effect.operation_id, None)
            case RecordEvents():
                facts = decode_facts(effect.body)
                assert facts, "a row that tells nothing"
                self.told += facts
            case CountSends():
                pass  # the head's, which counts it

    def due(self, now_ms: int) -> tuple[Timer, ...]:
        """The timers that are due, in the order of their times, then names."""
        due = (timer for timer in self.timers.values() if timer.due_ms <= now_ms)
        return tuple(sorted(due, key=lambda timer: (timer.due_ms, timer.name)))

    def _fire(self, effect: FireTimer) -> None:
        timer = self.timers[effect.name]
        assert timer.due_ms == effect.was_due_ms, "fired, and not due then"
        if effect.due_ms is None:
            del self.timers[effect.name]
        else:
            self.timers[effect.name] = Timer(timer.name, effect.due_ms, timer.body, effect.last, timer.fired + 1)


def owed_for(request: OpenInput) -> Owed:
    """What is owed for a request of an agent."""
    assert request.sender is not None
    correlation_id = None if request.header is None else request.header.correlation_id
    return Owed(request.admission, request.input_id, request.sender, correlation_id)


def agenda_of(state: IdentityState) -> Agenda:
    """What of the agenda is durable when an owner holds this. Timers are in nobody's hands."""
    return Agenda(
        owed={each.admission: each for each in state.owed.values()},
        operations={each.operation_id: encode_operation(each) for each in state.operations.values()},
    )
