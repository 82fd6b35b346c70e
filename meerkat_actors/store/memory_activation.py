"""What the memory store's tables tell of one identity, for its owner to begin with."""

from __future__ import annotations

from collections.abc import Mapping

from meerkat_actors.records.activation import Activation, Broken, Head
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import decode_state
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, RunId
from meerkat_actors.records.runs import Journal
from meerkat_actors.store.memory_agenda import operations_of, owed_rows_of
from meerkat_actors.store.memory_mail import has_mail
from meerkat_actors.store.memory_tables import Counter, HeadRow, Tables
from meerkat_actors.store.memory_timers import next_due_ms
from meerkat_actors.store.recovery import IdentityRows, OpenRow, assemble, unservable


def read_activation(tables: Tables, identity: AgentIdentity, fresh_key: Counter) -> Activation | Broken:
    """See ``Store.activate``."""
    key = tables.names.get(identity)
    if key is None:
        key = IdentityKey(fresh_key())
    row = tables.heads.get(key)
    head = None if row is None else _head_of(row)
    broken = None if head is None else unservable(identity, head, is_deleted=head.is_buried)
    if broken is not None:
        return broken
    rows = IdentityRows(
        identity=identity,
        key=key,
        head=head,
        state=_state_of(tables, row),
        config=_config_of(tables.configs.get(key)),
        open=_open_rows_of(tables, key),
        admissions=max(tables.admitted.get(key, {}), default=0),
        has_mail=has_mail(tables, key),
        next_due_ms=next_due_ms(tables, key),
        owed=owed_rows_of(tables, key),
        operations=operations_of(tables, key),
    )

    def journal_of(run_id: RunId) -> Journal:
        return dict(tables.journals.get((key, run_id), {}))

    return assemble(rows, journal_of)


def _state_of(tables: Tables, head: HeadRow | None) -> bytes | None:
    return None if head is None or not head.last_state else decode_state(tables.turns[head.last_state].body)


def _open_rows_of(tables: Tables, key: IdentityKey) -> list[OpenRow]:
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


def _config_of(versions: Mapping[int, bytes] | None) -> AgentConfig | None:
    if not versions:
        return None
    version = max(versions)
    return AgentConfig(version, versions[version])


def _head_of(row: HeadRow) -> Head:
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
