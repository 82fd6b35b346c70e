"""What the end of a turn means: a boundary, a charged failure, or nothing at all."""

from __future__ import annotations

from typing import assert_never

from meerkat_actors.machines.attempts import backoff_ms
from meerkat_actors.machines.lap import Lap
from meerkat_actors.records.codec import content_digest, encode_entry, encode_turn, extend_chain
from meerkat_actors.records.commands import EndTurn
from meerkat_actors.records.effects import AppendTurn, EndInput, SendMail
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed, Receipt
from meerkat_actors.records.runs import Run, Sending, TurnCancelled, TurnCompleted, TurnFailed


def end_turn(lap: Lap, command: EndTurn) -> None:
    """Conclude the run in progress; the end of any other run changes nothing."""
    run = lap.state.run
    if run is None or run.run_id != command.run_id or not lap.state.is_executing:
        return
    match command.ending:
        case TurnCompleted():
            _complete(lap, run, command.ending)
        case TurnFailed(error=error):
            _fail(lap, run, error)
        case TurnCancelled():
            # Shutdown is no outcome: the run stays staged, and begins again with its journal.
            lap.state.is_executing = False
        case _:
            assert_never(command.ending)


def _complete(lap: Lap, run: Run, ending: TurnCompleted) -> None:
    """The boundary: transcript, receipt, state, inputs and mail in one unit."""
    state = lap.state
    entries = (
        *(
            encode_entry(role="user", content=member.content, input_id=member.input_id, sender=member.sender)
            for member in run.members
        ),
        *ending.entries,
    )
    state.version = CheckpointVersion(state.version + 1)
    state.digest = extend_chain(state.digest, entries)
    state.message_count += len(entries)
    receipt = Receipt(
        state.identity,
        state.generation,
        state.version,
        run.run_id,
        1,
        tuple(member.input_id for member in run.members),
        state.digest.hex(),
        state.message_count,
    )
    for member in run.members:
        lap.effects.append(EndInput(member.admission, run.run_id, None))
    if ending.sendings:
        _send(lap, ending.sendings)
    body = encode_turn(entries=entries, receipt=receipt, text=ending.text, state=ending.state)
    if ending.state is not None:
        state.state = ending.state
    outcome = Consumed(ending.text, receipt)
    lap.end_run(tuple((member.input_id, outcome) for member in run.members))
    lap.effects.append(
        AppendTurn(
            run.run_id,
            state.version,
            state.digest,
            state.message_count,
            state.sends,
            body,
            ending.state is not None,
        )
    )


def _send(lap: Lap, sendings: tuple[Sending, ...]) -> None:
    state = lap.state
    for sending in sendings:
        state.sends += 1
        lap.effects.append(
            SendMail(
                sending.recipient,
                sending.input_id,
                InputKind.PEER_MESSAGE,
                sending.content,
                content_digest(sending.content),
                state.sends,
            )
        )


def _fail(lap: Lap, run: Run, error: str) -> None:
    """Charge one attempt in the commit that records the failure; the last one is the outcome."""
    state, limits = lap.state, lap.limits
    attempts = run.attempts + 1
    lap.failed = error
    if attempts >= limits.attempts_max:
        ending = Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, error)
        for member in run.members:
            lap.effects.append(EndInput(member.admission, run.run_id, ending))
        lap.end_run(tuple((member.input_id, ending) for member in run.members))
        return
    not_before_ms = lap.stamp.now_ms + backoff_ms(attempts, limits=limits, jitter=lap.stamp.jitter)
    state.run = Run(run.run_id, run.members, attempts, run.interruptions, not_before_ms, run.journal)
    state.is_executing = False
