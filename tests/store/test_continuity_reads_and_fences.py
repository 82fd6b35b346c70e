"""The reference's list of conformance tests, by number: values, reads and fences (1 to 20).

8 to 11, where rows rot, and 40 to 51 are in ``sqlite/test_continuity_files.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import pytest

from meerkat_actors.errors import (
    FenceConflictError,
    InvalidValueError,
    RecordDeletedError,
    StaleCheckpointVersionError,
    StaleFencingTokenError,
    SupersededError,
)
from meerkat_actors.records.continuity import (
    ContinuityRecord,
    Ready,
    SessionDelta,
    Uninitialized,
    parse_session_id,
)
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    SessionId,
    parse_identity,
)
from meerkat_actors.store import ContinuityStore, Store
from tests.actors.faulty import FaultyStore
from tests.store.conftest import Restart
from tests.store.continuity_calling import ANN, BEN, Caller, caller, meanwhile, record, said, session, unchanged
from tests.store.looking import picture

NOBODY: Final = AgentIdentity("nobody")


def test_item_01_one_entry_for_each_identity_and_unknown_ones_are_said_to_be(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    states = a.facade.resolve_many(identities=[NOBODY, ANN])
    assert list(states) == [NOBODY, ANN]
    assert isinstance(states[ANN], Ready)
    assert states[NOBODY] == Uninitialized(fencing_token=None, generation_floor=None)


def test_item_02_the_same_one_twice_is_one_entry_and_nothing_asked_is_nothing_told(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    assert list(a.facade.resolve_many(identities=[ANN, BEN, ANN])) == [ANN, BEN]
    assert a.facade.resolve_many(identities=()) == {}


def test_item_03_what_is_created_is_ready_with_the_same_values(store: Store) -> None:
    a = caller(store, 6)
    wanted = record(3, number=4, identity=BEN)
    assert a.upsert(wanted) == wanted
    assert a.state(BEN) == Ready(record=wanted, fencing_token=FencingToken(6), generation_floor=Generation(3))


def test_item_04_a_record_before_its_first_snapshot_is_ready(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    assert a.head() == (1, 0, 0)
    assert a.text() is None


def test_item_05_counters_go_up_to_their_end(store: Store) -> None:
    a = caller(store, COUNTER_MAX)
    a.upsert(record(COUNTER_MAX, number=1))
    a.save(COUNTER_MAX, record(COUNTER_MAX, number=1))
    assert a.head() == (COUNTER_MAX,) * 3
    assert a.text(1) == f"v{COUNTER_MAX}"
    caller(store, 1).upsert(record(0, number=2, identity=BEN))
    assert a.head(BEN) == (1, 0, 0)


@pytest.mark.parametrize("number", [2**63, -1, True, 1.0, "1"])
def test_item_05_a_counter_beyond_its_end_is_refused_before_the_store_is_asked(store: Store, number: object) -> None:
    faulty = FaultyStore(store)

    def never(*_: object) -> None:
        pytest.fail("it was read")

    faulty.before_read = never
    wrong = cast("Any", number)
    with pytest.raises(InvalidValueError, match="use an int from"):
        caller(faulty, wrong).save(1)
    with pytest.raises(InvalidValueError, match="use an int from"):
        caller(faulty, 1).save(wrong)
    with pytest.raises(InvalidValueError, match="use an int from"):
        record(wrong, number=1)
    with pytest.raises(InvalidValueError, match="use an int from"):
        caller(faulty, 0).delete()


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a\u00a0b", "a\u001cb", "/", "a/", "a/b/c", "a\0", "x" * 161, "rt:x:0", "mob:x", "caf\u00e9", "*"],
)
def test_item_06_what_is_no_identity_is_refused(store: Store, name: str) -> None:
    """Changed on purpose: one ``/`` is legal (a mob's member), and ``mk--`` is not reserved: nothing here mints it.

    Only ASCII is legal, so no two spellings look alike.
    """
    with pytest.raises(InvalidValueError):
        caller(store, 1).state(name)
    with pytest.raises(InvalidValueError):
        caller(store, 1).delete(name)
    with pytest.raises(InvalidValueError):
        record(identity=name)


def test_item_06_a_member_of_a_mob_is_an_identity(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record(identity="team/lead"))
    assert a.head("team/lead") == (1, 0, 0)


@pytest.mark.parametrize("text", ["", "s", "0" * 32, "{00000000-0000-7000-8000-000000000000}", 7, None])
def test_item_07_what_is_no_session_id_is_refused(store: Store, text: object) -> None:
    with pytest.raises(InvalidValueError, match="no session id"):
        caller(store, 1).facade.load_session_snapshot(session_id=cast("Any", text))
    with pytest.raises(InvalidValueError, match="no session id"):
        ContinuityRecord(identity=ANN, session_id=cast("Any", text), generation=Generation(0))


def test_item_07_a_session_id_is_kept_in_lower_case(store: Store) -> None:
    upper = SessionId(str(session(0)).upper().replace("5E55", "5E5F"))
    a = caller(store, 1)
    a.upsert(ContinuityRecord(identity=ANN, session_id=upper, generation=Generation(0)))
    a.facade.save_session_snapshot(
        identity=ANN,
        session_id=upper,
        generation=Generation(0),
        version=CheckpointVersion(1),
        fencing_token=FencingToken(1),
        snapshot=said("v1"),
    )
    assert a.ready().record.session_id == upper.lower() == parse_session_id(upper)
    assert a.facade.load_session_snapshot(session_id=parse_session_id(upper)) == said("v1")


def test_item_12_fence_and_floor_are_told(store: Store) -> None:
    a = caller(store, 2)
    a.upsert(record())
    a.upsert(record(1))
    a.roll_back(record(1), record())
    assert (a.ready().fencing_token, a.ready().generation_floor) == (2, 1)
    a.delete()
    assert (a.gone().fencing_token, a.gone().generation_floor) == (2, 1)


def test_item_13_a_head_is_one_look(store: Store) -> None:
    """A reset that comes between two reads of a caller is seen by both or neither: there is only one read."""
    a, b = caller(store, 1), caller(store, 2)
    a.upsert(record())
    a.save(1)
    reads: list[str] = []
    faulty = FaultyStore(store)

    def note(name: str, _: object) -> None:
        reads.append(name)

    faulty.before_read = note
    head = caller(faulty, 1).facade.load_head(identity=ANN)
    assert reads == ["read_standings"]
    assert (head.state, head.snapshot) == (a.ready(), said("v1"))
    b.upsert(record(1))
    assert a.facade.load_head(identity=NOBODY).snapshot is None


def test_item_14_an_equal_token_is_accepted_a_higher_one_raises_a_lower_one_is_refused(store: Store) -> None:
    a = caller(store, 5)
    a.upsert(record())
    a.save(1)
    assert a.head()[0] == 5
    a.at(8).save(2)
    assert a.head()[0] == 8
    with pytest.raises(StaleFencingTokenError) as caught:
        a.save(3)
    assert (caught.value.identity, caught.value.presented, caught.value.current) == (ANN, 5, 8)


REFUSED: Final[dict[str, Callable[[Caller], object]]] = {
    "a stale token": lambda a: a.at(1).save(9),
    "a stale version, under a higher token": lambda a: a.at(9).save(1),
    "another session": lambda a: a.at(9).save(9, record(0, number=3)),
    "another generation": lambda a: a.at(9).save(9, record(4)),
    "a generation that is not the next": lambda a: a.at(9).upsert(record(4)),
    "a bound session": lambda a: a.at(9).upsert(record(1, number=0)),
    "a rollback to what was not": lambda a: a.roll_back(record(), record(3)),
    "a stale deletion": lambda a: a.at(1).delete(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_item_15_what_is_refused_changes_nothing(store: Store, what: str) -> None:
    a = caller(store, 5)
    a.upsert(record())
    a.save(2)
    before = picture(store, ANN)
    with unchanged(store), pytest.raises(Exception, match=ANN):
        REFUSED[what](a)
    assert picture(store, ANN) == before
    a.save(3)


def test_item_16_a_save_under_a_higher_token_fences_out_the_one_before(store: Store) -> None:
    old, new = caller(store, 5), caller(store, 6)
    old.upsert(record())
    new.save(1)
    with pytest.raises(StaleFencingTokenError):
        old.save(2)


def test_item_17_the_fence_survives_a_restart(store: Store, restart: Restart) -> None:
    caller(store, 5, "a").upsert(record())
    again = restart(False)
    again.begin()
    with pytest.raises(StaleFencingTokenError):
        caller(again, 4).save(1)
    with pytest.raises(FenceConflictError):
        caller(again, 5).save(1)
    caller(again, 5, "a").save(1)  # it says who it is


def test_item_18_the_fence_survives_a_deletion(store: Store) -> None:
    caller(store, 5).upsert(record())
    caller(store, 6).delete()
    for attempt in (lambda: caller(store, 5).upsert(record(1)), lambda: caller(store, 5).delete()):
        with pytest.raises(StaleFencingTokenError):
            cast("Any", attempt)()
    caller(store, 9).delete()  # a higher token is remembered, though there is nothing to delete
    with pytest.raises(StaleFencingTokenError):
        caller(store, 8).upsert(record(1))
    caller(store, 10).upsert(record(1))


def test_item_19_the_same_token_of_another_holder_is_a_conflict(store: Store) -> None:
    one, other = caller(store, 5, "one"), caller(store, 5, "other")
    one.upsert(record())
    with pytest.raises(FenceConflictError) as caught:
        other.save(1)
    assert (caught.value.presented, caught.value.current) == ("other (token 5)", "one (token 5)")
    caller(store, 5, "one").save(1)


@pytest.mark.parametrize("name", ["", "\n", "x" * 257, 7])
def test_item_19_a_holder_has_a_name(store: Store, name: object) -> None:
    with pytest.raises(InvalidValueError, match="holder"):
        ContinuityStore(store, holder=cast("Any", name))


def test_item_20_token_tombstone_generation_session_version_in_this_order(store: Store) -> None:
    a = caller(store, 5)
    a.upsert(record())
    a.save(4)
    wrong = {
        StaleFencingTokenError: (2, record(0, number=3), 1),
        SupersededError: (5, record(0, number=3), 1),
        StaleCheckpointVersionError: (5, record(), 1),
    }
    for error, (token, of, version) in wrong.items():
        with pytest.raises(error):
            a.at(token).save(version, of)
    a.upsert(record(1))
    with pytest.raises(SupersededError, match="0 was superseded by 1"):
        a.save(1, record(0, number=3))
    a.delete()
    with pytest.raises(StaleFencingTokenError):
        a.at(4).save(1, record(0, number=3))
    with pytest.raises(RecordDeletedError):
        a.save(1, record(0, number=3))


def test_item_20_who_is_overtaken_is_told_the_strongest_reason(store: Store) -> None:
    b = caller(store, 9)
    caller(store, 5).upsert(record())
    late = caller(meanwhile(store, lambda: b.upsert(record(1))), 6)
    with pytest.raises(StaleFencingTokenError):
        late.save(1)


def test_a_record_and_a_delta_take_nothing_else() -> None:
    """Changed on purpose: a runtime id is made from identity and generation; the seed takes any text."""
    with pytest.raises(InvalidValueError, match="no runtime id of this record"):
        ContinuityRecord(
            identity=ANN, session_id=session(0), generation=Generation(1), agent_runtime_id=cast("Any", "rt:ann:0")
        )
    with pytest.raises(InvalidValueError):
        SessionDelta(session_snapshot=b"")
    assert SessionDelta(session_snapshot=b"1").session_snapshot == b"1"
    assert parse_identity(record().identity) == ANN
