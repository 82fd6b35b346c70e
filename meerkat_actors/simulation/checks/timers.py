"""I31: timers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meerkat_actors.records.status import Desired
from meerkat_actors.simulation.checks.contents import Contents
from meerkat_actors.simulation.checks.evidence import Evidence

_FORGETS: Final = frozenset({"GenerationBegan", "Destroyed"})


def check_i31_timers_belong_to_the_living(seen: Evidence) -> Iterator[str]:
    """Each was set, and neither dropped since, nor is it of a generation that is over; and none of those is missing."""
    contents = seen.contents
    for identity, name in contents.timers:
        head = contents.heads.get(identity)
        if head is None or head.is_buried or head.desired is Desired.DESTROYED:
            yield f"{contents.name(identity)}: timer {name!r} has outlived its agent"
    yield from _lost(contents)
    if not contents.event_floor:
        yield from _unset(contents)


def _unset(contents: Contents) -> Iterator[str]:
    pending: dict[tuple[int, str], int] = {}
    for _, identity, fact in contents.told:
        timer = identity, str(fact.get("name"))
        match fact["fact"]:
            case "TimerSet":
                pending[timer] = -1
            case "TimerDropped":
                pending.pop(timer, None)
            case "TimerFired":
                if timer not in pending:
                    yield f"{contents.name(identity)}: timer {timer[1]!r} fired, and was not set"
                elif fact["due_ms"] <= pending[timer]:
                    yield f"{contents.name(identity)}: timer {timer[1]!r} fired twice for {fact['due_ms']}"
                else:
                    pending[timer] = fact["due_ms"] if fact["input_ids"] else pending[timer]
            case kind if kind in _FORGETS:
                pending = {each: due for each, due in pending.items() if each[0] != identity}
            case _:
                pass
    for identity, name in sorted(contents.timers - pending.keys()):
        yield f"{contents.name(identity)}: timer {name!r} is there, and nobody says that it was set"


def _lost(contents: Contents) -> Iterator[str]:
    """What was set and neither fired nor ended is there, and so is what fired twice: that fires again and again.

    One that fired once may have been to fire once. Facts behind the floor are all there.
    """
    fired: dict[tuple[int, str], set[int]] = {}
    for sequence, identity, fact in contents.told:
        timer = identity, str(fact.get("name"))
        if sequence <= contents.event_floor:
            continue
        if fact["fact"] == "TimerSet":
            fired[timer] = set()
        elif fact["fact"] == "TimerFired":
            fired.setdefault(timer, set()).add(fact["due_ms"])
        elif fact["fact"] == "TimerDropped":
            fired.pop(timer, None)
        elif fact["fact"] in _FORGETS:
            fired = {each: times for each, times in fired.items() if each[0] != identity}
    for timer, times in sorted(fired.items()):
        if len(times) != 1 and timer not in contents.timers:
            fate = f"fired {len(times)} times" if times else "has not fired"
            yield f"{contents.name(timer[0])}: timer {timer[1]!r} was set, {fate}, and is not there"
