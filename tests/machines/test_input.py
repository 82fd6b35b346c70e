"""The life of one input: every cell of the table, and that a store makes no move beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Final

import pytest

from meerkat_actors.errors import IllegalTransitionError
from meerkat_actors.machines.input import TRANSITIONS, InputEvent, next_state
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    CreateIdentity,
    Effect,
    EndInput,
    InsertInput,
    SendMail,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, InputRow, InputState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.store.memory import MemoryStore

S, E = InputState, InputEvent
TERMINAL: Final = frozenset({S.CONSUMED, S.SUPERSEDED, S.COALESCED, S.ABANDONED})
BORN: Final = frozenset({S.SENT, S.QUEUED, S.STAGED})
"""States in which an input begins: as mail, or as an admission to a busy or an idle owner."""
NOT_YET: Final = frozenset({S.SUPERSEDED, S.COALESCED})
"""Nothing in this version ends an input so."""


# -- the table ----------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(product(InputState, InputEvent)))
def test_every_cell_is_a_row_of_the_table_or_is_illegal(state: InputState, event: InputEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
        return
    with pytest.raises(IllegalTransitionError) as caught:
        next_state(state, event)
    assert str(caught.value) == f"input: {event.value} is not legal in state {state.value}"


def test_a_terminal_state_has_no_row() -> None:
    assert {state for state in InputState if state.is_terminal} == TERMINAL
    assert {state for state, _ in TRANSITIONS} & TERMINAL == set()


def test_a_state_that_is_not_terminal_can_be_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(InputState) - TERMINAL


def test_every_event_happens_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(InputEvent)


def reached_from(state: InputState) -> set[InputState]:
    reached = {state}
    waiting = [state]
    while waiting:
        here = waiting.pop()
        there = {after for (before, _), after in TRANSITIONS.items() if before is here} - reached
        reached |= there
        waiting.extend(there)
    return reached


def test_every_state_that_is_produced_at_all_is_reached_from_a_birth() -> None:
    assert {state for born in BORN for state in reached_from(born)} == set(InputState) - NOT_YET


@pytest.mark.parametrize("state", sorted(BORN))
def test_every_input_can_end_consumed_and_can_end_abandoned(state: InputState) -> None:
    assert {S.CONSUMED, S.ABANDONED} <= reached_from(state)


def test_nothing_is_ever_taken_back() -> None:
    order = [S.SENT, S.QUEUED, S.STAGED, S.CONSUMED, S.ABANDONED]
    assert all(order.index(after) >= order.index(before) for (before, _), after in TRANSITIONS.items())


def test_the_table_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.SENT, E.CONSUMED] = S.CONSUMED  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


# -- the store ----------------------------------------------------------------------------

ENV: Final = SystemEnv()
CONTENT: Final = b'"hello"'
DIGEST: Final = content_digest(CONTENT)
FIRST: Final = AdmissionSequence(1)
RUN: Final = RunId(ENV.new_id())
GONE: Final = Abandoned(AbandonReason.CRASH_LOOP, "gone")


class World:
    """A store with a sender and a recipient, and one input of the recipient's."""

    def __init__(self) -> None:
        self.store = MemoryStore(env=ENV)
        self.store.begin()
        self.input_id = InputId(ENV.new_id())
        self.fences = {name: self._created(name) for name in ("sender", "recipient")}

    def _created(self, name: str) -> IdentityFence:
        identity = AgentIdentity(name)
        read = self.store.activate(identity)
        assert isinstance(read, Activation)
        fence = IdentityFence(identity, read.key, FencingToken(1), Generation(0), CheckpointVersion(0))
        assert self.store.commit([Unit(fence, (CreateIdentity("agent", SessionId(ENV.new_id())),))]) == [
            Committed(CheckpointVersion(0))
        ]
        return fence

    def does(self, *effects: Effect, owner: str = "recipient") -> bool:
        """Commit a unit of these effects; whether the store did it."""
        fence = self.fences[owner]
        [outcome] = self.store.commit([Unit(fence, effects)])
        if isinstance(outcome, Committed):
            self.fences[owner] = IdentityFence(
                fence.identity, fence.key, fence.token, fence.generation, outcome.version
            )
            return True
        assert isinstance(outcome, Refused)
        assert outcome.reason is RefusalReason.INPUT_STATE_CONFLICT
        return False

    def row(self) -> InputRow:
        row = self.store.find_input(AgentIdentity("recipient"), self.input_id)
        assert row is not None
        return row

    def is_born(self, state: InputState) -> bool:
        if state is S.SENT:
            mail = SendMail(AgentIdentity("recipient"), self.input_id, InputKind.PEER_MESSAGE, CONTENT, DIGEST, 1)
            return self.does(mail, owner="sender")
        run = RUN if state is S.STAGED else None
        return self.does(InsertInput(FIRST, self.input_id, InputKind.PROMPT, CONTENT, DIGEST, None, run))

    def boundary(self) -> AppendTurn:
        version = CheckpointVersion(self.fences["recipient"].version + 1)
        return AppendTurn(RUN, version, DIGEST_ZERO, 1, 0, b'{"log":[]}', sets_state=False)

    def lets(self, event: InputEvent) -> bool:
        """Let the event happen to the input, as an owner commits it; whether the store did it."""
        row, sender = self.row(), self.fences["sender"].key
        match event:
            case E.TAKEN:
                return self.does(TakeMail(row.sequence, sender, FIRST, None))
            case E.TAKEN_INTO_RUN:
                return self.does(TakeMail(row.sequence, sender, FIRST, RUN))
            case E.STAGED:
                return self.does(Stage(FIRST, RUN))
            case E.CHARGED:
                return self.does(ChargeRun(FIRST, RUN, 1, 0, 0))
            case E.CONSUMED:
                return self.does(EndInput(FIRST, RUN, None), self.boundary())
            case E.ABANDONED:
                return self.does(EndInput(FIRST, RUN, GONE))


def sent(world: World) -> bool:
    return world.is_born(S.SENT)


def queued(world: World) -> bool:
    return world.is_born(S.QUEUED)


def staged(world: World) -> bool:
    return world.is_born(S.STAGED)


def taken(world: World) -> bool:
    return sent(world) and world.lets(E.TAKEN)


def staged_later(world: World) -> bool:
    return queued(world) and world.lets(E.STAGED)


def charged(world: World) -> bool:
    return staged(world) and world.lets(E.CHARGED)


def consumed(world: World) -> bool:
    return staged(world) and world.lets(E.CONSUMED)


def abandoned(world: World) -> bool:
    return staged(world) and world.lets(E.ABANDONED)


LIVES: Final[Mapping[Callable[[World], bool], InputState]] = {
    sent: S.SENT,
    queued: S.QUEUED,
    taken: S.QUEUED,
    staged: S.STAGED,
    staged_later: S.STAGED,
    charged: S.STAGED,
    consumed: S.CONSUMED,
    abandoned: S.ABANDONED,
}
"""Ways to live so far, each with the state it leads to."""


def test_the_lives_that_are_tried_lead_to_every_state_that_is_produced() -> None:
    assert set(LIVES.values()) == set(InputState) - NOT_YET


@pytest.mark.parametrize("life", list(LIVES))
def test_a_life_leads_to_the_state_that_the_table_says(life: Callable[[World], bool]) -> None:
    world = World()
    assert life(world)
    assert world.row().state is LIVES[life]


@pytest.mark.parametrize(("life", "event"), list(product(LIVES, InputEvent)))
def test_the_store_makes_exactly_the_moves_of_the_table(life: Callable[[World], bool], event: InputEvent) -> None:
    world = World()
    assert life(world)
    before = world.row()
    legal = (before.state, event) in TRANSITIONS
    assert world.lets(event) is legal
    after = world.row()
    if legal:
        assert after.state is next_state(before.state, event)
    else:
        assert after == before


@pytest.mark.parametrize("life", [life for life, state in LIVES.items() if not state.is_terminal])
@pytest.mark.parametrize("event", [E.CHARGED, E.CONSUMED, E.ABANDONED])
def test_an_input_moves_under_its_own_run_only(life: Callable[[World], bool], event: InputEvent) -> None:
    world = World()
    assert life(world)
    before = world.row()
    other = RunId(ENV.new_id())
    match event:
        case E.CHARGED:
            done = world.does(ChargeRun(FIRST, other, 1, 0, 0))
        case E.CONSUMED:
            done = world.does(EndInput(FIRST, other, None), world.boundary())
        case _:
            done = world.does(EndInput(FIRST, other, GONE))
    assert not done
    assert world.row() == before
