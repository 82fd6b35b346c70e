"""What I29 to I34 must find: see ``meerkat_actors.simulation.checks.agenda``."""

from __future__ import annotations

from typing import Any, Final

import orjson
from attrs import evolve

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.checks import Evidence, InputSeen
from tests.invariants.changes import RUN, Harm, changed, with_contents, with_heads, with_inputs


def row_of(seen: Evidence, kind: InputKind) -> InputSeen:
    return next(row for row in seen.contents.inputs if row.kind == kind.value and row.sender is not None)


def without_answer(seen: Evidence) -> Evidence:
    answer = row_of(seen, InputKind.PEER_RESPONSE_TERMINAL)
    return with_contents(seen, inputs=tuple(row for row in seen.contents.inputs if row is not answer))


def answered_twice(seen: Evidence) -> Evidence:
    answer = row_of(seen, InputKind.PEER_RESPONSE_TERMINAL)
    return with_contents(seen, inputs=(*seen.contents.inputs, evolve(answer, sequence=900, input_id=RUN)))


def owed(seen: Evidence) -> Evidence:
    request = row_of(seen, InputKind.PEER_REQUEST)
    return with_inputs(seen, lambda row: evolve(row, is_owed=True) if row is request else row)


def taken_below_the_floor(seen: Evidence) -> Evidence:
    taken = [at for at, (_, told) in seen.contents.facts.items() if any(fact["fact"] == "MailTaken" for fact in told)]
    return with_heads(seen, seen.contents.name(seen.contents.facts[taken[-1]][0]), mail_floor=taken[-1] - 1)


def told(seen: Evidence, name: str, *facts: dict[str, Any]) -> Evidence:
    """One row more, of that agent."""
    key = next((key for key, head in seen.contents.heads.items() if head.name == name), 900)
    sequence = seen.contents.sequence + 1
    return with_contents(seen, events=(*seen.contents.events, (sequence, key, orjson.dumps(facts))), sequence=sequence)


def told_again(seen: Evidence, kind: str, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of a fact
    identity, fact = next(
        (key, fact) for key, facts in seen.contents.facts.values() for fact in facts if fact["fact"] == kind
    )
    return told(seen, seen.contents.name(identity), {**fact, **changes})


def abandoned_in_the_lane(seen: Evidence) -> Evidence:
    return changed(seen, InputState.QUEUED, state=InputState.ABANDONED, ending=b'{"detail":"","reason":"reset"}')


def admitted_out_of_order(seen: Evidence) -> Evidence:
    ahead = next(row for row in seen.contents.inputs if row.sender is not None)
    return with_inputs(seen, lambda row: evolve(row, admission=900) if row is ahead else row)


AGENDA_HARMS: Final[dict[str, tuple[Harm, ...]]] = {
    "i29": (without_answer, answered_twice, owed),
    "i30": (taken_below_the_floor,),
    "i31": (
        lambda seen: with_heads(seen, "d", is_buried=True),
        lambda seen: with_contents(seen, timers=frozenset({(1, "nobody's")})),
        lambda seen: told(seen, "d", {"fact": "TimerDropped", "name": "late"}),
        lambda seen: told(seen, "d", {"fact": "GenerationBegan", "generation": 1}),
        lambda seen: told_again(seen, "TimerFired"),
        lambda seen: told_again(seen, "TimerFired", name="other"),
    ),
    "i32": (
        lambda seen: told(seen, "nobody", {"fact": "TimerDropped", "name": "x"}),
        lambda seen: told(seen, "a"),
        lambda seen: told_again(seen, "MailTaken"),
        lambda seen: told(
            seen, "b", {"fact": "InputAbandoned", "input_id": row_of(seen, InputKind.PEER_MESSAGE).input_id}
        ),
        lambda seen: told(seen, "b", {"fact": "InputNoted", "input_id": RUN}),
        lambda seen: with_contents(seen, events=()),
        abandoned_in_the_lane,
    ),
    "i33": (
        lambda seen: with_heads(seen, "a", sends=9),
        lambda seen: with_inputs(seen, lambda row: row if row.sender is None else evolve(row, number=1)),
        admitted_out_of_order,
    ),
    "i34": (
        lambda seen: told_again(seen, "OperationEnded"),
        lambda seen: told_again(seen, "OperationStarted"),
        lambda seen: told_again(seen, "OperationStarted", fact="OperationChanged"),
        lambda seen: told_again(seen, "OperationEnded", operation_id=RUN, sequence=2),
        lambda seen: told(
            told(seen, "b", {"fact": "OperationStarted", "operation_id": RUN}),
            "b",
            {"fact": "OperationEnded", "operation_id": RUN, "sequence": 2},
        ),
    ),
}
