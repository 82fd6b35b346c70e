"""What callers believe, against the facts: all that one may rely on after it was told, and nothing more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from meerkat_actors.errors import (
    IdentityBrokenError,
    RejectedError,
    TurnAbandonedError,
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.events import IdentityBroke, OwnerCrashed, TurnStuck
from meerkat_actors.records.inputs import InputRow, Letter
from meerkat_actors.records.outcomes import (
    AbandonReason,
    Admission,
    Answer,
    Consumed,
    Outcome,
)
from meerkat_actors.records.status import Desired, IdentityStatus
from meerkat_actors.store import Store
from tests.fates.cancelling import Refused, Returned, Told, Unknown
from tests.fates.facts import AgentFacts, content_of, inputs_of, problems_in, redriven
from tests.fates.programs import NEVER, History, Record
from tests.fates.world import NAMES

_SENDING: Final = frozenset({"send", "steer", "ask"})
_SETS: Final = {
    "pause": Desired.PAUSED,
    "resume": Desired.OPEN,
    "retire": Desired.RETIRED,
    "stop": Desired.STOPPED,
    "reset": Desired.OPEN,
    "recycle": Desired.OPEN,
    "destroy": Desired.DESTROYED,
    "recreate": Desired.OPEN,
}


def problems_of(history: History, store: Store) -> list[str]:
    """Whatever somebody was told that is not so, and whatever nobody may be told."""
    rows = {name: inputs_of(store, name) for name in NAMES}
    records = history.records + history.last
    return [
        *problems_in(store),
        *(str(event) for event in history.events if isinstance(event, OwnerCrashed | IdentityBroke | TurnStuck)),
        *_untypical(history),
        *_inputs(history, records, rows),
        *_outcomes(records, rows),
        *_letters(records, rows, store),
        *(line for name in NAMES for line in _verbs(name, history)),
        *(line for name in NAMES for line in _left_open(name, history.calm[name])),
    ]


def _untypical(history: History) -> Iterator[str]:
    """Errors that nothing here is a reason for."""
    for record in history.records + history.last:
        if not isinstance(record.told, Refused):
            continue
        error = record.told.error
        is_typical = isinstance(error, RejectedError | UsageError | TurnAbandonedError)
        if not is_typical and not (history.was_cut and isinstance(error, UnknownOutcomeError)):
            yield f"{record}: nothing here fails"
        if isinstance(error, IdentityBrokenError):
            yield f"{record}: nothing here breaks"
    for record in history.last:
        if not isinstance(record.told, Returned):
            yield f"{record}: was admitted, and nobody is told what became of it"


def _inputs(history: History, records: tuple[Record, ...], rows: dict[str, tuple[InputRow, ...]]) -> Iterator[str]:
    """Acknowledged is there, refused is not, and whatever is asked again is there once."""
    asked: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.what in _SENDING:
            asked[record.agent, record.key].append(record)
    for (name, key), group in asked.items():
        found = [row for row in rows[name] if row.idempotency_key == key]
        admissions = [one.told.value for one in group if isinstance(one.told, Returned)]
        if len(found) > 1:
            yield f"{name} {key}: is there {len(found)} times"
        if admissions and not found:
            yield f"{name} {key}: was acknowledged, and is not there"
        if found and all(isinstance(one.told, Refused) and _wrote_nothing(one.told) for one in group):
            yield f"{name} {key}: was refused, {[one.told for one in group]}, and is there"
        if found and content_of(found[0]) != history.contents[key]:
            yield f"{name} {key}: says {content_of(found[0])!r}"
        told = [one for one in admissions if isinstance(one, Admission)]
        if sum(not one.duplicate for one in told) > 1:
            yield f"{name} {key}: was new more than once"
        if found and any(
            (one.input_id, one.admission_sequence) != (found[0].input_id, found[0].admission) for one in told
        ):
            yield f"{name} {key}: {told} are not {found[0].input_id}"
    yield from _order(records)


def _wrote_nothing(told: Refused) -> bool:
    return isinstance(told.error, RejectedError | UsageError)


def _order(records: tuple[Record, ...]) -> Iterator[str]:
    """What was acknowledged before another was asked for comes before it."""
    for name in NAMES:
        new = [
            (one, one.told.value.admission_sequence)
            for one in records
            if one.agent == name and one.what in _SENDING and isinstance(one.told, Returned)
            and isinstance(one.told.value, Admission) and not one.told.value.duplicate
        ]  # fmt: skip
        for first, sequence in new:
            for then, later in new:
                if first.ended < then.begun and not sequence < later:
                    yield f"{name}: {first.key} came before {then.key}, and is admitted after it"


def _outcomes(records: tuple[Record, ...], rows: dict[str, tuple[InputRow, ...]]) -> Iterator[str]:
    """One outcome, told to everyone."""
    by_key = {(name, row.idempotency_key): row for name in NAMES for row in rows[name]}
    for record in records:
        row = by_key.get((record.agent, record.key))
        true = None if row is None else outcome_of(row)
        told = _told_outcome(record.told)
        if told is not None and told != true:
            yield f"{record}: became {true}"


def _told_outcome(told: Told) -> Outcome | None:
    if isinstance(told, Refused):
        value: object = told.error.outcome if isinstance(told.error, TurnAbandonedError) else None
    else:
        value = told.value if isinstance(told, Returned) else None
    if isinstance(value, Answer):
        return Consumed(value.text, value.receipt)
    return value if isinstance(value, Outcome) else None


def _letters(records: tuple[Record, ...], rows: dict[str, tuple[InputRow, ...]], store: Store) -> Iterator[str]:
    by_id = {row.input_id: row for name in NAMES for row in rows[name]}
    for name in NAMES:
        for dead, count in redriven(store, name).items():
            if count > 1 or by_id[dead].letter is not Letter.SETTLED:
                yield f"{name}: letter {dead} was driven again {count} times, and is {by_id[dead].letter.name}"
    for record in records:
        if record.what in {"redrive", "drop"} and isinstance(record.told, Returned):
            found = [row for row in rows[record.agent] if row.input_id == record.key]
            if [row.letter for row in found] != [Letter.SETTLED]:
                yield f"{record}: the letter is {found}"


def _verbs(name: str, history: History) -> Iterator[str]:
    """What the operator was told is so, unless somebody may have asked for something else since."""
    asked = [one for one in history.records if one.agent == name and not isinstance(one.told, Refused)]
    done = [one for one in asked if isinstance(one.told, Returned)]
    setting = [one for one in asked if one.what in _SETS]
    sure = [one for one in setting if isinstance(one.told, Returned) and one.what != "recreate"]
    possible = {
        _SETS[one.what]
        for one in setting
        if not any((NEVER if isinstance(one.told, Unknown) else one.ended) < other.begun for other in sure)
    }
    if not sure:
        possible.add(Desired.OPEN)
    if history.calm[name].desired not in possible:
        yield f"{name}: is {history.calm[name].desired}, by {setting} one of {possible}"
    yield from _generations(name, history, asked, done)
    cancelled = any(
        isinstance(one.told, Returned) and one.what == "interrupt" and one.told.value is True for one in done
    )
    endings = [one.ending for one in history.ended[name].inputs]
    if cancelled and not any(ending.startswith(f"abandoned ({AbandonReason.CANCELLED})") for ending in endings):
        yield f"{name}: a run was interrupted, and nothing was: {endings}"


def _left_open(name: str, agent: AgentFacts) -> Iterator[str]:
    """Who was stopped, destroyed or retired works off, or gives up, all there is."""
    left = [one.name for one in agent.inputs if not one.ending]
    if left and agent.desired not in {Desired.OPEN, Desired.PAUSED}:
        yield f"{name}: is {agent.desired}, and {left} never end"


def _generations(name: str, history: History, asked: list[Record], done: list[Record]) -> Iterator[str]:
    """A reset that was acknowledged began one more; nothing else did."""
    generation = history.calm[name].generation
    most = sum(one.what in {"reset", "recreate"} for one in asked)
    if generation > most:
        yield f"{name}: generation {generation} by {most} beginnings"
    seen = sorted((one for one in done if one.what in {"status", "reset"}), key=lambda one: one.ended)
    # Of resets that overlap, each may have been the same one.
    least, until = 0, -1
    for one in seen:
        if one.what == "reset" and one.begun > until:
            least, until = least + 1, one.ended
    if generation < least:
        yield f"{name}: generation {generation}, and {least} resets, one after another, were acknowledged"
    statuses = [one for one in seen if isinstance(one.told, Returned) and isinstance(one.told.value, IdentityStatus)]
    for first, then in pairwise(statuses):
        assert isinstance(first.told, Returned)
        assert isinstance(then.told, Returned)
        was, became = first.told.value, then.told.value
        assert isinstance(was, IdentityStatus)
        assert isinstance(became, IdentityStatus)
        if first.ended < then.begun and (was.generation, was.checkpoint_version) > (
            became.generation,
            became.checkpoint_version,
        ):
            yield f"{name}: {first} went back to {then}"
