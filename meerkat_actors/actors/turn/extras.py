"""What few turns gather beside messages and state, until they end."""

from __future__ import annotations

from attrs import Factory, define

from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.ids import InputId, OperationId
from meerkat_actors.records.operation import Operation
from meerkat_actors.records.runs import TimerSetting, TurnExtras


@define(eq=False)
class DraftExtras:
    """See ``TurnExtras``, which it becomes."""

    answered: set[InputId] = Factory(set[InputId])
    deferred: set[InputId] = Factory(set[InputId])
    timers: dict[str, TimerSetting] = Factory(dict[str, TimerSetting])
    dropped_timers: set[str] = Factory(set[str])
    emitted: list[Emitted] = Factory(list[Emitted])
    operations: dict[OperationId, Operation] = Factory(dict[OperationId, Operation])
    running: int | None = None
    """How many operations are in progress with those; None until it starts one."""
    has_seen: bool = False
    """Whether it looked at what ended."""

    def sealed(self, seen_completions: int) -> TurnExtras:
        """What commits with the turn."""
        return TurnExtras(
            answered=frozenset(self.answered),
            deferred=frozenset(self.deferred),
            timers=tuple(self.timers.values()),
            dropped_timers=frozenset(self.dropped_timers),
            emitted=tuple(self.emitted),
            operations=tuple(self.operations.values()),
            seen_completions=seen_completions,
        )
