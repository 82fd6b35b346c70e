"""Faults planted into owners, machines and stores on purpose: a simulation must find each of them out.

Each is planted by replacing functions in this process. One that does not fit the code any more raises
``AttributeError``, or is not caught: it is to be planted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

from attrs import frozen

from meerkat_actors.simulation import world
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.outcome import Lived
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from tests.simulation import mutants_of_machines as machines
from tests.simulation import mutants_of_owners as owners
from tests.simulation import mutants_of_stores as stores
from tests.simulation.mutants_patches import Patches, patched
from tests.simulation.mutants_scenarios import in_memory, on_disk, shared

LONG_SECONDS: Final = 2_000.0
"""Virtual: whoever waits for so long here waits for ever. Waiting less keeps the hunt short."""


@frozen(kw_only=True)
class Mutant:
    """One planted fault, and where it is to be found."""

    about: str
    plant: Callable[[], Patches]
    scenario: Callable[[], Scenario] = in_memory
    rates: Mapping[str, float] = MappingProxyType({})
    """Of faults, each in a virtual minute."""
    seeds: int = 40
    """Within so many it must be caught."""


@frozen(kw_only=True)
class Hunted:
    """What came of one hunt."""

    seeds: int
    """How many were lived through."""
    violation: str | None
    """The first one; None: it got away."""
    innocent: tuple[str, ...]
    """What the same seeds showed without the fault. Not empty: the hunt proves nothing."""


def hunt(name: str) -> Hunted:
    """Live through seeds with the fault until one shows it, then through the same seeds without."""
    mutant, violation, innocent, seeds = MUTANTS[name], None, list[str](), 0
    while violation is None and seeds < mutant.seeds:
        seeds += 1
        with patched(mutant.plant()):
            violation = _live(mutant, seeds)
    for seed in range(1, seeds + 1):
        found = _live(mutant, seed)
        if found is not None:
            innocent.append(f"seed {seed}: {found}")
    return Hunted(seeds=seeds, violation=violation, innocent=tuple(innocent))


def _live(mutant: Mutant, seed: int) -> str | None:
    scenario = mutant.scenario()
    plan = Faults(rates=mutant.rates).plan(f"{seed}", scenario.seconds, is_durable=scenario.is_durable)
    with patched([(world, "_LONG_SECONDS", LONG_SECONDS)]):
        try:
            lived: Lived = run(scenario, f"{seed}", plan)
        except Exception as error:  # noqa: BLE001 - whatever a planted fault makes of the simulation tells of it
            return f"the simulation raised {_first(error)!r}"
    return lived.violations[0] if lived.violations else None


def _first(error: Exception) -> Exception:
    group = error
    while isinstance(group, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", group).exceptions[0]
    return group


_CRASHES: Final = MappingProxyType({"Crash": 20.0})
_CALLERS: Final = MappingProxyType({"SentTwice": 40.0, "CallerCancelled": 40.0})
_VERBS: Final = MappingProxyType({"Govern": 30.0})

MUTANTS: Final[Mapping[str, Mutant]] = MappingProxyType(
    {
        "requeued-at-the-tail": Mutant(
            about="what a failed batch gives back goes behind what came after it", plant=machines.requeued_at_the_tail
        ),
        "newest-first": Mutant(about="a run begins with the newest of its lane", plant=machines.newest_first),
        "charged-at-staging": Mutant(
            about="a run that begins is charged as if it had failed", plant=machines.charged_at_staging
        ),
        "uncounted-retry": Mutant(about="a failed turn is charged nothing", plant=machines.uncounted_retry),
        "charged-for-shutdown": Mutant(
            about="a turn that shutdown cancelled is charged as failed",
            plant=machines.charged_for_shutdown, rates=MappingProxyType({"Restart": 30.0, "TurnsHang": 60.0}),
        ),
        "timer-never-set": Mutant(
            about="a timer is told of, and not set", plant=machines.timer_never_set
        ),
        "timer-fires-again": Mutant(
            about="a timer that fires late stays due", plant=machines.timer_fires_again,
            rates=MappingProxyType({"ClockJumps": 30.0}),
        ),
        "silent-request": Mutant(
            about="nobody is told that a request failed", plant=machines.silent_request, rates=_VERBS
        ),
        "answered-twice": Mutant(about="a request gets its answer twice", plant=machines.answered_twice),
        "untold-mail": Mutant(about="no event tells of mail that was taken", plant=machines.untold_mail),
        "broken-chain": Mutant(about="the digest of a boundary leaves its messages out", plant=machines.broken_chain),
        "unbounded-backlog": Mutant(about="the backlog's bound is ignored", plant=machines.unbounded_backlog),
        "parked-run-lost": Mutant(
            about="a run that fails, and is to be tried again, is forgotten", plant=machines.parked_run_lost
        ),
        "recycled-blank": Mutant(
            about="who begins anew from what is stored forgets the agent's state", plant=machines.recycled_blank,
            rates=_VERBS,
        ),
        "forgotten-journal": Mutant(
            about="who begins anew forgets the steps of its run", plant=machines.forgotten_journal, rates=_CRASHES
        ),
        "waiter-forgotten": Mutant(about="of several who wait for an input one is answered",
            plant=owners.waiter_forgotten, rates=_CALLERS,
        ),
        "answered-before-commit": Mutant(
            about="callers are answered before the unit is committed", plant=owners.answered_before_commit,
            rates=_CRASHES,
        ),
        "acknowledged-anyway": Mutant(
            about="units of a commit that failed are acknowledged", plant=owners.acknowledged_anyway,
            scenario=on_disk, rates=MappingProxyType({"DiskFails": 60.0, "Crash": 20.0}),
        ),
        "mail-hint-lost": Mutant(
            about="nobody tells an agent that mail was sent to it", plant=owners.mail_hint_lost
        ),
        "unfenced": Mutant(
            about="a runtime that was taken over from goes on, and its units are not fenced",
            plant=owners.unfenced, scenario=shared, rates=MappingProxyType({"SlowCommits": 30.0}), seeds=8,
        ),
        "message-dropped": Mutant(about="every fifth message is counted, and not kept", plant=stores.message_dropped),
        "mail-out-of-order": Mutant(about="the newest mail is taken first", plant=stores.mail_out_of_order),
        "mail-floor-ignored": Mutant(
            about="mail from before a reset is taken after it", plant=stores.mail_floor_ignored, rates=_VERBS
        ),
        "half-a-unit": Mutant(
            about="what a refused unit did before its refusal stays", plant=stores.half_a_unit, rates=_CALLERS
        ),
        "no-savepoint": Mutant(
            about="the same, in a file", plant=stores.no_savepoint, scenario=on_disk, rates=_CALLERS
        ),
        "key-forgotten": Mutant(about="an idempotency key is looked up nowhere", plant=stores.key_forgotten),
        "id-admitted-twice": Mutant(
            about="an input id is looked up nowhere", plant=stores.id_admitted_twice, rates=_CALLERS
        ),
        "boundary-half-written": Mutant(
            about="a boundary leaves its inputs as they were", plant=stores.boundary_half_written
        ),
        "journal-kept": Mutant(about="a run that is over leaves its journal behind", plant=stores.journal_kept),
        "not-synced": Mutant(
            about="a commit is not synced", plant=stores.not_synced, scenario=on_disk,
            rates=MappingProxyType({"PowerCut": 40.0}),
        ),
        "no-barrier": Mutant(
            about="a process begins to serve without a write of its own", plant=stores.no_barrier, scenario=on_disk,
            rates=MappingProxyType({"PowerCut": 40.0, "DiskFails": 60.0, "Crash": 20.0}),
        ),
        "same-incarnation": Mutant(
            about="two processes serve under one number", plant=stores.same_incarnation, scenario=shared,
        ),
    }
)  # fmt: skip
"""By name."""
