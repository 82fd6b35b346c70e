"""What must hold of a job's database, whatever was killed: from the file and what the outside was told alone.

Nothing here knows how the package reads its own rows: ids, digests and the hash chain are worked out afresh.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from attrs import evolve, frozen

from tests.crashes.history import Acknowledged, Consumed, GivenUp, Line, Ready, Written

_CONSUMED: Final = 3
_GIVEN_UP: Final = (4, 5, 6)


@frozen
class Violation:
    """One thing that must not be."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


@frozen(kw_only=True)
class InputRow:
    """One input as it is stored."""

    input_id: str
    identity: str
    admission: int | None
    state: int
    attempts: int
    interruptions: int
    turn: int | None
    run: bytes | None
    sender: str | None
    number: int | None
    key: str | None
    digest: bytes
    content: bytes

    @property
    def path(self) -> object:
        """The file that the input, a task or a review, is about."""
        return orjson.loads(self.content)["path"]


@frozen(kw_only=True)
class TurnRow:
    """One boundary as it is stored."""

    sequence: int
    identity: str
    version: int
    generation: int
    token: int
    previous: int
    run: bytes
    digest: bytes
    log: Sequence[Mapping[str, Any]]
    count: int
    """Length of the transcript after it, as it says itself."""
    number: int
    """Of the boundaries of its run."""

    @property
    def contributors(self) -> list[str]:
        """The inputs that its receipt names: those that its log says to have consumed."""
        return [entry["input"] for entry in self.log if "input" in entry]


@frozen(kw_only=True)
class HeadRow:
    """The authority of one identity as it is stored."""

    token: int
    generation: int
    version: int
    digest: bytes
    message_count: int
    last_turn: int
    sends: int


@frozen(kw_only=True)
class Rows:
    """Everything that is looked at in one database."""

    problems: tuple[str, ...]
    """What SQLite's own checks found."""
    is_readable: bool
    """Whether everything else could be read; otherwise it is empty."""
    incarnation: int
    inputs: Mapping[str, InputRow]
    """By input id."""
    turns: Sequence[TurnRow]
    heads: Mapping[str, HeadRow]
    journaled: int
    """Steps of live runs."""


NOTHING: Final = Rows(problems=(), is_readable=True, incarnation=0, inputs={}, turns=(), heads={}, journaled=0)
"""Before the database exists."""


def read_rows(database: Path) -> Rows:
    """Read a database that nobody has open; its log is folded into it, so let it be a copy."""
    if not database.exists():
        return NOTHING
    with closing(sqlite3.connect(database)) as connection:
        try:
            return _rows(connection)
        except (sqlite3.DatabaseError, ValueError, KeyError) as error:
            return evolve(NOTHING, problems=(f"unreadable: {error!r}",), is_readable=False)


def check_rows(rows: Rows, told: Sequence[Line]) -> list[Violation]:
    """What is wrong at any instant, however the process ended."""
    problems = [Violation("integrity", problem) for problem in rows.problems]
    if not rows.is_readable:
        return problems
    return [
        *problems,
        *_members(rows, told),
        *_acknowledged(rows, told),
        *_contents(rows),
        *_consumed_once(rows),
        *_given_up(rows, told),
        *_chains(rows),
        *_versions(rows),
        *_mail(rows),
        *_outcomes(rows, told),
    ]


def check_ended(rows: Rows, told: Sequence[Line]) -> list[Violation]:
    """What is wrong besides when the job has come to its end."""
    acknowledged = {line.input_id for line in told if isinstance(line, Acknowledged)}
    return [
        *(
            Violation("unfinished", f"{row.input_id} of {row.identity} is in state {row.state}")
            for row in rows.inputs.values()
            if row.state != _CONSUMED
        ),
        *(
            Violation("phantom", f"{row.input_id} of {row.identity} was acknowledged to nobody")
            for row in rows.inputs.values()
            if row.sender is None and row.input_id not in acknowledged
        ),
        *([Violation("unfinished", f"{rows.journaled} steps of ended runs are kept")] if rows.journaled else []),
    ]


def check_later(earlier: Rows, later: Rows) -> list[Violation]:
    """What was durable once and is no longer."""
    if not later.is_readable:
        return []
    found = [
        Violation("undone", f"{row.input_id} of {row.identity} was {row.turn}, is {after.turn}" if after else "is gone")
        for row in earlier.inputs.values()
        if (after := later.inputs.get(row.input_id)) is None or (row.turn is not None and after.turn != row.turn)
    ]
    for identity, before in earlier.heads.items():
        head = later.heads.get(identity)
        if head is None or (head.token, head.generation, head.version) < (
            before.token,
            before.generation,
            before.version,
        ):
            found.append(Violation("undone", f"{identity} went back from {before} to {head}"))
    if later.incarnation < earlier.incarnation:
        found.append(Violation("undone", f"incarnation {later.incarnation} after {earlier.incarnation}"))
    return found


def check_report(report: Path, expected: bytes, told: Sequence[Line], *, is_ended: bool) -> list[Violation]:
    """A report is there whole or not at all; and it is there once it was told, or the job ended."""
    if report.exists():
        written = report.read_bytes()
        return [] if written == expected else [Violation("report", f"{len(written)} other bytes than undisturbed")]
    is_due = is_ended or any(isinstance(line, Written) for line in told)
    return [Violation("report", "is missing")] if is_due else []


# -- the rules ----------------------------------------------------------------------------


def _members(rows: Rows, told: Sequence[Line]) -> Iterator[Violation]:
    for line in told:
        if isinstance(line, Ready):
            head = rows.heads.get(line.identity)
            if head is None or head.version < line.version:
                yield Violation("member", f"{line.identity} was ready at version {line.version}, and is {head}")


def _acknowledged(rows: Rows, told: Sequence[Line]) -> Iterator[Violation]:
    ids: dict[tuple[str, str], str] = {}
    for line in told:
        if not isinstance(line, Acknowledged):
            continue
        first = ids.setdefault((line.identity, line.key), line.input_id)
        if first != line.input_id:
            yield Violation("one input", f"{line.key} of {line.identity} was {first}, then {line.input_id}")
        row = rows.inputs.get(line.input_id)
        if row is None:
            yield Violation("acknowledged", f"{line.input_id} of {line.identity} is missing")
        # Where several processes share a file it may wait, as mail does, for who holds the agent.
        elif (row.identity, row.key, row.path) != (line.identity, line.key, line.path) or (
            row.admission is None and row.state != 0
        ):
            yield Violation("acknowledged", f"{line.input_id} is not what was sent to {line.identity}")


def _contents(rows: Rows) -> Iterator[Violation]:
    for row in rows.inputs.values():
        if sha256(row.content).digest() != row.digest:
            yield Violation("content", f"{row.input_id} is not what its digest says")


def _consumed_once(rows: Rows) -> Iterator[Violation]:
    named: dict[str, TurnRow] = {}
    for turn in rows.turns:
        for input_id in turn.contributors:
            if input_id in named:
                yield Violation("consumed once", f"{input_id} is in turns {named[input_id].sequence}, {turn.sequence}")
            named[input_id] = turn
            row = rows.inputs.get(input_id)
            if row is None or row.admission is None or row.identity != turn.identity:
                yield Violation("admitted", f"{input_id}, consumed by {turn.identity}, was never admitted to it")
            elif row.run != turn.run:
                yield Violation("consumed once", f"{input_id} is of another run than turn {turn.sequence}")
        # Also what the conversation got, not only whose ids it has; and every input, in admission order.
        said = [(entry.get("input"), entry["content"]) for entry in turn.log if entry["role"] == "user"]
        consumed = [row for row in rows.inputs.values() if row.turn == turn.sequence]
        consumed.sort(key=lambda row: row.admission or 0)
        if said != [(row.input_id, orjson.loads(row.content)) for row in consumed]:
            yield Violation("consumed once", f"the log of turn {turn.sequence} holds other inputs than it consumed")
    for row in rows.inputs.values():
        by = named[row.input_id].sequence if row.input_id in named else None
        if by != row.turn or (row.state == _CONSUMED) != (by is not None):
            yield Violation("consumed once", f"{row.input_id} in state {row.state} names turn {row.turn}, not {by}")


def _given_up(rows: Rows, told: Sequence[Line]) -> Iterator[Violation]:
    for row in rows.inputs.values():
        if row.state in _GIVEN_UP:
            yield Violation("given up", f"{row.input_id} of {row.identity} is in state {row.state}")
        if row.attempts:
            yield Violation("given up", f"{row.input_id} of {row.identity} has {row.attempts} failed attempts")
    for line in told:
        if isinstance(line, GivenUp):
            yield Violation("given up", f"{line.input_id} of {line.identity}: {line.reason}")


def _chains(rows: Rows) -> Iterator[Violation]:
    for identity, head in rows.heads.items():
        digest, count, previous = bytes(32), 0, 0
        for turn in rows.turns:
            if turn.identity != identity:
                continue
            for entry in turn.log:
                canonical = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
                digest = sha256(digest + sha256(canonical).digest()).digest()
            count += len(turn.log)
            if (digest, count) != (turn.digest, turn.count):
                yield Violation("chain", f"{identity}, version {turn.version}: its log has another digest or length")
            if turn.previous != previous:
                yield Violation("chain", f"{identity}, version {turn.version}: follows {turn.previous}, not {previous}")
            previous = turn.sequence
        if (digest, count, previous) != (head.digest, head.message_count, head.last_turn):
            yield Violation("chain", f"the head of {identity} is not where its log ends")


def _versions(rows: Rows) -> Iterator[Violation]:
    for identity, head in rows.heads.items():
        turns = [turn for turn in rows.turns if turn.identity == identity]
        # No job here resets anybody, so there is one generation.
        found = [(turn.generation, turn.version) for turn in turns]
        if found != [(head.generation, number) for number in range(1, head.version + 1)]:
            yield Violation("versions", f"{identity}: {found} up to {head.version}")
        tokens = [turn.token for turn in turns] + [head.token]
        if tokens != sorted(tokens):
            yield Violation("versions", f"{identity}: fencing tokens {tokens} go back")
        numbers = Counter[bytes]()
        for turn in turns:
            numbers[turn.run] += 1
            if turn.number != numbers[turn.run]:
                yield Violation("versions", f"{identity}: version {turn.version} is number {turn.number} of its run")
    if strangers := {turn.identity for turn in rows.turns} - set(rows.heads):
        yield Violation("versions", f"boundaries of {strangers}, who have no head")


def _mail(rows: Rows) -> Iterator[Violation]:
    """What a turn sent was sent once: by number, and by the file that it is about."""
    sent = [row for row in rows.inputs.values() if row.sender is not None]
    for identity, head in rows.heads.items():
        numbers = sorted(row.number or 0 for row in sent if row.sender == identity)
        if numbers != list(range(1, head.sends + 1)):
            yield Violation("mail", f"{identity} sent {numbers}, of {head.sends}")
    reviewed = Counter[tuple[str, object]](
        (row.identity, row.path) for row in rows.inputs.values() if row.sender is None and row.state == _CONSUMED
    )
    reported = Counter[tuple[str, object]]((row.sender or "", row.path) for row in sent)
    if reviewed != reported:
        yield Violation("mail", f"unreported {reviewed - reported}, reported too often {reported - reviewed}")


def _outcomes(rows: Rows, told: Sequence[Line]) -> Iterator[Violation]:
    stored = {
        (turn.identity, input_id, turn.version, turn.digest.hex())
        for turn in rows.turns
        for input_id in turn.contributors
    }
    for line in told:
        if isinstance(line, Consumed):
            outcome = line.identity, line.input_id, line.version, line.digest
            if outcome not in stored:
                yield Violation("told", f"{outcome} was told, and is not stored")


# -- the rows -----------------------------------------------------------------------------

_INPUTS: Final = """
SELECT input.input_id, owner.name, input.admission, input.state, input.attempts, input.interruptions, input.turn,
       input.run, sender.name, input.number, input.idempotency, input.digest, input.content
  FROM input JOIN name AS owner ON owner.key = input.identity
             LEFT JOIN name AS sender ON sender.key = input.sender
 ORDER BY input.seq
"""
_TURNS: Final = """
SELECT turn.seq, name.name, turn.version, turn.generation, turn.token, turn.previous, turn.run,
       turn.digest, turn.body
  FROM turn JOIN name ON name.key = turn.identity
 ORDER BY turn.seq
"""
_HEADS: Final = """
SELECT name.name, head.token, head.generation, head.version, head.digest, head.message_count, head.last_turn, head.sends
  FROM head JOIN name ON name.key = head.key
 ORDER BY name.name
"""


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (text,) in connection.execute("PRAGMA integrity_check"):
        if text != "ok":
            yield text
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"a foreign key of {row}"


def _rows(connection: sqlite3.Connection) -> Rows:
    (incarnation,) = connection.execute("SELECT incarnation FROM meta").fetchone()
    (journaled,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    return Rows(
        problems=tuple(_problems(connection)),
        is_readable=True,
        incarnation=incarnation,
        inputs={row.input_id: row for row in map(_input_row, connection.execute(_INPUTS))},
        turns=tuple(map(_turn_row, connection.execute(_TURNS))),
        heads=dict(map(_head_row, connection.execute(_HEADS))),
        journaled=journaled,
    )


def _input_row(row: tuple[Any, ...]) -> InputRow:
    raw, identity, admission, state, attempts, interruptions, turn, run, sender, number, key, digest, content = row
    return InputRow(
        input_id=str(UUID(bytes=raw)),
        identity=identity,
        admission=admission,
        state=state,
        attempts=attempts,
        interruptions=interruptions,
        turn=turn,
        run=run,
        sender=sender,
        number=number,
        key=key,
        digest=digest,
        content=content,
    )


def _turn_row(row: tuple[Any, ...]) -> TurnRow:
    sequence, identity, version, generation, token, previous, run, digest, encoded = row
    body = orjson.loads(encoded)
    return TurnRow(
        sequence=sequence,
        identity=identity,
        version=version,
        generation=generation,
        token=token,
        previous=previous,
        run=run,
        digest=digest,
        log=body["log"],
        count=body["count"],
        number=body.get("sequence", 1),
    )


def _head_row(row: tuple[Any, ...]) -> tuple[str, HeadRow]:
    name, token, generation, version, digest, message_count, last_turn, sends = row
    return name, HeadRow(
        token=token,
        generation=generation,
        version=version,
        digest=digest,
        message_count=message_count,
        last_turn=last_turn,
        sends=sends,
    )
