"""I1 to I7: admissions, lanes and outcomes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import orjson

from meerkat_actors.errors import RejectedError
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, Coalesced, Consumed, Noted, Outcome, Superseded
from meerkat_actors.simulation.checks.contents import DISPLACED, OPEN, Contents, InputSeen
from meerkat_actors.simulation.checks.evidence import Evidence

TABLES: Final = frozenset(
    {
        "meta", "owner", "name", "head", "session", "agent_config", "input", "turn", "receipt", "document",
        "continuity", "snapshot", "journal", "timer", "operation", "event", "blob",
    }
)  # fmt: skip
"""Those of the schema. None of them is a lane."""

_AHEAD: Final = {InputState.QUEUED: 0, InputState.STAGED: 1, InputState.CONSUMED: 2}


def check_i01_ack_implies_a_durable_row(seen: Evidence) -> Iterator[str]:
    for call in seen.calls:
        told = call.admission
        if told is None or not told.durable:
            continue
        row = seen.contents.by_id.get(told.input_id)
        if row is None:
            yield f"{call.verb} to {call.identity} was told that {told.input_id} is durable, and there is no such row"
        elif seen.contents.heads.get(row.identity) and seen.contents.name(row.identity) != call.identity:
            yield f"{told.input_id} was acknowledged to {call.identity}, and is {seen.contents.name(row.identity)}'s"


def check_i02_a_failed_admission_leaves_no_trace(seen: Evidence) -> Iterator[str]:
    tried = Counter(call.input_id for call in seen.calls if call.verb in {"send", "ask"})
    for call in seen.calls:
        is_refused = call.error is not None and issubclass(call.error, RejectedError)
        # Who asks with the same id again may have been admitted the other time.
        if call.verb in {"send", "ask"} and is_refused and tried[call.input_id] == 1:
            assert call.input_id is not None
            if call.input_id in seen.contents.by_id:
                yield f"{call.identity} refused {call.input_id} ({call.error}), and there is a row"


def check_i03_a_key_is_one_input_for_ever(seen: Evidence) -> Iterator[str]:
    """And so is an id."""
    for input_id, count in Counter(row.input_id for row in seen.contents.inputs).items():
        if count > 1:
            yield f"{input_id} was admitted {count} times"
    bound: dict[tuple[str, str], str] = {}
    for row in seen.contents.inputs:
        if row.key is None:
            continue
        place = (seen.contents.name(row.identity), row.key)
        if place in bound:
            yield f"{place[0]}: key {row.key!r} stands for {bound[place]} and {row.input_id}"
        bound[place] = row.input_id
    for call in seen.calls:
        if call.key is None or call.admission is None or not call.admission.durable:
            continue
        stored = bound.get((call.identity, call.key))
        if stored != call.admission.input_id:
            yield f"{call.identity}: key {call.key!r} was said to be {call.admission.input_id}, and is {stored}"


def check_i04_what_is_open_is_in_one_place(seen: Evidence) -> Iterator[str]:
    """In the mail (``sent``), in a lane, or in a live run."""
    for row in seen.contents.inputs:
        if row.state not in OPEN:
            continue
        places = (
            row.state is InputState.SENT and row.admission is None and row.run is None,
            row.state is InputState.QUEUED and row.admission is not None and row.lane is not Lane.NONE,
            row.state is InputState.STAGED and row.run is not None and row.lane is not Lane.NONE,
        )
        # A facade's queued input may say of which run it was.
        claims_run = row.run is not None and row.state is not InputState.STAGED and _is_agents(seen.contents, row)
        if sum(places) != 1 or claims_run:
            yield f"{_named(seen.contents, row)} is {row.state}, admission {row.admission}, run {row.run}, {row.lane!r}"


def check_i05_lanes_are_a_function_of_rows(seen: Evidence) -> Iterator[str]:
    rows = frozenset(row.sequence for row in seen.contents.inputs if row.state in OPEN)
    if seen.contents.open_index != rows:
        yield f"what is looked up as open differs from the rows by {sorted(seen.contents.open_index ^ rows)}"
    for table in sorted(seen.contents.tables - TABLES):
        yield f"table {table!r} is none of the schema's: is it a second copy of a lane?"


def check_i06_order_is_the_admission_sequence(seen: Evidence) -> Iterator[str]:
    for identity, rows in seen.contents.inputs_of.items():
        admitted = [row for row in rows if row.admission is not None]
        for admission, count in Counter(row.admission for row in admitted).items():
            if count > 1:
                yield f"{seen.contents.name(identity)}: admission {admission} was given {count} times"
        if not _is_agents(seen.contents, rows[0]):
            continue
        # Who is steered may be ahead. In the queue nobody is, and who was begun and put back is where he was.
        queue = sorted(
            (row for row in admitted if row.lane is Lane.QUEUE and row.state in _AHEAD),
            key=lambda row: row.admission or 0,
        )
        for older, newer in pairwise(queue):
            if _AHEAD[newer.state] > _AHEAD[older.state] or (older.turn and newer.turn and newer.turn < older.turn):
                yield f"{_named(seen.contents, newer)} ({newer.state}) is ahead of {older.input_id} ({older.state})"


def check_i07_terminal_is_final_and_one(seen: Evidence) -> Iterator[str]:
    for row in seen.contents.inputs:
        by_turn = row.turn > 0 or (row.lane is Lane.NONE and row.state is InputState.CONSUMED)
        wanted = (row.state is InputState.CONSUMED, row.state in DISPLACED or row.state is InputState.ABANDONED)
        if (by_turn, row.ending is not None) != wanted:
            yield f"{_named(seen.contents, row)} is {row.state}, boundary {row.turn}, ending {row.ending!r}"
    told: defaultdict[str, set[str]] = defaultdict(set)
    for call in seen.calls:
        if call.outcome is None or call.input_id is None:
            continue
        told[call.input_id].add(str(call.outcome))
        ended = seen.contents.by_id.get(call.input_id)
        if ended is not None and ended.state not in OPEN and not _is_outcome_of(seen.contents, ended, call.outcome):
            yield f"{_named(seen.contents, ended)} is {ended.state}, and {call.verb} was told {call.outcome}"
    for input_id, outcomes in told.items():
        if len(outcomes) > 1:
            yield f"{input_id} was told to have {len(outcomes)} outcomes: {sorted(outcomes)}"


def _is_outcome_of(contents: Contents, row: InputSeen, outcome: Outcome) -> bool:
    match outcome:
        case Consumed():
            turn = next((turn for turn in contents.turns_of.get(row.identity, ()) if turn.sequence == row.turn), None)
            receipt = outcome.receipt
            return turn is not None and (turn.run, turn.version, turn.digest.hex()) == (
                receipt.run_id,
                receipt.checkpoint_version,
                receipt.digest,
            )
        case Noted():
            return row.state is InputState.CONSUMED and row.lane is Lane.NONE
        case Superseded(by=successor) | Coalesced(into=successor):
            return (
                row.state in DISPLACED
                and row.ending is not None
                and orjson.loads(row.ending) == {"successor": successor}
            )
        case Abandoned():
            return row.reason == outcome.reason.value


def _is_agents(contents: Contents, row: InputSeen) -> bool:
    head = contents.heads.get(row.identity)
    return head is None or head.is_agent


def _named(contents: Contents, row: InputSeen) -> str:
    return f"{contents.name(row.identity)}: input {row.input_id}"
