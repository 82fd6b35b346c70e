"""The memory store: the reference meaning of the port, in dicts of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from meerkat_actors.records.activation import Activation, Broken, Head, IdentityRow, Opening
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_state
from meerkat_actors.records.commits import CommitOutcome, Committed, Refused
from meerkat_actors.records.continuity_effects import CreateRecord
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import AppendTurn, CreateIdentity, Unit
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputRow, Mail
from meerkat_actors.records.runs import Journal
from meerkat_actors.records.standing import SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.stored_events import StoredEvent, StoredEventKind
from meerkat_actors.store.fencing import Authority, beginning_of, fence_refusal, in_order, unit_refusal
from meerkat_actors.store.memory_continuity import snapshots_of, standing_of
from meerkat_actors.store.memory_effects import apply_effect
from meerkat_actors.store.memory_runtime import document_of, receipt_of
from meerkat_actors.store.memory_tables import HeadRow, Tables
from meerkat_actors.store.memory_work import Work
from meerkat_actors.store.recovery import IdentityRows, OpenRow, assemble, unservable


class MemoryStore:
    """State that lives as long as this object.

    A second ``begin`` on the same object is a restart: what was committed is still there.
    """

    def __init__(self, *, env: Env | None = None) -> None:
        self._tables = Tables()
        self._store_id = (SystemEnv() if env is None else env).new_id()
        self._incarnation = 0
        self._was_clean = True
        self._is_serving = False
        self._sequence = 0
        self._key = 0

    @property
    def inline(self) -> bool:
        """See ``Store.inline``: a commit takes microseconds."""
        return True

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return ":memory:"

    @property
    def wal_pages(self) -> int:
        """See ``Store.wal_pages``: there is no log."""
        return 0

    def begin(self) -> Opening:
        """See ``Store.begin``."""
        self._incarnation += 1
        opening = Opening(store_id=self._store_id, incarnation=self._incarnation, was_clean=self._was_clean)
        self._was_clean = False
        self._is_serving = True
        return opening

    def end(self, *, clean: bool) -> None:
        """See ``Store.end``."""
        if self._is_serving:
            self._is_serving = False
            self._was_clean = clean

    def close(self) -> None:
        """See ``Store.close``: nothing is held, and what was committed stays."""
        self._is_serving = False

    def checkpoint(self) -> None:
        """See ``Store.checkpoint``: there is no log."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        """See ``Store.commit``."""
        return [self._commit_unit(unit) for unit in units]

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        """See ``Store.activate``."""
        tables = self._tables
        key = tables.names.get(identity)
        if key is None:
            key = IdentityKey(self._next_key())
        head = tables.heads.get(key)
        if head is not None:
            broken = unservable(identity, head.kind, is_deleted=head.is_deleted)
            if broken is not None:
                return broken
        rows = IdentityRows(
            identity=identity,
            key=key,
            head=None if head is None else _head(head),
            state=self._state(head),
            config=_config(tables.configs.get(key)),
            open=self._open_rows(key),
            admissions=max(tables.admitted.get(key, {}), default=0),
            has_mail=bool(tables.sent.get(key)),
        )

        def journal_of(run_id: RunId) -> Journal:
            return dict(tables.journals.get((key, run_id), {}))

        return assemble(rows, journal_of)

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        """See ``Store.pending_mail``."""
        given = self._tables.given
        rows = (given[sequence] for sequence in islice(sorted(self._tables.sent.get(key, ())), max(limit, 0)))
        return tuple(
            Mail(row.sequence, row.sender, self._tables.identities[row.sender], row.input_id, row.kind, row.content)
            for row in rows
            if row.sender is not None
        )

    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        """See ``Store.identities_with_work``."""
        tables = self._tables
        return tuple(
            sorted(
                tables.identities[key]
                for key, head in tables.heads.items()
                if (tables.open.get(key) or tables.sent.get(key)) and not head.is_deleted and head.kind[:1] != "@"
            )
        )

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """See ``Store.find_input``."""
        sequence = self._tables.by_input_id.get(input_id)
        if sequence is None or self._tables.given[sequence].identity != self._tables.names.get(identity):
            return None
        return self._input_row(sequence)

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        """See ``Store.page_inputs``."""
        key = self._tables.names.get(identity)
        if key is None:
            return ()
        admitted = self._tables.admitted.get(key, {})

        def is_beyond(admission: AdmissionSequence) -> bool:
            return after is None or (admission < after if newest_first else admission > after)

        page = islice(filter(is_beyond, sorted(admitted, reverse=newest_first)), max(limit, 0))
        return tuple(self._input_row(admitted[admission]) for admission in page)

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        """See ``Store.page_turns``."""
        tables = self._tables
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

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """See ``Store.page_events``."""
        sequences = range(max(after, 0) + 1, self._sequence + 1)
        return tuple(islice(filter(None, map(self._event, sequences)), max(limit, 0)))

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        """See ``Store.page_identities``."""
        tables = self._tables
        names = sorted(tables.identities[key] for key, head in tables.heads.items() if not head.is_deleted)
        page = islice((name for name in names if after is None or name > after), max(limit, 0))
        return tuple(self._identity_row(name, tables.heads[tables.names[name]]) for name in page)

    def read_standings(
        self, identities: Sequence[AgentIdentity], *, snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        """See ``Store.read_standings``."""
        return tuple(
            standing_of(self._tables, identity, self._next_key, snapshots=snapshots) for identity in identities
        )

    def read_snapshots(self, session_id: SessionId, *, limit: int) -> tuple[SnapshotRow, ...]:
        """See ``Store.read_snapshots``."""
        return snapshots_of(self._tables, session_id, limit)

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        """See ``Store.find_document``."""
        return document_of(self._tables, identity, kind, key)

    def find_receipt(self, identity: AgentIdentity, run_id: RunId, *, sequence: int | None) -> TurnRow | None:
        """See ``Store.find_receipt``."""
        return receipt_of(self._tables, identity, run_id, sequence)

    def _commit_unit(self, unit: Unit) -> CommitOutcome:
        fence = unit.fence
        no = unit_refusal(unit) or self._authority_refusal(unit)
        if no is not None:
            return no
        turn: AppendTurn | None = None
        for effect in unit.effects:
            if type(effect) is AppendTurn:
                turn = effect
        work = Work(
            self._tables, fence, self._next_sequence, self._next_key, 0 if turn is None else self._next_sequence()
        )
        try:
            for index, effect in in_order(unit.effects):
                obstacle = apply_effect(effect, index, work)
                if obstacle is not None:
                    return obstacle
            self._tables.keep()
        finally:
            self._tables.undo()  # nothing, once kept
        return Committed(self._tables.heads[fence.key].version)

    def _authority_refusal(self, unit: Unit) -> Refused | None:
        beginning = beginning_of(unit)
        effect = None if beginning is None else beginning[1]
        if isinstance(effect, CreateIdentity | CreateRecord):
            return None  # its effect finds out
        head = self._tables.heads.get(unit.fence.key)
        current = (
            None
            if head is None
            else Authority(head.token, head.generation, head.version, head.session_id, head.is_deleted)
        )
        return fence_refusal(unit, effect, current)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _next_key(self) -> int:
        self._key += 1
        return self._key

    def _state(self, head: HeadRow | None) -> bytes | None:
        return None if head is None or not head.last_state else decode_state(self._tables.turns[head.last_state].body)

    def _open_rows(self, key: IdentityKey) -> list[OpenRow]:
        rows = [self._open_row(sequence) for sequence in self._tables.open.get(key, ())]
        rows.sort(key=lambda row: row.admission)
        return rows

    def _open_row(self, sequence: int) -> OpenRow:
        given, now = self._tables.given[sequence], self._tables.progress[sequence]
        assert now.admission is not None
        return OpenRow(
            now.admission,
            given.input_id,
            given.kind,
            now.state,
            given.content,
            given.digest,
            None if given.sender is None else self._tables.identities[given.sender],
            now.run_id,
            now.attempts,
            now.interruptions,
            now.not_before_ms,
        )

    def _input_row(self, sequence: int) -> InputRow:
        given, now = self._tables.given[sequence], self._tables.progress[sequence]
        return InputRow(
            sequence=sequence,
            input_id=given.input_id,
            kind=given.kind,
            state=now.state,
            content=given.content,
            sender=None if given.sender is None else self._tables.identities[given.sender],
            admission=now.admission,
            run_id=now.run_id,
            attempts=now.attempts,
            interruptions=now.interruptions,
            not_before_ms=now.not_before_ms,
            ending=now.ending,
            turn=self._tables.turns[now.turn] if now.turn else None,
            idempotency_key=given.idempotency_key,
        )

    def _event(self, sequence: int) -> StoredEvent | None:
        tables = self._tables
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

    def _identity_row(self, name: AgentIdentity, head: HeadRow) -> IdentityRow:
        return IdentityRow(
            identity=name,
            kind=head.kind,
            generation=head.generation,
            version=head.version,
            message_count=head.message_count,
        )


def _config(versions: Mapping[int, bytes] | None) -> AgentConfig | None:
    if not versions:
        return None
    version = max(versions)
    return AgentConfig(version, versions[version])


def _head(row: HeadRow) -> Head:
    return Head(
        kind=row.kind,
        token=row.token,
        generation=row.generation,
        version=row.version,
        session_id=row.session_id,
        digest=row.digest,
        message_count=row.message_count,
        sends=row.sends,
    )
