"""Where an open input may be set from outside its turn: a rollback, a count, an ending without a boundary.

Rule 1: a terminal state is final, so it has no row.
Rule 2: nothing becomes consumed here; only the boundary that a receipt proves does that.
Rule 3: what a run holds is never coalesced: its content may be in front of a model.
"""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.inputs import InputState

S = InputState

MOVES: Final = frozenset(
    {
        (S.QUEUED, S.QUEUED),
        (S.QUEUED, S.STAGED),
        (S.QUEUED, S.SUPERSEDED),
        (S.QUEUED, S.COALESCED),
        (S.QUEUED, S.ABANDONED),
        (S.STAGED, S.QUEUED),
        (S.STAGED, S.STAGED),
        (S.STAGED, S.SUPERSEDED),
        (S.STAGED, S.ABANDONED),
    }
)
"""Each pair of a state and one that may follow it."""
