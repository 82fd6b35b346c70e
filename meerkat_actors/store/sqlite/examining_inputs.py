"""The inputs of one identity: each by itself, the run that is staged, the journal, admissions, and what it sent."""

from __future__ import annotations

from typing import Final

import orjson
from attrs import define, field

from meerkat_actors.records.codec import content_digest, decode_abandoned, encode_abandoned
from meerkat_actors.records.ids import is_uuid, uuid_text
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.examining_streams import Stream
from meerkat_actors.store.sqlite.examining_subject import Input, Subject
from meerkat_actors.store.sqlite.rows import ABANDONED, CONSUMED, QUEUED, STAGED, STATE_CODES

_SENT: Final = STATE_CODES[InputState.SENT]


@define(eq=False)
class Waiting:
    """What is open of one identity."""

    runs: set[bytes] = field(factory=set[bytes])
    """Those that something is staged for."""
    mail: dict[int, int] = field(factory=dict[int, int])
    """Of each sender, the first message that was not taken."""


def examine_waiting(subject: Subject, inputs: Stream) -> Waiting:
    """Look at everything that no boundary consumed: it comes first in the stream."""
    waiting = Waiting()
    while (row := inputs.next) is not None and row[0] == subject.key and row[1] is None:
        one = Input(*inputs.pop())
        examine_input(subject, one)
        if one.state == STAGED and one.run is not None:
            waiting.runs.add(one.run)
        if one.state == _SENT and one.sender is not None:
            waiting.mail[one.sender] = min(one.seq, waiting.mail.get(one.sender, one.seq))
    if subject.is_agent and len(waiting.runs) > 1:
        subject.say(Check.RUN, f"inputs are staged for {len(waiting.runs)} runs at once")
    return waiting


def examine_input(subject: Subject, one: Input) -> None:
    """Look at one input by itself."""
    what = f"input {uuid_text(one.input_id)}"
    if one.is_pruned:
        if one.state < CONSUMED or not subject.is_agent:
            subject.say(Check.CONTENT, f"the content of {what} is gone, and is not to be pruned")
    else:
        _examine_content(subject, one, what)
    state = one.state
    # As the CHECKs of the table say, and records/inputs.py.
    problems = (
        (state == _SENT) != (one.admission is None) and "only mail that waits has no admission",
        (state == STAGED and one.run is None) and "it is staged for no run",
        (state <= QUEUED and one.run is not None) and "it is bound to a run that did not begin",
        (state == CONSUMED) != (one.turn is not None) and "only a boundary consumes",
        (state > CONSUMED) != (one.ending is not None) and "only what ended without a boundary has an ending",
        (one.sender is None) != (one.number is None) and "only mail has a sender and a number",
        (one.sender is not None and one.sender_name is None) and "its sender has no name",
        (one.sender is not None and one.idempotency is not None) and "mail has no key of a caller",
        (state == _SENT and one.sender is None) and "it waits as mail, and nobody sent it",
    )
    for problem in problems:
        if problem:
            subject.say(Check.INPUT, f"{what} (state {state}): {problem}")
    if not subject.is_ledger:
        _examine_own(subject, one, what)
    if one.ending is not None:
        _examine_ending(subject, one, one.ending, what)


def _examine_content(subject: Subject, one: Input, what: str) -> None:
    if content_digest(one.content) != one.digest:
        subject.say(Check.CONTENT, f"the content of {what} does not have its digest")
    try:
        orjson.loads(one.content)
    except orjson.JSONDecodeError as error:
        subject.say(Check.CONTENT, f"the content of {what} is no JSON: {error}")


def _examine_own(subject: Subject, one: Input, what: str) -> None:
    """What holds for inputs of the runtime: its own moves are fewer than the runtime-store facade's."""
    is_mail = one.kind == InputKind.PEER_MESSAGE.value
    subject.demand(Check.INPUT, is_mail == (one.sender is not None), f"{what} is a {one.kind}, and is none")
    # A failed turn waits before it is tried again, and nothing else does.
    counted = one.attempts > 0
    subject.demand(Check.INPUT, counted == (one.not_before > 0), f"{what} waits, and did not fail, or the reverse")
    if one.state <= QUEUED and (counted or one.interruptions):
        subject.say(Check.INPUT, f"{what} was not begun, and was counted as failed")
    if one.state not in {_SENT, QUEUED, STAGED, CONSUMED, ABANDONED}:
        subject.say(Check.INPUT, f"{what} ended in a way (state {one.state}) that the runtime does not end inputs")
    if one.state == ABANDONED and one.run is None:
        subject.say(Check.INPUT, f"{what} was given up by no run")


def _examine_ending(subject: Subject, one: Input, ending: bytes, what: str) -> None:
    try:
        if one.state == ABANDONED:
            is_sound = encode_abandoned(decode_abandoned(ending)) == ending
        else:
            successor = orjson.loads(ending)["successor"]
            is_sound = is_uuid(successor) and orjson.dumps({"successor": successor}) == ending
    except UNDECODABLE:
        is_sound = False
    subject.demand(Check.INPUT, is_sound, f"the ending of {what} is none")


def examine_admissions(subject: Subject, admitted: Stream, waiting: Waiting) -> None:
    """Look at all admissions in their order: none is missing, and each queue is first in, first out."""
    head = subject.head
    floor = 0 if head is None else head.admissions
    expected, missing, found_below, is_open = 1, 0, 0, False
    newest: dict[int | None, int] = {}
    for _, admission, seq, sender, state in admitted.take(subject.key):
        if type(admission) is not int or type(seq) is not int:
            continue  # told by whoever saw the whole row
        found_below += admission <= floor
        if admission != max(expected, floor + 1) and admission > floor:
            missing += 1
            subject.say(Check.ADMISSION, f"admission {admission} follows {expected - 1}: what is between is lost")
        expected = admission + 1
        if seq < newest.get(sender, 0):
            subject.say(Check.ADMISSION, f"admission {admission} is older than one before it from the same sender")
        newest[sender] = seq
        if sender in waiting.mail and waiting.mail[sender] < seq:
            subject.say(Check.ADMISSION, f"admission {admission} was taken before an older message of its sender")
        if subject.is_agent:
            _examine_turn(subject, admission, state, is_open=is_open)
        is_open = is_open or state in {QUEUED, STAGED}
    if floor and found_below >= floor:
        subject.say(Check.ADMISSION, f"its floor says that admissions up to {floor} were pruned, and they are there")


def _examine_turn(subject: Subject, admission: int, state: int, *, is_open: bool) -> None:
    # One lane, one run of one input: nothing is staged or ends before what is older.
    if is_open and state != QUEUED:
        subject.say(Check.RUN, f"admission {admission} (state {state}) is ahead of an older one that is open")


def examine_sent(subject: Subject, mail: Stream) -> None:
    """Look at everything that this identity sent: numbered in order, and none of it missing."""
    last, count = 0, 0
    for _, seq, number in mail.take(subject.key):
        count += 1
        if type(number) is not int:
            continue  # told by whoever saw the whole row
        if number <= last:
            subject.say(Check.MAIL, f"message {number} (sequence {seq}) was sent after message {last}")
        elif number != last + 1 and not subject.is_pruned:
            subject.say(Check.MAIL, f"message {number} follows {last}: what is between is lost")
        last = max(last, number)
    sends = 0 if subject.head is None else subject.head.sends
    if last > sends or (last < sends and not subject.is_pruned):
        subject.say(Check.MAIL, f"it sent {sends} messages as its authority row says, and {last} as they say")


def examine_journal(subject: Subject, journal: Stream, waiting: Waiting) -> None:
    """Look at recorded steps: of a live run, one after another."""
    last: tuple[bytes, str, int] = (b"", "", 0)
    for _, run, name, nth, _arguments, result in journal.take(subject.key):
        what = f"step {nth} of {name!a}"
        if run not in waiting.runs:
            subject.say(Check.JOURNAL, f"{what} is of run {uuid_text(run)}, which is not live")
        if nth != (last[2] + 1 if last[:2] == (run, name) else 1):
            subject.say(Check.JOURNAL, f"{what} is recorded, and the one before it is not")
        last = (run, name, nth)
        try:
            is_canonical = orjson.dumps(orjson.loads(result), option=orjson.OPT_SORT_KEYS) == result
        except UNDECODABLE:
            is_canonical = False
        subject.demand(Check.JOURNAL, is_canonical, f"the result of {what} was changed")
