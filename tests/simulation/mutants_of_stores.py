"""Faults to plant into stores: the one in memory, whose code is the reference, and the one in a file."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from meerkat_actors.records.effects import DropJournal, EndInput, SendMail, TakeMail
from meerkat_actors.records.ids import IdentityKey, InputId
from meerkat_actors.records.inputs import Mail
from meerkat_actors.store import memory, memory_effects, memory_lives, memory_mail
from meerkat_actors.store.memory import MemoryStore
from meerkat_actors.store.memory_tables import Tables
from meerkat_actors.store.memory_work import Work, admit, find_duplicate
from meerkat_actors.store.sqlite import marking, opening, statements
from tests.simulation.mutants_patches import Patches, nothing


def message_dropped() -> Patches:
    send: Any = vars(memory_mail)["_send"]

    def lossy(effect: SendMail, index: int, work: Work) -> object:
        return None if effect.number % 5 == 0 else send(effect, index, work)

    return _applying(SendMail, lossy)


def mail_out_of_order() -> Patches:
    pending = memory_mail.pending_mail

    def newest(tables: Tables, key: IdentityKey, limit: int) -> tuple[Mail, ...]:
        return pending(tables, key, 1_000)[::-1][:limit]

    def take(effect: TakeMail, _: int, work: Work) -> None:
        """Whatever waits before it."""
        tables, key, sequence = work.tables, work.fence.key, effect.sequence
        tables.sent[key, tables.progress[sequence].lane].drop(tables, sequence)
        admit(work, sequence, effect)

    return [(memory, "pending_mail", newest), *_applying(TakeMail, take)]


def mail_floor_ignored() -> Patches:
    return [(memory_lives, "_raise_mail_floor", nothing)]


def half_a_unit() -> Patches:
    return [(Tables, "undo", Tables.keep)]


def no_savepoint() -> Patches:
    return [(statements, name, "SELECT 1") for name in ("SAVEPOINT", "ROLLBACK_TO", "RELEASE")]


def key_forgotten() -> Patches:
    known = find_duplicate

    def by_id(tables: Tables, index: int, key: IdentityKey, input_id: InputId, digest: bytes, _: object) -> object:
        return known(tables, index, key, input_id, digest, None)

    return [(memory_effects, "find_duplicate", by_id)]


def id_admitted_twice() -> Patches:
    known = find_duplicate

    def by_key(
        tables: Tables, index: int, key: IdentityKey, _: InputId, digest: bytes, idempotency_key: str | None
    ) -> object:
        return known(tables, index, key, InputId(""), digest, idempotency_key)

    return [(memory_effects, "find_duplicate", by_key)]


def boundary_half_written() -> Patches:
    end: Any = vars(memory_effects)["_end"]

    def every_other(effect: EndInput, index: int, work: Work) -> object:
        return None if effect.abandoned is None and effect.admission % 7 == 0 else end(effect, index, work)

    return _applying(EndInput, every_other)


def journal_kept() -> Patches:
    return _applying(DropJournal, nothing)


def not_synced() -> Patches:
    return [(opening, "_SYNCHRONOUS", {"full": 0, "normal": 0}), *_no_mark()]


def no_barrier() -> Patches:
    # The mark would find out, too: it is written before its incarnation is.
    begin = [(statements, "BEGIN_INCARNATION", "SELECT 1"), (statements, "DROP_LEASES", "SELECT 1")]
    return [*begin, *_no_mark()]


def same_incarnation() -> Patches:
    begin = MemoryStore.begin

    def again(store: MemoryStore) -> object:
        tables: Tables = vars(store)["_tables"]
        tables.incarnation = max(0, tables.incarnation - 1)
        return begin(store)

    return [(MemoryStore, "begin", again)]


def _no_mark() -> Patches:
    """No fault of its own: the mark beside a store would be behind or ahead where another one is planted."""
    return [(marking.Progress, name, nothing) for name in ("compare", "keep", "keep_at", "note_at")]


def _applying(effect: type, apply: Callable[..., object]) -> Patches:
    """Another meaning of an effect."""
    changed = MappingProxyType({**vars(memory_effects)["_APPLY"], effect: apply})
    return [(memory_effects, "_APPLY", changed)]
