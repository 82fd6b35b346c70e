"""What a store says, without what is minted or timed: the same for two histories that came to the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import frozen

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.agenda_codec import decode_operation
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_header, decode_json, decode_log, decode_receipt
from meerkat_actors.records.content import JSON
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputRow, InputState, Letter
from meerkat_actors.records.outcomes import Abandoned, Consumed, Outcome, ReceiptOutcome
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from tests.fates.world import NAMES

_ROWS = 100_000


@frozen(kw_only=True)
class InputFact:
    """One admitted input."""

    name: str
    """Its key; its content, where it has none."""
    state: InputState
    ending: str
    """What the outcome says; empty while there is none."""
    letter: Letter
    is_pruned: bool


@frozen(kw_only=True)
class AgentFacts:
    """One agent."""

    is_there: bool
    generation: int = 0
    version: int = 0
    desired: Desired = Desired.OPEN
    is_buried: bool = False
    config: bytes | None = None
    inputs: tuple[InputFact, ...] = ()
    """In admission order."""
    owed: int = 0
    """How many answers it owes."""
    timers: tuple[str, ...] = ()
    """By their names."""
    operations: tuple[tuple[str, str, str, str], ...] = ()
    """Name, kind, status and result, by their names."""
    transcript: tuple[tuple[int, str, str], ...] = ()
    """Generation, role and content, oldest first."""


Facts = dict[str, AgentFacts]


def read_facts(store: Store) -> Facts:
    """Of the agents of these tests."""
    return {name: _facts_of(store, AgentIdentity(name)) for name in NAMES}


def inputs_of(store: Store, name: str) -> tuple[InputRow, ...]:
    """The admitted inputs, oldest first."""
    return store.page_inputs(AgentIdentity(name), after=None, limit=_ROWS, newest_first=False)


def turns_of(store: Store, name: str) -> list[TurnRow]:
    """The boundaries of all generations, oldest first."""
    return list(reversed(store.page_turns(AgentIdentity(name), before=None, limit=_ROWS)))


def activation_of(store: Store, name: str) -> Activation:
    """What an owner would begin with."""
    found = store.activate(AgentIdentity(name))
    assert not isinstance(found, Broken), found
    return found


def name_of(row: InputRow) -> str:
    """What an input is called here."""
    key = row.idempotency_key
    if key is not None and key.startswith("redrive:"):
        return f"{decode_json(row.content)} again"
    return key or str(decode_json(row.content))


def told_of(outcome: Outcome | None) -> str:
    """An outcome without what is minted."""
    match outcome:
        case None:
            return ""
        case Consumed():
            return f"consumed: {outcome.text}"
        case Abandoned():
            return str(outcome)
        case _:
            return type(outcome).__name__


def problems_in(store: Store) -> list[str]:
    """What can't be, whatever happened."""
    return [problem for name in NAMES for problem in _problems_of(store, name)]


def _facts_of(store: Store, identity: AgentIdentity) -> AgentFacts:
    found = activation_of(store, identity)
    head = found.head
    if head is None:
        return AgentFacts(is_there=False)
    return AgentFacts(
        is_there=True,
        generation=head.generation,
        version=head.version,
        desired=head.desired,
        is_buried=head.is_buried,
        config=None if found.config is None else found.config.body,
        inputs=tuple(
            InputFact(
                name=name_of(row),
                state=row.state,
                ending=told_of(outcome_of(row)),
                letter=row.letter,
                is_pruned=row.is_pruned,
            )
            for row in inputs_of(store, identity)
        ),
        owed=len(found.owed),
        timers=tuple(timer.name for timer in store.page_timers(identity, after=None, limit=_ROWS)),
        operations=tuple(
            sorted(
                (each.name, each.kind.value, each.status.value, str(each.content))
                for each in map(decode_operation, found.operations)
            )
        ),
        transcript=tuple(
            (turn.generation, entry["role"], str(entry["content"]))
            for turn in turns_of(store, identity)
            for entry in decode_log(turn.body)
        ),
    )


def _problems_of(store: Store, name: str) -> Iterator[str]:
    found = activation_of(store, name)
    if found.head is None:
        return
    rows = inputs_of(store, name)
    if [row.admission for row in rows] != list(range(1, found.admissions + 1)):
        yield f"{name}: admissions are {[row.admission for row in rows]} of {found.admissions}"
    open_rows = sorted(row.input_id for row in rows if not row.state.is_terminal)
    runs = [run for run in (found.run, found.parked) if run is not None]
    held = sorted([one.input_id for one in found.queued] + [one.input_id for run in runs for one in run.members])
    if open_rows != held:
        yield f"{name}: open by their rows are {open_rows}, by the activation {held}"
    if found.head.is_buried and open_rows:
        yield f"{name}: is buried with {open_rows}"
    keys = Counter(row.idempotency_key for row in rows if row.idempotency_key is not None)
    yield from (f"{name}: {count} inputs of key {key}" for key, count in keys.items() if count > 1)
    yield from _unproved(name, rows, turns_of(store, name))


def _unproved(name: str, rows: tuple[InputRow, ...], turns: list[TurnRow]) -> Iterator[str]:
    """Where inputs and receipts contradict each other."""
    by_id: dict[InputId, InputRow] = {row.input_id: row for row in rows}
    proved = Counter[InputId]()
    versions = Counter[int]()
    for turn in turns:
        versions[turn.generation] += 1
        if turn.version != versions[turn.generation]:
            yield f"{name}: boundary {versions[turn.generation]} of {turn.generation} has version {turn.version}"
        receipt = decode_receipt(turn)
        proved.update(receipt.contributors)
        wanted = InputState.CONSUMED if receipt.outcome is ReceiptOutcome.COMPLETED else InputState.ABANDONED
        for input_id in receipt.contributors:
            if by_id[input_id].state is not wanted:
                yield f"{name}: {input_id} is {by_id[input_id].state}, and its receipt {receipt.outcome}"
    yield from (f"{name}: {count} receipts of {one}" for one, count in proved.items() if count > 1)
    for row in rows:
        if (
            row.state is InputState.CONSUMED
            and outcome_of(row) is not None
            and row.turn is not None
            and not proved[row.input_id]
        ):
            yield f"{name}: no receipt of {row.input_id}"


def redriven(store: Store, name: str) -> Counter[InputId]:
    """How many inputs there are that drive each dead letter again."""
    headers = (decode_header(row.header, row.kind) for row in inputs_of(store, name))
    return Counter(header.redrives for header in headers if header.redrives is not None)


def content_of(row: InputRow) -> JSON:
    """What an input says."""
    return decode_json(row.content)
