"""What the clients of the mutants' mob, and the world outside of it, know: checks beside those for everybody."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.ids import InputId, RunId
from meerkat_actors.records.outcomes import AbandonReason, Consumed
from meerkat_actors.simulation.checks import Contents
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Check

_ENDS_LIFE = frozenset({"GenerationBegan", "Destroyed"})


@define(eq=False)
class Ledger:
    """What agents did outside of the store. No crash takes it back."""

    raised: Counter[InputId] = field(factory=Counter[InputId])
    """How often a turn of each input raised."""
    recorded: set[RunId] = field(factory=set[RunId])
    """Runs whose step returned."""
    repeated: set[RunId] = field(factory=set[RunId])
    """Those of them whose step was run again after that."""


def check_of(ledger: Ledger) -> Check:
    """Everything that is wrong by what happened outside, and what no invariant says yet."""

    def check_beside_the_store(seen: Seen) -> Iterator[str]:
        yield from (f"the step of run {run} was run again after its result was recorded" for run in ledger.repeated)
        yield from _uncounted(ledger, seen)
        yield from _lost_updates(seen)
        yield from _repeated_ids(seen.contents)
        yield from _lost_timers(seen.contents)
        yield from _taken_from_a_former_life(seen.contents)
        yield from _beyond_the_backlog(seen)
        yield from _unchained(seen.contents)

    return check_beside_the_store


def _uncounted(ledger: Ledger, seen: Seen) -> Iterator[str]:
    bound = seen.scenario.limits.attempts_max
    for row in seen.contents.inputs:
        times = ledger.raised[InputId(row.input_id)]
        if row.attempts > times:
            yield f"{row.input_id} is charged with {row.attempts} failures, and failed {times} times"
        if row.reason == AbandonReason.ATTEMPTS_EXHAUSTED.value and times < bound:
            yield f"{row.input_id} was given up after {times} failures of {bound}"
        # A failure that nobody heard of, as its process died, is not charged; nor is one of a run that began anew.
        if times >= bound + 20:
            yield f"{row.input_id} failed {times} times, of {bound}"


def _lost_updates(seen: Seen) -> Iterator[str]:
    """Each turn of a worker counts one more than the one before; none counts what another one did."""
    counted = Counter(
        (each.agent, each.outcome.receipt.generation, each.outcome.text)
        for each in seen.asked
        if isinstance(each.outcome, Consumed) and each.agent.startswith("a")
    )
    for (agent, generation, text), count in counted.items():
        if count > 1:
            yield f"{agent}: {count} turns of generation {generation} counted {text}"


def _repeated_ids(contents: Contents) -> Iterator[str]:
    for input_id, count in Counter(row.input_id for row in contents.inputs).items():
        if count > 1:
            yield f"{input_id} was admitted {count} times"


def _facts(contents: Contents) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for sequence, (identity, told) in contents.facts.items():
        yield from ((sequence, identity, fact) for fact in told)


def _lost_timers(contents: Contents) -> Iterator[str]:
    """What was set, has not fired and was not dropped, is there: the other half of I31. For timers that fire once."""
    pending: set[tuple[int, str]] = set()
    for _, identity, fact in _facts(contents):
        timer = identity, str(fact.get("name"))
        if fact["fact"] == "TimerSet":
            pending.add(timer)
        elif fact["fact"] in {"TimerFired", "TimerDropped"}:
            pending.discard(timer)
        elif fact["fact"] in _ENDS_LIFE:
            pending = {each for each in pending if each[0] != identity}
    for identity, name in sorted(pending - contents.timers):
        yield f"{contents.name(identity)}: timer {name!r} was set, has not fired, and is not there"


def _taken_from_a_former_life(contents: Contents) -> Iterator[str]:
    """Mail from before the end of a generation: I30, without the row's own word for where its floor is."""
    ended: dict[int, int] = {}
    for sequence, identity, fact in _facts(contents):
        if fact["fact"] == "MailTaken":
            for input_id in fact["input_ids"]:
                row = contents.by_id.get(input_id)
                if row is not None and row.sequence < ended.get(identity, 0) < sequence:
                    yield f"{input_id} was sent before {contents.name(identity)} began anew, and taken after that"
        elif fact["fact"] in _ENDS_LIFE:
            ended[identity] = sequence


def _beyond_the_backlog(seen: Seen) -> Iterator[str]:
    """Of what clients sent and turns consumed, known by their sequences; where others share, posts have no bound."""
    if seen.scenario.processes > 1:
        return
    changes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in seen.contents.inputs:
        if row.sender is None and row.turn and row.kind == "prompt":
            changes[row.identity] += [(row.sequence, 1), (row.turn, -1)]
    for identity, told in changes.items():
        count = most = 0
        for _, change in sorted(told):
            count += change
            most = max(most, count)
        if most > seen.scenario.limits.backlog_max:
            yield f"{seen.contents.name(identity)}: {most} inputs were open at once"


def _unchained(contents: Contents) -> Iterator[str]:
    """A boundary that added messages has another digest than the one before; which one, ``doctor`` computes."""
    for turns in contents.turns_of.values():
        before, generation = DIGEST_ZERO, -1
        for turn in turns:
            before = before if turn.generation == generation else DIGEST_ZERO
            if contents.proofs[turn.sequence].added and turn.digest == before:
                yield f"{contents.name(turn.identity)}: boundary {turn.version} has the digest of the one before"
            before, generation = turn.digest, turn.generation
