"""What a unit may hold at all: every counter in its range, every text storable, nothing that contradicts itself."""

from __future__ import annotations

from itertools import product
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    ResolveStep,
    SendMail,
    SetConfig,
    SettleLetter,
    TakeMail,
)
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AdmissionSequence,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import Lane
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import by_name, check, check_each
from meerkat_actors.testing.conformance.writing import (
    changed,
    charge,
    created,
    end,
    insert,
    new_run_id,
    read,
    reason,
    send,
    stage,
    step,
    unborn,
)

BEYOND: Final = (-1, COUNTER_MAX + 1, True)
"""What is no counter."""
RUN: Final = RunId("00000000-0000-7000-8000-000000000001")
SESSION: Final = SessionId("00000000-0000-7000-8000-000000000002")
INPUT: Final = insert(1, input_id=InputId("00000000-0000-7000-8000-000000000003"))
MAIL: Final = send("bob", 1, input_id=INPUT.input_id)
CREATION: Final = CreateIdentity("worker", SESSION)
BOUNDARY: Final = AppendTurn(RUN, CheckpointVersion(1), bytes(32), 1, 0, b"{}", sets_state=False)

Field = tuple[str, int]
"""Of a record, and what it is set to."""


def fields(*names: str) -> dict[str, Field]:
    """Each of these beyond its range in each way, by a name."""
    return {f"{name} {number}": (name, number) for name, number in product(names, BEYOND)}


@check_each(fields("key", "token", "generation", "version"))
def a_fence_out_of_range_is_refused_before_anything_is_read(store: Store, field: Field) -> None:
    """Counters of a fence are integers (no bool) from 0 or 1 to 2^63-1, whether or not the identity exists."""
    name, number = field
    nobody = unborn(store, "nobody")
    outcome = nobody.forged(**{name: number}).commit(insert(1))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, -1)


COUNTED: Final[tuple[tuple[Effect, tuple[str, ...]], ...]] = (
    (INPUT, ("admission", "policy")),
    (SetConfig(1, b"{}"), ("version",)),
    (TakeMail(1, IdentityKey(1), AdmissionSequence(1), None), ("sequence", "sender_key", "admission", "policy")),
    (stage(1, RUN), ("admission", "position")),
    (charge(1, RUN), ("admission", "attempts", "interruptions", "not_before_ms")),
    (EndInput(AdmissionSequence(1), RUN, None), ("admission",)),
    (SettleLetter(AdmissionSequence(1)), ("admission",)),
    (step(1, RUN), ("admission", "nth")),
    (ResolveStep(RUN, "pay", 1, None), ("nth",)),
    (MAIL, ("number",)),
)
"""The counters of each effect."""

OFF: Final = MappingProxyType(
    {
        f"{type(effect).__name__} {name}": (effect, field)
        for effect, names in COUNTED
        for name, field in fields(*names).items()
    }
)


@check_each(OFF)
def an_effect_out_of_range_is_refused_whoever_writes(store: Store, off: tuple[Effect, Field]) -> None:
    """Counters of effects are integers (no bool) from 0 or 1 to 2^63-1, and the refusal names the effect."""
    effect, (name, number) = off
    stranger = unborn(store, "nobody")
    unit = stranger.unit(insert(7), changed(effect, **{name: number}), stranger.boundary())
    (outcome,) = store.commit([unit])
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 1)


@check_each(fields("version", "message_count", "sends"))
def a_boundary_out_of_range_is_refused(store: Store, field: Field) -> None:
    """Counters of a boundary are integers (no bool) from 0 to 2^63-1."""
    name, number = field
    alice = created(store, "alice")
    boundary = changed(alice.boundary(), **{name: number})
    assert reason(alice.commit(boundary)) is RefusalReason.OUT_OF_RANGE


@check
def a_boundary_makes_the_next_version_and_no_other(store: Store) -> None:
    """A boundary's version is one above its fence's; at the end there is none."""
    alice = created(store, "alice")
    assert reason(alice.commit(changed(alice.boundary(), version=2))) is RefusalReason.OUT_OF_RANGE
    assert reason(alice.commit(changed(alice.boundary(), version=0))) is RefusalReason.OUT_OF_RANGE
    last = alice.forged(version=COUNTER_MAX)
    assert reason(last.commit(changed(alice.boundary(), version=COUNTER_MAX + 1))) is RefusalReason.OUT_OF_RANGE


ILL_FORMED: Final = MappingProxyType[str, tuple[Effect, ...]](
    {
        "two claims": (Claim(FencingToken(1)), Claim(FencingToken(1))),
        "a claim of what is created": (CREATION, Claim(FencingToken(1))),
        "two creations": (CREATION, CREATION),
        "two boundaries": (BOUNDARY, BOUNDARY),
        "consumed by no boundary": (changed(INPUT, run_id=RUN), end(1, RUN)),
        "a key that is no text": (changed(INPUT, idempotency_key="\ud800"),),
        "a step that is no text": (step(1, RUN, name="\udfff"),),
        "a kind that is no text": (CreateIdentity("\ud800", SESSION),),
        "a digest of another length": (changed(INPUT, digest=b"short"),),
        "mail with a digest of another length": (changed(MAIL, digest=b""),),
        "a boundary with a digest of another length": (changed(BOUNDARY, digest=bytes(31)),),
        "a lane that is none of ours": (changed(INPUT, lane=3),),
        "a lane that is only a number": (changed(INPUT, lane=1),),
        "consumed at once, for a run": (changed(INPUT, lane=Lane.NONE, run_id=RUN),),
        "taken for a run, and consumed at once": (
            TakeMail(1, IdentityKey(1), AdmissionSequence(1), RUN, 0, Lane.NONE),
        ),
        "a header that is text": (changed(INPUT, header="{}"),),
        "mail with a header that is text": (changed(MAIL, header="{}"),),
    }
)
"""Units that are none."""


@check_each(ILL_FORMED)
def a_unit_that_is_no_unit_is_out_of_range(store: Store, effects: tuple[Effect, ...]) -> None:
    """What could never commit together, or be stored at all, is refused before anything is tried."""
    alice = unborn(store, "alice")
    assert reason(alice.commit(*effects)) is RefusalReason.OUT_OF_RANGE
    assert read(store, "alice").head is None


@check_each(by_name("token", "generation", "version"))
def an_identity_is_created_at_the_beginning(store: Store, name: str) -> None:
    """A creating fence has token 1, generation 0 and version 0."""
    alice = unborn(store, "alice")
    late = alice.forged(**{name: 2})
    assert reason(late.commit(CreateIdentity("worker", alice.session_id))) is RefusalReason.OUT_OF_RANGE


@check
def units_out_of_range_leave_their_neighbours_alone(store: Store) -> None:
    """A unit out of range is refused alone: the others of its batch commit."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bad = alice.forged(token=0)
    outcomes = store.commit([bad.unit(insert(1)), bob.unit(insert(1)), bad.unit(insert(2)), alice.unit(insert(1))])
    assert [type(outcome) for outcome in outcomes] == [Refused, Committed, Refused, Committed]


@check
def the_largest_counters_are_stored(store: Store) -> None:
    """2^63-1 is in range, and comes back as it was."""
    alice = created(store, "alice")
    owner = alice.forged(token=COUNTER_MAX)
    run = new_run_id()
    big = InsertInput(AdmissionSequence(COUNTER_MAX), insert(1).input_id, insert(1).kind, b"1", bytes(32), None, run)
    owner.must_commit(Claim(FencingToken(1)), big, changed(owner.boundary(), message_count=COUNTER_MAX))
    owner.must_commit(
        ChargeRun(AdmissionSequence(COUNTER_MAX), run, COUNTER_MAX, COUNTER_MAX, COUNTER_MAX),
        RecordStep(AdmissionSequence(COUNTER_MAX), run, "s", COUNTER_MAX, b"", b"1"),
        SendMail(alice.fence.identity, insert(1).input_id, insert(1).kind, b"1", bytes(32), COUNTER_MAX),
    )
    assert reason(owner.forged(generation=Generation(1)).commit()) is RefusalReason.STALE_GENERATION
    (page,) = store.page_inputs(alice.fence.identity, after=None, limit=5, newest_first=True)
    assert (page.admission, page.attempts, page.interruptions, page.not_before_ms) == (COUNTER_MAX,) * 4
