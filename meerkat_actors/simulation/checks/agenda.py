"""I29, I30 and I32 to I34: requests and their answers, mail, operations, and what units told of all that."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from meerkat_actors.records.headers import Origin
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.checks.contents import OPEN, Contents, InputSeen
from meerkat_actors.simulation.checks.evidence import Evidence

_REQUEST: Final = InputKind.PEER_REQUEST.value
_ANSWER: Final = InputKind.PEER_RESPONSE_TERMINAL.value
_ENDED_AS: Final[Mapping[str, InputState]] = {
    "InputAbandoned": InputState.ABANDONED,
    "InputSuperseded": InputState.SUPERSEDED,
    "InputCoalesced": InputState.COALESCED,
    "InputNoted": InputState.CONSUMED,
}
_ENDS_LIFE: Final = frozenset({"GenerationBegan", "Destroyed"})
_RAISES_FLOOR: Final = frozenset({"GenerationBegan", "Destroyed", "DesiredChanged"})


def check_i29_every_request_that_ended_has_one_answer(seen: Evidence) -> Iterator[str]:
    """To whoever asked. One that is open, or put off, has none yet; who was destroyed may get none."""
    contents = seen.contents
    answers = Counter(_answered(contents))
    for row in contents.inputs:
        recipient = contents.heads.get(row.identity)
        if row.kind != _REQUEST or row.sender is None or (recipient is not None and not recipient.is_agent):
            continue
        asker = contents.heads.get(row.sender)
        count = answers[row.input_id, row.sender, row.identity]
        is_due = row.state not in OPEN and not row.is_owed
        is_excused = asker is not None and asker.is_buried and not count
        if count != is_due and not is_excused:
            owed = ", and its answer is owed" if row.is_owed else ""
            yield f"request {row.input_id} is {row.state}{owed}, and has {count} answers"
        if row.is_owed and row.state is not InputState.CONSUMED:
            yield f"request {row.input_id} is {row.state}, and its answer is owed"


def _answered(contents: Contents) -> Iterator[tuple[str, int, int]]:
    """Of each answer, the request, who asked, and who was asked; the runtime answers for those who don't."""
    keys = {head.name: key for key, head in contents.heads.items()}
    for row in contents.inputs:
        if row.kind != _ANSWER or row.header is None:
            continue
        header = orjson.loads(row.header)
        request = contents.by_id.get(header.get("request_id", ""))
        if row.sender is not None:
            yield header["request_id"], row.identity, row.sender
        elif request is not None and header.get("origin") == Origin.SYSTEM.value:
            # Whoever was asked may never have existed, and has no name then.
            source = keys.get(header.get("source"), request.identity)
            yield request.input_id, row.identity, source


def check_i30_nothing_is_taken_below_the_mail_floor(seen: Evidence) -> Iterator[str]:
    """By the row's own word for where that is, and by what was told of the ends of lives."""
    contents = seen.contents
    ended: dict[int, int] = {}
    for sequence, (identity, told) in contents.facts.items():
        head = contents.heads.get(identity)
        # The unit that raised the floor may have taken mail ahead of that.
        is_after = (
            head is not None and sequence > head.mail_floor and not any(fact["fact"] in _RAISES_FLOOR for fact in told)
        )
        for input_id in _taken(told):
            row = contents.by_id.get(input_id)
            if row is None or head is None:
                continue
            if is_after and row.sequence <= head.mail_floor:
                yield f"{head.name}: {input_id} is below its mail floor {head.mail_floor}, and was taken after that"
            elif row.sequence < ended.get(identity, 0):
                yield f"{head.name}: {input_id} was sent before it began anew, and taken after that"
        if any(fact["fact"] in _ENDS_LIFE for fact in told):
            ended[identity] = sequence


def check_i32_what_was_told_is_so(seen: Evidence) -> Iterator[str]:
    """And once; and whatever no row says by itself was told."""
    contents = seen.contents
    rows = {row.sequence for row in contents.inputs} | {turn.sequence for turn in contents.turns}
    for sequence, identity, body in contents.events:
        if identity not in contents.heads or sequence in rows or not orjson.loads(body):
            yield f"event {sequence} of {contents.name(identity)} is no unit's"
    told = Counter((fact["fact"], input_id) for _, _, fact in contents.told for input_id in _inputs_in(fact))
    for _, identity, fact in contents.told:
        for input_id in _inputs_in(fact):
            row = contents.by_id.get(input_id)
            wanted = _ENDED_AS.get(fact["fact"])
            if row is None or row.identity != identity or row.admission is None:
                yield f"{contents.name(identity)}: {fact['fact']} of {input_id}, which it did not admit"
            elif wanted is not None and row.state is not wanted:
                yield f"{contents.name(identity)}: {fact['fact']} of {input_id}, which is {row.state}"
            if told[fact["fact"], input_id] > 1:
                yield f"{contents.name(identity)}: {fact['fact']} of {input_id} was told twice"
    if not contents.event_floor:
        yield from _untold(contents, set(told))


def _untold(contents: Contents, told: set[tuple[str, str]]) -> Iterator[str]:
    of_states: dict[InputState, str] = {state: kind for kind, state in _ENDED_AS.items()}
    del of_states[InputState.CONSUMED]
    for row in contents.inputs:
        head = contents.heads.get(row.identity)
        if head is None or not head.is_agent or row.admission is None:
            continue
        if row.sender is not None and ("MailTaken", row.input_id) not in told:
            yield f"{head.name}: nobody was told that {row.input_id} was taken"
        kind = of_states.get(row.state)
        if kind is not None and not row.turn and (kind, row.input_id) not in told and not _is_in_receipt(contents, row):
            yield f"{head.name}: nobody was told that {row.input_id} is {row.state}"


def _is_in_receipt(contents: Contents, row: InputSeen) -> bool:
    """Whether it ended with a turn that was interrupted, whose boundary says so."""
    return any(
        turn.run == row.run and row.input_id in contents.proofs[turn.sequence].contributors
        for turn in contents.turns_of.get(row.identity, ())
    )


def check_i33_what_was_sent_is_counted_and_taken_in_order(seen: Evidence) -> Iterator[str]:
    """The counter is the number of the last message; those of one pair and lane are admitted in their order."""
    sent = Counter(row.sender for row in seen.contents.inputs if row.sender is not None)
    for head in seen.contents.heads.values():
        if head.sends != sent[head.key]:
            yield f"{head.name}: counts {head.sends} messages, and there are {sent[head.key]}"
    numbers: dict[int, int] = {}
    admitted: dict[tuple[int, int, Lane], int] = {}
    for row in seen.contents.inputs:
        if row.sender is None:
            continue
        if row.number is not None:
            if row.number != numbers.get(row.sender, 0) + 1:
                yield f"{seen.contents.name(row.sender)}: message {row.number} after {numbers.get(row.sender, 0)}"
            numbers[row.sender] = row.number
        pair = (row.sender, row.identity, row.lane)
        if row.admission is not None:
            if row.admission < admitted.get(pair, 0):
                yield f"{row.input_id} was admitted before an older message of {seen.contents.name(row.sender)}"
            admitted[pair] = row.admission


def check_i34_operations_begin_and_end_once(seen: Evidence) -> Iterator[str]:
    """Their ends are numbered from 1, without a gap."""
    begun = Counter[tuple[int, str]]()
    ends: defaultdict[int, list[int]] = defaultdict(list)
    ended = Counter[tuple[int, str]]()
    for _, identity, fact in seen.contents.told:
        operation = identity, str(fact.get("operation_id"))
        match fact["fact"]:
            case "OperationStarted":
                begun[operation] += 1
            case "OperationChanged" if ended[operation]:
                yield f"{seen.contents.name(identity)}: operation {operation[1]} went on after its end"
            case "OperationEnded":
                ended[operation] += 1
                ends[identity].append(fact["sequence"])
            case _:
                pass
    if seen.contents.event_floor:
        return
    for (identity, operation_id), count in (begun + ended).items():
        if begun[identity, operation_id] != 1 or ended[identity, operation_id] > 1:
            yield f"{seen.contents.name(identity)}: operation {operation_id} began or ended {count} times in all"
    for identity, sequences in ends.items():
        if sequences != list(range(1, len(sequences) + 1)):
            yield f"{seen.contents.name(identity)}: operations ended as {sequences}"


def _taken(told: list[dict[str, Any]]) -> Iterator[str]:
    return (input_id for fact in told if fact["fact"] == "MailTaken" for input_id in fact["input_ids"])


def _inputs_in(fact: dict[str, Any]) -> list[str]:
    """The inputs that a fact says something of, which it says of each only once."""
    if fact["fact"] in _ENDED_AS:
        return [fact["input_id"]]
    return list(fact["input_ids"]) if fact["fact"] in {"MailTaken", "TimerFired"} else []
