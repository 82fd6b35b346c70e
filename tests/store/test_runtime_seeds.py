"""Every method of seeds 001 and 002, what it is called here, and the tests that hold it to its rules.

A row that loses its method or one of its tests fails; so does an item of the lists that no test names.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors import store
from meerkat_actors.machines.lifecycle import MachineLifecycleCommit
from meerkat_actors.records import continuity, input_states, machine_lifecycle, operations, run_boundary, transcripts
from meerkat_actors.store import RuntimeStore

METHODS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    # seed 001
    "auth_authority_key": ("auth_authority_key", ("test_the_authority_key_is_of_the_durable_store",)),
    "persist_auth_oauth_flow_snapshot": (
        "persist_auth_oauth_flow_snapshot",
        ("test_login_flows_are_kept_byte_for_byte", "test_what_a_store_declines_is_unsupported"),
    ),
    "load_auth_oauth_flow_snapshot": (
        "load_auth_oauth_flow_snapshot",
        ("test_login_flows_are_kept_byte_for_byte", "test_st03_what_is_missing_is_nothing_and_no_error"),
    ),
    "update_auth_oauth_flow_snapshot": (
        "update_auth_oauth_flow_snapshot",
        ("test_st25_an_updater_that_fails_leaves_what_was", "test_st25_a_superseded_updater_changes_nothing"),
    ),
    "commit_session_snapshot": (
        "commit_session_snapshot",
        ("test_st10_a_plain_snapshot_is_no_boundary", "test_st11_a_snapshot_that_does_not_follow_is_refused"),
    ),
    "commit_session_transcript_rewrite_snapshot": (
        "commit_session_transcript_rewrite_snapshot",
        ("test_st15_a_rewrite_of_another_parent_names_both_revisions",),
    ),
    "atomic_apply": (
        "atomic_apply",
        (
            "test_atomic_apply_roundtrip",
            "test_atomic_apply_updates_existing",
            "test_st04_a_duplicate_receipt_leaves_nothing_of_its_unit",
            "test_st08_a_session_key_that_is_not_the_snapshots_writes_nothing_and_makes_no_alias",
        ),
    ),
    "load_input_states": ("load_input_states", ("test_st23_inputs_load_in_the_order_of_their_admission",)),
    "load_boundary_receipt": ("load_boundary_receipt", ("test_st01_a_boundary_reads_back_whole",)),
    "load_session_snapshot": ("load_session_snapshot", ("test_load_session_snapshot_roundtrip",)),
    "clear_session_snapshot": ("clear_session_snapshot", ("test_st16_compare_and_swap_of_exact_bytes",)),
    "replace_session_snapshot_if_current": (
        "replace_session_snapshot_if_current",
        ("test_st16_compare_and_swap_of_exact_bytes",),
    ),
    "clear_session_snapshot_if_current": (
        "clear_session_snapshot_if_current",
        ("test_st16_compare_and_swap_of_exact_bytes",),
    ),
    "persist_input_state": (
        "persist_input_state",
        ("test_st02_a_second_write_of_an_input_updates_it", "test_st22_what_ended_is_final"),
    ),
    "load_input_state": ("load_input_state", ("test_persist_and_load_single_state",)),
    "load_machine_lifecycle_record": (
        "load_machine_lifecycle_record",
        ("test_st06_a_lifecycle_commit_keeps_both_parts",),
    ),
    "commit_machine_lifecycle": (
        "commit_machine_lifecycle",
        (
            "test_st06_a_lifecycle_commit_keeps_both_parts",
            "test_st07_a_lifecycle_commit_that_fails_keeps_neither_part",
            "test_a_lifecycle_commit_has_no_public_way",
        ),
    ),
    "persist_ops_lifecycle": (
        "persist_ops_lifecycle",
        ("test_operations_are_kept_byte_for_byte", "test_st26_a_late_write_to_a_retired_epoch_is_refused"),
    ),
    "load_ops_lifecycle": ("load_ops_lifecycle", ("test_operations_are_kept_byte_for_byte",)),
    "delete_ops_lifecycle": ("delete_ops_lifecycle", ("test_operations_are_kept_byte_for_byte",)),
    "load_machine_lifecycle (function)": (
        "load_machine_lifecycle",
        ("test_st17_binding_facts_read_back", "test_st18_a_legacy_lifecycle_is_no_authority"),
    ),
    "load_runtime_state (function)": ("load_runtime_state", ("test_st18_a_legacy_lifecycle_is_no_authority",)),
    # seed 002, where it has more
    "commit_session_boundary": (
        "commit_session_boundary",
        (
            "test_commit_session_boundary_returns_authoritative_receipt",
            "test_st12_a_boundary_with_a_superseded_snapshot_is_refused_as_one",
            "test_st21_receipts_are_dense_per_run_from_1_and_versions_over_all_runs",
        ),
    ),
    "persist_runtime_state": (
        "persist_runtime_state",
        ("test_st06_seed_002_says_the_state_and_the_machine_selects_it",),
    ),
    "load_runtime_state": ("load_runtime_state", ("test_st06_seed_002_says_the_state_and_the_machine_selects_it",)),
    "atomic_lifecycle_commit": (
        "atomic_lifecycle_commit",
        ("test_st06_seed_002_says_the_state_and_the_machine_selects_it",),
    ),
}

PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "atomic_apply": ("runtime_id", "session_delta", "receipt", "input_updates", "session_store_key"),
    "commit_session_boundary": (
        "runtime_id",
        "session_delta",
        "run_id",
        "boundary",
        "contributing_input_ids",
        "input_updates",
    ),
    "commit_session_snapshot": ("runtime_id", "session_delta"),
    "commit_session_transcript_rewrite_snapshot": ("runtime_id", "session_delta", "commit"),
    "replace_session_snapshot_if_current": ("runtime_id", "expected_current", "replacement"),
    "clear_session_snapshot_if_current": ("runtime_id", "expected_current"),
    "persist_input_state": ("runtime_id", "state"),
    "load_input_state": ("runtime_id", "input_id"),
    "load_boundary_receipt": ("runtime_id", "run_id", "sequence"),
    "commit_machine_lifecycle": ("runtime_id", "commit", "input_states"),
    "atomic_lifecycle_commit": ("runtime_id", "runtime_state", "input_states"),
    "persist_runtime_state": ("runtime_id", "state"),
    "persist_ops_lifecycle": ("runtime_id", "snapshot"),
    "persist_auth_oauth_flow_snapshot": ("snapshot_json",),
    "update_auth_oauth_flow_snapshot": ("update",),
}
"""The seeds' names of what is given."""

SEED_002_TESTS: Final = (
    "atomic_apply_roundtrip",
    "persist_and_load_single_state",
    "load_nonexistent_returns_none",
    "atomic_apply_updates_existing",
    "commit_session_boundary_returns_authoritative_receipt",
    "multiple_runtimes_isolated",
    "load_session_snapshot_roundtrip",
)


def names_of_tests() -> Iterator[str]:
    for path in Path(__file__).parent.rglob("test_runtime*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name


TESTS: Final = frozenset(names_of_tests())


@pytest.mark.parametrize("seed", METHODS)
def test_a_method_of_the_seeds_is_here_and_tested(seed: str) -> None:
    ours, tests = METHODS[seed]
    assert callable(getattr(RuntimeStore, ours))
    assert inspect.getdoc(getattr(RuntimeStore, ours))
    assert tests
    assert set(tests) <= TESTS


@pytest.mark.parametrize("method", PARAMETERS)
def test_a_method_takes_the_seeds_parameters_by_their_names(method: str) -> None:
    _, *given = inspect.signature(getattr(RuntimeStore, method)).parameters
    assert tuple(given) == PARAMETERS[method]


def test_every_public_method_is_a_row_of_the_table_or_ours() -> None:
    public = {name for name in vars(RuntimeStore) if not name.startswith("_")}
    assert public == {ours for ours, _ in METHODS.values()} | {"survey_input_states", "load_former_session_snapshot"}


def test_the_names_of_the_seeds_records_are_kept() -> None:
    kept = {
        run_boundary: ("RunBoundaryReceipt", "RunApplyBoundary"),
        input_states: ("InputStateRecord",),
        machine_lifecycle: ("MachineLifecycleBinding", "MachineLifecycleSnapshot"),
        operations: ("OpsSnapshot",),
        continuity: ("SessionDelta",),
        transcripts: ("TranscriptRewriteCommit",),
        store: ("RuntimeStore",),
    }
    assert [name for module, names in kept.items() for name in names if not hasattr(module, name)] == []
    assert MachineLifecycleCommit.__name__ == "MachineLifecycleCommit"


@pytest.mark.parametrize("name", SEED_002_TESTS)
def test_a_test_of_seed_002_is_here_by_its_name(name: str) -> None:
    assert f"test_{name}" in TESTS


@pytest.mark.parametrize("prefix", [f"test_st{number:02}_" for number in range(1, 30)])
def test_a_conformance_test_is_here_by_its_number(prefix: str) -> None:
    assert any(name.startswith(prefix) for name in TESTS)


@pytest.mark.parametrize("number", range(116, 126))
def test_a_storage_item_is_here_by_its_number(number: int) -> None:
    assert any(name.startswith(f"test_item_{number}_") for name in TESTS)
