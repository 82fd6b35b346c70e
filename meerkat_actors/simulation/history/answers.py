"""Numbers 1 to 3, 9, 10 and 12 to 14: what clients asked for and were told, against the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import orjson

from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.checks.contents import TurnSeen
from meerkat_actors.simulation.client import Asked
from meerkat_actors.simulation.history.names import named

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen

_PRUNED: Final = b""
"""The content of an input that was forgotten."""


def check_what_was_acknowledged_is_there(seen: Seen) -> Iterator[str]:
    """With its content, and at whom it was for."""
    for asked in seen.asked:
        row = seen.contents.by_id.get(asked.input_id)
        if asked.refused is not None:
            continue
        if row is None:
            yield f"{named(asked)} was acknowledged, and is not there"
        elif seen.contents.name(row.identity) != asked.agent:
            yield f"{named(asked)} was acknowledged, and is {seen.contents.name(row.identity)}'s"


def check_contents_are_those_that_were_asked(seen: Seen) -> Iterator[str]:
    """Also where nobody knows what became of it."""
    for asked in seen.asked:
        content = seen.given.get(asked.input_id, _PRUNED)
        if content != _PRUNED and content != _encoded(asked):
            yield f"{named(asked)} was {asked.content!r}, and is {content!r}"


def check_what_was_refused_left_nothing(seen: Seen) -> Iterator[str]:
    """If every try was: one that was not heard of may have done it."""
    for asked in seen.asked:
        if asked.refused is not None and not asked.is_unsure and asked.input_id in seen.contents.by_id:
            yield f"{named(asked)} was refused ({asked.refused}), and is there"


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
            yield f"{named(asked)} was answered {asked.outcome.text!r}, and its turn said {text!r}"
        if (receipt.generation, receipt.checkpoint_version) != (turn.generation, turn.version):
            yield f"{named(asked)} was answered by {receipt}, and its turn is {turn.generation}.{turn.version}"


def check_boundaries_are_those_that_were_told(seen: Seen) -> Iterator[str]:
    """Each receipt that a client was given has its boundary, and of each boundary all are given the same one."""
    boundaries = {
        (turn.identity, turn.generation, turn.version): (turn.run, turn.digest.hex(), proof.contributors, proof.count)
        for turn in seen.contents.turns
        for proof in (seen.contents.proofs[turn.sequence],)
    }
    keys = {head.name: head.key for head in seen.contents.heads.values()}
    for asked in seen.asked:
        if isinstance(asked.outcome, Consumed):
            receipt = asked.outcome.receipt
            found = boundaries.get((keys.get(asked.agent, 0), receipt.generation, receipt.checkpoint_version))
            told = receipt.run_id, receipt.digest, receipt.contributors, receipt.message_count
            if found is None:
                yield f"{named(asked)} was answered by {receipt}, and there is no such boundary"
            elif found != told:
                yield f"{named(asked)} was answered by {receipt}, and that boundary is {found}"


def check_nothing_is_there_that_nobody_asked_for(seen: Seen) -> Iterator[str]:
    """Every prompt was a client's; unless the workload had others ask."""
    if seen.has_guests:
        return
    known = {asked.input_id for asked in seen.asked} | seen.unanswered
    for row in seen.contents.agents_inputs:
        if row.sender is None and row.kind == InputKind.PROMPT.value and InputId(row.input_id) not in known:
            yield f"{seen.contents.name(row.identity)}: nobody asked for input {row.input_id}"


def check_every_call_was_answered_once(seen: Seen) -> Iterator[str]:
    """No client asks twice under one id, and none of its ends is told twice."""
    for input_id, count in Counter(asked.input_id for asked in seen.asked).items():
        if count > 1:
            yield f"{input_id} ended {count} times for its client"


def text_of(turn: TurnSeen) -> str | None:
    """What a turn returned."""
    body: dict[str, Any] = orjson.loads(turn.body)
    if "text" in body:
        return None if body["text"] is None else str(body["text"])
    return str(body["log"][-1]["content"])


def _encoded(asked: Asked) -> bytes:
    return encode_json(asked.content, what="content", bytes_max=1 << 30, depth_max=1_000)
