"""What units told, and what their messages make: each of these is found by that alone, whatever else is so."""

from __future__ import annotations

from typing import Final

import pytest
from attrs import evolve

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.checks import Evidence, violations
from meerkat_actors.store import MemoryStore
from tests.invariants.agenda_harms import row_of, told
from tests.invariants.changes import RUN, Harm, changed, with_contents, with_turns
from tests.invariants.living import evidence_of


@pytest.fixture(scope="module")
def healthy() -> Evidence:
    return evidence_of(MemoryStore())


def other_words(seen: Evidence) -> Evidence:
    """As many messages as before, and one says something else."""
    last = next(rows[-1] for rows in seen.contents.turns_of.values() if len(rows) > 1)
    return with_turns(seen, body=last.body.replace(b'"once more"', b'"twice more"'))


def of_another_chain(seen: Evidence) -> Evidence:
    """A boundary has the digest of the one before, as if it had no messages."""
    before, _ = next(rows[-2:] for rows in seen.contents.turns_of.values() if len(rows) > 1)
    return with_turns(seen, digest=before.digest)


def admitted_again(seen: Evidence) -> Evidence:
    row = seen.contents.inputs[-1]
    return with_contents(seen, inputs=(*seen.contents.inputs, evolve(row, sequence=900, admission=900)))


def failed(seen: Evidence, run: str | None, *attempts: int) -> Evidence:
    for number in attempts:
        seen = told(seen, "c", {"fact": "RunFailed", "run_id": run, "attempts": number, "error": "E"})
    return seen


def given_up_at_once(seen: Evidence) -> Evidence:
    seen = changed(seen, InputState.ABANDONED, attempts=1)
    ending = b'{"detail":"","reason":"attempts_exhausted"}'
    return changed(failed(seen, run_of(seen, InputState.ABANDONED), 1, 2), InputState.ABANDONED, ending=ending)


def run_of(seen: Evidence, state: InputState) -> str | None:
    return [row for row in seen.contents.inputs if row.state is state][-1].run


def taken_in_another_life(seen: Evidence) -> Evidence:
    seen = told(seen, "b", {"fact": "GenerationBegan", "generation": 1})
    mail = row_of(seen, InputKind.PEER_MESSAGE).input_id
    return told(seen, "b", {"fact": "MailTaken", "input_ids": [mail]})


def set_and_gone(seen: Evidence) -> Evidence:
    return told(seen, "d", {"fact": "TimerSet", "name": "alarm", "due_ms": 1})


def ceased(seen: Evidence) -> Evidence:
    """One that fired again and again."""
    for due_ms in (1, 2):
        seen = told(set_and_gone(seen) if due_ms == 1 else seen, "d", fired(due_ms))
    return seen


def fired(due_ms: int) -> dict[str, object]:
    return {"fact": "TimerFired", "name": "alarm", "due_ms": due_ms, "input_ids": []}


def pruned(seen: Evidence) -> Evidence:
    """Nobody can tell what was told before."""
    return with_contents(seen, event_floor=seen.contents.sequence)


FOUND: Final[tuple[tuple[Harm, str], ...]] = (
    (other_words, "i11 a: the messages of boundary 2 don't make its digest"),
    (of_another_chain, "i11 a: the messages of boundary 2 don't make its digest"),
    (admitted_again, "was admitted 2 times"),
    (lambda seen: failed(seen, RUN, 2), f"i14 c: run {RUN} failed for time 2 after []"),
    (lambda seen: failed(seen, RUN, 1, 1), f"i14 c: run {RUN} failed for time 1 after [1]"),
    (lambda seen: failed(seen, RUN, 1, 3), f"i14 c: run {RUN} failed for time 3 after [1]"),
    (lambda seen: changed(seen, InputState.STAGED, attempts=1), "is charged with 1 failures, which nobody"),
    (
        lambda seen: failed(seen, run_of(seen, InputState.STAGED), 1),
        "is staged with 0 failures, and its run failed as [1]",
    ),
    (given_up_at_once, "is abandoned with 1 failures, and its run failed as [1, 2]"),
    (taken_in_another_life, "was sent before it began anew, and taken after that"),
    (set_and_gone, "i31 d: timer 'alarm' was set, has not fired, and is not there"),
    (ceased, "i31 d: timer 'alarm' was set, fired 2 times, and is not there"),
    (lambda seen: set_and_gone(pruned(seen)), "i31 d: timer 'alarm' was set, has not fired, and is not there"),
)

MAY_BE: Final[tuple[Harm, ...]] = (
    lambda seen: told(set_and_gone(seen), "d", fired(1)),
    lambda seen: told(set_and_gone(seen), "d", {"fact": "TimerDropped", "name": "alarm"}),
    lambda seen: told(pruned(seen), "d", fired(1)),
    lambda seen: failed(seen, RUN, 1, 2),
    # A batch that failed together, and then its first alone.
    lambda seen: failed(failed(seen, RUN, 1), RUN[:-1] + "2", 2),
    pruned,
)


@pytest.mark.parametrize(("harm", "violation"), FOUND)
def test_what_was_told_is_held_against_the_rows(healthy: Evidence, harm: Harm, violation: str) -> None:
    assert any(violation in found for found in violations(harm(healthy)))


@pytest.mark.parametrize("told_well", MAY_BE)
def test_what_may_be_told_is_no_violation(healthy: Evidence, told_well: Harm) -> None:
    assert violations(told_well(healthy)) == []
