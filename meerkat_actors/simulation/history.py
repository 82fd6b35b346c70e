"""What clients were told, held against what the store says: the invariants that no database shows by itself.

Reference: ``reference/reliability.md``, section 4: 1, 3, 10, 12 to 14, and 20. Each violation names the agent, the
input, and the virtual times of the call. What a store can be held to by itself is in ``simulation/checks``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.checks import Call, Evidence
from meerkat_actors.simulation.checks.contents import OPEN, Contents, InputSeen, TurnSeen
from meerkat_actors.simulation.client import Asked

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen

_PRUNED: Final = b""
"""The content of an input that was forgotten."""


def evidence_of(seen: Seen) -> Evidence:
    """The same as the checks of ``simulation/checks`` are told it."""
    return Evidence(
        contents=seen.contents,
        calls=tuple(_call(asked) for asked in seen.asked if asked.refused is None),
        unanswered=len(seen.unanswered),
        attempts_max=seen.scenario.limits.attempts_max,
    )


def _call(asked: Asked) -> Call:
    return Call(
        verb=asked.what,
        identity=asked.agent,
        input_id=asked.input_id,
        key=None,
        admission=asked.admission,
        outcome=asked.outcome,
        error=None,
        begun=asked.begun,
        ended=asked.ended,
    )


def check_what_was_acknowledged_is_there(seen: Seen) -> Iterator[str]:
    """With its content, and at whom it was for."""
    for asked in seen.asked:
        row = seen.contents.by_id.get(asked.input_id)
        if asked.refused is not None:
            continue
        if row is None:
            yield f"{_named(asked)} was acknowledged, and is not there"
        elif seen.contents.name(row.identity) != asked.agent:
            yield f"{_named(asked)} was acknowledged, and is {seen.contents.name(row.identity)}'s"


def check_contents_are_those_that_were_asked(seen: Seen) -> Iterator[str]:
    """Also where nobody knows what became of it."""
    for asked in seen.asked:
        content = seen.given.get(asked.input_id, _PRUNED)
        if content != _PRUNED and content != _encoded(asked):
            yield f"{_named(asked)} was {asked.content!r}, and is {content!r}"


def check_what_was_refused_left_nothing(seen: Seen) -> Iterator[str]:
    """If every try was: one that was not heard of may have done it."""
    for asked in seen.asked:
        if asked.refused is not None and not asked.is_unsure and asked.input_id in seen.contents.by_id:
            yield f"{_named(asked)} was refused ({asked.refused}), and is there"


def check_texts_are_those_of_the_turns(seen: Seen) -> Iterator[str]:
    """An answer is what its turn said, and its receipt the turn's."""
    turns = {turn.sequence: turn for turn in seen.contents.turns}
    for asked in seen.asked:
        row = seen.contents.by_id.get(asked.input_id)
        turn = turns.get(row.turn) if row is not None else None
        if not isinstance(asked.outcome, Consumed) or turn is None:
            continue
        text, receipt = text_of(turn), asked.outcome.receipt
        if asked.outcome.text != text:
            yield f"{_named(asked)} was answered {asked.outcome.text!r}, and its turn said {text!r}"
        if (receipt.generation, receipt.checkpoint_version) != (turn.generation, turn.version):
            yield f"{_named(asked)} was answered by {receipt}, and its turn is {turn.generation}.{turn.version}"


def check_later_calls_have_later_versions(seen: Seen) -> Iterator[str]:
    """Whose answer was there before another was asked has the older boundary, and the older place in the queue."""
    by_agent: defaultdict[str, list[Asked]] = defaultdict(list)
    for asked in seen.asked:
        if isinstance(asked.outcome, Consumed):
            by_agent[asked.agent].append(asked)
    for all_asked in by_agent.values():
        # In the order of their ends, the newest version that was answered before each began.
        answered = sorted(all_asked, key=lambda asked: asked.ended)
        newest: tuple[tuple[int, int], Asked] | None = None
        place = 0
        for asked in sorted(all_asked, key=lambda asked: asked.begun):
            while place < len(answered) and answered[place].ended < asked.begun:
                version = _version(answered[place])
                if newest is None or version > newest[0]:
                    newest = version, answered[place]
                place += 1
            if newest is not None and _version(asked) <= newest[0]:
                yield f"{_named(asked)} is version {_version(asked)}, and {_named(newest[1])} before it {newest[0]}"


def check_nothing_is_there_that_nobody_asked_for(seen: Seen) -> Iterator[str]:
    """Every prompt was a client's; unless the workload had others ask."""
    if seen.has_guests:
        return
    known = {asked.input_id for asked in seen.asked} | seen.unanswered
    for row in _agents_inputs(seen.contents):
        if row.sender is None and row.kind == InputKind.PROMPT.value and InputId(row.input_id) not in known:
            yield f"{seen.contents.name(row.identity)}: nobody asked for input {row.input_id}"


def check_everything_ended(seen: Seen) -> Iterator[str]:
    """When nothing goes wrong any more, all that was admitted or sent comes to its end, but what need wake nobody."""
    for row in _agents_inputs(seen.contents):
        head = seen.contents.heads.get(row.identity)
        # Mail for a name that nobody has waits for a week.
        if row.state in OPEN and head is not None and not _may_wait(seen, row, head.kind):
            yield f"{head.name}: input {row.input_id} of kind {row.kind} is {row.state} for ever"


def check_every_call_was_answered_once(seen: Seen) -> Iterator[str]:
    """No client asks twice under one id, and none of its ends is told twice."""
    for input_id, count in Counter(asked.input_id for asked in seen.asked).items():
        if count > 1:
            yield f"{input_id} ended {count} times for its client"


CHECKS: Final = (
    check_what_was_acknowledged_is_there,
    check_contents_are_those_that_were_asked,
    check_what_was_refused_left_nothing,
    check_texts_are_those_of_the_turns,
    check_later_calls_have_later_versions,
    check_nothing_is_there_that_nobody_asked_for,
    check_everything_ended,
    check_every_call_was_answered_once,
)
"""Those that hold for every scenario."""


def text_of(turn: TurnSeen) -> str | None:
    """What a turn returned."""
    body: dict[str, Any] = orjson.loads(turn.body)
    if "text" in body:
        return None if body["text"] is None else str(body["text"])
    return str(body["log"][-1]["content"])


def _agents_inputs(contents: Contents) -> Iterator[InputSeen]:
    for row in contents.inputs:
        head = contents.heads.get(row.identity)
        if head is None or head.is_agent:
            yield row


def _may_wait(seen: Seen, row: InputSeen, kind: str) -> bool:
    header: Mapping[str, Any] = {} if row.header is None else orjson.loads(row.header)
    agent = seen.scenario.agents.get(kind)
    is_silent = agent is not None and header.get("intent") in agent.silent_intents
    return header.get("wakes") is False or is_silent


def _version(asked: Asked) -> tuple[int, int]:
    assert isinstance(asked.outcome, Consumed)
    return asked.outcome.receipt.generation, asked.outcome.receipt.checkpoint_version


def _named(asked: Asked) -> str:
    times = f"{asked.called:.3f} to {asked.returned:.3f} s, tries: {asked.tries}"
    return f"{asked.agent}: input {asked.input_id} of {asked.client} ({asked.what}, {times})"


def _encoded(asked: Asked) -> bytes:
    return encode_json(asked.content, what="content", bytes_max=1 << 30, depth_max=1_000)
