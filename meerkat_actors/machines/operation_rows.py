"""What a lap does to operations: in memory, in its unit, and to whoever watches them."""

from __future__ import annotations

from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.operation import changed
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import encode_operation
from meerkat_actors.records.agenda_effects import DropOperation, PutOperation
from meerkat_actors.records.facts import OperationEnded, OperationStarted
from meerkat_actors.records.operation import Operation, OperationStatus


class OperationRows:
    """Changes operations within one lap. Lives inside one call."""

    def __init__(self, lap: Lap) -> None:
        self.lap: Lap = lap
        self.state: IdentityState = lap.state
        # A unit touches a key once: what this lap wrote of it before is written anew, in its place.
        self._places = {
            effect.operation_id: place
            for place, effect in enumerate(lap.effects)
            if isinstance(effect, PutOperation | DropOperation)
        }

    def begin(self, operation: Operation) -> Operation:
        """Register an operation under this process."""
        begun = Operation(
            operation.operation_id,
            operation.name,
            operation.kind,
            operation.status,
            operation.is_external,
            self.lap.stamp.incarnation,
            operation.members,
            operation.content,
        )
        self.put(begun)
        self.lap.tell(OperationStarted(begun.operation_id, begun.name))
        return begun

    def end(self, operation: Operation, status: OperationStatus, content: bytes | None) -> Operation:
        """Let an operation that is in progress end, and number its end."""
        self.state.completions += 1
        ended = changed(operation, status=status, content=content, sequence=self.state.completions)
        self.put(ended)
        self.lap.tell(OperationEnded(ended.operation_id, status.value, ended.sequence))
        self.lap.told += ((ended.operation_id, ended),)
        return ended

    def put(self, operation: Operation) -> None:
        """Keep an operation as it is now."""
        self.state.operations = self.state.operations.set(operation.operation_id, operation)
        is_bound = not operation.is_external and not operation.status.is_terminal
        self._write(PutOperation(operation.operation_id, encode_operation(operation), is_bound))

    def drop(self, operation: Operation) -> None:
        """Forget an operation."""
        self.state.operations = self.state.operations.delete(operation.operation_id)
        self._write(DropOperation(operation.operation_id))

    def _write(self, effect: PutOperation | DropOperation) -> None:
        place = self._places.setdefault(effect.operation_id, len(self.lap.effects))
        if place == len(self.lap.effects):
            self.lap.effects.append(effect)
        else:
            self.lap.effects[place] = effect
