"""An agent with something of everything that is yet to be done: answers owed, timers, operations; and mail for it."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.agenda_codec import encode_facts, encode_operation, encode_schedule
from meerkat_actors.records.agenda_effects import (
    CountSends,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.effects import OwnerUnit, ReturnMail, SetDesired
from meerkat_actors.records.facts import DesiredChanged, Emitted, Fact, OperationStarted, TimerSet
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.headers import Header, Mode, Origin
from meerkat_actors.records.ids import AdmissionSequence, OperationId
from meerkat_actors.records.inputs import InputKind, InputState, Lane
from meerkat_actors.records.operation import Operation, OperationStatus
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.schedules import Every, Plan
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from tests.store.sqlite.lives import begun, run_of
from tests.store.writing import send, take, uuid_of

ASKING: Final = "asking"
AGENDA: Final = "agenda"
OWED: Final = 2
"""The admission of the request whose answer ``AGENDA`` owes."""
HOUR_MS: Final = 3_600_000
HOURLY: Final = encode_schedule(Plan(rule=Every(5_000, HOUR_MS), kind=InputKind.PROMPT, content=b'"input 3"'))
STOPPED: Final = Abandoned(AbandonReason.STOPPED, "the agent was stopped")


def operation_of(number: int) -> OperationId:
    """An operation of this life."""
    return OperationId(uuid_of(0x11FE_3000 + number))


def told(*facts: Fact) -> RecordEvents:
    """What a unit tells."""
    return RecordEvents(encode_facts(facts))


def live_agenda(store: Store, incarnation: int) -> None:
    """Write it; ``incarnation`` is the one that serves."""
    asking, agenda = begun(store, ASKING, 6), begun(store, AGENDA, 7)
    commit, run = agenda.writer.must_commit, run_of(70)
    for number in (1, 2, 3, 4):
        is_request, steers = number < 3, number == 3
        message = send(
            AGENDA,
            number,
            content=b'"input %d"' % number,
            # The third admission is not this mail's.
            input_id=agenda.given(number if is_request else number + 10),
            kind=InputKind.PEER_REQUEST if is_request else InputKind.PEER_MESSAGE,
            header=Header(origin=Origin.PEER, mode=Mode.STEER if steers else None, correlation_id=f"c-{number}"),
            lane=Lane.STEER if steers else Lane.QUEUE,
        )
        asking.writer.must_commit(message, CountSends(number))
    mail = {each.input_id: each for each in store.pending_mail(agenda.writer.fence.key, limit=9)}
    commit(*(take(mail[agenda.given(each)], each, run) for each in (1, OWED)))
    sender = asking.writer.fence.identity
    commit(*agenda.ended(run, [1, OWED], sender=sender, facts=(Emitted("asked", b"2"),), owes=True))
    commit(SettleRequest(AdmissionSequence(1)), told(Emitted("answered", b"{}")))
    commit(*(SetTimer(name, 5_000, HOURLY) for name in ("a", "b", "c")), told(TimerSet("c", 5_000)))
    fired = AdmissionSequence(3)
    commit(agenda.insert(3), FireTimer("a", 5_000, 5_000 + HOUR_MS, fired), FireTimer("b", 5_000, None, fired))
    first = Operation(operation_of(1), "fetch", owner=incarnation, content=b'{"so_far":1}')
    second = Operation(operation_of(2), "write", status=OperationStatus.COMPLETED, owner=incarnation, sequence=1)
    commit(
        *(
            PutOperation(each.operation_id, encode_operation(each), is_bound=not each.status.is_terminal)
            for each in (first, second)
        ),
        told(OperationStarted(first.operation_id, "fetch"), OperationStarted(second.operation_id, "write")),
    )
    # It was sent something that it never took: one of that is returned.
    ending = encode_abandoned(STOPPED)
    commit(
        MoveInput(fired, InputState.QUEUED, None, InputState.ABANDONED, None, 0, 0, 0, ending),
        SetDesired(Desired.STOPPED),
        told(DesiredChanged(Desired.STOPPED)),
    )
    identity = agenda.writer.fence.identity
    late, _ = store.undeliverable_mail(identity, absent_before_ms=0, limit=9)
    store.post(OwnerUnit(OwnerFence(incarnation), (ReturnMail(late.mail.sequence, identity, late.abandoned, 0),)))
