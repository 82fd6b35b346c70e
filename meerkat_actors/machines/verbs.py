"""What an operator asks of an identity, carried out by the tables of ``governing``."""

from __future__ import annotations

from typing import Final

from meerkat_actors.errors import DestroyedError, MeerkatError, NotReadyError, UnknownIdentityError, UsageError
from meerkat_actors.machines.governing import VerbRefusal, govern
from meerkat_actors.machines.lap import Lap, Later, Reply
from meerkat_actors.machines.reset import DESTROYED, RESET_KEY, STOPPED, abandon_open, bury
from meerkat_actors.machines.state import Halting, IdentityState
from meerkat_actors.records.commands import Govern
from meerkat_actors.records.status import Desired, Phase, Verb


def carry_out(lap: Lap, command: Govern) -> Reply:
    """Do what the operator asks. A reset is answered when its generation has begun, all else with this lap's unit."""
    state, verb = lap.state, command.verb
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    then = govern(state.desired, verb, is_running=state.is_executing)
    if isinstance(then, VerbRefusal):
        return _refusal(state, verb, then)
    if state.is_resetting and verb is not Verb.DESTROY:
        # What is asked now is asked of the generation that is about to begin.
        return Later(RESET_KEY, is_input=False) if verb is Verb.RESET else _resetting(state)
    if verb is Verb.RESET:
        return _reset(lap)
    state.desired = then
    if then is Desired.DESTROYED and not state.is_executing and not state.is_buried and lap.boundary is None:
        bury(lap)
        return None
    ending = _ENDINGS.get(verb)
    if ending is not None:
        abandon_open(lap, ending, spares_turn=True)
    if verb in {Verb.RETIRE, Verb.RESUME} and (len(state.lane) or len(state.steer)):
        state.is_awake = True  # an operator's word wakes, too: who retires works off all there is
    if verb is Verb.RECYCLE:
        lap.recycles = True
    return None


_ENDINGS: Final = {Verb.STOP: STOPPED, Verb.DESTROY: DESTROYED}


def _reset(lap: Lap) -> Reply:
    # The boundary of the turn that is interrupted comes first, in a unit of its own; then the reset, in the next.
    state = lap.state
    state.is_resetting = True
    lap.recycles = False  # it begins anew all the same, and what is not durable yet is that it will
    if state.is_executing:
        state.halting = Halting((), at_checkpoint=False)
        lap.halts = True
    return Later(RESET_KEY, is_input=False)


def _refusal(state: IdentityState, verb: Verb, refusal: VerbRefusal) -> MeerkatError:
    if refusal is VerbRefusal.DESTROYED:
        return DestroyedError(identity=state.identity)
    if refusal is VerbRefusal.TURN_IN_PROGRESS:
        return NotReadyError(identity=state.identity, phase=Phase.RUNNING)
    return UsageError(problem=f"{state.identity}: is {state.desired}, so there is nothing to {verb}; resume it first")


def _resetting(state: IdentityState) -> MeerkatError:
    return NotReadyError(identity=state.identity, phase=Phase.RESETTING)
