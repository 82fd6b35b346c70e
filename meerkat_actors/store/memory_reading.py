"""What the memory store's tables tell, as records of the port."""

from __future__ import annotations

from itertools import islice

from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity
from meerkat_actors.records.inputs import InputRow, Letter, Letterhead
from meerkat_actors.records.stored_events import EventBounds, StoredEvent, StoredEventKind
from meerkat_actors.store.memory_tables import HeadRow, Tables


def input_row_of(tables: Tables, sequence: int) -> InputRow:
    """One input, as far as it came."""
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
    """See ``Store.page_letters``."""
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


def inputs_of(
    tables: Tables, identity: AgentIdentity, after: int | None, limit: int, *, newest_first: bool
) -> tuple[InputRow, ...]:
    """See ``Store.page_inputs``."""
    key = tables.names.get(identity)
    if key is None:
        return ()
    admitted = tables.admitted.get(key, {})

    def is_beyond(admission: AdmissionSequence) -> bool:
        return after is None or (admission < after if newest_first else admission > after)

    page = islice(filter(is_beyond, sorted(admitted, reverse=newest_first)), max(limit, 0))
    return tuple(input_row_of(tables, admitted[admission]) for admission in page)


def turns_of(tables: Tables, identity: AgentIdentity, before: int | None, limit: int) -> tuple[TurnRow, ...]:
    """See ``Store.page_turns``."""
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


def _event_of(tables: Tables, sequence: int) -> StoredEvent | None:
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
            body=turn.body,
        )
    told = tables.events.rows.get(sequence)
    if told is not None:
        return StoredEvent(
            sequence=sequence,
            kind=StoredEventKind.FACTS,
            identity=tables.identities[told.identity],
            input_id=None,
            sender=None,
            run_id=None,
            version=None,
            body=told.body,
        )
    given = tables.given.get(sequence)
    if given is None:  # of a unit that was refused, or of facts that were pruned
        return None
    return StoredEvent(
        sequence=sequence,
        kind=StoredEventKind.ADMITTED if given.sender is None else StoredEventKind.SENT,
        identity=tables.identities[given.identity],
        input_id=given.input_id,
        sender=None if given.sender is None else tables.identities[given.sender],
        run_id=None,
        version=None,
        input_kind=given.kind,
    )


def events_of(tables: Tables, after: int, limit: int) -> tuple[StoredEvent, ...]:
    """See ``Store.page_events``."""
    sequences = range(max(after, 0) + 1, tables.sequence + 1)
    return tuple(islice(filter(None, (_event_of(tables, sequence) for sequence in sequences)), max(limit, 0)))


def event_bounds_of(tables: Tables) -> EventBounds:
    """See ``Store.event_bounds``."""
    # Its state is never restored, so its first epoch is its last.
    return EventBounds(epoch=1, floor=tables.event_floor, last=tables.sequence)


def identities_of(tables: Tables, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
    """See ``Store.page_identities``."""
    names = sorted(tables.identities[key] for key, head in tables.heads.items() if not head.is_deleted)
    page = islice((name for name in names if after is None or name > after), max(limit, 0))
    return tuple(_identity_row_of(tables, name, tables.heads[tables.names[name]]) for name in page)


def _identity_row_of(tables: Tables, name: AgentIdentity, head: HeadRow) -> IdentityRow:
    return IdentityRow(
        identity=name,
        kind=head.kind,
        generation=head.generation,
        version=head.version,
        message_count=head.message_count,
    )
