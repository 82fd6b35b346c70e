"""What a store holds, read row by row and without its code: the same records of a database and of a memory store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar

import orjson
from attrs import field, frozen

from meerkat_actors.records.hot import hot
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.outcomes import ReceiptOutcome
from meerkat_actors.records.status import Desired

OPEN: Final = frozenset({InputState.SENT, InputState.QUEUED, InputState.STAGED})
DISPLACED: Final = frozenset({InputState.SUPERSEDED, InputState.COALESCED})


@hot
class HeadSeen:
    """One authority row."""

    key: int
    name: str
    kind: str
    token: int
    generation: int
    version: int
    owner: int
    digest: bytes
    message_count: int
    last_turn: int
    sends: int
    is_buried: bool
    desired: Desired
    mail_floor: int

    @property
    def is_agent(self) -> bool:
        """Whether the runtime serves it: no agent's kind begins so, and every facade's does."""
        return not self.kind.startswith("@")


@hot
class InputSeen:
    """One input row."""

    sequence: int
    identity: int
    input_id: str
    lane: Lane
    state: InputState
    admission: int | None
    run: str | None
    attempts: int
    interruptions: int
    not_before: int
    position: int
    turn: int
    """0: no boundary consumed it."""
    sender: int | None
    number: int | None
    """None also where the store does not keep it."""
    key: str | None
    ending: bytes | None
    letter: int
    kind: str
    header: bytes | None
    is_owed: bool

    @property
    def reason(self) -> str | None:
        """Why it was abandoned; None for every other ending."""
        if self.state is not InputState.ABANDONED or self.ending is None:
            return None
        return str(orjson.loads(self.ending)["reason"])


@hot
class TurnSeen:
    """One boundary row."""

    sequence: int
    identity: int
    generation: int
    version: int
    token: int | None
    """None where the store does not keep it."""
    previous: int
    run: str
    digest: bytes
    body: bytes


_Seen = TypeVar("_Seen", InputSeen, TurnSeen)


@hot
class Proof:
    """What the body of a boundary says of its receipt."""

    contributors: tuple[str, ...]
    outcome: str
    count: int
    sequence: int
    added: int | None
    """Messages; None where the body is a facade's."""


@frozen(kw_only=True)
class Contents:
    """Everything that the invariants speak of. Rows are in the order of the store's sequence."""

    location: str
    incarnation: int
    sequence: int
    """No row has a higher one, once serving ended."""
    heads: Mapping[int, HeadSeen]
    inputs: tuple[InputSeen, ...]
    turns: tuple[TurnSeen, ...]
    receipts: Mapping[tuple[int, str], Mapping[int, int]]
    """Boundaries of a run's receipts, by their sequence: those of the runtime-store facade."""
    journals: frozenset[tuple[int, str]]
    """The runs that steps are recorded of."""
    snapshots: tuple[tuple[int, int, int, int], ...]
    """Identity, generation, version and token of each of the continuity facade's."""
    open_index: frozenset[int]
    """What the store finds when it looks for open inputs."""
    timers: frozenset[tuple[int, str]] = field(default=frozenset())
    """Of each timer, whose it is and its name."""
    events: tuple[tuple[int, int, bytes], ...] = field(default=())
    """Sequence, identity and body of each row that tells nothing but facts."""
    event_floor: int = field(default=0)
    """Events up to it may have been pruned."""
    tables: frozenset[str] = field(default=frozenset())
    """What its database consists of; empty for a memory store."""

    @cached_property
    def inputs_of(self) -> Mapping[int, list[InputSeen]]:
        """By identity."""
        return _by_identity(self.inputs)

    @cached_property
    def turns_of(self) -> Mapping[int, list[TurnSeen]]:
        """By identity."""
        return _by_identity(self.turns)

    @cached_property
    def proofs(self) -> Mapping[int, Proof]:
        """What each boundary says of its receipt, by its sequence."""
        return {turn.sequence: proof_of(turn) for turn in self.turns}

    @cached_property
    def facts(self) -> Mapping[int, tuple[int, list[dict[str, Any]]]]:
        """What units told, in their order: by its sequence, whose row it is, and the facts."""
        rows = [(sequence, identity, orjson.loads(body)) for sequence, identity, body in self.events]
        rows += [
            (turn.sequence, turn.identity, orjson.loads(turn.body).get("events", []))
            for turn in self.turns
            if b'"events":' in turn.body
        ]
        return {sequence: (identity, told) for sequence, identity, told in sorted(rows, key=lambda row: row[0])}

    @property
    def told(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Each of the facts, in their order, with the sequence and whose it is."""
        return ((sequence, identity, fact) for sequence, (identity, told) in self.facts.items() for fact in told)

    @cached_property
    def consumed_by(self) -> Mapping[int, list[InputSeen]]:
        """The inputs of each boundary, in the order of their run."""
        found: defaultdict[int, list[InputSeen]] = defaultdict(list)
        for row in self.inputs:
            if row.turn:
                found[row.turn].append(row)
        for rows in found.values():
            rows.sort(key=lambda row: (row.position, row.admission or 0))
        return found

    @cached_property
    def by_id(self) -> Mapping[str, InputSeen]:
        """By input id, which is used once."""
        return {row.input_id: row for row in self.inputs}

    @property
    def agents(self) -> Iterator[HeadSeen]:
        """The identities that the runtime serves."""
        return (head for head in self.heads.values() if head.is_agent)

    @property
    def agents_inputs(self) -> Iterator[InputSeen]:
        """The inputs of those that the runtime serves, and of names that nobody has yet."""
        for row in self.inputs:
            head = self.heads.get(row.identity)
            if head is None or head.is_agent:
                yield row

    def name(self, identity: int) -> str:
        """Whose row it is, for people."""
        head = self.heads.get(identity)
        return f"(key {identity})" if head is None else head.name


def proof_of(turn: TurnSeen) -> Proof:
    """What a boundary says of its receipt."""
    body: dict[str, Any] = orjson.loads(turn.body)
    log = body.get("log")
    told = () if log is None else (entry["input"] for entry in log if "input" in entry)
    return Proof(
        contributors=tuple(body.get("contributors", told)),
        outcome=body.get("outcome", ReceiptOutcome.COMPLETED.value),
        count=body["count"],
        sequence=body.get("sequence", 1),
        added=None if log is None else len(log),
    )


def _by_identity(rows: tuple[_Seen, ...]) -> Mapping[int, list[_Seen]]:
    found: defaultdict[int, list[_Seen]] = defaultdict(list)
    for row in rows:
        found[row.identity].append(row)
    return found
