"""Faults to plant into what owners conclude."""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from meerkat_actors.actors.identity import activating
from meerkat_actors.machines import firing, identity, settling, turn_end
from meerkat_actors.machines.admitting import admit
from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.line import Line
from meerkat_actors.records.agenda_effects import FireTimer, SetTimer
from meerkat_actors.records.commands import Send
from meerkat_actors.records.facts import Fact, MailTaken
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import Lane, OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import Run, Sending
from tests.simulation.mutants_patches import Patches, nothing

LATE_MS: Final = 30_000


def requeued_at_the_tail() -> Patches:
    def come_back(lap: Lap, items: tuple[OpenInput, ...]) -> None:
        for item in items:
            if item.lane is Lane.STEER:
                lap.state.steer = lap.state.steer.append(item)
            else:
                lap.state.lane = lap.state.lane.append(item)
        lap.state.is_awake = lap.state.is_awake or bool(items)

    return [(settling, "come_back", come_back)]


def newest_first() -> Patches:
    def next_members(line: Line, _: Limits) -> tuple[OpenInput, ...]:
        return ([*line][-1],)

    return [(settling, "next_members", next_members)]


def charged_at_staging() -> Patches:
    start = Lap.start

    def charging(lap: Lap, run: Run) -> None:
        start(lap, Run(run.run_id, run.members, run.attempts + 1, run.interruptions, 0, run.journal))

    return [(Lap, "start", charging)]


def uncounted_retry() -> Patches:
    suspend = Lap.suspend

    def uncounted(lap: Lap, run: Run) -> None:
        suspend(lap, Run(run.run_id, run.members, 0, run.interruptions, run.not_before_ms, run.journal))

    return [(Lap, "suspend", uncounted)]


def charged_for_shutdown() -> Patches:
    def put_off(lap: Lap, run: Run) -> None:
        charged = Run(run.run_id, run.members, run.attempts + 1, run.interruptions, run.not_before_ms, run.journal)
        lap.suspend(charged)

    return [(turn_end, "_put_off", put_off)]


def timer_never_set() -> Patches:
    put = vars(firing)["_put"]

    def lossy(lap: Lap, effect: firing.TimerEffect, places: dict[str, int]) -> None:
        if not isinstance(effect, SetTimer):
            put(lap, effect, places)

    return [(firing, "_put", lossy)]


def timer_fires_again() -> Patches:
    put, fired = vars(firing)["_put"], set[tuple[str, str, int]]()

    def again(lap: Lap, effect: firing.TimerEffect, places: dict[str, int]) -> None:
        if isinstance(effect, FireTimer) and lap.stamp.now_ms - effect.was_due_ms > LATE_MS:
            which = lap.state.identity, effect.name, effect.was_due_ms
            if which not in fired:  # once is enough
                fired.add(which)
                effect = evolve(effect, due_ms=effect.was_due_ms)
        put(lap, effect, places)

    return [(firing, "_put", again)]


def silent_request() -> Patches:
    return [(Lap, "fail_request", nothing)]


def answered_twice() -> Patches:
    send = Lap.send

    def twice(lap: Lap, sending: Sending) -> None:
        send(lap, sending)
        header = sending.header
        if sending.kind is InputKind.PEER_RESPONSE_TERMINAL and header is not None:
            last = "0" if sending.input_id[-1] != "0" else "1"
            send(lap, evolve(sending, input_id=InputId(sending.input_id[:-1] + last)))

    return [(Lap, "send", twice)]


def untold_mail() -> Patches:
    tell = Lap.tell

    def quiet(lap: Lap, fact: Fact) -> None:
        if not isinstance(fact, MailTaken):
            tell(lap, fact)

    return [(Lap, "tell", quiet)]


def broken_chain() -> Patches:
    def unchanged(digest: bytes, _: object) -> bytes:
        return digest

    return [(turn_end, "extend_chain", unchanged)]


def unbounded_backlog() -> Patches:
    def unbounded(lap: Lap, command: Send) -> object:
        limits, lap.limits = lap.limits, evolve(lap.limits, backlog_max=10_000)
        try:
            return admit(lap, command)
        finally:
            lap.limits = limits

    return [(identity, "admit", unbounded)]


def parked_run_lost() -> Patches:
    leave = vars(Lap)["_leave"]

    def forgetful(lap: Lap, _: Run | None) -> None:
        leave(lap, None)

    return [(Lap, "_leave", forgetful)]


def recycled_blank() -> Patches:
    begin: Any = vars(activating)["begin"]

    def blank(*arguments: object, **options: object) -> object:
        state = begin(*arguments, **options)
        if options["keeps_ephemeral"]:
            state.state = None
        return state

    return [(activating, "begin", blank)]


def forgotten_journal() -> Patches:
    begin: Any = vars(activating)["begin"]

    def forgetful(*arguments: object, **options: object) -> object:
        state = begin(*arguments, **options)
        if state.run is not None:
            state.run = evolve(state.run, journal={})
        return state

    return [(activating, "begin", forgetful)]
