"""What the effects on a run's journal mean, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import DropJournal, RecordStep, ResolveStep
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_work import No, Work, find_admission, is_staged, state_conflict


def _record(effect: RecordStep, index: int, work: Work) -> No | None:
    tables = work.tables
    _, now = find_admission(work, effect.admission)
    if now is None or not is_staged(now, effect.run_id):
        return state_conflict(index, effect.admission, now, f"staged for run {effect.run_id}")
    journal = tables.journals.get((work.fence.key, effect.run_id))
    if journal is None:
        journal = dict[tuple[str, int], JournalEntry]()
        tables.put(tables.journals, (work.fence.key, effect.run_id), journal)
    if (effect.name, effect.nth) in journal:
        return refused(
            RefusalReason.INPUT_STATE_CONFLICT, index, f"step {effect.name!r} (use {effect.nth}) is recorded already"
        )
    tables.put(journal, (effect.name, effect.nth), JournalEntry(effect.arguments, effect.result, effect.is_once))
    return None


def _resolve(effect: ResolveStep, index: int, work: Work) -> No | None:
    step = effect.name, effect.nth
    journal = work.tables.journals.get((work.fence.key, effect.run_id), {})
    entry = journal.get(step)
    if entry is None or entry.result:
        return refused(
            RefusalReason.INPUT_STATE_CONFLICT, index, f"step {effect.name!r} (use {effect.nth}) is no open intent"
        )
    if effect.result is None:
        work.tables.drop(journal, step)
    else:
        work.tables.put(journal, step, evolve(entry, result=effect.result))
    return None


def _drop(effect: DropJournal, _: int, work: Work) -> No | None:
    work.tables.drop(work.tables.journals, (work.fence.key, effect.run_id))
    return None


JOURNAL_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {RecordStep: _record, ResolveStep: _resolve, DropJournal: _drop}
)
