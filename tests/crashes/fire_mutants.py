"""Faults planted into the store on purpose: each of them must be caught by a campaign, within its budget.

A mutant that does not fit the code any more raises ``AttributeError`` or ``AssertionError``: it is to be planted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import apsw
from attrs import evolve, frozen

from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import Stage, Unit
from meerkat_actors.simulation import Failure, Fault, Operation
from meerkat_actors.simulation.disk.calls import Calls
from meerkat_actors.store.sqlite import creating, marking, opening, packing, statements
from meerkat_actors.store.sqlite.steps import STEPS
from meerkat_actors.store.sqlite.store import SqliteStore
from tests.crashes.fire_client import Way
from tests.crashes.fire_doublefaults import doublefaults
from tests.crashes.fire_powercuts import powercuts
from tests.crashes.fire_runs import Tally
from tests.crashes.fire_sharers import sharers
from tests.crashes.fire_sweep import sweep

FENCE: Final = "token = ?2 AND generation = ?3 AND version = ?4"

Patches = list[tuple[Any, str, object]]
"""Whose attribute becomes what."""


@frozen(kw_only=True)
class Mutant:
    """One planted fault, and who is to find it."""

    about: str
    patches: Callable[[], Patches]
    hunter: Callable[[Path, str, range], Tally]
    numbers: int
    """Of the hunter's campaign, at most."""
    chunk: int


@contextmanager
def planted(name: str) -> Generator[Mutant, None, None]:
    """Inside of the block this process's store has the fault."""
    mutant = MUTANTS[name]
    with patched(mutant.patches()):
        yield mutant


@contextmanager
def patched(patches: Patches) -> Generator[None, None, None]:
    """Inside of the block these attributes are others."""
    before = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in before:
            setattr(owner, attribute, value)


def hunt(name: str, folder: Path, seed: str, numbers: range) -> Tally:
    """Let a mutant's campaign run, in a process that has it."""
    with planted(name) as mutant:
        return mutant.hunter(folder, seed, numbers)


def _no_barrier() -> Patches:
    # The mark would find out, too: it is written before its incarnation is.
    return [
        (statements, "BEGIN_INCARNATION", "SELECT 1"),
        (statements, "DROP_LEASES", "SELECT 1"),
        *no_mark(),
    ]


def no_mark() -> Patches:
    """No fault of its own: the mark beside a store would be behind or ahead where another one is planted."""

    def nothing(*_: object) -> None: ...

    return [(marking.Progress, name, nothing) for name in ("compare", "keep", "keep_at", "note_at")]


def _no_savepoint() -> Patches:
    return [(statements, name, "SELECT 1") for name in ("SAVEPOINT", "ROLLBACK_TO", "RELEASE")]


def _acknowledged_anyway() -> Patches:
    commit = SqliteStore.__dict__["_commit"]

    def _commit(store: SqliteStore, units: Sequence[Unit]) -> list[CommitOutcome]:
        try:
            outcomes: list[CommitOutcome] = commit(store, units)
        except apsw.Error:
            return [Committed(unit.fence.version) for unit in units]
        return outcomes

    return [(SqliteStore, "_commit", _commit)]


def _cache_kept() -> Patches:
    def ignored(*_: object) -> None: ...

    return [(Calls, "posix_fadvise", ignored)]


def _normal() -> Patches:
    return [(opening, "_SYNCHRONOUS", {"full": 1, "normal": 1}), *no_mark()]


def _unfenced() -> Patches:
    steps = [evolve(step, sql=step.sql.replace(f"AND {FENCE}", "")) if step.effect is Stage else step for step in STEPS]
    assert steps != [*STEPS], "the statement has another guard now"
    return [(packing, "STEPS", steps)]


def _deferred() -> Patches:
    return [(statements, "BEGIN_IMMEDIATE", "BEGIN")]


def _not_synced() -> Patches:
    def ignored(_: str) -> None: ...

    return [(creating, "sync_path", ignored)]


LYING: Final = Fault(operation=Operation.SYNC, failure=Failure.LIE, times=None)

MUTANTS: Final[Mapping[str, Mutant]] = MappingProxyType(
    {
        "no-barrier": Mutant(
            about="what was visible at open is acknowledged without a write of one's own",
            patches=_no_barrier, hunter=doublefaults, numbers=400, chunk=70,
        ),
        "no-savepoint": Mutant(
            about="in the fallback a refused unit leaves its first effects behind",
            patches=_no_savepoint, hunter=powercuts, numbers=500, chunk=250,
        ),
        "acknowledged-anyway": Mutant(
            about="a failed COMMIT is acknowledged",
            patches=_acknowledged_anyway, hunter=sweep, numbers=3000, chunk=100,
        ),
        "cache-kept": Mutant(
            about="after a failed sync the store is reopened without dropping the page cache",
            patches=_cache_kept, hunter=doublefaults, numbers=400, chunk=70,
        ),
        "synchronous-normal": Mutant(
            about="synchronous = NORMAL",
            patches=_normal, hunter=powercuts, numbers=500, chunk=250,
        ),
        "unfenced": Mutant(
            about="one update without token, generation and version",
            patches=_unfenced, hunter=powercuts, numbers=250, chunk=250,
        ),
        "deferred": Mutant(
            about="BEGIN in place of BEGIN IMMEDIATE",
            patches=_deferred, hunter=sharers, numbers=20, chunk=10,
        ),
        "not-synced": Mutant(
            about="a new file gets its name before its bytes are durable",
            patches=_not_synced, hunter=powercuts, numbers=1000, chunk=250,
        ),
        "control-lying-disk": Mutant(
            about="no fault of the store: a disk whose syncs lie. Nothing can help, and it must show",
            patches=no_mark, hunter=partial(powercuts, faults=(LYING,)), numbers=500, chunk=250,
        ),
        "control-normal": Mutant(
            about="no fault of the store: who asks for synchronous='normal' gets it",
            patches=no_mark, hunter=partial(powercuts, way=Way(synchronous="normal")), numbers=500, chunk=250,
        ),
    }
)  # fmt: skip
"""By name; the last two are controls: a harness that did not see them would be blind."""
