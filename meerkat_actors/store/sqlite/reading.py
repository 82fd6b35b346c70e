"""Reads of one connection: every method is one consistent look, and none of them writes."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken, IdentityRow
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_state
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    IdentityKey,
    InputId,
    RunId,
    is_unicode,
    is_uuid,
    uuid_bytes,
)
from meerkat_actors.records.inputs import InputRow, Letterhead
from meerkat_actors.records.runs import Journal
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.recovery import ROW_UNREADABLE, ROWS_CONTRADICT, IdentityRows, assemble, unservable
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.rows import (
    Database,
    Row,
    event_bounds_of,
    event_of,
    first_value,
    head_of,
    identity_row_of,
    input_row_of,
    letterhead_of,
    open_row_of,
    owed_row_of,
    step_of,
    turn_row_of,
)


def read_activation(
    database: Database, identity: AgentIdentity, fresh_key: Callable[[], IdentityKey]
) -> Activation | Broken:
    """Everything an owner begins with, in one read transaction."""
    database.execute(statements.BEGIN)
    try:
        return _read_activation(database, identity, fresh_key)
    except UNDECODABLE as error:
        return Broken(identity=identity, reason=ROW_UNREADABLE, detail=f"{type(error).__name__}: {error}")
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)


def _read_activation(
    database: Database, identity: AgentIdentity, fresh_key: Callable[[], IdentityKey]
) -> Activation | Broken:
    found = database.execute(queries.READ_IDENTITY, (identity,)).fetchone()
    if found is None:
        return assemble(IdentityRows(identity, fresh_key(), None, None, None, (), 0, has_mail=False), lambda _: {})
    key = IdentityKey(found[0])
    head = None if found[1] is None else head_of((*found[1:9], *found[15:17]))
    tombstone, last_state = found[9:11]
    admissions, has_mail, next_due_ms, config_version, config = found[17:]
    broken = None if head is None else unservable(identity, head, is_deleted=bool(tombstone))
    if broken is not None:
        return broken
    if head is not None and tombstone:
        head = evolve(head, is_buried=True)
    # The boundary that the head names must be the one that made it.
    if head is not None and head.version and found[11:15] != (key, head.generation, head.version, head.digest):
        detail = f"the head is at version {head.version}, and its last boundary is another"
        return Broken(identity=identity, reason=ROWS_CONTRADICT, detail=detail)
    rows = IdentityRows(
        identity=identity,
        key=key,
        head=head,
        state=_state(database, key, last_state) if last_state else None,
        config=None if config is None else AgentConfig(config_version, config),
        open=[open_row_of(row) for row in database.execute(queries.READ_OPEN, (key,))],
        admissions=admissions,
        has_mail=bool(has_mail),
        next_due_ms=next_due_ms,
        owed=[owed_row_of(row) for row in database.execute(queries.READ_OWED, (key,))],
        operations=[body for (body,) in database.execute(queries.READ_OPERATIONS, (key,))],
    )

    def journal_of(run_id: RunId) -> Journal:
        return dict(step_of(row) for row in database.execute(queries.READ_JOURNAL, (key, uuid_bytes(run_id))))

    return assemble(rows, journal_of)


def read_identities_with_work(database: Database, owner: int) -> tuple[AgentIdentity, ...]:
    """Identities with open inputs or mail that no other owner holds, in the order of their names."""
    return tuple(AgentIdentity(row[0]) for row in database.execute(queries.READ_IDENTITIES_WITH_WORK, (owner,)))


def read_input(database: Database, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
    """One input by id."""
    if not is_uuid(input_id) or not is_unicode(identity):  # nobody has it
        return None
    row = database.execute(queries.READ_INPUT, (uuid_bytes(input_id), identity)).fetchone()
    return None if row is None else input_row_of(row)


def read_inputs(
    database: Database, identity: AgentIdentity, after: int | None, limit: int, *, newest_first: bool
) -> tuple[InputRow, ...]:
    """A page of admitted inputs."""
    if newest_first:
        query, bound = queries.READ_INPUTS_BACKWARD, COUNTER_MAX if after is None else after - 1
    else:
        query, bound = queries.READ_INPUTS_FORWARD, 1 if after is None else after + 1
    if not 1 <= bound <= COUNTER_MAX or not is_unicode(identity):
        return ()
    return tuple(input_row_of(row) for row in database.execute(query, (identity, bound, max(limit, 0))))


def read_letters(database: Database, identity: AgentIdentity | None, after: int, limit: int) -> tuple[Letterhead, ...]:
    """A page of dead letters, oldest first."""
    if after >= COUNTER_MAX or (identity is not None and not is_unicode(identity)):
        return ()
    page: Row = (max(after, 0), max(limit, 0))
    if identity is None:
        found = database.execute(queries.READ_LETTERS, page)
    else:
        found = database.execute(queries.READ_LETTERS_OF, (*page, identity))
    return tuple(letterhead_of(row) for row in found)


def read_turns(database: Database, identity: AgentIdentity, before: int | None, limit: int) -> tuple[TurnRow, ...]:
    """A page of boundaries, newest first."""
    if not is_unicode(identity):
        return ()
    last = first_value(database.execute(queries.READ_LAST_TURN, (identity,))) if before is None else before
    sequence = int(last or 0)
    if not sequence or limit <= 0:
        return ()
    return tuple(turn_row_of(row) for row in database.execute(queries.READ_TURNS, (identity, sequence, limit)))


def read_events(database: Database, after: int, limit: int) -> tuple[StoredEvent, ...]:
    """A page of what happened in the whole store, oldest first."""
    if after >= COUNTER_MAX:
        return ()
    bindings: Row = (max(after, 0), max(limit, 0))
    return tuple(event_of(row) for row in database.execute(queries.READ_EVENTS, bindings))


def read_event_bounds(database: Database) -> EventBounds:
    """Where the store's events begin and end.

    Raises:
        ValueError: its one row is lost.
    """
    row = database.execute(queries.READ_EVENT_BOUNDS).fetchone()
    if row is None:
        problem = "no meta row"
        raise ValueError(problem)
    return event_bounds_of(row)


def read_identities(database: Database, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
    """A page of identities in the order of their names."""
    bindings: Row = ("" if after is None else after, max(limit, 0))
    return tuple(identity_row_of(row) for row in database.execute(queries.READ_IDENTITIES, bindings))


def _state(database: Database, key: IdentityKey, last_state: int) -> bytes:
    body = first_value(database.execute(queries.READ_BODY, (last_state, key)))
    if not isinstance(body, bytes):
        problem = f"no boundary {last_state}, which set the state"
        raise TypeError(problem)
    return decode_state(body)
