"""Stores that break one rule of reading: a memory store with a veil before it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken, IdentityRow
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, InputId
from meerkat_actors.records.inputs import InputRow, Mail
from meerkat_actors.records.stored_events import StoredEvent
from meerkat_actors.store import MemoryStore


def names_in(store: MemoryStore) -> tuple[AgentIdentity, ...]:
    """Whoever exists."""
    return tuple(row.identity for row in store.page_identities(after=None, limit=1_000))


class ForgetsJournals(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken) or found.run is None:
            return found
        return evolve(found, run=evolve(found.run, journal={}))


class NamesWhomItOnlyReadAbout(MemoryStore):
    """The key that a first read minted stays the name's."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[AgentIdentity, IdentityKey] = {}

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken) or found.head is not None:
            return found
        return evolve(found, key=self._read.setdefault(identity, found.key))


class GivesTheNewestMailFirst(MemoryStore):
    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        return super().pending_mail(key, limit=limit)[::-1]


class ListsInputsOneWayOnly(MemoryStore):
    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        return super().page_inputs(identity, after=after, limit=limit, newest_first=False)


class ListsIdentitiesBackwards(MemoryStore):
    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        return super().page_identities(after=after, limit=limit)[::-1]


class TellsTheLastEventAgain(MemoryStore):
    """A reader who goes on from the last event would never come to an end."""

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return super().page_events(after=after - 1, limit=limit)


class CountsDocumentsAnew(MemoryStore):
    """Where one was dropped, the next begins at 1."""

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        found = super().find_document(identity, kind, key)
        return None if found is None else evolve(found, epoch=1, generation=1)


class ThinksPagesHaveRows(MemoryStore):
    """No batch is empty to it, and no page."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        assert units
        return super().commit(units)

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return super().page_events(after=after, limit=max(limit, 1))

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        found = super().find_input(identity, input_id)
        assert found is not None
        return found


class ConfiguresEverybody(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        return found if isinstance(found, Broken) else evolve(found, config=AgentConfig(1, b"{}"))


class ForgetsTheState(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        return found if isinstance(found, Broken) else evolve(found, state=None)


class OverlooksMail(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        return found if isinstance(found, Broken) else evolve(found, has_mail=False)


class TurnsRunsRound(MemoryStore):
    """Members of a run come newest first."""

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken) or found.run is None:
            return found
        return evolve(found, run=evolve(found.run, members=found.run.members[::-1]))


class GivesOneMail(MemoryStore):
    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        return super().pending_mail(key, limit=min(limit, 1))


class ListsInputsAsTheyWereSent(MemoryStore):
    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        page = super().page_inputs(identity, after=after, limit=limit, newest_first=newest_first)
        return tuple(sorted(page, key=lambda row: row.sequence, reverse=newest_first))


class ForgetsHowInputsEnded(MemoryStore):
    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        found = super().find_input(identity, input_id)
        return None if found is None else evolve(found, ending=None, turn=None)


class LosesTheThread(MemoryStore):
    """No boundary leads to the one before it."""

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        return tuple(evolve(row, previous=0) for row in super().page_turns(identity, before=before, limit=limit))


class ShowsBoundariesToAnybody(MemoryStore):
    """Whoever has a cursor reads on from it."""

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        if before is None:
            return super().page_turns(identity, before=None, limit=limit)
        rows = (
            super(ShowsBoundariesToAnybody, self).page_turns(name, before=before, limit=limit)
            for name in names_in(self)
        )
        return next(filter(None, rows), ())


class FindsWorkForEverybody(MemoryStore):
    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        return names_in(self)


class TellsOneIdentityAfterAnother(MemoryStore):
    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(sorted(super().page_events(after=after, limit=limit), key=lambda event: event.identity))


class TellsOnlyOfWhoIsThere(MemoryStore):
    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        there = names_in(self)
        return tuple(event for event in super().page_events(after=after, limit=limit) if event.identity in there)


class TellsOnlyOfWhatIsQueued(MemoryStore):
    """An input that was staged was never admitted."""

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(filter(self._is_queued, super().page_events(after=after, limit=limit)))

    def _is_queued(self, event: StoredEvent) -> bool:
        row = None if event.input_id is None else self.find_input(event.identity, event.input_id)
        return row is None or row.run_id is None


class MixesKindsOfDocuments(MemoryStore):
    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        return super().find_document(identity, "a" if kind == "b" else kind, key)
