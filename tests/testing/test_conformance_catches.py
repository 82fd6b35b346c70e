"""The conformance suite can fail: a store that breaks one rule is caught by the check of that rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.store import MemoryStore, Store
from meerkat_actors.testing import conformance
from tests.testing import broken_inputs, broken_lives, broken_posting, broken_reading, broken_writing
from tests.testing.agenda_catches import AGENDA_CAUGHT
from tests.testing.benches import MemoryBench

CHECKS: Final = {check.name: check for check in conformance.checks()}

CAUGHT: Final[tuple[tuple[Callable[[], Store], str], ...]] = (
    (broken_writing.IgnoresTheToken, "fences.a_claim_fences_out_the_previous_owner"),
    (broken_writing.IgnoresTheGeneration, "fences.the_strongest_wrong_belief_is_the_reason[generation]"),
    (broken_writing.IgnoresTheVersion, "fences.the_strongest_wrong_belief_is_the_reason[version]"),
    (broken_writing.LooksAtTheVersionFirst, "fences.the_strongest_wrong_belief_is_the_reason[token]"),
    (broken_writing.IgnoresTheSession, "continuity.the_strongest_wrong_belief_is_the_reason[session]"),
    (broken_writing.TakesBoolsForNumbers, "ranges.a_fence_out_of_range_is_refused_before_anything_is_read[token True]"),
    (broken_writing.CommitsHalves, "all_or_nothing.a_refused_unit_leaves_nothing[an admission is used]"),
    (broken_writing.StopsAtTheFirstRefusal, "batches.bad_units_are_refused_and_all_others_commit[stale: the first]"),
    (broken_writing.CommitsBackwards, "batches.units_of_one_identity_commit_in_their_order"),
    (broken_writing.ForgetsTheIdempotencyKey, "duplicates.the_same_key_again_names_the_first"),
    (broken_writing.TakesAnyContentForTheSame, "duplicates.the_same_id_again_names_the_first"),
    (broken_reading.GivesTheNewestMailFirst, "mail.mail_is_oldest_first"),
    (partial(broken_writing.SaysYes, RefusalReason.NOT_HEAD_OF_PAIR), "mail.only_the_head_of_a_pair_is_taken"),
    (
        partial(broken_writing.SaysYes, RefusalReason.INPUT_STATE_CONFLICT),
        "runs.an_input_ends_once_and_from_its_run_only",
    ),
    (broken_reading.ForgetsJournals, "runs.a_step_is_recorded_once_under_a_live_run"),
    (partial(broken_writing.SaysYes, RefusalReason.REVISION_CONFLICT), "configs.a_version_is_given_once"),
    (broken_reading.ListsInputsOneWayOnly, "listings.inputs_come_in_admission_order_from_either_end"),
    (broken_reading.ListsIdentitiesBackwards, "listings.identities_come_in_the_order_of_their_names"),
    (broken_reading.NamesWhomItOnlyReadAbout, "listings.reading_an_unknown_name_gives_it_no_row"),
    (broken_reading.TellsTheLastEventAgain, "events.a_reader_who_goes_on_from_the_last_event_meets_each_once"),
    (broken_reading.CountsDocumentsAnew, "documents.a_dropped_document_never_becomes_current_again"),
    (
        partial(broken_writing.SaysYes, RefusalReason.RECEIPT_GAP),
        "receipts.receipts_are_dense_per_run_and_found_by_run_and_sequence",
    ),
    (partial(broken_writing.SaysYes, RefusalReason.SESSION_BOUND), "moves.a_session_is_bound_once_and_for_ever"),
    (broken_writing.AlwaysBeginsClean, "restarts.an_unclean_end_is_told_to_the_next_beginning"),
    (broken_writing.NeverAges, "restarts.each_beginning_is_a_new_incarnation_of_the_same_store"),
    (broken_writing.Forgets, "restarts.everything_is_there_after_no_end"),
    (broken_writing.ClosesOnce, "restarts.closing_twice_is_closing_once"),
    (broken_writing.ChecksTheClaimInItsPlace, "fences.a_claim_holds_for_the_rest_of_its_unit"),
    (broken_writing.KnowsEveryKeyOnce, "duplicates.another_identity_may_use_the_same_key"),
    (broken_writing.LooksAtTheKeyFirst, "duplicates.the_id_is_looked_at_before_the_key"),
    (broken_writing.TakesSentForAdmitted, "duplicates.mail_that_was_not_taken_has_admission_zero"),
    (broken_writing.StagesLater, "runs.an_admission_may_stage_its_run_at_once"),
    (broken_writing.KeepsFromTalkingToOneself, "mail.mail_to_oneself_is_mail"),
    (broken_reading.ThinksPagesHaveRows, "events.a_page_of_no_events_is_empty[0]"),
    (broken_reading.ConfiguresEverybody, "configs.an_identity_that_was_given_no_configuration_has_none"),
    (broken_reading.ForgetsTheState, "runs.a_boundary_moves_the_head_and_nothing_else_does"),
    (broken_reading.OverlooksMail, "mail.mail_waits_until_it_is_taken"),
    (broken_reading.TurnsRunsRound, "runs.a_run_keeps_its_members_in_admission_order"),
    (broken_reading.GivesOneMail, "mail.two_units_of_one_batch_may_mention_the_same_new_name"),
    (broken_reading.ListsInputsAsTheyWereSent, "listings.taken_mail_is_listed_where_it_was_admitted"),
    (broken_reading.ForgetsHowInputsEnded, "runs.an_abandoned_input_keeps_its_ending"),
    (broken_reading.LosesTheThread, "listings.boundaries_come_newest_first_and_point_to_the_one_before"),
    (broken_reading.ShowsBoundariesToAnybody, "listings.boundaries_of_another_identity_are_not_reached"),
    (broken_reading.FindsWorkForEverybody, "listings.work_is_an_open_input_or_mail"),
    (
        broken_reading.TellsOneIdentityAfterAnother,
        "events.an_input_from_outside_mail_and_a_boundary_are_told_in_the_order_of_their_units",
    ),
    (broken_reading.TellsOnlyOfWhoIsThere, "events.mail_to_somebody_who_is_not_there_yet_is_told_too"),
    (broken_reading.TellsOnlyOfWhatIsQueued, "events.what_became_of_an_input_later_changes_no_event"),
    (broken_reading.MixesKindsOfDocuments, "documents.documents_are_apart_by_identity_kind_and_key"),
    (broken_posting.PostsForAnybody, "postings.another_incarnation_posts_nothing"),
    (broken_posting.PostsWhateverItIs, "postings.what_no_row_takes_is_refused"),
    (broken_inputs.TakesEverythingForAPrompt, "lanes.every_kind_comes_back_as_itself[operation]"),
    (broken_inputs.SpeaksForThem, "lanes.every_kind_comes_back_as_itself[prompt]"),
    (broken_inputs.HasOneRun, "lanes.each_lane_may_have_a_run_of_its_own"),
    (broken_inputs.ForgetsWhatInputsSay, "lanes.what_an_input_says_of_itself_comes_back[prompt]"),
    (broken_inputs.ListsNoHeaders, "lanes.what_an_input_says_of_itself_comes_back[flow_step]"),
    (broken_inputs.ForgetsWhatMailSays, "lanes.mail_says_of_itself_what_its_sender_said"),
    (broken_inputs.ForgetsTheRule, "lanes.both_lanes_come_back_in_the_order_of_their_admission"),
    (broken_inputs.HasOneLane, "lanes.it_is_admitted_beside_the_work_of_others"),
    (broken_inputs.SteersFirst, "lanes.both_lanes_come_back_in_the_order_of_their_admission"),
    (broken_inputs.StagesOnlyFromTheQueue, "lanes.a_steered_input_may_begin_a_run_as_it_is_admitted"),
    (broken_inputs.QueuesWhatNeedsNoTurn, "lanes.what_needs_no_turn_is_consumed_as_it_is_admitted"),
    (broken_inputs.QueuesWhatNeedsNoTurn, "lanes.what_was_consumed_at_once_is_over"),
    (broken_inputs.QueuesMailThatNeedsNoTurn, "lanes.mail_that_needs_no_turn_is_consumed_as_it_is_taken"),
    (broken_inputs.ForgetsWhatRunsOnce, "intents.an_intent_is_in_the_journal_before_its_result"),
    (broken_inputs.ForgetsWhatRunsOnce, "intents.a_result_may_be_recorded_without_an_intent"),
    (broken_inputs.WithdrawsNothing, "intents.an_intent_is_withdrawn_where_nothing_came_of_it"),
    (partial(broken_writing.SaysYes, RefusalReason.INPUT_STATE_CONFLICT), "intents.only_an_open_intent_is_resolved"),
    (partial(broken_writing.SaysYes, RefusalReason.INPUT_STATE_CONFLICT), "intents.an_intent_ends_with_its_run"),
    (
        partial(broken_writing.SaysYes, RefusalReason.OUT_OF_RANGE),
        "intents.an_unknown_result_is_of_a_step_that_runs_once",
    ),
    (broken_inputs.PlacesByAdmission, "intents.members_stand_by_place_and_then_by_admission"),
    (broken_inputs.PlacesByAdmission, "intents.a_checkpoint_is_journaled_with_what_it_binds"),
    (broken_inputs.KeepsThePlace, "intents.what_goes_back_to_its_lane_has_no_place"),
    (broken_inputs.KeepsThePlace, "interruptions.a_boundary_may_consume_some_and_give_others_back"),
    (broken_inputs.LosesThePlace, "interruptions.a_member_moves_to_another_run_in_one_step"),
    (broken_inputs.ConsumesWhatWasInterrupted, "interruptions.an_interrupted_turn_keeps_what_was_said"),
    (broken_inputs.ForgivesWhatIsDissolved, "interruptions.a_member_is_cancelled_alone_and_the_rest_dissolved"),
    (broken_inputs.TakesCoalescedForSuperseded, "interruptions.what_is_displaced_names_what_took_its_place"),
    (broken_writing.CommitsHalves, "interruptions.what_a_run_took_meanwhile_is_not_displaced[coalesced]"),
    (broken_writing.CommitsHalves, "interruptions.an_ending_of_a_batch_is_all_or_nothing"),
    (broken_inputs.TakesEveryEndingForALetter, "letters.what_nobody_asked_for_is_a_dead_letter[cancelled]"),
    (broken_inputs.TakesEveryEndingForALetter, "letters.what_was_ended_in_its_lane_is_no_letter"),
    (broken_inputs.TakesEveryEndingForALetter, "letters.what_is_no_dead_letter_is_not_settled"),
    (broken_inputs.KnowsNoLetters, "letters.what_nobody_asked_for_is_a_dead_letter[crash_loop]"),
    (broken_inputs.ForgetsThatItWasALetter, "letters.a_letter_is_settled_once"),
    (broken_inputs.SettlesNothing, "letters.a_letter_is_driven_again_by_a_new_input"),
    (broken_inputs.SettlesNothing, "letters.a_letter_may_be_settled_as_it_dies"),
    (broken_inputs.ListsEverybodysLetters, "letters.letters_come_oldest_first_from_beyond_a_sequence"),
    (broken_inputs.ListsTheLastLetterAgain, "letters.letters_come_oldest_first_from_beyond_a_sequence"),
    (broken_inputs.ListsLettersOfTheLiving, "letters.letters_outlive_the_generation_and_the_identity"),
    (broken_inputs.ListsLettersUnderTheirSenders, "letters.mail_that_died_is_a_letter_of_who_took_it"),
    (broken_lives.ForgetsTheWord, "lives.what_is_wanted_of_an_identity_is_remembered[paused]"),
    (broken_lives.TakesAClaimForAWord, "lives.what_is_wanted_of_an_identity_is_remembered[stopped]"),
    (broken_lives.HearsNothingBesideABoundary, "lives.a_boundary_may_say_what_is_wanted_after_it"),
    (broken_lives.KeepsTheState, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.KeepsTheCount, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.KeepsTheDigest, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.KeepsTheVersion, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.KeepsTheWord, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.CountsSendsAnew, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.RaisesTheTokenToo, "lives.a_generation_begins_with_nothing_of_the_conversation"),
    (broken_lives.LosesThePast, "lives.what_was_before_a_generation_stays_readable"),
    (broken_lives.ForgetsTheLivesBefore, "lives.what_was_before_a_generation_stays_readable"),
    (broken_writing.IgnoresTheGeneration, "lives.a_writer_of_the_former_generation_is_stale"),
    (partial(broken_writing.SaysYes, RefusalReason.SESSION_BOUND), "lives.a_generation_s_session_is_nobody_s_before"),
    (broken_writing.CommitsHalves, "lives.a_generation_s_session_is_nobody_s_before"),
    (broken_lives.TellsTheVersionBefore, "lives.many_are_governed_in_one_batch"),
    (broken_writing.ChecksTheClaimInItsPlace, "lives.a_new_owner_governs_as_it_claims"),
    (broken_lives.ResetsEvenABoundary, "lives.a_reset_and_a_boundary_are_two_units"),
    (
        partial(broken_writing.SaysYes, RefusalReason.OUT_OF_RANGE),
        "lives.what_can_not_be_meant_is_out_of_range[two words]",
    ),
    (broken_lives.BuriesNobody, "burials.the_dead_are_not_there_and_not_forgotten"),
    (partial(broken_writing.SaysYes, RefusalReason.DELETED), "burials.the_dead_are_not_there_and_not_forgotten"),
    (broken_lives.LosesTheLastBoundary, "burials.a_boundary_may_be_the_last_one"),
    (broken_lives.ComesBackAsItWas, "burials.the_dead_come_back_as_their_next_generation"),
    (broken_lives.KeepsTheWord, "burials.the_dead_come_back_as_their_next_generation"),
    (broken_lives.LosesThePast, "burials.the_dead_come_back_as_their_next_generation"),
    (broken_lives.ConfiguresNobodyAnew, "burials.the_dead_come_back_as_their_next_generation"),
    (partial(broken_writing.SaysYes, RefusalReason.GENERATION_CONFLICT), "burials.only_the_dead_are_recreated"),
    (broken_writing.IgnoresTheVersion, "burials.a_return_checks_its_fence[version]"),
    (broken_writing.CommitsHalves, "burials.a_return_leaves_nothing_if_its_unit_is_refused"),
    *AGENDA_CAUGHT,
)


# They break so much that few checks are left for all others to be tried on.
BROAD: Final = (
    "SaysYes-out_of_range",
    "SaysYes-input_state_conflict",
    "SaysYes-stale_checkpoint_version",
    "StagesLater",
    "CommitsHalves",
    "HasOneOrderForBothLanes",
)


def made_by(make: object) -> str:
    if isinstance(make, partial):
        return f"{broken_writing.SaysYes.__name__}-{make.args[0]}"
    return getattr(make, "__name__", "")


def is_caught(make: Callable[[], Store], check: conformance.Check) -> bool:
    try:
        check.run(MemoryBench(make))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(("make", "name"), CAUGHT, ids=[made_by(make) for make, _ in CAUGHT])
def test_a_store_that_breaks_a_rule_is_caught_by_the_check_of_that_rule(make: Callable[[], Store], name: str) -> None:
    with pytest.raises(AssertionError, match=f"^{re.escape(name)}: ."):
        CHECKS[name].run(MemoryBench(make))
    CHECKS[name].run(MemoryBench(MemoryStore))


@pytest.mark.slow
def test_there_is_no_check_that_catches_none_of_them() -> None:
    every = {made_by(make): make for make, _ in CAUGHT}
    every |= {made_by(make): make for make in (partial(broken_writing.SaysYes, reason) for reason in RefusalReason)}
    makes = [every.pop(name) for name in BROAD] + [*every.values()]
    blind = CHECKS.keys() - {name for _, name in CAUGHT}  # those are known by the test above
    for make in makes:
        blind -= {name for name in blind if is_caught(make, CHECKS[name])}
    assert blind == set()


def test_what_a_store_raises_is_a_rule_broken_and_its_cause() -> None:
    check = CHECKS["configs.a_version_is_given_once"]
    with pytest.raises(AssertionError, match=f"^{check.name}: StoreFailedError: ") as caught:
        check.run(broken_writing.RaisesWhatItRefuses)
    assert isinstance(caught.value.__cause__, StoreFailedError)
