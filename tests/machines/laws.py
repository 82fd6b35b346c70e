"""``decided``: decides, and holds the decision to what is true of every decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from meerkat_actors.errors import DestroyedError
from meerkat_actors.machines.admitting import policy_for
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.lap import Decision, Later, Stamp
from meerkat_actors.machines.reset import RESET_KEY
from meerkat_actors.machines.settling import has_business
from meerkat_actors.machines.state import IdentityState, begin, key_of, lane_of, was_tried
from meerkat_actors.records.codec import encode_abandoned, encode_successor
from meerkat_actors.records.commands import Command, FireDue, Look, TakePending
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    Claim,
    InsertInput,
    Recreate,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import Lane, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Coalesced, Consumed, Noted, Outcome, Superseded
from meerkat_actors.records.runs import Run
from meerkat_actors.records.status import Desired
from meerkat_actors.store.fencing import unit_refusal
from tests.machines.agenda_laws import check_agenda, check_answers, check_facts
from tests.machines.rows import Rows, counted, rows_of
from tests.machines.states import LIMITS, NEW_RUN, all_of, effects_of, snapshot, stamp


def decided(state: IdentityState, *commands: Command, at: Stamp | None = None, limits: Limits = LIMITS) -> Decision:
    """Decide, twice, and hold the decision to what is true of every decision."""
    lap = stamp() if at is None else at
    given = list(commands)
    before = snapshot((state, given, lap, limits))
    decision = decide(state, given, lap, limits)
    assert snapshot((state, given, lap, limits)) == before, "decide changed its arguments"
    assert snapshot(decide(state, given, lap, limits)) == snapshot(decision), "decide is not deterministic"
    assert snapshot((state, given, lap, limits)) == before
    assert len(decision.replies) == len(given)
    check_state(decision.state)
    _check_unit(state, decision)
    _check_rows(state, given, decision)
    _check_told(state, decision)
    check_answers(state, given, decision)
    check_facts(state, given, decision)
    check_agenda(decision)
    _check_beginning(state, decision, lap, limits)
    _check_going_on(decision, lap, limits)
    return decision


def outcomes_of(decision: Decision) -> dict[InputId, Outcome]:
    """The outcomes of inputs that became known with the decision."""
    outcomes: dict[InputId, Outcome] = {}
    for key, told in decision.told:
        if isinstance(told, Consumed | Noted | Superseded | Coalesced | Abandoned):
            outcomes[InputId(key)] = told
    return outcomes


def check_state(state: IdentityState) -> None:
    """Each open input is in one place, and each place is as it should be."""
    places = Counter(item.admission for item in _open(state))
    assert max(places.values(), default=1) == 1, "an input is in two places"
    for line, lane in ((state.steer, Lane.STEER), (state.lane, Lane.QUEUE)):
        waiting = [item.admission for item in line]
        assert waiting == sorted(waiting), "a lane out of order"
        assert all(item.lane is lane and item.position == 0 for item in line)
        assert len(waiting) == len(line)
        assert line.head.admission == waiting[0] if waiting else not line
    for key, admission in state.keyed.items():
        item = state.lane.get(admission) or state.steer.get(admission)
        assert item is not None, "who left its lane can be displaced"
        assert key_of(item) == key
    _check_runs(state)
    assert not state.is_buried or not state.has_open_input


def _check_runs(state: IdentityState) -> None:
    if state.run is None:
        assert state.parked is None
        assert not state.is_executing
    if not state.is_executing:
        of_turn = (state.recorded, state.halting, state.unheard, state.suspect)
        assert of_turn == (None, None, (), False), "left by a turn that is over"
    if state.run is None:
        return
    runs = [run for run in (state.run, state.parked) if run is not None]
    assert len({run.run_id for run in runs}) == len(runs), "two runs of one id"
    assert len({lane_of(run) for run in runs}) == len(runs), "two runs of one lane"
    for run in runs:
        places = [(member.position, member.admission) for member in run.members]
        assert places == sorted(places), "members out of order"
        assert run.base
        assert {member.lane for member in run.base} == {lane_of(run)}
        assert all(member.lane is Lane.STEER for member in run.members if member.position)


def _check_unit(state: IdentityState, decision: Decision) -> None:
    after, unit = decision.state, decision.unit
    if unit is None:
        assert (after.token, after.previous_token) == (state.token, state.previous_token)
        return
    assert unit.effects
    assert unit_refusal(unit) is None, "no store takes the unit"
    recreates = all_of(Recreate, decision)
    claims = all_of(Claim, decision)
    assert after.previous_token is None
    if recreates:
        assert claims == []
        assert after.token == recreates[0].previous + 1
    else:
        assert after.token == state.token
        assert claims == ([] if state.previous_token is None else [Claim(state.previous_token)])
    fence = state.fence
    assert unit.fence == IdentityFence(fence.identity, fence.key, after.token, fence.generation, fence.version)
    _check_keys(state, decision, unit)


def _check_keys(state: IdentityState, decision: Decision, unit: Unit) -> None:
    after = decision.state
    touched = Counter(
        (type(effect), admission)
        for effect in unit.effects
        if (admission := getattr(effect, "admission", None)) is not None and hasattr(effect, "run_id")
    )
    touched.subtract({key: count - 1 for key, count in touched.items() if key[0].__name__ in _SEVERAL})
    assert max(touched.values(), default=1) == 1, f"touched twice: {touched}"
    admitted = [effect.admission for effect in unit.effects if isinstance(effect, InsertInput | TakeMail)]
    assert admitted == list(range(state.admissions + 1, after.admissions + 1))
    appended = all_of(AppendTurn, decision)
    restarts = [each for each in unit.effects if isinstance(each, BeginGeneration | Recreate)]
    assert not (appended and restarts), "a boundary and a generation in one unit"
    assert len(appended) + len(restarts) <= 1
    assert after.version == (0 if restarts else state.version + len(appended))
    if state.is_created:
        assert after.generation == state.generation + len(restarts)
    assert len(all_of(Bury, decision)) == (after.is_buried and not state.is_buried)


_SEVERAL: Final = frozenset({"RecordStep", "MoveInput"})
"""A run's steps name its first member; what was given back may be displaced in the same lap."""


def _check_rows(state: IdentityState, given: list[Command], decision: Decision) -> None:
    """The unit makes true, row by row, what the owner then holds, and nothing else."""
    rows = rows_of(state)
    taken = [mail for command in given if isinstance(command, TakePending) for mail in command.mail]
    rows.mail.sent = {mail.sequence: mail for mail in taken}
    due = [timer for command in given if isinstance(command, FireDue) for timer in command.timers]
    rows.agenda.timers = {timer.name: timer for timer in due}
    if decision.unit is not None:
        rows.commit(decision.unit)
    assert description(rows) == description(rows_of(decision.state))
    told, ended = outcomes_of(decision), dict(rows.ended)
    assert len(ended) == len(rows.ended) == len(told), "whoever ends is told exactly once"
    for input_id, outcome in told.items():
        match outcome:
            case Consumed():
                assert ended[input_id] is None
                assert input_id in outcome.receipt.contributors
            case Noted():
                assert ended[input_id] is Lane.NONE
            case Superseded(by=successor) | Coalesced(into=successor):
                assert ended[input_id] == encode_successor(successor)
            case Abandoned():
                assert ended[input_id] in {outcome, encode_abandoned(outcome)}


def description(rows: Rows) -> object:
    """What of the rows two readers have to agree on."""
    inputs = [(row.state, row.run_id, *counted(row)) for _, row in sorted(rows.inputs.items())]
    counters = rows.admissions, rows.state, rows.config
    journals = {key: steps for key, steps in rows.journals.items() if steps}
    return snapshot((rows.head, counters, inputs, journals, rows.agenda.owed, rows.agenda.operations))


def _check_told(state: IdentityState, decision: Decision) -> None:
    after = decision.state
    keys = [key for key, _ in decision.told]
    assert len(set(keys)) == len(keys), f"told twice: {keys}"
    waiting = {reply.key for reply in decision.replies if isinstance(reply, Later)}
    if state.halting is not None and state.run is not None and not state.halting.admissions:
        waiting.add(state.run.run_id)
    if state.is_resetting:
        waiting.add(RESET_KEY)
    if after.is_resetting:
        waiting.discard(RESET_KEY)
    if after.halting is not None and after.run is not None:
        waiting.discard(after.run.run_id)
    still_open = {item.input_id for item in _open(after)}
    running = {each.operation_id for each in after.operations.values() if not each.sequence}
    assert waiting - still_open - running <= {*keys}, "who waits for an end is not told of it"
    told = dict(decision.told)
    if RESET_KEY in told:
        assert told[RESET_KEY] is None or isinstance(told[RESET_KEY], DestroyedError)
        assert (told[RESET_KEY] is None) == bool(all_of(BeginGeneration, decision))


def _check_beginning(state: IdentityState, decision: Decision, lap: Stamp, limits: Limits) -> None:
    starts, after = decision.starts, decision.state
    if starts is None:
        was = None if state.run is None else state.run.run_id
        assert not after.is_executing or (state.is_executing and after.run is not None and after.run.run_id == was)
        return
    assert after.is_executing
    assert starts is after.run
    assert not lap.starts_nothing
    assert decision.wake_at_ms == 0
    assert after.desired not in {Desired.PAUSED, Desired.DESTROYED}
    assert not after.is_resetting
    assert not starts.is_unclean, "an unclean end that was not counted"
    assert lap.may_suspect or not after.suspect
    if not any(run is not None and run.run_id == starts.run_id for run in (state.run, state.parked)):
        _check_new_run(decision, starts, lap, limits)


def _check_new_run(decision: Decision, starts: Run, lap: Stamp, limits: Limits) -> None:
    assert starts.run_id == lap.run_id or NEW_RUN in {lap.run_id, starts.run_id}
    after, members = decision.state, starts.members
    if len(members) > 1:
        policies = [policy_for(member) for member in members]
        assert not any(policy.is_alone for policy in policies)
        assert not any(map(was_tried, members))
        assert len({(policy.execution, policy.intent) for policy in policies}) == 1
        assert len(members) <= limits.run_inputs_max
    if lane_of(starts) is Lane.QUEUE:
        is_held = after.parked is not None and lane_of(after.parked) is Lane.STEER
        assert is_held or not after.steer, "the steer lane goes first"
        assert all(member.admission < item.admission for member in members for item in after.lane)


def _check_going_on(decision: Decision, lap: Stamp, limits: Limits) -> None:
    """Nobody is left who could go on and does not: in this lap, at its time, or in the lap that follows at once."""
    after = decision.state
    waiting = [run.not_before_ms for run in (after.run, after.parked) if run is not None]
    if decision.wake_at_ms:
        assert not after.is_executing
        assert decision.wake_at_ms in waiting
        assert decision.wake_at_ms > lap.now_ms
    if lap.starts_nothing:
        return
    if decision.unit is not None and after.is_created and not (after.is_executing or after.is_buried):
        # An owner that begins now finds no work that this one leaves alone.
        reborn = begin(rows_of(after).activation(), charges_interruption=False)
        assert after.is_awake or not reborn.is_awake or not after.has_open_input
    is_alarmed = decision.wake_at_ms != 0 or decision.asks_to_suspect
    if has_business(after, is_alarmed=is_alarmed):
        following = decide(after, [Look()], lap, limits)
        assert effects_of(following) or following.starts or following.wake_at_ms or following.asks_to_suspect, "idles"
    elif not after.is_executing and not is_alarmed and after.is_created:
        assert after.run is None or after.desired is Desired.PAUSED
        assert not after.has_open_input or not after.is_awake or after.desired is Desired.PAUSED


def _open(state: IdentityState) -> list[OpenInput]:
    members = [member for run in (state.run, state.parked) if run is not None for member in run.members]
    return [*state.steer, *state.lane, *state.lost, *members]


def admissions_of(items: Iterable[OpenInput]) -> list[AdmissionSequence]:
    """Of a lane, or of a run's members."""
    return [item.admission for item in items]
