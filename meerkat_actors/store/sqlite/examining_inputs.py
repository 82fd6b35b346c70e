"""The inputs of one identity: each by itself, the run that is staged, the journal, admissions, and what it sent."""

from __future__ import annotations

from typing import Final

import orjson
from attrs import define, field

from meerkat_actors.machines.policy import policy_of
from meerkat_actors.records.codec import (
    content_digest,
    decode_abandoned,
    decode_header,
    encode_abandoned,
    encode_successor,
)
from meerkat_actors.records.ids import is_uuid, uuid_text
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Letter
from meerkat_actors.records.outcomes import DEAD_LETTERS
from meerkat_actors.records.runs import CHECKPOINT
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.examining_streams import Stream
from meerkat_actors.store.sqlite.examining_subject import Input, Subject
from meerkat_actors.store.sqlite.rows import ABANDONED, CONSUMED, QUEUED, STAGED, STATE_CODES

_SENT: Final = STATE_CODES[InputState.SENT]
_RUNS_MAX: Final = 2
"""One waits for its time in each lane, or is in progress."""


@define(eq=False)
class Waiting:
    """What is open of one identity."""

    runs: set[bytes] = field(factory=set[bytes])
    """Those that something is staged for."""
    bases: set[tuple[int, bytes]] = field(factory=set[tuple[int, bytes]])
    """The lane of each, and of what it was staged with."""
    mail: dict[tuple[int, int], int] = field(factory=dict[tuple[int, int], int])
    """Of each sender and lane, the first message above the floor that was not taken."""
    has_mail: bool = False
    """Whether there is mail that was not taken, or was returned."""


def examine_waiting(subject: Subject, inputs: Stream) -> Waiting:
    """Look at everything that no boundary consumed: it comes first in the stream."""
    waiting = Waiting()
    floor = 0 if subject.head is None else subject.head.mail_floor
    while (row := inputs.next) is not None and row[0] == subject.key and row[1] is None:
        one = Input(*inputs.pop())
        examine_input(subject, one)
        if one.state == STAGED and one.run is not None:
            waiting.runs.add(one.run)
            if one.position == 0:
                waiting.bases.add((one.lane, one.run))
        waiting.has_mail |= one.admission is None
        if one.state == _SENT and one.sender is not None and one.seq > floor:
            line = (one.sender, one.lane)
            waiting.mail[line] = min(one.seq, waiting.mail.get(line, one.seq))
    if subject.is_agent:
        _examine_runs(subject, waiting)
    return waiting


def _examine_runs(subject: Subject, waiting: Waiting) -> None:
    lanes = {lane for lane, _ in waiting.bases}
    if len(waiting.runs) > _RUNS_MAX or len(lanes) < len(waiting.bases):
        subject.say(Check.RUN, f"inputs are staged for {len(waiting.runs)} runs at once")
    if waiting.runs != {run for _, run in waiting.bases}:
        subject.say(Check.RUN, "what a checkpoint bound is staged for a run of nothing else")


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
        (state == _SENT and one.admission is not None) and "mail that waits has no admission",
        (one.admission is None and state not in {_SENT, ABANDONED}) and "only mail has no admission",
        (one.admission is None and one.run is not None) and "it was never admitted, and is in a run",
        (one.owed and (state != CONSUMED or one.kind != InputKind.PEER_REQUEST or one.sender is None))
        and "an answer is owed to nobody",
        (state == STAGED and one.run is None) and "it is staged for no run",
        (state <= QUEUED and one.run is not None) and "it is bound to a run that did not begin",
        (state == CONSUMED) != (one.turn is not None or one.lane == Lane.NONE) and "only a boundary consumes",
        (one.lane == Lane.NONE and (one.turn, one.run) != (None, None)) and "it was consumed as it was admitted",
        (one.position > 0 and one.run is None) and "a checkpoint bound it to no run",
        (one.letter != Letter.NONE and state != ABANDONED) and "only what was given up is a dead letter",
        (state > CONSUMED) != (one.ending is not None) and "only what ended without a boundary has an ending",
        (one.sender is None) != (one.number is None) and "only mail has a sender and a number",
        (one.sender is not None and one.sender_name is None) and "its sender has no name",
        (one.sender is not None and one.idempotency is not None) and "mail has no key of a caller",
    )
    for problem in problems:
        if problem:
            subject.say(Check.INPUT, f"{what} (state {state}): {problem}")
    if subject.is_ledger:
        is_plain = (one.lane, one.policy, one.position, one.header, one.letter) == (0, 0, 0, None, 0)
        subject.demand(Check.INPUT, is_plain, f"{what} has what only the runtime gives its inputs")
    else:
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
    is_prompt = one.kind == InputKind.PROMPT.value
    subject.demand(Check.INPUT, not is_prompt or one.sender is None, f"{what} is a {one.kind}, and was sent")
    _examine_said(subject, one, what)
    if CONSUMED < one.state < ABANDONED and one.run is not None:
        subject.say(Check.INPUT, f"{what} is in a run, and a newer one took its place")


def _examine_said(subject: Subject, one: Input, what: str) -> None:
    """Its header, and what admission concluded from it."""
    kind = InputKind(one.kind)
    try:
        decode_header(one.header, kind)
    except UNDECODABLE:
        subject.say(Check.INPUT, f"the header of {what} is none of a {kind}")
    try:
        policy = policy_of(one.policy, kind)
    except ValueError:
        subject.say(Check.INPUT, f"{what} has policy {one.policy}, which is none of a {kind}")
        return
    if one.admission is None:
        is_mail = one.policy == 0 and one.lane != Lane.NONE
        subject.demand(Check.INPUT, is_mail, f"{what} was not admitted, and has a policy, or waits in no lane")
    elif one.lane != policy.lane:
        subject.say(Check.INPUT, f"{what} is in lane {one.lane}, and its policy says {policy.lane}")
    is_bound = one.lane == Lane.STEER and one.run is not None
    subject.demand(Check.INPUT, one.position == 0 or is_bound, f"a checkpoint took {what} up, and it steers nobody")
    _examine_attempts(subject, one, what, was_alone=policy.is_alone)


def _examine_attempts(subject: Subject, one: Input, what: str, *, was_alone: bool) -> None:
    """A failed turn waits before it is tried again, and nothing else does; who failed with others may go on at once."""
    has_failed = one.attempts > 0
    waits = one.not_before > 0
    # The failure that ended it is counted, and was waited for by nobody.
    if waits != has_failed and (waits or was_alone) and not (has_failed and one.state == ABANDONED):
        subject.say(Check.INPUT, f"{what} waits, and did not fail, or the reverse")
    # What was taken up together goes back to its lane with what it was charged.
    may_be_charged = one.state >= STAGED or (one.state == QUEUED and not was_alone)
    if (has_failed or one.interruptions) and (not may_be_charged or one.lane == Lane.NONE):
        subject.say(Check.INPUT, f"{what} was not begun, and was counted as failed")


def _examine_ending(subject: Subject, one: Input, ending: bytes, what: str) -> None:
    try:
        if one.state == ABANDONED:
            abandoned = decode_abandoned(ending)
            is_sound = encode_abandoned(abandoned) == ending
            # Nobody gave up what older versions, and the facade, give up as a dead letter.
            is_asked_for = abandoned.reason not in DEAD_LETTERS
            if is_asked_for and one.letter != Letter.NONE:
                subject.say(Check.INPUT, f"{what} is a dead letter, and was given up as somebody asked")
            if not is_asked_for and one.run is None and not subject.is_ledger:
                subject.say(Check.INPUT, f"{what} was given up by no run")
        else:
            successor = orjson.loads(ending)["successor"]
            is_sound = is_uuid(successor) and encode_successor(successor) == ending
    except UNDECODABLE:
        is_sound = False
    subject.demand(Check.INPUT, is_sound, f"the ending of {what} is none")


def examine_admissions(subject: Subject, admitted: Stream, waiting: Waiting) -> None:
    """Look at all admissions in their order: none is missing, and each queue is first in, first out."""
    head = subject.head
    floor = 0 if head is None else head.admissions
    expected, missing, found_below, oldest = 1, 0, 0, CONSUMED
    newest: dict[tuple[int, int], int] = {}
    for _, admission, seq, sender, state, lane in admitted.take(subject.key):
        if type(admission) is not int or type(seq) is not int:
            continue  # told by whoever saw the whole row
        found_below += admission <= floor
        if admission != max(expected, floor + 1) and admission > floor:
            missing += 1
            subject.say(Check.ADMISSION, f"admission {admission} follows {expected - 1}: what is between is lost")
        expected = admission + 1
        # What another runtime posted from outside may be taken later than what its owner admitted. Where a message
        # waited that was consumed as it was admitted is not remembered.
        if sender is not None and lane != Lane.NONE:
            line = (sender, lane)
            if seq < newest.get(line, 0):
                subject.say(Check.ADMISSION, f"admission {admission} is older than one before it from the same sender")
            newest[line] = seq
            if waiting.mail.get(line, seq) < seq:
                subject.say(Check.ADMISSION, f"admission {admission} was taken before an older message of its sender")
        # Who is steered may be ahead; in the queue nothing is staged or consumed before what is older.
        if subject.is_agent and lane == Lane.QUEUE and state in {QUEUED, STAGED, CONSUMED}:
            if state > oldest:
                subject.say(Check.RUN, f"admission {admission} (state {state}) is ahead of an older one that is open")
            oldest = min(oldest, state)
    if floor and found_below >= floor:
        subject.say(Check.ADMISSION, f"its floor says that admissions up to {floor} were pruned, and they are there")


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
    for _, run, name, nth, arguments, result, once in journal.take(subject.key):
        what = f"step {nth} of {name!a}"
        if run not in waiting.runs:
            subject.say(Check.JOURNAL, f"{what} is of run {uuid_text(run)}, which is not live")
        if nth != (last[2] + 1 if last[:2] == (run, name) else 1):
            subject.say(Check.JOURNAL, f"{what} is recorded, and the one before it is not")
        last = (run, name, nth)
        if (name == CHECKPOINT) != (arguments == b"") or (name == CHECKPOINT and once):
            subject.say(Check.JOURNAL, f"{what} is half a checkpoint")
        try:
            # What runs once is recorded before it does, and then has none.
            is_canonical = bool(once and not result) or _canonical(result) == result
        except UNDECODABLE:
            is_canonical = False
        subject.demand(Check.JOURNAL, is_canonical, f"the result of {what} was changed")


def _canonical(result: bytes) -> bytes:
    return orjson.dumps(orjson.loads(result), option=orjson.OPT_SORT_KEYS)
