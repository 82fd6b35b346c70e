"""The life of one input: every cell of the tables, and that a store makes no move beside them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

import pytest

from meerkat_actors.errors import IllegalTransitionError
from meerkat_actors.machines.input import ENTRIES, TRANSITIONS, InputEntry, InputEvent, next_state
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest, encode_abandoned, encode_successor
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
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.store.memory import MemoryStore

S, N, E = InputState, InputEntry, InputEvent
TERMINAL: Final = frozenset({S.CONSUMED, S.SUPERSEDED, S.COALESCED, S.ABANDONED})

CELLS: Final[Mapping[str, str]] = {
    "sent": "taken:queued taken_into_run:staged noted:consumed",
    "queued": "staged:staged bound:staged superseded:superseded coalesced:coalesced"
    " cancelled:abandoned abandoned:abandoned",
    "staged": "returned:queued restaged:staged charged:staged consumed:consumed"
    " cancelled:abandoned abandoned:abandoned",
    "consumed": "",
    "superseded": "",
    "coalesced": "",
    "abandoned": "",
}
"""Per state, each event that may happen and the state after it; every other event is illegal."""

MATRIX: Final = frozenset(
    {
        # Mail, which the reference does not have: it is accepted when it is taken.
        ("sent", "queued"),
        ("sent", "staged"),
        ("sent", "consumed"),
        ("queued", "staged"),
        ("queued", "superseded"),
        ("queued", "coalesced"),
        ("queued", "abandoned"),
        ("staged", "queued"),
        # Staged to consumed passes through applied, and applied pending consumption, in one commit.
        ("staged", "consumed"),
        ("staged", "abandoned"),
    }
)
"""What may follow on what: ``reference/runtime.md`` section 4.2, without the states that we don't have."""


# -- the tables ---------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(product(InputState, InputEvent)))
def test_every_cell_is_as_it_was_specified(state: InputState, event: InputEvent) -> None:
    expected = dict(cell.split(":") for cell in CELLS[state.value].split()).get(event.value)
    if expected is not None:
        assert next_state(state, event).value == expected
        return
    with pytest.raises(IllegalTransitionError) as caught:
        next_state(state, event)
    assert str(caught.value) == f"input: {event.value} is not legal in state {state.value}"


def test_no_event_leads_where_the_matrix_of_states_does_not() -> None:
    moves = {(before.value, after.value) for (before, _), after in TRANSITIONS.items() if before is not after}
    assert moves == MATRIX


def test_an_input_begins_as_mail_or_admitted_or_with_its_outcome() -> None:
    assert {entry.value: state.value for entry, state in ENTRIES.items()} == {
        "mailed": "sent",
        "admitted": "queued",
        "admitted_into_run": "staged",
        "noted": "consumed",
    }
    assert set(ENTRIES) == set(InputEntry)


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


@pytest.mark.parametrize("entry", list(InputEntry))
def test_every_state_is_reached_from_every_entry_that_is_no_end(entry: InputEntry) -> None:
    begun = ENTRIES[entry]
    # Only mail was ever mail.
    expected = {begun} if begun.is_terminal else {begun} | set(InputState) - {S.SENT}
    assert reached_from(begun) == expected


def test_only_a_run_that_holds_an_input_gives_it_back() -> None:
    order = [S.SENT, S.QUEUED, S.STAGED, S.CONSUMED, S.SUPERSEDED, S.COALESCED, S.ABANDONED]
    back = {
        (before, event) for (before, event), after in TRANSITIONS.items() if order.index(after) < order.index(before)
    }
    assert back == {(S.STAGED, E.RETURNED)}


def test_the_tables_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.SENT, E.CONSUMED] = S.CONSUMED  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(TypeError):
        ENTRIES[N.MAILED] = S.CONSUMED  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


# -- the store ----------------------------------------------------------------------------

ENV: Final = SystemEnv()
CONTENT: Final = b'"hello"'
DIGEST: Final = content_digest(CONTENT)
FIRST: Final = AdmissionSequence(1)
RUN: Final = RunId(ENV.new_id())
NEXT_RUN: Final = RunId(ENV.new_id())
NEWER: Final = InputId(ENV.new_id())
ENDINGS: Final = {
    E.CANCELLED: Abandoned(AbandonReason.CANCELLED, "somebody asked for it"),
    E.ABANDONED: Abandoned(AbandonReason.CRASH_LOOP, "gone"),
}


class World:
    """A store with a sender and a recipient, and one input of the recipient's."""

    def __init__(self) -> None:
        self.store = MemoryStore(env=ENV)
        self.store.begin()
        self.input_id = InputId(ENV.new_id())
        self.run = RUN
        """The run that holds the input, or would."""
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

    def enters(self, entry: InputEntry) -> bool:
        """Let the input begin, as an owner commits it."""
        match entry:
            case N.MAILED:
                mail = SendMail(AgentIdentity("recipient"), self.input_id, InputKind.PEER_MESSAGE, CONTENT, DIGEST, 1)
                return self.does(mail, owner="sender")
            case N.ADMITTED:
                return self.does(self._admission(None, Lane.STEER))
            case N.ADMITTED_INTO_RUN:
                return self.does(self._admission(self.run, Lane.QUEUE))
            case N.NOTED:
                return self.does(self._admission(None, Lane.NONE))

    def _admission(self, run: RunId | None, lane: Lane) -> InsertInput:
        return InsertInput(FIRST, self.input_id, InputKind.PROMPT, CONTENT, DIGEST, None, run, lane=lane)

    def boundary(self) -> AppendTurn:
        version = CheckpointVersion(self.fences["recipient"].version + 1)
        return AppendTurn(self.run, version, DIGEST_ZERO, 1, 0, b'{"log":[]}', sets_state=False)

    def lets(self, event: InputEvent) -> bool:
        """Let the event happen to the input, as an owner commits it; whether the store did it."""
        done = self.does(*self._effects(event))
        if done and event is E.RESTAGED:
            self.run = NEXT_RUN
        return done

    def _effects(self, event: InputEvent) -> tuple[Effect, ...]:
        row, sender = self.row(), self.fences["sender"].key
        match event:
            case E.TAKEN:
                return (TakeMail(row.sequence, sender, FIRST, None),)
            case E.TAKEN_INTO_RUN:
                return (TakeMail(row.sequence, sender, FIRST, self.run),)
            case E.NOTED:
                return (TakeMail(row.sequence, sender, FIRST, None, lane=Lane.NONE),)
            case E.STAGED:
                return (Stage(FIRST, self.run),)
            case E.BOUND:
                return (Stage(FIRST, self.run, position=1),)
            case E.RETURNED:
                return (MoveInput(FIRST, S.STAGED, self.run, S.QUEUED, None, 0, 0, 0, None),)
            case E.RESTAGED:
                return (MoveInput(FIRST, S.STAGED, self.run, S.STAGED, NEXT_RUN, 0, 0, 0, None),)
            case E.CHARGED:
                return (ChargeRun(FIRST, self.run, 1, 0, 0),)
            case E.CONSUMED:
                return (EndInput(FIRST, self.run, None), self.boundary())
            case E.SUPERSEDED:
                return (ended_in_its_lane(S.SUPERSEDED, encode_successor(NEWER)),)
            case E.COALESCED:
                return (ended_in_its_lane(S.COALESCED, encode_successor(NEWER)),)
            case E.CANCELLED | E.ABANDONED:
                ending = ENDINGS[event]
                if row.state is S.QUEUED:
                    return (ended_in_its_lane(S.ABANDONED, encode_abandoned(ending)),)
                return (EndInput(FIRST, self.run, ending),)


def ended_in_its_lane(state: InputState, ending: bytes) -> MoveInput:
    return MoveInput(FIRST, S.QUEUED, None, state, None, 0, 0, 0, ending)


LIVES: Final[Mapping[str, tuple[InputEntry, tuple[InputEvent, ...], InputState]]] = {
    "sent": (N.MAILED, (), S.SENT),
    "taken": (N.MAILED, (E.TAKEN,), S.QUEUED),
    "taken into a run": (N.MAILED, (E.TAKEN_INTO_RUN,), S.STAGED),
    "mail that was noted": (N.MAILED, (E.NOTED,), S.CONSUMED),
    "queued": (N.ADMITTED, (), S.QUEUED),
    "noted": (N.NOTED, (), S.CONSUMED),
    "staged": (N.ADMITTED_INTO_RUN, (), S.STAGED),
    "staged later": (N.ADMITTED, (E.STAGED,), S.STAGED),
    "bound": (N.ADMITTED, (E.BOUND,), S.STAGED),
    "charged": (N.ADMITTED_INTO_RUN, (E.CHARGED,), S.STAGED),
    "given back": (N.ADMITTED_INTO_RUN, (E.CHARGED, E.RETURNED), S.QUEUED),
    "bound and given back": (N.ADMITTED, (E.BOUND, E.RETURNED), S.QUEUED),
    "staged again": (N.ADMITTED_INTO_RUN, (E.RETURNED, E.STAGED), S.STAGED),
    "in another run": (N.ADMITTED_INTO_RUN, (E.RESTAGED,), S.STAGED),
    "consumed": (N.ADMITTED_INTO_RUN, (E.CONSUMED,), S.CONSUMED),
    "consumed by another run": (N.ADMITTED_INTO_RUN, (E.RESTAGED, E.CONSUMED), S.CONSUMED),
    "superseded": (N.ADMITTED, (E.SUPERSEDED,), S.SUPERSEDED),
    "coalesced": (N.ADMITTED, (E.COALESCED,), S.COALESCED),
    "cancelled in its lane": (N.ADMITTED, (E.CANCELLED,), S.ABANDONED),
    "cancelled in its run": (N.ADMITTED_INTO_RUN, (E.CANCELLED,), S.ABANDONED),
    "abandoned in its lane": (N.ADMITTED, (E.ABANDONED,), S.ABANDONED),
    "abandoned in its run": (N.ADMITTED_INTO_RUN, (E.ABANDONED,), S.ABANDONED),
}
"""Ways to live so far, each with the state it leads to."""


def lived(life: str) -> World:
    """A world in which the input has lived so."""
    entry, events, _ = LIVES[life]
    world = World()
    assert world.enters(entry)
    assert all(world.lets(event) for event in events)
    return world


def test_the_lives_that_are_tried_lead_through_every_row_of_the_tables() -> None:
    assert {state for _, _, state in LIVES.values()} == set(InputState)
    assert {entry for entry, _, _ in LIVES.values()} == set(InputEntry)
    assert {event for _, events, _ in LIVES.values() for event in events} == set(InputEvent)


@pytest.mark.parametrize("life", list(LIVES))
def test_a_life_leads_to_the_state_that_the_tables_say(life: str) -> None:
    entry, events, expected = LIVES[life]
    state = ENTRIES[entry]
    for event in events:
        state = next_state(state, event)
    assert state is expected
    assert lived(life).row().state is expected


@pytest.mark.parametrize(("life", "event"), list(product(LIVES, InputEvent)))
def test_the_store_makes_exactly_the_moves_of_the_table(life: str, event: InputEvent) -> None:
    world = lived(life)
    before = world.row()
    legal = (before.state, event) in TRANSITIONS
    assert world.lets(event) is legal
    after = world.row()
    if legal:
        assert after.state is next_state(before.state, event)
    else:
        assert after == before


OPEN_LIVES: Final = [life for life, (_, _, state) in LIVES.items() if not state.is_terminal]


@pytest.mark.parametrize("life", OPEN_LIVES)
@pytest.mark.parametrize("event", [E.RETURNED, E.RESTAGED, E.CHARGED, E.CONSUMED, E.CANCELLED])
def test_an_input_moves_under_its_own_run_only(life: str, event: InputEvent) -> None:
    world = lived(life)
    before = world.row()
    world.run = RunId(ENV.new_id())
    if before.state is S.QUEUED and event is E.CANCELLED:
        # In its lane it is no run's, and any owner of its identity may end it.
        assert world.lets(event)
        return
    assert not world.lets(event)
    assert world.row() == before
