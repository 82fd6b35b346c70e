"""Units of the continuity facade: what one is, the order of its checks, and what it may do to whom."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from attrs import evolve

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import Claim, CreateIdentity, Effect, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    InputId,
    SessionId,
)
from meerkat_actors.records.standing import Authority, Standing
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import by_name, check, check_each
from meerkat_actors.testing.conformance.looking import documents, picture
from meerkat_actors.testing.conformance.writing import changed, created, insert, reason, uuid_of

ANN: Final = AgentIdentity("ann")
BEN: Final = AgentIdentity("triage:ben")
SESSIONS: Final = tuple(SessionId(uuid_of(0x5E55_0000 + number)) for number in range(8))


def standing_of(store: Store, name: AgentIdentity) -> Standing:
    """Where an identity stands whose rows are sound."""
    (standing,) = store.read_standings((name,), snapshots="unread")
    assert isinstance(standing, Standing)
    return standing


def anns(store: Store) -> Authority:
    """Ann's row."""
    authority = standing_of(store, ANN).authority
    assert authority is not None
    return authority


def head(store: Store) -> tuple[int, int, int]:
    """Ann's token, generation and version."""
    now = anns(store)
    return now.token, now.generation, now.version


def fence_of(store: Store) -> IdentityFence:
    """What Ann's owner believes who is right."""
    now = anns(store)
    return IdentityFence(ANN, standing_of(store, ANN).key, now.token, now.generation, now.version)


def save(version: int = 4, number: int = 0, data: bytes = b"x") -> SaveSnapshot:
    return SaveSnapshot(SESSIONS[number], CheckpointVersion(version), data, content_digest(data))


def hold(store: Store, name: AgentIdentity, number: int) -> IdentityFence:
    """Create an identity with a session, held by "a" under token 5. The fence of its next unit."""
    fence = IdentityFence(name, standing_of(store, name).key, FencingToken(5), Generation(0), CheckpointVersion(0))
    must_commit(store, fence, CreateRecord(SESSIONS[number]), Grant("a"))
    return fence


def ann_at_version_3(store: Store) -> None:
    """Ann has saved one document."""
    must_commit(store, hold(store, ANN, 0), save(3, data=b"v3"))


def must_commit(store: Store, fence: IdentityFence, *effects: Effect) -> None:
    (outcome,) = store.commit([Unit(fence, effects)])
    assert isinstance(outcome, Committed), outcome


def seen(store: Store) -> tuple[object, ...]:
    """All that readers can see of both, to compare before and after."""
    return picture(store, ANN, BEN), [documents(store, session) for session in SESSIONS]


BELIEFS: Final = MappingProxyType(
    {
        "key": RefusalReason.NOT_FOUND,
        "token": RefusalReason.STALE_FENCING_TOKEN,
        "generation": RefusalReason.STALE_GENERATION,
        "session": RefusalReason.SUPERSEDED_SESSION,
        "version": RefusalReason.STALE_CHECKPOINT_VERSION,
    }
)
"""What a facade's unit believes, strongest first, and why it is refused that is wrong in it."""


@check_each(by_name(*BELIEFS))
def the_strongest_wrong_belief_is_the_reason(store: Store, strongest: str) -> None:
    """The session comes after the generation and before the version, for whoever moves a facade's head."""
    ann_at_version_3(store)
    names = list(BELIEFS)
    wrong = names[names.index(strongest) :]
    fence = fence_of(store)
    fence = changed(fence, **{name: getattr(fence, name) + 5 for name in wrong if name != "session"})
    number = 3 if "session" in wrong else 0
    before = seen(store)
    for effect in (
        save(20, number),
        RebindSession(SESSIONS[number], SESSIONS[4]),
        BuryRecord(SESSIONS[number]),
    ):
        (outcome,) = store.commit([Unit(fence, (effect,))])
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (BELIEFS[strongest], -1)
    assert seen(store) == before


INPUT: Final = insert(1, input_id=InputId(uuid_of(0x1D)))
RESET: Final = ResetRecord(Generation(1), SESSIONS[1], is_reversible=True)
REBIND: Final = RebindSession(SESSIONS[0], SESSIONS[1])

ILL_FORMED: Final = MappingProxyType[str, tuple[Effect, ...]](
    {
        "of both worlds": (save(), INPUT),
        "of both worlds, the other way round": (INPUT, save()),
        "two saves": (save(4), save(5)),
        "two moves": (save(), RESET),
        "a creation that moves": (CreateRecord(SESSIONS[1]), save()),
        "two beginnings": (Claim(FencingToken(1)), Exhume(FencingToken(1)), BuryRecord(SESSIONS[0])),
        "a lift that leaves it as it was": (Exhume(FencingToken(1)), Grant("a")),
        "a lift from itself": (Exhume(FencingToken(5)), BuryRecord(SESSIONS[0])),
        "a lift that could be undone": (Exhume(FencingToken(1)), RESET),
        "a creation at a version": (CreateRecord(SESSIONS[1]), Grant("a")),
        "a creation of both kinds": (CreateIdentity("a", SESSIONS[1]), CreateRecord(SESSIONS[2])),
        "no session": (CreateRecord(SessionId("s")),),
        "a session of no hexadecimal digits": (RebindSession(SESSIONS[0], SessionId("z" * 36)),),
        "no holder": (Grant(""),),
        "a holder that is too long": (Grant("x" * 257),),
        "a holder that is no text": (Grant("\ud800"),),
        "a version that is stored": (save(3),),
        "a version beyond the end": (changed(save(), version=2**63),),
        "a version that is a bool": (changed(save(), version=True),),
        "an empty document": (save(data=b""),),
        "a document that is text": (changed(save(), data="x"),),
        "a digest of another length": (changed(save(), digest=b"x"),),
        "a drop with a digest of another length": (DropSnapshots(SESSIONS[0], b"x"),),
        "a rebind to itself": (changed(REBIND, session_id=SESSIONS[0]),),
        "a rebind from no session": (changed(REBIND, previous=""),),
        "a reset to itself": (changed(RESET, generation=0),),
        "a reset beyond the end": (changed(RESET, generation=2**63),),
        "a rollback forwards": (RollBackRecord(SESSIONS[0], Generation(1), SESSIONS[1], CheckpointVersion(0)),),
        "a rollback to no version": (RollBackRecord(SESSIONS[0], Generation(0), SESSIONS[1], CheckpointVersion(-1)),),
        "a burial of no session": (BuryRecord(SessionId("")),),
    }
)
"""Units that are none."""


@check_each(ILL_FORMED)
def a_unit_that_is_no_unit_is_out_of_range(store: Store, effects: tuple[Effect, ...]) -> None:
    """A facade's unit begins at most once, moves at most once, and mixes with no effect of the runtime's."""
    ann_at_version_3(store)
    before = seen(store)
    (outcome,) = store.commit([Unit(fence_of(store), effects)])
    assert reason(outcome) is RefusalReason.OUT_OF_RANGE
    assert seen(store) == before


@check
def units_of_facade_and_runtime_commit_together(store: Store) -> None:
    """A batch may hold units of the facade and of the runtime."""
    ann_at_version_3(store)
    worker, other = created(store, "worker"), created(store, "other")
    outcomes = store.commit(
        [
            worker.unit(insert(1)),
            Unit(fence_of(store), (save(),)),
            other.forged(version=3).unit(insert(1)),
            other.unit(insert(1)),
        ]
    )
    assert outcomes[:2] == [Committed(CheckpointVersion(0)), Committed(CheckpointVersion(4))]
    assert [type(outcome) for outcome in outcomes[2:]] == [Refused, Committed]
    assert head(store) == (5, 0, 4)
    assert [row.data for row in store.read_snapshots(SESSIONS[0], limit=1)] == [b"x"]


@check
def two_units_of_one_identity_in_a_batch_follow_each_other(store: Store) -> None:
    """Of two units of one identity the second must know the version that the first made."""
    ann_at_version_3(store)
    fence = fence_of(store)
    later = evolve(fence, version=CheckpointVersion(4))
    outcomes = store.commit([Unit(fence, (save(4),)), Unit(fence, (save(5),)), Unit(later, (save(6),))])
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
    assert head(store) == (5, 0, 6)


@check
def a_session_is_bound_once_though_two_want_it_at_once(store: Store) -> None:
    """Of two units of a batch that bind the same session the second is refused."""
    ann_at_version_3(store)
    bens = hold(store, BEN, 1)
    outcomes = store.commit(
        [
            Unit(fence_of(store), (RebindSession(SESSIONS[0], SESSIONS[7]),)),
            Unit(bens, (RebindSession(SESSIONS[1], SESSIONS[7]),)),
        ]
    )
    assert isinstance(outcomes[0], Committed)
    assert reason(outcomes[1]) is RefusalReason.SESSION_BOUND


REFUSED: Final = MappingProxyType[str, tuple[Effect, RefusalReason]](
    {
        "a drop by another digest": (DropSnapshots(SESSIONS[0], bytes(32)), RefusalReason.REVISION_CONFLICT),
        "a drop of no document": (
            DropSnapshots(SESSIONS[5], content_digest(b"v3")),
            RefusalReason.REVISION_CONFLICT,
        ),
        "a drop of another's document": (
            DropSnapshots(SESSIONS[1], content_digest(b"v1")),
            RefusalReason.REVISION_CONFLICT,
        ),
        "a rebind to another's session": (RebindSession(SESSIONS[0], SESSIONS[1]), RefusalReason.SESSION_BOUND),
        "a reset to the same session": (evolve(RESET, session_id=SESSIONS[0]), RefusalReason.SESSION_BOUND),
        "a reset to another's session": (RESET, RefusalReason.SESSION_BOUND),
        "a reset that skips a generation": (
            ResetRecord(Generation(2), SESSIONS[2], is_reversible=True),
            RefusalReason.GENERATION_CONFLICT,
        ),
        "a creation at a version": (CreateRecord(SESSIONS[2]), RefusalReason.OUT_OF_RANGE),
    }
)


@check_each(REFUSED)
def an_effect_that_can_not_be_is_refused_by_its_place(store: Store, refused: tuple[Effect, RefusalReason]) -> None:
    """The refusal names the effect's index, and the claim beside it is undone."""
    effect, why = refused
    ann_at_version_3(store)
    must_commit(store, hold(store, BEN, 1), save(1, 1, b"v1"))
    before = seen(store)
    claimed = evolve(fence_of(store), token=FencingToken(6))
    (outcome,) = store.commit([Unit(claimed, (effect, Claim(FencingToken(5)), Grant("b")))])
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (why, 0)
    assert seen(store) == before


@check
def a_rollback_goes_to_what_was_and_to_nothing_else(store: Store) -> None:
    """Generation, session and version must be those before the last reset; all three return."""
    ann_at_version_3(store)
    must_commit(store, fence_of(store), RESET)
    assert head(store) == (5, 1, 0)
    for wrong in (
        RollBackRecord(SESSIONS[1], Generation(0), SESSIONS[0], CheckpointVersion(2)),
        RollBackRecord(SESSIONS[1], Generation(0), SESSIONS[4], CheckpointVersion(3)),
    ):
        (outcome,) = store.commit([Unit(fence_of(store), (wrong,))])
        assert reason(outcome) is RefusalReason.GENERATION_CONFLICT
    right = RollBackRecord(SESSIONS[1], Generation(0), SESSIONS[0], CheckpointVersion(3))
    assert store.commit([Unit(fence_of(store), (right,))]) == [Committed(CheckpointVersion(3))]
    assert head(store) == (5, 0, 3)


@check
def what_is_not_dead_is_not_lifted(store: Store) -> None:
    """Lifting a tombstone where there is none is refused."""
    ann_at_version_3(store)
    fence = evolve(fence_of(store), token=FencingToken(6))
    unit = Unit(fence, (Exhume(FencingToken(5)), Grant("a"), BuryRecord(SESSIONS[0])))
    (outcome,) = store.commit([unit])
    assert reason(outcome) is RefusalReason.GENERATION_CONFLICT
