"""The states and outcomes of an input, as people and listings see them."""

from __future__ import annotations

from typing import get_args

import pytest

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Coalesced, Consumed, Noted, Outcome, Superseded


@pytest.mark.parametrize("state", InputState)
def test_a_state_is_terminal_or_open(state: InputState) -> None:
    is_open = state in {InputState.SENT, InputState.QUEUED, InputState.STAGED}
    assert state.is_terminal is not is_open


def test_an_input_ends_in_one_of_five_ways() -> None:
    assert set(get_args(Outcome)) == {Consumed, Noted, Superseded, Coalesced, Abandoned}


@pytest.mark.parametrize("reason", AbandonReason)
def test_an_abandonment_is_told_with_its_reason(reason: AbandonReason) -> None:
    assert str(Abandoned(reason, "ValueError: no")) == f"abandoned ({reason.value}): ValueError: no"
