"""Operations in any order of starts, changes, barriers, turns and restarts: what is true after every lap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias, get_args

import orjson
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from meerkat_actors.machines.decision import Decision, Stamp
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.operation import WAKING
from meerkat_actors.machines.operations import SOURCE, unseen
from meerkat_actors.records.agenda_codec import decode_facts, decode_operation
from meerkat_actors.records.agenda_effects import DropOperation, PutOperation, RecordEvents
from meerkat_actors.records.commands import (
    ChangeOperation,
    Checkpoint,
    CollectOperations,
    Command,
    EndTurn,
    ListOperations,
    Look,
    StartOperation,
)
from meerkat_actors.records.effects import AppendTurn
from meerkat_actors.records.facts import Fact, OperationEnded, OperationStarted
from meerkat_actors.records.ids import OperationId, RunId
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind
from meerkat_actors.records.operation_listing import OperationCursors, OperationListing
from meerkat_actors.records.runs import TurnCompleted, TurnExtras
from tests.machines.states import NEW_SESSION, NOW, all_of, effects_of, idle, send

Ask: TypeAlias = Literal[
    "begin", "begin a member", "begin outside", "wait for all", "move", "collect", "prompt", "checkpoint", "return",
    "return and begin", "look",
]  # fmt: skip
ASKS: Final[tuple[Ask, ...]] = get_args(Ask)
LIMITS: Final = Limits(operations_max=5, operations_kept=3)
CHANGES: Final = tuple(OperationChange)

laps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(ASKS), st.integers(0, 10**6)), min_size=1, max_size=5),
        st.sampled_from(["adopt"] * 6 + ["restart", "refuse"]),
    ),
    max_size=25,
)


class World:
    """One identity in its owner's hands, its rows, and everything that was told of its operations."""

    def __init__(self) -> None:
        self.state = idle()
        self.rows: dict[OperationId, bytes] = {}
        self.started: list[OperationId] = []
        self.ended: dict[OperationId, int] = {}
        self.incarnation = 1
        self.number = 100
        self.shown = 0
        """The last end that the turn in progress was shown."""
        self.cursors = OperationCursors(applied=0, observed=0, injected=0)

    def lap(self, asks: list[tuple[Ask, int]], happening: str) -> None:
        commands = [command for ask, choice in asks for command in self._commands(ask, choice)]
        self.number += 1
        run_id = RunId(f"1e300000-0000-7000-8000-{self.number:012d}")
        stamp = Stamp(NOW + self.number, run_id, NEW_SESSION, 0.5, False, incarnation=self.incarnation)
        decision = decide(self.state, commands or [Look()], stamp, LIMITS)
        if happening == "refuse":
            return
        self._store(decision)
        self._listen(decision)
        self.state = decision.state
        if decision.starts is not None:
            self.shown = max((each.sequence for each in unseen(self.state)), default=0)
        self.check()
        if happening == "restart":
            self._begin_anew()

    def _commands(self, ask: Ask, choice: int) -> Iterator[Command]:
        fresh = self._fresh_id()
        known = sorted(self.state.operations)
        run = self.state.run
        match ask:
            case "begin" | "begin a member" | "begin outside":
                kind = OperationKind.MEMBER if ask == "begin a member" else OperationKind.BACKGROUND
                yield StartOperation(Operation(fresh, "work", kind, is_external=ask == "begin outside"))
            case "wait for all":
                yield StartOperation(self._barrier(fresh, choice))
            case "move" if known:
                yield ChangeOperation(known[choice % len(known)], CHANGES[choice // 7 % len(CHANGES)])
            case "collect":
                yield CollectOperations()
            case "prompt":
                yield send(self.number)
            case "checkpoint" if run is not None:
                yield Checkpoint(run.run_id, choice % 2 + 1)
            case "return" | "return and begin" if run is not None:
                begun = (Operation(fresh, "turn's"), self._barrier(self._fresh_id(), choice))
                is_woken = any(map(is_wake_up, run.members))
                extras = TurnExtras(
                    operations=begun if ask == "return and begin" else (),
                    seen_completions=self.shown if is_woken or choice % 2 else 0,
                )
                yield EndTurn(run.run_id, TurnCompleted(None, (), None, (), 9, extras))
            case _:
                yield ListOperations()

    def _fresh_id(self) -> OperationId:
        self.number += 1
        return OperationId(f"09000000-0000-7000-8000-{self.number:012d}")

    def _barrier(self, operation_id: OperationId, choice: int) -> Operation:
        members = tuple(each for place, each in enumerate(sorted(self.state.operations)) if choice >> place & 1)
        return Operation(operation_id, "all", OperationKind.BARRIER, members=members)

    def _store(self, decision: Decision) -> None:
        puts, drops = all_of(PutOperation, decision), all_of(DropOperation, decision)
        effects: list[PutOperation | DropOperation] = [*puts, *drops]
        assert len({effect.operation_id for effect in effects}) == len(effects), "a unit touches a row once"
        for effect in effects:
            if isinstance(effect, PutOperation):
                self.rows[effect.operation_id] = effect.body
            else:
                self.rows.pop(effect.operation_id, None)

    def _listen(self, decision: Decision) -> None:
        told = {key: value for key, value in decision.told if isinstance(value, Operation)}
        for fact in facts_of(decision):
            if isinstance(fact, OperationStarted):
                assert fact.operation_id not in self.started
                self.started.append(fact.operation_id)
            elif isinstance(fact, OperationEnded):
                assert fact.operation_id not in self.ended, "an end is one"
                self.ended[fact.operation_id] = fact.sequence
                assert told.pop(OperationId(fact.operation_id)).sequence == fact.sequence
        assert told == {}

    def _begin_anew(self) -> None:
        state = self.state
        state.operations = Map((OperationId(key), decode_operation(body)) for key, body in self.rows.items())
        durable = max((each.sequence for each in state.operations.values()), default=0)
        assert durable == state.completions, "a number would be used twice"
        state.has_orphans = any(not each.sequence for each in state.operations.values())
        state.is_executing, state.recorded, state.halting, state.unheard = False, None, None, ()
        self.incarnation += 1

    def check(self) -> None:
        state = self.state
        operations = state.operations
        assert {key: decode_operation(body) for key, body in self.rows.items()} == dict(operations)
        assert sorted(self.ended.values()) == list(range(1, state.completions + 1)), "an end was lost, or told twice"
        running = [each for each in operations.values() if not each.sequence]
        assert {each.operation_id for each in running} == set(self.started) - set(self.ended)
        assert len(running) <= LIMITS.operations_max
        assert all(
            each.owner == self.incarnation or each.is_external or each.kind is OperationKind.BARRIER for each in running
        )
        barriers = [each for each in running if each.kind is OperationKind.BARRIER]
        assert len(barriers) <= 1
        awaited = {member for barrier in barriers for member in barrier.members}
        assert all(any(each.operation_id in awaited for each in running) for _ in barriers), "it waits for nobody"
        kept = [each for each in operations.values() if each.sequence and each.operation_id not in awaited]
        assert len(kept) <= LIMITS.operations_kept
        self._check_awake(awaited)
        self._check_cursors()

    def _check_awake(self, awaited: set[OperationId]) -> None:
        """Whatever ended and is to wake the agent is taken up by a turn that is to come, or by the one in progress."""
        state = self.state
        ends = [e.sequence for e in unseen(state) if e.kind in WAKING and e.operation_id not in awaited]
        queued = [item for item in (*state.steer, *state.lane) if is_wake_up(item)]
        assert len(queued) <= 1
        if not ends or queued:
            return
        assert state.run is not None
        assert any(map(is_wake_up, state.run.members)), "nobody is woken"
        assert not state.is_executing or max(ends) <= self.shown, "it is woken too early"

    def _check_cursors(self) -> None:
        [listing] = decide(self.state, [ListOperations()], Stamp(NOW, RunId(""), NEW_SESSION, 0, True), LIMITS).replies
        assert isinstance(listing, OperationListing)
        before, now = self.cursors, listing.cursors
        assert now.applied <= now.injected <= now.observed == len(self.ended)
        assert (before.applied, before.observed) <= (now.applied, now.observed)
        assert before.applied <= now.applied
        self.cursors = now


def is_wake_up(item: OpenInput) -> bool:
    return item.kind is InputKind.CONTINUATION and item.header is not None and item.header.source == SOURCE


def facts_of(decision: Decision) -> Iterator[Fact]:
    for effect in effects_of(decision):
        if isinstance(effect, RecordEvents):
            yield from decode_facts(effect.body)
        elif isinstance(effect, AppendTurn):
            yield from decode_facts(orjson.dumps(orjson.loads(effect.body).get("events", [])))


@given(laps)
def test_operations_end_once_are_numbered_and_wake(program: list[tuple[list[tuple[Ask, int]], str]]) -> None:
    world = World()
    for asks, happening in program:
        world.lap(asks, happening)
