"""The facades of a runtime are their synchronous ones: every method, its parameters, its answers and its refusals."""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from attrs import evolve

from meerkat_actors import AsyncContinuityStore, AsyncRuntimeStore
from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.errors import InvalidValueError, StaleFencingTokenError
from meerkat_actors.machines.lifecycle import select_lifecycle
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import ContinuityStore, MemoryStore, RuntimeStore, Store, open_sqlite
from tests.store import test_continuity_seed, test_runtime_seeds
from tests.store.continuity_calling import ANN, BEN, record, said, session
from tests.store.runtime_writing import RUN, SYSTEM, delta, input_id, queued, receipt, rewrite, staged
from tests.store.runtime_writing import said as told
from tests.store.runtime_writing import session as document
from tests.store.writing import uuid_of

TWINS: Final[Mapping[type, type]] = {AsyncContinuityStore: ContinuityStore, AsyncRuntimeStore: RuntimeStore}
METHODS: Final = [
    (twin, name) for twin, original in TWINS.items() for name in vars(original) if not name.startswith("_")
]
PATIENCE: Final = 30.0
"""Seconds that no test here needs."""

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
Opened = Callable[[], Store]


def call(method: str, *given: object, **named: object) -> Call:
    return method, given, named


@asynccontextmanager
async def served(
    store: Store, agents: Mapping[str, AgentFunction] | None = None, limits: Limits | None = None
) -> AsyncGenerator[Runtime, None]:
    """A runtime in real time, as a file needs it."""
    with trio.fail_after(PATIENCE):
        async with open_runtime(store, agents=agents, limits=limits, observers=()) as runtime:
            yield runtime


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens one and the same store, each time anew."""
    memory = MemoryStore()
    if request.param == "memory":
        return lambda: memory
    return lambda: open_sqlite(tmp_path / "team.db", synchronous="normal")


def more(before: bytes | None) -> bytes:
    return (before or b"none") + b"+"


CONTINUITY: Final[Sequence[Call]] = (
    call("resolve_many", identities=[ANN, BEN]),
    call("load_head", identity=ANN),
    call("advance_fence", identity=ANN),
    call("upsert_continuity_record", record=record(), fencing_token=5),
    call("upsert_continuity_record", record=record(), fencing_token=4),
    call("upsert_continuity_record", record=None, fencing_token=5),
    *(
        call(
            "save_session_snapshot",
            identity=ANN,
            session_id=session(0),
            generation=0,
            version=version,
            fencing_token=5,
            snapshot=said(f"v{version}"),
        )
        for version in (3, 4, 4)
    ),
    call("load_head", identity=ANN),
    call("load_session_snapshot", session_id=session(0)),
    call("load_session_snapshot", session_id=session(0), back=1),
    call("load_session_snapshot", session_id="no session"),
    call("advance_fence", identity=ANN),
    call("upsert_continuity_record", record=record(1), fencing_token=6),
    call("resolve_many", identities=[ANN]),
    call("rollback_continuity_record", attempt=record(1), previous=record(version=4), fencing_token=5),
    call("rollback_continuity_record", attempt=record(1), previous=record(version=4), fencing_token=6),
    call("load_head", identity=ANN),
    *(
        call(
            "delete_session_snapshot_if_current_revision",
            identity=ANN,
            session_id=session(0),
            fencing_token=6,
            expected_current_revision=said(text).revision,
        )
        for text in ("v3", "v4")
    ),
    call("resolve_many", identities=[ANN]),
    call("delete_continuity_record", identity=ANN, fencing_token=6),
    call("upsert_continuity_record", record=record(), fencing_token=7),
    call("resolve_many", identities=[ANN]),
)

OPERATIONS: Final = OpsSnapshot(epoch_id=uuid_of(0xE1), body=b"ops")
COMMIT: Final = select_lifecycle(None, RuntimeState.IDLE)
SHORTENED: Final = rewrite([SYSTEM, *told("a", "b")], [SYSTEM, *told("b")], 1, 2)

RUNTIME: Final[Sequence[Call]] = (
    call("load_session_snapshot", "lead"),
    call("load_runtime_state", "lead"),
    call("commit_session_snapshot", "lead", delta(SYSTEM)),
    call("persist_input_state", "lead", queued(1)),
    call("persist_input_state", "lead", queued(2)),
    call("persist_input_state", "a b", queued(3)),
    call("load_input_state", "lead", input_id(1)),
    call(
        "commit_session_boundary",
        "lead",
        delta(SYSTEM, *told("a")),
        RUN,
        RunApplyBoundary.RUN_START,
        [input_id(1)],
        [staged(1)],
    ),
    call("load_boundary_receipt", "lead", RUN, 1),
    call("atomic_apply", "lead", delta(SYSTEM, *told("a", "b")), receipt(2, input_id(2), count=3), [staged(2)], None),
    call("atomic_apply", "lead", None, receipt(2), [], None),
    call("load_boundary_receipt", "lead", RUN, 2),
    call("load_former_session_snapshot", "lead"),
    call(
        "commit_session_transcript_rewrite_snapshot",
        "lead",
        delta(SYSTEM, *told("b"), history=[SHORTENED]),
        SHORTENED,
    ),
    call("load_session_snapshot", "lead"),
    call("replace_session_snapshot_if_current", "lead", b"another", document(SYSTEM)),
    call(
        "replace_session_snapshot_if_current",
        "lead",
        document(SYSTEM, *told("b"), history=[SHORTENED]),
        document(SYSTEM),
    ),
    call("clear_session_snapshot_if_current", "lead", b"another"),
    call("clear_session_snapshot_if_current", "lead", document(SYSTEM)),
    call("clear_session_snapshot", "lead"),
    call("load_session_snapshot", "lead"),
    call("load_input_states", "lead"),
    call("survey_input_states", "lead"),
    call("commit_machine_lifecycle", "lead", COMMIT, [queued(4)]),
    call("commit_machine_lifecycle", "lead", COMMIT, []),
    call("load_machine_lifecycle_record", "lead"),
    call("load_machine_lifecycle", "lead"),
    call("load_runtime_state", "lead"),
    call("persist_runtime_state", "lead", RuntimeState.RETIRED),
    call("atomic_lifecycle_commit", "lead", RuntimeState.STOPPED, [queued(5)]),
    call("load_runtime_state", "lead"),
    call("persist_ops_lifecycle", "lead", OPERATIONS),
    call("load_ops_lifecycle", "lead"),
    call("delete_ops_lifecycle", "lead"),
    call("persist_ops_lifecycle", "lead", evolve(OPERATIONS, body=b"late")),
    call("load_ops_lifecycle", "lead"),
    call("persist_auth_oauth_flow_snapshot", b"flows"),
    call("update_auth_oauth_flow_snapshot", more),
    call("update_auth_oauth_flow_snapshot", str),
    call("update_auth_oauth_flow_snapshot", "no function"),
    call("load_auth_oauth_flow_snapshot"),
    call("auth_authority_key"),
    call("load_input_states", "lead"),
)


def attempted(facade: object, method: str, given: tuple[object, ...], named: Mapping[str, object]) -> object:
    """What a synchronous method answers; of an error, its type and what it says."""
    try:
        return getattr(facade, method)(*given, **named)
    except Exception as error:  # noqa: BLE001 - what it raised is the answer
        return type(error), _words(error)


async def awaited(facade: object, method: str, given: tuple[object, ...], named: Mapping[str, object]) -> object:
    """What its twin answers."""
    try:
        return await getattr(facade, method)(*given, **named)
    except Exception as error:  # noqa: BLE001 - what it raised is the answer
        return type(error), _words(error)


def _words(error: Exception) -> str:
    # A holder that nobody named has an id of its own.
    return " ".join(word for word in str(error).split() if word.count("-") < 4)


@pytest.mark.parametrize(("twin", "script"), [(AsyncContinuityStore, CONTINUITY), (AsyncRuntimeStore, RUNTIME)])
async def test_a_twin_answers_as_its_original_does(twin: type, script: Sequence[Call], opened: Opened) -> None:
    """Every method, over both stores, one history: the same answers and the same refusals, also after a restart."""
    assert {method for method, _, _ in script} == {name for of, name in METHODS if of is twin}
    original: Any = TWINS[twin](memory_that_serves())
    expected = [attempted(original, *each) for each in script]
    assert any(isinstance(answer, tuple) and answer[:1] == (InvalidValueError,) for answer in expected)
    async with served(opened()) as runtime:
        facade = facade_of(runtime, twin)
        answers = [await awaited(facade, *each) for each in script]
        key = await runtime.runtime_store.auth_authority_key()
    for each, answer, wanted in zip(script, answers, expected, strict=True):
        assert answer == (key if each[0] == "auth_authority_key" else wanted), each
    reads = [each for each in script if each[0].startswith(("load_", "resolve_", "survey_"))]
    last = [attempted(original, *each) for each in reads]
    async with served(opened()) as runtime:
        assert [await awaited(facade_of(runtime, twin), *each) for each in reads] == last


def memory_that_serves() -> Store:
    store = MemoryStore()
    store.begin()
    return store


def facade_of(runtime: Runtime, twin: type) -> AsyncContinuityStore | AsyncRuntimeStore:
    return runtime.continuity if twin is AsyncContinuityStore else runtime.runtime_store


async def test_the_authority_key_is_of_the_durable_store(opened: Opened, tmp_path: Path) -> None:
    store = opened()
    async with served(store) as runtime:
        key = await runtime.runtime_store.auth_authority_key()
    assert key == (None if isinstance(store, MemoryStore) else f"store:{tmp_path / 'team.db'}")


async def test_each_runtime_is_a_holder_of_its_own(opened: Opened) -> None:
    """Who comes back after a restart asks for the next token; the one from before is the former holder's."""
    async with served(opened()) as runtime:
        await runtime.continuity.upsert_continuity_record(**claimed(1))
    async with served(opened()) as runtime:
        assert (await awaited(runtime.continuity, *call("upsert_continuity_record", **claimed(1)))) != record()
        token = await runtime.continuity.advance_fence(identity=ANN)
        assert token == 2
        assert await runtime.continuity.upsert_continuity_record(**claimed(token)) == record()


async def test_a_runtime_that_was_claimed_elsewhere_is_refused(opened: Opened) -> None:
    async with served(opened()) as runtime:
        await runtime.runtime_store.persist_input_state("lead", queued(1))
        mine = await runtime.continuity.resolve_many(identities=[record(identity="lead").identity])
        (state,) = mine.values()
        await runtime.continuity.upsert_continuity_record(**claimed(9, getattr(state, "record")))  # noqa: B009 - Ready
        with pytest.raises(StaleFencingTokenError):
            await runtime.runtime_store.persist_input_state("lead", queued(2))
    async with served(opened()) as runtime:
        await runtime.runtime_store.persist_input_state("lead", queued(2))
        states = await runtime.runtime_store.load_input_states("lead")
        assert [(state.input_id, state.state) for state in states] == [
            (input_id(1), InputState.QUEUED),
            (input_id(2), InputState.QUEUED),
        ]


def claimed(token: int, wanted: object = None) -> dict[str, Any]:
    return {"record": record() if wanted is None else wanted, "fencing_token": token}


# -- traceability ---------------------------------------------------------------------------


@pytest.mark.parametrize(("twin", "name"), METHODS, ids=lambda value: getattr(value, "__name__", value))
def test_a_method_is_there_with_the_same_parameters_and_answer(twin: type, name: str) -> None:
    method, original = getattr(twin, name), getattr(TWINS[twin], name)
    assert inspect.iscoroutinefunction(method)
    assert not inspect.iscoroutinefunction(original)
    assert inspect.signature(method) == inspect.signature(original)
    described = inspect.getdoc(method) or ""
    assert f"See ``{TWINS[twin].__name__}.{name}``" in described
    assert "Cancelling the wait" in described


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_has_no_method_beside_those_of_its_original(twin: type) -> None:
    assert {name for name in dir(twin) if not name.startswith("_")} == {name for of, name in METHODS if of is twin}


def test_every_method_of_the_seeds_is_on_the_twins_by_its_parameters() -> None:
    for traced in test_continuity_seed.SEED.values():
        if traced.ours not in {"open_sqlite", "MemoryStore"}:
            parameters = inspect.signature(getattr(AsyncContinuityStore, traced.ours)).parameters
            assert set(parameters) - {"self"} == set(traced.parameters)
    for ours, _ in test_runtime_seeds.METHODS.values():
        assert callable(getattr(AsyncRuntimeStore, ours))
    for name, wanted in test_runtime_seeds.PARAMETERS.items():
        assert tuple(inspect.signature(getattr(AsyncRuntimeStore, name)).parameters)[1:] == wanted


def test_the_item_that_is_the_twins_has_its_test() -> None:
    tests = [
        node.name
        for path in Path(__file__).parent.glob("test_facades*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert any(name.startswith("test_item_49_") for name in tests)
