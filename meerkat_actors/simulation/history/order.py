"""Numbers 8, 10 and 11: who was told earlier was told of what is older, across restarts and takeovers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.client import Asked
from meerkat_actors.simulation.history.names import named
from meerkat_actors.store.sqlite.marking import read_mark

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen

_Value = TypeVar("_Value", int, tuple[int, int])


def check_later_calls_have_later_versions(seen: Seen) -> Iterator[str]:
    """10: whose answer was there before another was asked has the older boundary."""
    for asked, version, before, older in _behind(seen, _version):
        if version <= older:
            yield f"{named(asked)} is version {version}, and {named(before)} before it {older}"


def check_later_calls_have_later_places(seen: Seen) -> Iterator[str]:
    """10: what was acknowledged before another was sent has the older place in the queue, which is the one told.

    Whoever asks a process that does not own the agent is told of no place: his message goes there as mail.
    """
    places = {row.input_id: row.admission for row in seen.contents.inputs}

    def place_of(asked: Asked) -> int | None:
        told = asked.admission
        is_placed = isinstance(asked.outcome, Consumed) or (told is not None and told.admission_sequence > 0)
        return places.get(asked.input_id) if is_placed else None

    for asked, place, before, older in _behind(seen, place_of):
        if place <= older:
            yield f"{named(asked)} has place {place}, and {named(before)} before it {older}"
    for asked in seen.asked:
        told = asked.admission
        if told is not None and told.durable and told.admission_sequence not in {0, places.get(told.input_id)}:
            yield f"{named(asked)} was told of place {told.admission_sequence}, and has {places.get(told.input_id)}"


def check_no_former_owner_answers(seen: Seen) -> Iterator[str]:
    """8: nothing is answered by an owner's token, if a client was told of a newer one's work before it asked.

    A memory store keeps no tokens with its boundaries.
    """
    tokens = {turn.sequence: turn.token for turn in seen.contents.turns}

    def token(asked: Asked) -> int | None:
        row = seen.contents.by_id.get(asked.input_id)
        return None if row is None or not isinstance(asked.outcome, Consumed) else tokens.get(row.turn)

    for asked, granted, before, newer in _behind(seen, token):
        if granted < newer:
            yield f"{named(asked)} was answered under token {granted}, and {named(before)} before it under {newer}"


def check_nothing_went_back(seen: Seen) -> Iterator[str]:
    """11: no agent is behind what a client was told of it, and no store behind the mark beside it."""
    heads = {head.name: (head.generation, head.version) for head in seen.contents.agents}
    for asked in seen.asked:
        version = _version(asked)
        if version is not None and version > heads.get(asked.agent, (0, 0)):
            yield f"{named(asked)} is version {version}, and {asked.agent} is at {heads.get(asked.agent)}"
    if seen.served > seen.contents.incarnation:
        yield f"{seen.served} processes served the store, and it is at incarnation {seen.contents.incarnation}"
    mark = read_mark(seen.contents.location) if seen.scenario.is_durable else None
    if mark is not None and (mark.incarnation, mark.sequence) > (seen.contents.incarnation, seen.contents.sequence):
        here = f"{seen.contents.sequence} of {seen.contents.incarnation}"
        yield f"the store is at {here}, and its mark at {mark.sequence} of {mark.incarnation}"


def _behind(seen: Seen, value_of: Callable[[Asked], _Value | None]) -> Iterator[tuple[Asked, _Value, Asked, _Value]]:
    """Each call that has such a value, and of those of its agent that had ended as it began the one of the highest."""
    by_agent: defaultdict[str, list[tuple[Asked, _Value]]] = defaultdict(list)
    for asked in seen.asked:
        value = value_of(asked)
        if value is not None:
            by_agent[asked.agent].append((asked, value))
    for calls in by_agent.values():
        # In the order of their ends, the highest that ended before each began.
        ended = sorted(calls, key=lambda call: call[0].ended)
        highest: tuple[Asked, _Value] | None = None
        place = 0
        for asked, value in sorted(calls, key=lambda call: call[0].begun):
            while place < len(ended) and ended[place][0].ended < asked.begun:
                if highest is None or ended[place][1] > highest[1]:
                    highest = ended[place]
                place += 1
            if highest is not None:
                before, most = highest
                yield asked, value, before, most


def _version(asked: Asked) -> tuple[int, int] | None:
    if not isinstance(asked.outcome, Consumed):
        return None
    return asked.outcome.receipt.generation, asked.outcome.receipt.checkpoint_version
