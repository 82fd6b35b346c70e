"""What each check must find, put into a healthy life's evidence."""

from __future__ import annotations

from typing import Any, Final

import trio
from attrs import evolve

from meerkat_actors.errors import MailboxFullError
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission
from meerkat_actors.records.status import Desired
from meerkat_actors.simulation.checks import Call, Evidence, InputSeen
from tests.invariants.agenda_harms import AGENDA_HARMS
from tests.invariants.changes import RUN, Harm, changed, with_contents, with_heads, with_inputs, with_turns


def with_call(seen: Evidence, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of the record
    call = Call(
        verb="send",
        identity="a",
        input_id=None,
        key=None,
        admission=None,
        outcome=None,
        error=None,
        begun=900,
        ended=901,
    )
    return evolve(seen, calls=(*seen.calls, evolve(call, **changes)))


def first(seen: Evidence, state: InputState) -> InputSeen:
    return next(row for row in seen.contents.inputs if row.state is state)


def admitted(input_id: str) -> Admission:
    return Admission(InputId(input_id), AdmissionSequence(1), duplicate=False, durable=True)


def without_row(seen: Evidence) -> Evidence:
    row = next(row for row in seen.contents.inputs if row.key == "k")
    call = with_call(seen, admission=admitted(row.input_id), input_id=row.input_id)
    return with_contents(call, inputs=tuple(each for each in seen.contents.inputs if each is not row))


def key_twice(seen: Evidence) -> Evidence:
    mine = [row for row in seen.contents.inputs if seen.contents.name(row.identity) == "a"]
    return with_inputs(seen, lambda row: evolve(row, key="k") if row is mine[-1] else row)


def two_queued_ahead(seen: Evidence) -> Evidence:
    staged = first(seen, InputState.STAGED)
    return with_inputs(seen, lambda row: evolve(row, admission=900) if row is staged else row)


def second_run(seen: Evidence) -> Evidence:
    return changed(seen, InputState.QUEUED, state=InputState.STAGED, run=RUN)


def replayed(seen: Evidence) -> Evidence:
    run = next(rows[-1].run for key, rows in seen.contents.turns_of.items() if seen.contents.name(key) == "c")
    staged = first(seen, InputState.STAGED)
    return with_inputs(seen, lambda row: evolve(row, run=run) if row is staged else row)


def half_a_batch(seen: Evidence) -> Evidence:
    staged = first(seen, InputState.STAGED)
    queued = first(seen, InputState.QUEUED)
    lost = evolve(queued, state=InputState.ABANDONED, run=staged.run, ending=b'{"detail":"","reason":"crash_loop"}')
    return with_inputs(seen, lambda row: lost if row is queued else row)


def told_otherwise(seen: Evidence) -> Evidence:
    row = first(seen, InputState.CONSUMED)
    return with_call(seen, input_id=row.input_id, outcome=Abandoned(AbandonReason.STOPPED, ""))


def taken_ahead(seen: Evidence) -> Evidence:
    mail = [row for row in seen.contents.inputs if row.sender is not None]
    untaken = evolve(mail[0], state=InputState.SENT, admission=None, run=None, turn=0)
    return with_inputs(seen, lambda row: untaken if row is mail[0] else row)


def out_of_the_blue(seen: Evidence) -> Evidence:
    """As if no one had asked for the interruption, and somebody had given up waiting."""
    row = first(seen, InputState.ABANDONED)
    calls = tuple(call for call in seen.calls if call.verb != "interrupt")
    return with_call(evolve(seen, calls=calls), verb="wait", identity="c", input_id=row.input_id, error=trio.Cancelled)


HARMS: Final[dict[str, tuple[Harm, ...]]] = {
    "i01": (without_row, lambda seen: with_call(seen, admission=admitted(RUN))),
    "i02": (
        lambda seen: with_call(
            seen, error=MailboxFullError, input_id=next(row.input_id for row in seen.contents.inputs if row.sender)
        ),
    ),
    "i03": (key_twice, lambda seen: with_call(seen, key="k", admission=admitted(RUN))),
    "i04": (
        lambda seen: changed(seen, InputState.STAGED, run=None),
        lambda seen: changed(seen, InputState.QUEUED, run=RUN),
        lambda seen: changed(seen, InputState.QUEUED, state=InputState.SENT),
        lambda seen: changed(seen, InputState.QUEUED, lane=Lane.NONE),
    ),
    "i05": (
        lambda seen: with_contents(seen, open_index=frozenset({1})),
        lambda seen: with_contents(seen, tables=frozenset({"lane"})),
    ),
    "i06": (two_queued_ahead, lambda seen: changed(seen, InputState.QUEUED, admission=2)),
    "i07": (
        lambda seen: changed(seen, InputState.CONSUMED, ending=b"{}"),
        lambda seen: changed(seen, InputState.ABANDONED, ending=None),
        lambda seen: changed(seen, InputState.QUEUED, turn=1),
        told_otherwise,
    ),
    "i08": (
        lambda seen: changed(seen, InputState.CONSUMED, turn=900),
        lambda seen: changed(seen, InputState.CONSUMED, run=RUN),
        lambda seen: changed(seen, InputState.CONSUMED, input_id=RUN),
    ),
    "i09": (
        lambda seen: changed(seen, InputState.CONSUMED, turn=0),
        lambda seen: with_turns(seen, body=b'{"count":4,"log":[]}'),
    ),
    "i10": (
        lambda seen: with_turns(seen, body=b'{"count":4,"log":[],"sequence":2}'),
        lambda seen: with_contents(seen, receipts={(1, RUN): {1: 900}}),
        lambda seen: with_turns(seen, run=seen.contents.turns[0].run),
    ),
    "i11": (
        lambda seen: with_heads(seen, "a", last_turn=1),
        lambda seen: with_heads(seen, "a", digest=bytes(32)),
        lambda seen: with_heads(seen, "a", message_count=3),
        lambda seen: with_heads(seen, "c", version=2),
        lambda seen: with_turns(seen, body=b'{"count":5,"log":[]}'),
    ),
    "i12": (
        replayed,
        lambda seen: with_turns(seen, body=seen.contents.turns[0].body),
        lambda seen: with_contents(seen, journals=frozenset({(row.identity, row.run) for row in seen.contents.turns})),
    ),
    "i13": (second_run, lambda seen: changed(seen, InputState.STAGED, position=1)),
    "i14": (
        lambda seen: changed(seen, InputState.STAGED, attempts=3),
        lambda seen: changed(seen, InputState.CONSUMED, attempts=4),
        lambda seen: changed(seen, InputState.QUEUED, not_before=1),
    ),
    "i16": (lambda seen: with_call(seen, input_id=RUN, outcome=Abandoned(AbandonReason.STOPPED, "")),),
    "i17": (lambda seen: evolve(seen, unanswered=1), lambda seen: with_call(seen, error=KeyError)),
    "i18": (
        lambda seen: with_heads(seen, "b", is_buried=True),
        lambda seen: with_heads(seen, "a", desired=Desired.OPEN),
    ),
    "i22": (
        lambda seen: changed(seen, InputState.ABANDONED, letter=1),
        lambda seen: changed(seen, InputState.ABANDONED, state=InputState.QUEUED, run=None, ending=None),
    ),
    "i23": (
        lambda seen: with_turns(seen, version=3),
        lambda seen: with_turns(seen, generation=1),
        lambda seen: with_turns(seen, previous=0),
        lambda seen: with_contents(seen, snapshots=((next(iter(seen.contents.heads)), 0, 900, 1),)),
    ),
    "i24": (lambda seen: with_heads(seen, "c", desired=Desired.STOPPED),),
    "i25": (
        lambda seen: with_turns(seen, token=9),
        lambda seen: with_heads(seen, "a", owner=900),
        lambda seen: with_contents(seen, snapshots=((next(iter(seen.contents.heads)), 0, 1, 900),)),
    ),
    "i26": (
        lambda seen: with_contents(seen, sequence=1),
        taken_ahead,
        lambda seen: with_inputs(seen, lambda row: row if row.sender is None else evolve(row, number=900)),
    ),
    "i27": (half_a_batch,),
    "i28": (out_of_the_blue,),
    **AGENDA_HARMS,
}
