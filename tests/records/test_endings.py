"""How a stored input ended, told by its row alone."""

from __future__ import annotations

from typing import Final

import pytest
from attrs import evolve

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import DIGEST_ZERO, encode_abandoned, encode_successor
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, CheckpointVersion, Generation, InputId, RunId
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Coalesced, Consumed, Noted, Superseded
from meerkat_actors.store.legible import UNDECODABLE

S = InputState
NEWER: Final = InputId("01234567-89ab-7def-8123-456789abcdef")
TURN: Final = TurnRow(
    sequence=2,
    previous=0,
    identity=AgentIdentity("a"),
    generation=Generation(0),
    version=CheckpointVersion(1),
    run_id=RunId("11234567-89ab-7def-8123-456789abcdef"),
    digest=DIGEST_ZERO,
    body=b'{"count":1,"log":[{"content":"x","input":"21234567-89ab-7def-8123-456789abcdef","role":"user"}],"text":null}',
)
OPEN: Final = InputRow(
    sequence=1,
    input_id=InputId("21234567-89ab-7def-8123-456789abcdef"),
    kind=InputKind.PROMPT,
    state=S.QUEUED,
    content=b'"x"',
    sender=None,
    admission=AdmissionSequence(1),
    run_id=None,
    attempts=0,
    interruptions=0,
    not_before_ms=0,
    ending=None,
    turn=None,
    idempotency_key=None,
)
GIVEN_UP: Final = Abandoned(AbandonReason.CRASH_LOOP, "gone")


@pytest.mark.parametrize("state", [S.SENT, S.QUEUED, S.STAGED])
def test_an_open_input_has_no_outcome(state: InputState) -> None:
    assert outcome_of(evolve(OPEN, state=state)) is None


def test_each_ending_is_told() -> None:
    consumed = outcome_of(evolve(OPEN, state=S.CONSUMED, turn=TURN))
    assert isinstance(consumed, Consumed)
    assert (consumed.text, consumed.receipt.contributors) == (None, (OPEN.input_id,))
    assert outcome_of(evolve(OPEN, state=S.CONSUMED, lane=Lane.NONE)) == Noted()
    assert outcome_of(evolve(OPEN, state=S.SUPERSEDED, ending=encode_successor(NEWER))) == Superseded(NEWER)
    assert outcome_of(evolve(OPEN, state=S.COALESCED, ending=encode_successor(NEWER))) == Coalesced(NEWER)
    assert outcome_of(evolve(OPEN, state=S.ABANDONED, ending=encode_abandoned(GIVEN_UP))) == GIVEN_UP


@pytest.mark.parametrize("state", [S.CONSUMED, S.SUPERSEDED, S.COALESCED, S.ABANDONED])
def test_a_row_that_does_not_tell_by_what_it_ended_is_refused(state: InputState) -> None:
    """Whoever waited for it would otherwise ask for ever."""
    with pytest.raises(ValueError, match=f"is {state}, and nothing tells by what"):
        outcome_of(evolve(OPEN, state=state))


@pytest.mark.parametrize("state", [S.SUPERSEDED, S.COALESCED, S.ABANDONED])
@pytest.mark.parametrize(
    "ending", [b"", b"null", b"[]", b"{}", b'{"successor":7}', b'{"successor":"7"}', b'{"reason":"none","detail":""}']
)
def test_a_rotten_ending_is_refused(state: InputState, ending: bytes) -> None:
    with pytest.raises(UNDECODABLE):
        outcome_of(evolve(OPEN, state=state, ending=ending))


def test_outcomes_read_well_in_a_sentence() -> None:
    assert str(Noted()) == "noted as it was admitted, with no turn"
    assert str(Superseded(NEWER)) == f"superseded by input {NEWER}, which goes on"
    assert str(Coalesced(NEWER)) == f"coalesced into input {NEWER}, which goes on"
    assert str(GIVEN_UP) == "abandoned (crash_loop): gone"
