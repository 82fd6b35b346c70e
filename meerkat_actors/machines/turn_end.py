"""What the end of a turn means: a boundary, a charged failure, an interruption, or nothing at all."""

from __future__ import annotations

from typing import Final, assert_never

from meerkat_actors.machines.attempts import backoff_ms
from meerkat_actors.machines.boundary import Boundary
from meerkat_actors.machines.entries import entry_of
from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.leaving import leave
from meerkat_actors.machines.policy import policy_of
from meerkat_actors.machines.settling import dissolve, give_back_bound, retry_apart
from meerkat_actors.machines.state import is_once, journal_of
from meerkat_actors.records.codec import extend_chain
from meerkat_actors.records.commands import EndTurn
from meerkat_actors.records.facts import RunFailed
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.outcomes import (
    Abandoned,
    AbandonReason,
    Consumed,
    Receipt,
    ReceiptOutcome,
)
from meerkat_actors.records.runs import Run, TurnCancelled, TurnCompleted, TurnFailed, TurnNeverBegan
from meerkat_actors.records.status import Desired

INTERRUPTED: Final = Abandoned(AbandonReason.CANCELLED, "its turn was interrupted")
CANCELLED: Final = Abandoned(AbandonReason.CANCELLED, "it was cancelled")
QUIET: Final = frozenset(kind for kind in InputKind if not policy_of(0, kind).in_transcript)
"""The kinds that have no words for the transcript unless their policy gives them some."""
_NEVER_BEGAN: Final = Abandoned(AbandonReason.NEVER_EXECUTED, "its turn waited too long for a thread to begin in")


def end_turn(lap: Lap, command: EndTurn) -> None:
    """Conclude the run in progress; the end of any other run changes nothing."""
    state = lap.state
    run, ending, halting = state.run, command.ending, state.halting
    if run is None or run.run_id != command.run_id or not state.is_executing:
        return
    is_of_itself = isinstance(ending, TurnCompleted | TurnNeverBegan)
    if halting is not None and not (halting.at_checkpoint and is_of_itself):
        # It was told to end before it told how it ended: the order of the mailbox decides. A run that was to end at
        # its next checkpoint is not tried again either.
        if halting.admissions:
            _cancel_members(lap, run, halting.admissions)
        else:
            _interrupt(lap, run, ending)
        return
    match ending:
        case TurnCompleted():
            _complete(lap, run, ending)
        case TurnFailed(error=error):
            _fail(lap, run, error)
        case TurnNeverBegan():
            lap.abandon_staged(run.base, run.run_id, _NEVER_BEGAN)
            give_back_bound(lap, run)
            lap.end_run()
        case TurnCancelled():
            # Shutdown is no outcome: the run stays staged, and begins again with its journal.
            _put_off(lap, run)
        case _:
            assert_never(ending)


def _put_off(lap: Lap, run: Run) -> None:
    state = lap.state
    journal = run.journal if state.recorded is None else journal_of(state)
    lap.suspend(Run(run.run_id, run.members, run.attempts, run.interruptions, run.not_before_ms, journal))


def _complete(lap: Lap, run: Run, ending: TurnCompleted) -> None:
    """The boundary: transcript, receipt, state, inputs and mail in one unit."""
    state = lap.state
    members = run.members
    if members[-1].position > ending.checkpoints:
        # The last attempt passed fewer checkpoints than the one that bound them: it never saw them.
        members = tuple(member for member in members if member.position <= ending.checkpoints)
        give_back_bound(lap, run, beyond=ending.checkpoints)
    entries = _entries(run) + ending.entries
    receipt = _advance(lap, run, members, entries, ReceiptOutcome.COMPLETED)
    leave(lap, run.run_id, members, ending)
    if ending.state is not None:
        state.state = ending.state
    outcome = Consumed(ending.text, receipt)
    if len(members) == 1:
        lap.told += ((members[0].input_id, outcome),)
    else:
        lap.told += tuple((member.input_id, outcome) for member in members)
    _append(lap, run, receipt, entries, text=ending.text, state=ending.state, is_told=_is_told(members))


def _interrupt(lap: Lap, run: Run, ending: object) -> None:
    """The boundary of a turn that was told to end: its messages are kept, and nothing else of it."""
    said = ending.entries if isinstance(ending, TurnCompleted | TurnCancelled) else ()
    entries = _entries(run) + said
    receipt = _advance(lap, run, run.members, entries, ReceiptOutcome.INTERRUPTED)
    lap.abandon_staged(run.members, run.run_id, INTERRUPTED)
    _append(lap, run, receipt, entries, is_told=False, is_interrupted=True)


def _is_told(members: tuple[OpenInput, ...]) -> bool:
    """Whether the transcript names every one of them; asked of the few only that may be kept out of it."""
    for member in members:
        if (member.header is not None or member.policy or member.kind in QUIET) and not entry_of(member):
            return False
    return True


def _entries(run: Run) -> tuple[bytes, ...]:
    """What the inputs say that the run was staged with."""
    members = run.members
    if len(members) == 1:
        return entry_of(members[0])
    return tuple(entry for member in members if not member.position for entry in entry_of(member))


def _cancel_members(lap: Lap, run: Run, admissions: tuple[AdmissionSequence, ...]) -> None:
    """Members of a batch end alone; the others are uncharged, and wait again."""
    cancelled = tuple(member for member in run.base if member.admission in admissions)
    lap.abandon_staged(cancelled, run.run_id, CANCELLED)
    dissolve(lap, run, without=cancelled)
    lap.end_run(is_interrupted=True)


def _advance(
    lap: Lap, run: Run, members: tuple[OpenInput, ...], entries: tuple[bytes, ...], outcome: ReceiptOutcome
) -> Receipt:
    state = lap.state
    state.version = CheckpointVersion(state.version + 1)
    state.digest = extend_chain(state.digest, entries)
    state.message_count += len(entries)
    return Receipt(
        state.identity,
        state.generation,
        state.version,
        run.run_id,
        1,
        tuple(member.input_id for member in members),
        state.digest.hex(),
        state.message_count,
        outcome,
    )


def _append(
    lap: Lap,
    run: Run,
    receipt: Receipt,
    entries: tuple[bytes, ...],
    *,
    is_told: bool,
    text: str | None = None,
    state: bytes | None = None,
    is_interrupted: bool = False,
) -> None:
    lap.end_run(is_interrupted=is_interrupted)
    lap.boundary = Boundary(run.run_id, receipt, lap.state.digest, entries, text, state, is_told)


def _fail(lap: Lap, run: Run, error: str) -> None:
    """Charge one attempt in the commit that records the failure; the last one is the outcome."""
    state, limits = lap.state, lap.limits
    attempts = run.attempts + 1
    lap.failed = error
    lap.tell(RunFailed(run.run_id, attempts, error))
    reason = _FINAL.get(state.desired)
    if attempts >= limits.attempts_max or reason is not None:
        ending = Abandoned(reason or AbandonReason.ATTEMPTS_EXHAUSTED, error)
        lap.abandon_staged(run.base, run.run_id, ending)
        give_back_bound(lap, run)
        lap.end_run()
        return
    not_before_ms = lap.stamp.now_ms + backoff_ms(attempts, limits=limits, jitter=lap.stamp.jitter)
    if len(run.base) > 1 and not is_once(state, run):
        retry_apart(lap, run, attempts=attempts, not_before_ms=not_before_ms)
        return
    journal = run.journal if state.recorded is None else journal_of(state)
    lap.suspend(Run(run.run_id, run.members, attempts, run.interruptions, not_before_ms, journal))


_FINAL: Final = {Desired.STOPPED: AbandonReason.STOPPED, Desired.DESTROYED: AbandonReason.DESTROYED}
"""Where nothing is tried again: the run in flight was to end by its own rules, and then nothing more."""
