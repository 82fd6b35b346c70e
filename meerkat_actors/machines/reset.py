"""The ends of a generation and of an identity, and of what nobody may lose sleep over."""

from __future__ import annotations

from typing import Final

from meerkat_actors.errors import DestroyedError
from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.line import EMPTY
from meerkat_actors.machines.operations import terminate_all
from meerkat_actors.machines.state import NOTHING_KEYED, NOTHING_OWED
from meerkat_actors.records.agenda_effects import DropTimers, SettleRequest
from meerkat_actors.records.codec import DIGEST_ZERO, encode_abandoned
from meerkat_actors.records.effects import BeginGeneration, Bury
from meerkat_actors.records.facts import Destroyed, GenerationBegan
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion, Generation
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.status import Desired

RESET_KEY: Final = "reset"
"""What ``Lap.told`` says when a generation has begun; no id looks like it."""

STOPPED: Final = Abandoned(AbandonReason.STOPPED, "the agent was stopped")
RETIRED: Final = Abandoned(AbandonReason.RETIRED, "the agent was retired")
DESTROYED: Final = Abandoned(AbandonReason.DESTROYED, "the agent was destroyed")
_LOST: Final = Abandoned(
    AbandonReason.EPHEMERAL_LOST, "it was ephemeral, and the process ended before it was worked on"
)


def begin_generation(lap: Lap) -> None:
    """Reset: one unit, with no turn in progress. Whatever was open is abandoned."""
    state = lap.state
    ending = Abandoned(AbandonReason.RESET, "the agent was reset")
    abandon_open(lap, ending)
    end_agenda(lap, ending)
    state.session_id = lap.stamp.session_id
    lap.effects.append(BeginGeneration(state.session_id))
    state.generation = Generation(state.generation + 1)
    lap.tell(GenerationBegan(state.generation))
    state.version = CheckpointVersion(0)
    state.digest = DIGEST_ZERO
    state.message_count = 0
    state.state = None
    state.desired = Desired.OPEN
    state.is_resetting = False
    lap.told += ((RESET_KEY, None),)


def bury(lap: Lap) -> None:
    """Destroy: one unit, with no turn in progress. A reset that waited for the same turn will never be."""
    state = lap.state
    give_up_lost(lap)  # or nobody ever would
    abandon_open(lap, DESTROYED)
    end_agenda(lap, DESTROYED)
    lap.effects.append(Bury())
    lap.tell(Destroyed())
    state.is_buried = True
    if state.is_resetting:
        state.is_resetting = False
        lap.told += ((RESET_KEY, DestroyedError(identity=state.identity)),)


def abandon_open(lap: Lap, ending: Abandoned, *, spares_turn: bool = False) -> None:
    """Abandon what waits, and the runs that wait for their time; ``spares_turn``: not the one in progress."""
    state = lap.state
    for item in (*state.steer, *state.lane):
        lap.abandon_queued(item, ending)
    state.steer = state.lane = EMPTY
    state.keyed = NOTHING_KEYED
    for run in (state.run, state.parked):
        if run is not None and not (spares_turn and state.is_executing and run is state.run):
            lap.abandon_staged(run.members, run.run_id, ending)
            lap.end_waiting(run)


def end_agenda(lap: Lap, ending: Abandoned) -> None:
    """What a generation had yet to do ends with it: timers, operations, answers that it owes."""
    lap.effects.append(DropTimers())
    terminate_all(lap)
    fail_owed(lap, ending)


def fail_owed(lap: Lap, ending: Abandoned) -> None:
    """Nobody will answer what the identity put off: whoever asked is told so."""
    state = lap.state
    for owed in sorted(state.owed.values(), key=_admission):
        lap.effects.append(SettleRequest(owed.admission))
        lap.fail_request(owed.input_id, owed.sender, owed.correlation_id, ending)
    state.owed = NOTHING_OWED


def _admission(owed: Owed) -> AdmissionSequence:
    return owed.admission


def give_up_lost(lap: Lap) -> None:
    """End the ephemeral inputs that recovery found."""
    ending = encode_abandoned(_LOST)
    for item in lap.state.lost:
        lap.displace(item, InputState.ABANDONED, ending, _LOST)
    lap.state.lost = ()
