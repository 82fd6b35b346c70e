"""What the clients of the mutants' mob, and the world outside of it, know: checks beside those for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import define, field

from meerkat_actors.records.ids import InputId, RunId
from meerkat_actors.records.outcomes import AbandonReason, Consumed
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Check


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
    """Everything that is wrong by what happened outside of the store."""

    def check_beside_the_store(seen: Seen) -> Iterator[str]:
        yield from (f"the step of run {run} was run again after its result was recorded" for run in ledger.repeated)
        yield from _uncounted(ledger, seen)
        yield from _lost_updates(seen)

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
