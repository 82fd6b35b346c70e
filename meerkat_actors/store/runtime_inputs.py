"""From the states that a caller wants its inputs in to the effects that bring them there.

An input that contributes to a boundary is consumed by it, whatever open state its record says: the seed's
``applied`` and ``applied pending consumption`` were moments between two writes that are one here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve

from meerkat_actors.errors import (
    IdempotencyConflictError,
    IllegalTransitionError,
    InvalidValueError,
    UnknownInputError,
)
from meerkat_actors.machines.input_moves import MOVES
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.effects import ChargeRun, Effect, EndInput, InsertInput, Stage
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, RunId
from meerkat_actors.records.input_states import InputStateRecord, encode_ending
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.run_boundary import RunBoundaryReceipt
from meerkat_actors.records.runtime_effects import MoveInput

S = InputState

_OPEN: Final = frozenset({S.QUEUED, S.STAGED})
_CONSUMABLE: Final = _OPEN | {S.CONSUMED}

Find = Callable[[AgentIdentity, InputId], InputStateRecord | None]


class InputWriting:
    """The effects of one unit on inputs; ``admissions`` is what the runtime is at when it went through."""

    def __init__(self, identity: AgentIdentity, find: Find, admissions: int) -> None:
        self._identity = identity
        self._find = find
        self.admissions: int = admissions
        self.effects: list[Effect] = []

    def set_all(self, updates: Sequence[InputStateRecord]) -> None:
        """Bring inputs into the states of their records.

        Raises:
            UsageError: a record that contradicts what is stored, or a move that its input can't make.
        """
        for record in _checked(updates):
            self._set(self._stored(record), record)

    def apply(self, updates: Sequence[InputStateRecord], receipt: RunBoundaryReceipt) -> None:
        """Bring inputs where a boundary puts them: its contributors, in order, are consumed.

        Raises:
            UsageError: as for ``set_all``.
            UnknownInputError: a contributor that has no record, here or in the store.
        """
        records = {record.input_id: record for record in _checked(updates)}
        contributors = receipt.contributing_input_ids
        for input_id, record in records.items():
            if input_id not in contributors:
                self._set(self._stored(record), record)
        for input_id in contributors:
            given = records.get(input_id)
            stored = self._find(self._identity, input_id) if given is None else self._stored(given)
            wanted = given or stored
            if wanted is None:
                raise UnknownInputError(identity=self._identity, input_id=input_id)
            self._consume(stored, wanted, receipt)

    def _stored(self, record: InputStateRecord) -> InputStateRecord | None:
        stored = self._find(self._identity, record.input_id)
        known = None if stored is None else stored.admission_sequence
        if record.admission_sequence not in {None, known}:
            raise InvalidValueError(
                problem=f"{self._identity}: input {record.input_id} has admission_sequence {known},"
                f" not {record.admission_sequence}; the store gives it"
            )
        if stored is not None and _given(stored) != _given(record):
            raise IdempotencyConflictError(identity=self._identity, key=record.input_id, first_input_id=stored.input_id)
        return stored

    def _set(self, stored: InputStateRecord | None, record: InputStateRecord) -> None:
        if stored is None:
            self._insert(record)
            return
        wanted = evolve(record, admission_sequence=stored.admission_sequence)
        if wanted == stored:
            return
        self._require_move(stored.state, record.state)
        self._move(_admission(stored), stored.state, stored.last_run_id, record)

    def _insert(self, record: InputStateRecord) -> None:
        self._require_move(S.QUEUED, record.state)
        run_id = record.last_run_id if record.state is S.STAGED else None
        admission = self._admit(record, run_id)
        if record.state.is_terminal or _counters(record) != (0, 0, 0):
            self._move(admission, S.QUEUED if run_id is None else S.STAGED, run_id, record)

    def _consume(self, stored: InputStateRecord | None, record: InputStateRecord, receipt: RunBoundaryReceipt) -> None:
        run_id = receipt.run_id
        now = record if stored is None else stored
        is_open = now.state in _OPEN or now is record
        is_ours = record.last_boundary_sequence in {None, receipt.sequence}
        if not is_open or not is_ours or record.state not in _CONSUMABLE:
            raise IllegalTransitionError(machine="input", state=now.state.value, event=f"consumed by run {run_id}")
        for held in (now.last_run_id, record.last_run_id):
            if held not in {None, run_id}:
                raise IllegalTransitionError(
                    machine="input", state=f"bound to run {held}", event=f"consumed by run {run_id}"
                )
        before = (0, 0, 0) if stored is None else _counters(stored)
        admission = self._admit(record, run_id) if stored is None else _admission(stored)
        if stored is not None and stored.state is S.QUEUED:
            self.effects.append(Stage(admission, run_id))
        if _counters(record) != before:
            self.effects.append(ChargeRun(admission, run_id, *_counters(record)))
        self.effects.append(EndInput(admission, run_id, None))

    def _admit(self, record: InputStateRecord, run_id: RunId | None) -> AdmissionSequence:
        self.admissions += 1
        admission = AdmissionSequence(self.admissions)
        self.effects.append(
            InsertInput(
                admission,
                record.input_id,
                record.kind,
                record.content,
                content_digest(record.content),
                record.idempotency_key,
                run_id,
            )
        )
        return admission

    def _move(
        self, admission: AdmissionSequence, was: InputState, was_run: RunId | None, record: InputStateRecord
    ) -> None:
        ending = encode_ending(record)
        self.effects.append(
            MoveInput(admission, was, was_run, record.state, record.last_run_id, *_counters(record), ending)
        )

    def _require_move(self, before: InputState, after: InputState) -> None:
        if (before, after) not in MOVES:
            raise IllegalTransitionError(machine="input", state=before.value, event=f"{after.value} without a boundary")


def _checked(updates: Sequence[InputStateRecord]) -> list[InputStateRecord]:
    if not isinstance(updates, list | tuple):
        raise InvalidValueError(problem=f"a {type(updates).__name__} is no list of InputStateRecord")
    records = list(updates)
    for record in records:
        if not isinstance(record, InputStateRecord):  # pyright: ignore[reportUnnecessaryIsInstance] - from outside
            raise InvalidValueError(problem=f"a {type(record).__name__} is no InputStateRecord")
    if len({record.input_id for record in records}) != len(records):
        raise InvalidValueError(problem="one write names an input twice; say its last state once")
    return records


def _given(record: InputStateRecord) -> tuple[object, ...]:
    # What an input is: it never changes.
    return record.content, record.kind, record.idempotency_key


def _counters(record: InputStateRecord) -> tuple[int, int, int]:
    return record.attempts, record.interruptions, record.not_before_ms


def _admission(stored: InputStateRecord) -> AdmissionSequence:
    assert stored.admission_sequence is not None
    return stored.admission_sequence
