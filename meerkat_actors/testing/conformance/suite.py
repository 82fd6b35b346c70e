"""Every check there is, by subject."""

from __future__ import annotations

from types import ModuleType
from typing import Final, cast

from meerkat_actors.testing.conformance import (
    all_or_nothing,
    batches,
    burials,
    configs,
    continuity,
    documents,
    duplicates,
    events,
    facts,
    fences,
    intents,
    interruptions,
    lanes,
    letters,
    listings,
    lives,
    mail,
    mail_lanes,
    moves,
    operations,
    postings,
    pruning,
    pruning_documents,
    pruning_events,
    ranges,
    receipts,
    requests,
    restarts,
    returns,
    runs,
    timers,
    timers_due,
    undeliverable,
)
from meerkat_actors.testing.conformance.checking import Check, refuse_without_assertions

SUBJECTS: Final = (
    batches,
    all_or_nothing,
    fences,
    ranges,
    duplicates,
    mail,
    mail_lanes,
    requests,
    postings,
    undeliverable,
    returns,
    timers,
    timers_due,
    operations,
    runs,
    lanes,
    intents,
    interruptions,
    letters,
    configs,
    listings,
    events,
    facts,
    documents,
    receipts,
    moves,
    lives,
    burials,
    continuity,
    pruning,
    pruning_documents,
    pruning_events,
    restarts,
)
"""The simplest promises first: a new store breaks many rules at once, and the first ones say most."""


def checks() -> tuple[Check, ...]:
    """Every check, each with a name of its own, in an order that stays.

    Raises:
        UsageError: Python runs without assertions.
    """
    refuse_without_assertions()
    return tuple(check for subject in SUBJECTS for check in _checks_of(subject))


def _checks_of(subject: ModuleType) -> list[Check]:
    # By looking, not from a list: nobody can write a check and forget to name it.
    found: list[Check] = []
    for value in vars(subject).values():
        if isinstance(value, Check):
            found.append(value)
        elif isinstance(value, tuple):
            found += [each for each in cast("tuple[object, ...]", value) if isinstance(each, Check)]
    return found
