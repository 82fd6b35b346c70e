"""The fault matrix (reliability.md, section 3), row by row: what can go wrong, and the tests of what then happens.

A row's tests are those in this folder that have its number in their name, and those elsewhere that are named here.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

TESTS: Final = Path(__file__).parents[1]
HERE: Final = Path(__file__).parent
_NAMED: Final = re.compile(r"test_rows?_((?:\d\d_)+)(?:(and|to)_(\d\d)_)?")

STORE: Final = "store/sqlite"


@frozen
class Row:
    """What goes wrong, and who says so beside the tests in this folder."""

    fault: str
    elsewhere: tuple[str, ...] = ()
    """``file::test``, below ``tests/``."""


MATRIX: Final = {
    1: Row("the power is cut at any operation", ("crashes/test_checkpoint.py::test_a_kill_between_any_two_pages",)),
    2: Row(
        "SIGKILL",
        (
            "crashes/test_sigkill.py::test_a_hundred_kills_lose_nothing_and_repeat_nothing",
            "crashes/test_takeover.py::test_pauses_and_kills_lose_nothing_and_repeat_nothing",
            f"{STORE}/test_ownership.py::test_a_kill_while_creating_leaves_nothing_half_made",
            f"{STORE}/test_migrating_faults.py::test_a_kill_before_any_statement_leaves_the_old_file_or_the_new",
        ),
    ),
    3: Row("a kill, and then a power cut before the first write"),
    4: Row(
        "a write error, once and for good",
        (
            "actors/test_reopening.py::test_a_failed_write_is_unknown_to_its_caller_and_everyone_goes_on",
            "actors/test_reopening.py::test_a_second_failure_so_soon_ends_the_runtime",
            f"{STORE}/test_failures.py::test_a_checkpoint_that_ends_anywhere_is_made_up_for",
        ),
    ),
    5: Row("a short write"),
    6: Row(
        "a failed fsync",
        (
            "actors/test_reopening.py::test_a_failed_fsync_ends_the_runtime_at_once",
            f"{STORE}/test_failures.py::test_a_failed_commit_is_unknown_and_the_store_stops",
            f"{STORE}/test_failures.py::test_a_failed_checkpoint_stops_the_store",
            f"{STORE}/test_migrating_faults.py::test_a_disk_that_fails_to_sync_leaves_the_old_file_or_the_new",
        ),
    ),
    7: Row("an fsync that lies"),
    8: Row("an error of truncating or deleting"),
    9: Row(
        "the disk is full",
        (
            "actors/test_storage_failures.py::test_a_full_disk_refuses_what_is_new_and_holds_what_is_finished",
            "actors/test_storage_failures.py::test_mail_waits_out_a_full_disk_and_a_step_does_too",
            f"{STORE}/test_failures.py::test_a_full_disk_refuses_a_batch_with_a_bad_unit_too",
            f"{STORE}/test_sharing_faults.py::test_a_look_on_a_full_disk_says_so_and_the_store_goes_on",
            f"{STORE}/test_marking.py::test_a_full_disk_keeps_the_mark_that_is_there",
        ),
    ),
    10: Row(
        "the disk is full at opening",
        (
            f"{STORE}/test_failures.py::test_a_full_disk_fails_an_opening_and_leaves_nothing",
            f"{STORE}/test_migrating_faults.py::test_a_full_disk_leaves_the_old_file_to_be_opened_by_any_version",
        ),
    ),
    11: Row(
        "checkpoints fail while commits pass",
        (
            "actors/test_reopening.py::test_a_log_that_can_not_be_moved_is_told",
            "actors/test_storage.py::test_a_disk_that_is_too_full_for_a_checkpoint_ends_nothing",
        ),
    ),
    12: Row("the file is read-only"),
    13: Row(
        "the folder is not writable",
        ("store/test_reader.py::test_a_folder_that_can_not_be_written_is_read_if_no_log_needs_an_index",),
    ),
    14: Row("no rights, no folder, or a folder", (f"{STORE}/test_opening.py::test_a_missing_folder_is_not_made",)),
    15: Row("no database", (f"{STORE}/test_opening.py::test_what_is_no_store_is_refused_and_not_touched",)),
    16: Row(
        "an empty file where a store was",
        (
            f"{STORE}/test_opening.py::test_a_store_that_was_truncated_to_nothing_is_refused_and_not_touched",
            f"{STORE}/test_marking.py::test_a_database_that_is_gone_is_not_made_anew_in_silence",
        ),
    ),
    17: Row("a page of rubbish", (f"{STORE}/test_failures.py::test_a_damaged_page_stops_the_store",)),
    18: Row(
        "one bit of a payload",
        (
            f"{STORE}/test_rotten_rows.py::test_a_rotten_row_breaks_its_identity_only",
            f"{STORE}/test_examining_damage.py::test_damage_is_noticed_or_no_look_at_the_file_can_notice_it",
        ),
    ),
    19: Row(
        "the database is deleted or replaced while it is open",
        (
            f"{STORE}/test_marking.py::test_a_file_that_is_taken_away_is_noticed_before_the_next_answer",
            f"{STORE}/test_sharing_files.py::test_a_store_that_was_deleted_under_those_who_share_it_is_not_made_anew",
            "store/test_reader.py::test_a_file_that_vanishes_is_told",
        ),
    ),
    20: Row("the log is deleted while it is open"),
    21: Row(
        "the log is deleted or damaged after a crash",
        (
            f"{STORE}/test_marking.py::test_a_log_that_was_deleted_after_a_crash_is_missed",
            f"{STORE}/test_marking.py::test_an_older_copy_in_its_place_is_missed",
            f"{STORE}/test_examining.py::test_a_log_that_is_damaged_in_its_middle_lost_commits",
        ),
    ),
    22: Row("the log's index is deleted, stale or garbage"),
    23: Row(
        "the file is cut while it is open",
        (f"{STORE}/test_marking.py::test_a_file_that_was_cut_is_noticed_at_the_next_checkpoint",),
    ),
    24: Row(
        "an owner wakes up after its lease",
        (
            "crashes/test_takeover.py::test_pauses_and_kills_lose_nothing_and_repeat_nothing",
            f"{STORE}/test_sharing_processes.py::"
            "test_a_stopped_process_is_taken_over_from_after_its_lease_and_writes_nothing_when_it_wakes",
            "actors/test_sharing.py::test_a_late_runtime_loses_everything_at_once_and_begins_anew",
        ),
    ),
    25: Row(
        "an owner is stopped amid a transaction",
        (f"{STORE}/test_sharing_faults.py::test_who_holds_the_file_for_a_minute_is_told_of",),
    ),
    26: Row(
        "the wall clock jumps; the machine boots",
        (
            f"{STORE}/test_sharing_faults.py::test_an_owner_of_another_boot_is_gone_at_once",
            "actors/test_found_by_attack.py::test_a_clock_that_is_set_to_nonsense_quarantines_nobody",
        ),
    ),
    27: Row(
        "a caller is cancelled",
        ("test_runtime_cancelling.py::test_cancelling_a_caller_withdraws_nothing_and_its_fate_is_found_by_key",),
    ),
    28: Row(
        "Ctrl-C and SIGTERM",
        (
            "crashes/test_signals.py::test_a_signal_at_any_instant_ends_the_job_in_good_order",
            "crashes/test_lines.py::test_a_signal_at_any_line_loses_nothing_and_repeats_nothing",
            "test_runtime.py::test_ctrl_c_in_a_commit_lands_behind_its_replies",
        ),
    ),
    29: Row(
        "an agent's owner crashes again and again",
        (
            "actors/test_supervision.py::test_an_owner_that_keeps_crashing_is_kept_apart_and_the_others_go_on",
            "actors/test_supervision.py::test_a_crashed_owner_waits_longer_before_each_start",
        ),
    ),
    30: Row(
        "a bug in storage",
        (
            "actors/test_storage_failures.py::test_everyone_who_waits_is_told_within_a_second_when_a_commit_raises",
            "actors/test_storage_failures.py::test_a_store_that_answers_too_little_is_a_failed_store",
        ),
    ),
    31: Row(
        "overload",
        (
            "actors/test_mailbox.py::test_a_full_mailbox_refuses_mail_and_still_takes_control",
            "actors/test_supervision.py::test_a_mailbox_that_is_full_refuses_and_nothing_is_written",
            "actors/test_found_by_attack.py::test_mail_keeps_its_place_under_a_flood_of_prompts",
        ),
    ),
    32: Row(
        "poison",
        (
            f"{STORE}/test_failures.py::test_what_no_column_takes_is_refused_and_its_neighbours_commit",
            "actors/test_storage.py::test_a_unit_that_is_refused_does_not_disturb_its_neighbours",
        ),
    ),
    33: Row(
        "two threads, or a fork, on one connection",
        (
            "test_embedding.py::test_a_handle_is_of_no_use_in_another_threads_loop",
            "test_embedding.py::test_a_forked_child_can_not_use_its_parents_runtime",
            f"{STORE}/test_ownership.py::test_a_forked_child_neither_writes_nor_lets_go",
            f"{STORE}/test_sharing_processes.py::test_a_forked_child_of_a_sharer_neither_looks_nor_lets_go",
        ),
    ),
    34: Row(
        "an old SQLite, or a pragma that does not hold",
        (
            f"{STORE}/test_opening.py::test_an_old_sqlite_is_refused",
            f"{STORE}/test_opening.py::test_every_pragma_is_in_force",
        ),
    ),
    35: Row(
        "a newer or older schema; an older copy",
        (
            f"{STORE}/test_opening.py::test_what_is_no_store_is_refused_and_not_touched",
            f"{STORE}/test_migrating.py::test_a_newer_version_in_the_log_of_a_file_of_ours_is_refused_and_not_touched",
            f"{STORE}/test_migrating.py::test_a_migrated_file_holds_what_it_held_under_the_schema_of_a_new_one",
            f"{STORE}/test_kept.py::test_agents_go_on_with_what_they_had",
            f"{STORE}/test_marking.py::test_an_older_copy_in_its_place_is_missed",
        ),
    ),
    36: Row("SQLite has no memory"),
}


@cache
def written_in(path: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def rows_of(name: str) -> frozenset[int]:
    """``test_row_09_x``, ``test_rows_04_05_and_08_x`` and ``test_rows_12_to_14_x`` say whose they are."""
    match = _NAMED.match(name)
    if match is None:
        return frozenset()
    numbers = [int(number) for number in match[1].split("_") if number]
    if match[2] == "to":
        return frozenset(range(numbers[0], int(match[3]) + 1))
    return frozenset((*numbers, *([int(match[3])] if match[3] else [])))


def test_the_matrix_has_thirty_six_rows() -> None:
    assert list(MATRIX) == list(range(1, 37))


@pytest.mark.parametrize("number", MATRIX)
def test_every_row_has_its_tests(number: int) -> None:
    row = MATRIX[number]
    here = [name for path in sorted(HERE.glob("test_row_*.py")) for name in written_in(path) if number in rows_of(name)]
    assert here or row.elsewhere, f"row {number}, {row.fault}: no test"
    for place in row.elsewhere:
        file, _, wanted = place.partition("::")
        assert any(name.startswith(wanted) for name in written_in(TESTS / file)), f"row {number}: {place} is gone"


def test_every_test_here_says_which_row_it_is_of() -> None:
    names = {name for path in sorted(HERE.glob("test_row_*.py")) for name in written_in(path)}
    assert {name for name in names if not rows_of(name) or not rows_of(name) <= set(MATRIX)} == set()


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("test_row_09_full", {9}),
        ("test_rows_04_05_and_08_errors", {4, 5, 8}),
        ("test_rows_19_and_20_taken", {19, 20}),
        ("test_rows_12_to_14_rights", {12, 13, 14}),
        ("test_nothing_of_9", set[int]()),
    ],
)
def test_a_name_tells_its_rows(name: str, rows: set[int]) -> None:
    assert rows_of(name) == rows
