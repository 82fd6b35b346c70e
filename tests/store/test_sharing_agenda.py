"""Timers, and mail that is nobody's to take, where several runtimes share a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.records.agenda_effects import SetTimer
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import Bury, OwnerUnit, PostInput, Release, ReturnMail, SetDesired
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from tests.store.sharers import TTL, Clock, MemorySharers, Sharers, SqliteSharers
from tests.store.writing import HELLO, created, identity, new_input_id, reason, send

NOON: Final = 1_800_000_000_000
DONE: Final = Committed(CheckpointVersion(0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sharers(flavour: str, database: Path, clock: Clock) -> Iterator[Sharers]:
    made = MemorySharers(clock) if flavour == "memory" else SqliteSharers(clock, database)
    yield made
    made.close()


def due(store: Store) -> tuple[tuple[str, ...], int | None]:
    look = store.due_timers(now_ms=NOON, after=None, limit=9)
    assert look.cursor is None
    return look.identities, look.next_due_ms


def told(store: Store) -> tuple[str, ...]:
    news = store.look_around()
    assert not news.is_lost
    return news.work


def returning(store: Store, owner: int, name: str, *, answer: PostInput | None = None) -> OwnerUnit:
    """The mail of one recipient that nobody can take."""
    found = store.undeliverable_mail(identity(name), absent_before_ms=0, limit=9)
    why = Abandoned(AbandonReason.DESTROYED, "nobody is there")
    effects = tuple(ReturnMail(each.mail.sequence, identity(name), why, 0, answer) for each in found)
    return OwnerUnit(OwnerFence(owner), effects)


def test_timers_are_due_for_whoever_holds_their_identity(sharers: Sharers) -> None:
    mine, other = sharers.open(), sharers.open()
    ann, ben = created(mine, "ann"), created(other, "ben")
    ann.must_commit(SetTimer("t", NOON, b"{}"), SetTimer("u", NOON + 1, b"{}"))
    ben.must_commit(SetTimer("t", NOON - 1, b"{}"), SetTimer("u", NOON + 2, b"{}"))
    assert (due(mine), due(other)) == ((("ann",), NOON + 1), (("ben",), NOON + 2))
    ben.must_commit(Release())
    assert (due(mine), due(other)) == ((("ben", "ann"), NOON + 1), (("ben",), NOON + 2))


def test_timers_of_who_died_are_due_for_everybody(sharers: Sharers, clock: Clock) -> None:
    mine, other = sharers.open(), sharers.open()
    created(other, "ben").must_commit(SetTimer("t", NOON, b"{}"))
    assert due(mine) == ((), None)
    other.close()
    clock.now += TTL // 2
    mine.look_around()
    assert due(mine) == (("ben",), None)


def test_mail_below_a_floor_is_no_news(sharers: Sharers) -> None:
    mine, other = sharers.open(), sharers.open()
    ann, ben = created(other, "ann"), created(mine, "ben")
    told(other)
    ben.must_commit(send("ann", 1))
    ann.must_commit(SetDesired(Desired.STOPPED))
    assert (told(other), other.identities_with_work()) == ((), ())
    ben.must_commit(send("ann", 2))
    assert (told(other), other.identities_with_work()) == (("ann",), ("ann",))


def test_any_of_them_returns_mail_and_whoever_holds_the_sender_learns_of_the_answer(sharers: Sharers) -> None:
    mine, other = sharers.open(), sharers.open()
    owner = mine.begin().incarnation
    ann, ben = created(other, "ann"), created(other, "ben")
    ben.must_commit(send("ann", 1, kind=InputKind.PEER_REQUEST))
    ann.must_commit(Bury())
    told(other)
    answer = PostInput(
        identity("ben"), new_input_id(), InputKind.PEER_RESPONSE_TERMINAL, HELLO, content_digest(HELLO), None
    )
    assert mine.post(returning(mine, owner, "ann", answer=answer)) == DONE
    assert other.undeliverable_mail(identity("ann"), absent_before_ms=0, limit=9) == ()
    assert told(other) == ("ben",)
    (heard,) = other.pending_mail(ben.fence.key, limit=9)
    assert heard.input_id == answer.input_id


def test_who_lost_its_lease_returns_nothing(sharers: Sharers, clock: Clock) -> None:
    mine, other = sharers.open(), sharers.open()
    owner = mine.begin().incarnation
    ann, ben = created(other, "ann"), created(other, "ben")
    created(mine, "cid")  # who holds nothing has nothing to lose, its lease neither
    ben.must_commit(send("ann", 1))
    ann.must_commit(Bury())
    late = returning(mine, owner, "ann")
    clock.now += TTL
    third = sharers.open()
    assert reason(mine.post(late)) is RefusalReason.STALE_OWNER
    assert len(third.undeliverable_mail(identity("ann"), absent_before_ms=0, limit=9)) == 1
