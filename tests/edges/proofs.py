"""What a case is, and short names of the places that prove cases."""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class Case:
    """One lesson, and the tests that prove it, as ``path::name``; or else why it can't occur."""

    lesson: str
    tests: tuple[str, ...] = ()
    reason: str | None = None


def proved(lesson: str, *tests: str) -> Case:
    """A lesson that these tests prove."""
    return Case(lesson, tests)


def impossible(lesson: str, reason: str) -> Case:
    """A lesson about what can't occur here."""
    return Case(lesson, reason=reason)


ACTORS: Final = "tests/actors/test_"
MACHINES: Final = "tests/machines/test_"
RULES: Final = "meerkat_actors/testing/conformance/"
STORE: Final = "tests/store/test_"
SQLITE: Final = "tests/store/sqlite/test_"
TURNS: Final = "tests/edges/test_turns.py::test_"
WAKING: Final = "tests/edges/test_waking.py::test_"
RESTARTS: Final = "tests/edges/test_restarts.py::test_"
FULL_DISK: Final = "tests/edges/test_full_disk.py::test_edge_60_"
RECYCLING: Final = "tests/edges/test_recycling.py::test_edge_42_recycling_"
BOTH_STORES: Final = (
    "tests/edges/test_both_stores.py::test_sqlite_does_with_each_unit_of_a_life_what_the_memory_store_does"
)
LOST_BOUNDARY: Final = f"{TURNS}edges_43_53_60_an_attempt_that_could_not_be_committed_leaves_nothing_to_the_next"
NOT_SPINNING: Final = f"{WAKING}edges_9_47_who_can_not_go_on_does_not_spin"
QUIET: Final = f"{WAKING}edges_2_4_28_what_was_only_queued_starts_nothing_and_goes_first_when_something_does"
DESTROYED: Final = f"{RESTARTS}edges_25_27_who_is_destroyed_under_a_turn_is_dead_after_a_kill"
STUCK: Final = f"{ACTORS}newer_owners.py::test_a_turn_that_ignores_its_cancellation_is_stuck"
NOT_ADOPTED: Final = f"{MACHINES}identity_admission.py::test_a_decision_that_is_not_adopted_has_changed_nothing"
LEAVING: Final = f"{ACTORS}passivation.py::test_a_message_that_races_its_recipients_leaving_is_answered"
SUSPECTS: Final = f"{WAKING}edges_40_55_a_suspect_that_does_not_use_its_turn_leaves_it_to_the_next"
