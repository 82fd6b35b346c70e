"""Operations under test: made by hand, asked of an owner that has them, and counted."""

from __future__ import annotations

from immutables import Map

from meerkat_actors.machines.decision import Decision
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import decode_operation
from meerkat_actors.records.agenda_effects import DropOperation, PutOperation
from meerkat_actors.records.commands import (
    ChangeOperation,
    Command,
    EndTurn,
    StartOperation,
)
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.runs import TurnCompleted, TurnExtras
from tests.machines.states import LIMITS, OLD_RUN, all_of, stamp

K, S = OperationKind, OperationStatus


def oid(number: int) -> OperationId:
    return OperationId(f"09000000-0000-7000-8000-{number:012d}")


def an_operation(
    number: int,
    kind: OperationKind = K.BACKGROUND,
    status: OperationStatus = S.RUNNING,
    *,
    members: tuple[int, ...] = (),
    sequence: int = 0,
    is_external: bool = False,
    is_seen: bool = False,
    is_ready: bool = False,
) -> Operation:
    """An operation, begun under incarnation 0, as hand-made states are served under."""
    return Operation(
        oid(number), f"work {number}", kind, status, is_external, 0, tuple(map(oid, members)), None, is_ready,
        sequence, is_seen,
    )  # fmt: skip


def holding(state: IdentityState, *operations: Operation) -> IdentityState:
    """The identity with those operations."""
    state.operations = Map((each.operation_id, each) for each in operations)
    state.completions = max((each.sequence for each in operations), default=0)
    return state


def asked(state: IdentityState, *commands: Command, limits: Limits = LIMITS) -> Decision:
    """Decide, and hold the decision to what is true of all: what is durable is what the owner holds."""
    decision = decide(state, [*commands], stamp(), limits)
    rows = dict(state.operations)
    puts, drops = all_of(PutOperation, decision), all_of(DropOperation, decision)
    effects: list[PutOperation | DropOperation] = [*puts, *drops]
    assert len({effect.operation_id for effect in effects}) == len(effects), "a unit touches a row once"
    for effect in effects:
        rows.pop(effect.operation_id, None)
        if isinstance(effect, PutOperation):
            rows[effect.operation_id] = decode_operation(effect.body)
    assert rows == dict(decision.state.operations)
    return decision


def wake_ups(decision: Decision) -> list[InsertInput]:
    return [each for each in all_of(InsertInput, decision) if each.kind is InputKind.CONTINUATION]


def begin(number: int, kind: OperationKind = K.BACKGROUND, members: tuple[int, ...] = ()) -> StartOperation:
    return StartOperation(an_operation(number, kind, members=members))


def turn_over(**extras: object) -> EndTurn:
    """The turn returned, and left that behind."""
    return EndTurn(OLD_RUN, TurnCompleted(None, (), None, (), 0, TurnExtras(**extras)))  # type: ignore[arg-type]


def move(number: int, change: OperationChange, content: bytes | None = None) -> ChangeOperation:
    return ChangeOperation(oid(number), change, content)
