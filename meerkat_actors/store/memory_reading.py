"""What the memory store's tables tell, as records of the port."""

from __future__ import annotations

from collections.abc import Mapping

from meerkat_actors.records.activation import Head, IdentityRow
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_header, decode_state
from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.records.inputs import InputRow, Letter, Letterhead, Mail
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store.memory_tables import GivenRow, HeadRow, Tables
from meerkat_actors.store.recovery import OpenRow


def state_of(tables: Tables, head: HeadRow | None) -> bytes | None:
    return None if head is None or not head.last_state else decode_state(tables.turns[head.last_state].body)


def open_rows_of(tables: Tables, key: IdentityKey) -> list[OpenRow]:
    rows = [_open_row(tables, sequence) for sequence in tables.open.get(key, ())]
    rows.sort(key=lambda row: row.admission)
    return rows


def _open_row(tables: Tables, sequence: int) -> OpenRow:
    given, now = tables.given[sequence], tables.progress[sequence]
    assert now.admission is not None
    return OpenRow(
        now.admission,
        given.input_id,
        given.kind,
        now.state,
        given.content,
        given.digest,
        None if given.sender is None else tables.identities[given.sender],
        now.run_id,
        now.attempts,
        now.interruptions,
        now.not_before_ms,
        given.header,
        now.policy,
        now.lane,
        now.position,
    )


def input_row_of(tables: Tables, sequence: int) -> InputRow:
    given, now = tables.given[sequence], tables.progress[sequence]
    return InputRow(
        sequence=sequence,
        input_id=given.input_id,
        kind=given.kind,
        state=now.state,
        content=given.content,
        sender=None if given.sender is None else tables.identities[given.sender],
        admission=now.admission,
        run_id=now.run_id,
        attempts=now.attempts,
        interruptions=now.interruptions,
        not_before_ms=now.not_before_ms,
        ending=now.ending,
        turn=tables.turns[now.turn] if now.turn else None,
        idempotency_key=given.idempotency_key,
        header=given.header,
        policy=now.policy,
        lane=now.lane,
        position=now.position,
        letter=now.letter,
    )


def letters_of(tables: Tables, identity: AgentIdentity | None, after: int, limit: int) -> tuple[Letterhead, ...]:
    dead = (
        sequence
        for sequence, now in tables.progress.items()
        if now.letter is Letter.DEAD
        and sequence > after
        and identity in {None, tables.identities[tables.given[sequence].identity]}
    )
    return tuple(
        Letterhead(identity=tables.identities[tables.given[sequence].identity], row=input_row_of(tables, sequence))
        for sequence in sorted(dead)[: max(limit, 0)]
    )


def turns_of(tables: Tables, identity: AgentIdentity, before: int | None, limit: int) -> tuple[TurnRow, ...]:
    key = tables.names.get(identity)
    head = None if key is None else tables.heads.get(key)
    if head is None:
        return ()
    page: list[TurnRow] = []
    sequence = head.last_turn if before is None else before
    while len(page) < limit:
        row = tables.turns.get(sequence)
        if row is None or row.identity != identity:
            break
        page.append(row)
        sequence = row.previous
    return tuple(page)


def mail_of(tables: Tables, row: GivenRow) -> Mail:
    sender = None if row.sender is None else tables.identities[row.sender]
    header = None if row.header is None else decode_header(row.header, row.kind)
    return Mail(row.sequence, row.sender, sender, row.input_id, row.kind, row.content, header)


def event_of(tables: Tables, sequence: int) -> StoredEvent | None:
    turn = tables.turns.get(sequence)
    if turn is not None:
        return StoredEvent(
            sequence=sequence,
            kind=StoredEventKind.TURN,
            identity=turn.identity,
            input_id=None,
            sender=None,
            run_id=turn.run_id,
            version=turn.version,
        )
    given = tables.given.get(sequence)
    if given is None:  # of a unit that was refused
        return None
    return StoredEvent(
        sequence=sequence,
        kind=StoredEventKind.ADMITTED if given.sender is None else StoredEventKind.SENT,
        identity=tables.identities[given.identity],
        input_id=given.input_id,
        sender=None if given.sender is None else tables.identities[given.sender],
        run_id=None,
        version=None,
    )


def identity_row_of(tables: Tables, name: AgentIdentity, head: HeadRow) -> IdentityRow:
    return IdentityRow(
        identity=name,
        kind=head.kind,
        generation=head.generation,
        version=head.version,
        message_count=head.message_count,
    )


def config_of(versions: Mapping[int, bytes] | None) -> AgentConfig | None:
    if not versions:
        return None
    version = max(versions)
    return AgentConfig(version, versions[version])


def head_of(row: HeadRow) -> Head:
    return Head(
        kind=row.kind,
        token=row.token,
        generation=row.generation,
        version=row.version,
        session_id=row.session_id,
        digest=row.digest,
        message_count=row.message_count,
        sends=row.sends,
        owner=row.owner,
        desired=row.desired,
        is_buried=row.is_deleted,
    )
