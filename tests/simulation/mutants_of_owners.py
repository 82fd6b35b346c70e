"""Faults to plant into owners, and into storage's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import outcome

from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.identity import concluding
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.storage.batches import Batches, CommitRequest, ReadRequest
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.store import memory
from meerkat_actors.store.sharing import Membership
from tests.simulation.mutants_patches import Patches, nothing


def waiter_forgotten() -> Patches:
    def keep_one(waiters: dict[str, list[ReplySlot[Any]]], key: str, slot: ReplySlot[Any]) -> None:
        waiters[key] = [slot]

    return [(concluding, "_keep_waiter", keep_one)]


def answered_before_commit() -> Patches:
    commit = StorageHandle.commit

    async def early(
        storage: StorageHandle, unit: Unit, on_outcome: Callable[[CommitOutcome], None] | None = None
    ) -> CommitOutcome:
        if on_outcome is not None:
            on_outcome(Committed(_version_after(unit)))
        return await commit(storage, unit)

    return [(StorageHandle, "commit", early)]


def acknowledged_anyway() -> Patches:
    finish = vars(Batches)["_finish"]

    def anyway(
        batches: Batches,
        commits: Sequence[CommitRequest],
        reads: list[ReadRequest],
        waited: float,
        worked: outcome.Outcome[Any],
    ) -> None:
        if isinstance(worked, outcome.Error):
            for each in commits:
                each.slot.resolve(Committed(_version_after(each.unit)))
            commits = []
        finish(batches, commits, reads, waited, worked)

    return [(Batches, "_finish", anyway)]


def mail_hint_lost() -> Patches:
    return [(Directory, "post_mail", nothing)]


def unfenced() -> Patches:
    def enter(*_: object) -> bool:
        return True

    def is_lost(_: object) -> bool:
        return False

    return [(Membership, "enter", enter), (Membership, "is_lost", is_lost), (memory, "fence_refusal", nothing)]


def _version_after(unit: Unit) -> CheckpointVersion:
    for effect in unit.effects:
        if isinstance(effect, AppendTurn):
            return effect.version
    return unit.fence.version
