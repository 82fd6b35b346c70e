"""Tests that leave a store behind in which the invariants can't hold, each with its reason."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

BY_HAND: Final = (
    "tests/store/",
    "tests/machines/",
    "tests/edges/test_both_stores.py",
    "tests/cli/test_prune.py",
    "tests/cli/test_doctor.py",
    "tests/events/test_cursors.py",
    "tests/events/test_feed.py",
    "tests/events/test_seam.py",
    "tests/simulation/test_fire_checker.py",
    "tests/actors/test_names_and_keys.py::test_a_name_that_got_its_key_from_mail",
)
"""Their units are written by hand, and say what no runtime's do: they are held to what a store keeps by itself."""

EXEMPT: Final = MappingProxyType(
    {
        "tests/store/test_reader.py::test_a_store_without_its_meta_row": "takes the row away",
        "tests/store/sqlite/test_schema_objects.py::test_a_schema_that_is_not_ours": "adds what is not the store's",
        "tests/store/sqlite/test_rotten_rows.py": "writes rows that say nothing",
        "tests/store/test_runtime_refusals.py::test_a_runtime_whose_authority_can_not": "writes what says nothing",
        "tests/testing/": "its stores are wrong on purpose",
        "tests/histories/test_histories.py::test_a_store_that_does_not_keep_its_word": "that store is wrong on purpose",
        "tests/cli/test_backup.py::test_the_way_back_is_the_same_command": "goes back to before what was acknowledged",
        "tests/cli/test_backup.py::test_a_copy_that_doctor_has_something_to_say_of": "changes an authority row",
        "tests/faults/test_row_17_damage.py::test_row_18_a_bit": "flips a bit of what a digest is of",
        "tests/faults/test_row_19_files_taken.py": "takes the log away, with what was acknowledged in it",
        "tests/mailing/test_wrong.py::test_mail_that_outlives_a_stop": "its store takes mail from below the floor",
        "tests/recovery/test_r.py::test_r06_attempts": "lowers a bound below what was counted under the one before",
        "tests/test_runtime_handles.py::test_a_rotten_row": "writes rows that say nothing",
    }
)
"""By the beginning of their ids: a folder, a file, or one test."""


def reason_for(node_id: str) -> str | None:
    """Why a test is not held to them; None where it is."""
    return next((reason for beginning, reason in EXEMPT.items() if node_id.startswith(beginning)), None)
