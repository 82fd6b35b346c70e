"""Changes of what a store holds, to be found by the checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.inputs import InputState
from meerkat_actors.simulation.checks import Evidence, InputSeen

Harm = Callable[[Evidence], Evidence]

RUN: Final = "0199f5a8-5a5e-7000-8000-000000000001"
"""Nobody's id."""


def with_inputs(seen: Evidence, change: Callable[[InputSeen], InputSeen]) -> Evidence:
    return with_contents(seen, inputs=tuple(change(row) for row in seen.contents.inputs))


def with_contents(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    return evolve(seen, contents=evolve(seen.contents, **changes))


def changed(seen: Evidence, was: InputState, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    """The last input of that state, changed."""
    last = [row for row in seen.contents.inputs if row.state is was][-1]
    return with_inputs(seen, lambda row: evolve(row, **changes) if row is last else row)


def with_turns(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    """The last boundary of an agent with two of them, changed."""
    last = next(rows[-1] for rows in seen.contents.turns_of.values() if len(rows) > 1)
    return with_contents(
        seen, turns=tuple(evolve(row, **changes) if row is last else row for row in seen.contents.turns)
    )


def with_heads(seen: Evidence, name: str, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    heads = {key: evolve(row, **changes) if row.name == name else row for key, row in seen.contents.heads.items()}
    return with_contents(seen, heads=heads)
