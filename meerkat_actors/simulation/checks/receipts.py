"""I8 to I12, I22, I23 and I27: boundaries, and what they consumed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import DEAD_LETTERS, AbandonReason, ReceiptOutcome
from meerkat_actors.simulation.checks.chain import unchained
from meerkat_actors.simulation.checks.contents import OPEN, HeadSeen, InputSeen, TurnSeen
from meerkat_actors.simulation.checks.evidence import Evidence

_COMPLETED = ReceiptOutcome.COMPLETED.value
_CANCELLED = AbandonReason.CANCELLED.value


def check_i08_applied_implies_a_receipt(seen: Evidence) -> Iterator[str]:
    turns = {turn.sequence: turn for turn in seen.contents.turns}
    for row in seen.contents.inputs:
        if not row.turn:
            continue
        turn = turns.get(row.turn)
        if turn is None:
            yield f"{row.input_id} was applied by boundary {row.turn}, which is not there"
        elif (turn.identity, turn.run) != (row.identity, row.run):
            yield f"{row.input_id} was applied by boundary {row.turn}, of another agent or run"
        elif row.input_id not in seen.contents.proofs[row.turn].contributors:
            yield f"{row.input_id} was applied by boundary {row.turn}, whose receipt does not name it"


def check_i09_contributors_are_what_was_consumed(seen: Evidence) -> Iterator[str]:
    """In order and not none, for completed receipts; a facade's caller says in which order it consumed."""
    for turn in seen.contents.turns:
        proof, head = seen.contents.proofs[turn.sequence], seen.contents.heads[turn.identity]
        consumed = tuple(row.input_id for row in seen.contents.consumed_by.get(turn.sequence, ()))
        if proof.outcome != _COMPLETED:
            continue
        if head.is_agent and not consumed:
            yield f"{head.name}: boundary {turn.version} consumed nothing"
        if head.is_agent and consumed != proof.contributors:
            yield f"{head.name}: boundary {turn.version} names {proof.contributors}, and consumed {consumed}"
        if not set(consumed) <= set(proof.contributors):
            yield f"{head.name}: boundary {turn.version} consumed {consumed}, and names {proof.contributors}"


def check_i10_receipts_are_dense_per_run(seen: Evidence) -> Iterator[str]:
    """From 1. An agent's run has one; those of a facade's have as many as their callers commit."""
    of_runs: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for turn in seen.contents.turns:
        of_runs[turn.identity, turn.run].append(seen.contents.proofs[turn.sequence].sequence)
    for (identity, run), sequences in of_runs.items():
        if sorted(sequences) != list(range(1, len(sequences) + 1)):
            yield f"{seen.contents.name(identity)}: run {run} has receipts {sorted(sequences)}"
        if seen.contents.heads[identity].is_agent and len(sequences) > 1:
            yield f"{seen.contents.name(identity)}: run {run} has {len(sequences)} receipts, and it is an agent's"
    turns = {turn.sequence: turn for turn in seen.contents.turns}
    for (identity, run), rows in seen.contents.receipts.items():
        for sequence, number in rows.items():
            proven = turns.get(number)
            if proven is None or (proven.identity, proven.run, seen.contents.proofs[number].sequence) != (
                identity,
                run,
                sequence,
            ):
                yield f"{seen.contents.name(identity)}: receipt {sequence} of run {run} is not at boundary {number}"


def check_i11_a_boundary_is_one_transaction(seen: Evidence) -> Iterator[str]:
    """The authority row is as the last boundary left it; what each one counted is there, and makes its digest."""
    yield from unchained(seen.contents)
    for head in seen.contents.agents:
        turns = seen.contents.turns_of.get(head.key, [])
        if head.last_turn != (turns[-1].sequence if turns else 0):
            yield f"{head.name}: its authority row knows of boundary {head.last_turn} as the last"
        current = [turn for turn in turns if turn.generation == head.generation]
        yield from _differences(seen, head, current)
        count = 0
        for before, turn in zip([None, *turns], turns, strict=False):
            proof = seen.contents.proofs[turn.sequence]
            count = (0 if before is None or before.generation != turn.generation else count) + (proof.added or 0)
            if proof.count != count:
                yield f"{head.name}: boundary {turn.version} counts {proof.count} messages, and there are {count}"


def _differences(seen: Evidence, head: HeadSeen, current: list[TurnSeen]) -> Iterator[str]:
    last = current[-1] if current else None
    left = (
        (0, DIGEST_ZERO, 0) if last is None else (last.version, last.digest, seen.contents.proofs[last.sequence].count)
    )
    if (head.version, head.digest, head.message_count) != left:
        yield f"{head.name}: its authority row is at version {head.version}, its boundaries at {left[0]}"
    if head.version != len(current):
        yield f"{head.name}: {len(current)} boundaries made version {head.version}"


def check_i12_what_has_a_receipt_is_never_replayed(seen: Evidence) -> Iterator[str]:
    runs = {(turn.identity, turn.run) for turn in seen.contents.turns if seen.contents.heads[turn.identity].is_agent}
    for row in seen.contents.inputs:
        if row.state in OPEN and row.run is not None and (row.identity, row.run) in runs:
            yield f"{row.input_id} is {row.state} for run {row.run}, which has a receipt"
    for run in seen.contents.journals & runs:
        yield f"{seen.contents.name(run[0])}: run {run[1]} has a receipt, and steps to go on from"
    named: dict[str, int] = {}
    for turn in seen.contents.turns:
        if not seen.contents.heads[turn.identity].is_agent:
            continue
        for input_id in seen.contents.proofs[turn.sequence].contributors:
            if input_id in named:
                yield f"{input_id} is named by boundaries {named[input_id]} and {turn.sequence}"
            named[input_id] = turn.sequence


def check_i22_cancelled_work_is_never_requeued(seen: Evidence) -> Iterator[str]:
    reasons = {reason.value for reason in DEAD_LETTERS}
    for row in seen.contents.inputs:
        if row.letter and row.reason not in reasons:
            yield f"{row.input_id} ended as {row.reason}, as somebody asked, and is a dead letter to be driven again"
    for turn in seen.contents.turns:
        proof = seen.contents.proofs[turn.sequence]
        if proof.outcome == _COMPLETED:
            continue
        for input_id in proof.contributors:
            given_up = seen.contents.by_id.get(input_id)
            if given_up is None or (given_up.state, given_up.run) != (InputState.ABANDONED, turn.run):
                yield f"{input_id} was interrupted by boundary {turn.sequence}, and did not end with it"


def check_i23_snapshots_only_move_forward(seen: Evidence) -> Iterator[str]:
    """Each boundary is the next version of its generation, behind the one before; documents never go back."""
    for head in seen.contents.heads.values():
        before: TurnSeen | None = None
        for turn in seen.contents.turns_of.get(head.key, ()):
            generation, version = (-1, 0) if before is None else (before.generation, before.version)
            if turn.generation < generation or turn.generation > head.generation:
                yield f"{head.name}: boundary {turn.sequence} is of generation {turn.generation} after {generation}"
            elif turn.version != (version + 1 if turn.generation == generation else 1):
                yield f"{head.name}: boundary {turn.sequence} is version {turn.version} after {version}"
            if turn.previous != (0 if before is None else before.sequence):
                yield f"{head.name}: boundary {turn.sequence} follows {turn.previous}"
            before = turn
    for identity, generation, version, _ in seen.contents.snapshots:
        head = seen.contents.heads[identity]
        if generation == head.generation and version > head.version:
            yield f"{head.name}: a document of version {version}, and the record is at {head.version}"


def check_i27_a_batch_ends_as_one(seen: Evidence) -> Iterator[str]:
    """What was staged together is consumed by one boundary; one that was cancelled alone ended before."""
    runs: defaultdict[tuple[int, str], list[InputSeen]] = defaultdict(list)
    for row in seen.contents.inputs:
        head = seen.contents.heads.get(row.identity)
        if row.run is not None and row.position == 0 and head is not None and head.is_agent:
            runs[row.identity, row.run].append(row)
    for (identity, run), rows in runs.items():
        fates = {(row.state, row.turn, row.reason) for row in rows if row.reason != _CANCELLED}
        if len(fates) > 1:
            yield f"{seen.contents.name(identity)}: of run {run}, {sorted(map(str, fates))}"
