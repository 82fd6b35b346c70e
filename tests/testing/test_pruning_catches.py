"""Each rule of pruning that a store may break is caught, by the check of that rule."""

from __future__ import annotations

import re
from typing import Final

import pytest

from meerkat_actors.store import MemoryStore
from meerkat_actors.testing import conformance
from tests.testing import broken_pruning
from tests.testing.benches import MemoryBench

CHECKS: Final = {check.name: check for check in conformance.checks() if check.name.startswith("pruning")}

CAUGHT: Final[tuple[tuple[type[MemoryStore], str], ...]] = (
    (broken_pruning.TakesDeadLettersToo, "pruning.dead_letters_keep_theirs_unless_asked_for"),
    (
        broken_pruning.TakesFormerSnapshotsToo,
        "pruning_documents.a_runtimes_snapshot_before_the_current_one_goes_if_asked",
    ),
    (broken_pruning.IgnoresTheNumber, "pruning.the_last_admissions_of_each_agent_keep_theirs[two]"),
    (broken_pruning.IgnoresTheAge, "pruning.an_age_is_told_by_the_id"),
    (broken_pruning.TakesInputsWithoutABound, "pruning.without_a_bound_no_input_loses_its_content"),
    (broken_pruning.MeansDryRuns, "pruning.pruning_twice_is_pruning_once[one row]"),
    (broken_pruning.OnlyEverTells, "pruning.an_input_that_was_pruned_lost_its_content_and_nothing_else"),
    (broken_pruning.OnlyEverTells, "pruning.what_ended_without_a_turn_is_pruned_too"),
    (broken_pruning.OnlyEverTells, "pruning.mail_is_pruned_once_it_was_consumed"),
    (broken_pruning.OnlyEverTells, "pruning.steps_of_a_run_that_is_over_go"),
    (broken_pruning.StopsAfterOneChunk, "pruning.pruning_twice_is_pruning_once[three rows]"),
    (broken_pruning.StopsAfterOneChunk, "pruning.what_was_broken_off_is_begun_again"),
    (broken_pruning.ForgetsWhatIsOpen, "pruning.what_is_open_keeps_its_content"),
    (broken_pruning.ForgetsTheKeys, "pruning.a_pruned_key_still_names_the_first"),
    (broken_pruning.ForgetsTheDigest, "pruning.a_pruned_key_still_names_the_first"),
    (broken_pruning.ForgetsTheIds, "pruning.an_input_that_was_pruned_lost_its_content_and_nothing_else"),
    (broken_pruning.ForgetsEveryJournal, "pruning.what_is_open_keeps_its_content"),
    (broken_pruning.ForgetsEveryDocument, "pruning_documents.documents_of_sessions_that_are_over_go"),
    (
        broken_pruning.ForgetsEveryDocument,
        "pruning_documents.the_two_newest_of_a_generation_stay_whatever_their_sessions",
    ),
    (broken_pruning.ForgetsWhatARollbackReturnsTo, "pruning_documents.documents_of_sessions_that_are_over_go"),
    (broken_pruning.ForgetsWhatARollbackReturnsTo, "pruning_documents.a_session_that_came_back_keeps_what_it_has"),
    (broken_pruning.ForgetsEveryDocument, "pruning_documents.a_session_that_came_back_keeps_what_it_has"),
    (broken_pruning.ForgetsWhoseASessionWas, "pruning_documents.documents_of_sessions_that_are_over_go"),
    (broken_pruning.TakesAFacadesInputs, "pruning.inputs_of_a_facade_keep_theirs"),
    (
        broken_pruning.CountsADroppedDocumentAnew,
        "pruning_documents.a_runtimes_snapshot_before_the_current_one_goes_if_asked",
    ),
    (broken_pruning.RaisesNoFloor, "pruning_events.facts_of_an_age_go_and_the_floor_rises[all]"),
    (broken_pruning.StopsAfterOneChunk, "pruning_events.facts_of_an_age_go_and_the_floor_rises[one row]"),
    (broken_pruning.TakesEventsToo, "pruning_events.unless_it_is_asked_for_no_fact_goes"),
    (broken_pruning.ForgetsEveryFact, "pruning_events.facts_whose_age_nothing_tells_are_kept"),
    (broken_pruning.MeansDryRuns, "pruning_events.a_dry_run_tells_of_facts_and_keeps_them"),
    (broken_pruning.ForgetsTheFloor, "pruning_events.the_floor_of_events_outlives_its_process"),
)


@pytest.mark.parametrize(("make", "name"), CAUGHT, ids=[f"{make.__name__}-{name}" for make, name in CAUGHT])
def test_a_store_that_breaks_a_rule_is_caught_by_the_check_of_that_rule(make: type[MemoryStore], name: str) -> None:
    with pytest.raises(AssertionError, match=f"^{re.escape(name)}: ."):
        CHECKS[name].run(MemoryBench(make))


def test_every_rule_is_broken_by_one_of_them() -> None:
    def rule(name: str) -> str:
        return name.partition("[")[0]

    assert {rule(name) for _, name in CAUGHT} == {rule(name) for name in CHECKS}
