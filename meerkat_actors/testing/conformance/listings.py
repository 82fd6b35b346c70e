"""Listings: paged, in order, and only of the identity that was asked for."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.ids import CheckpointVersion, Generation, InputId
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.writing import (
    body_of,
    created,
    digest_of,
    end,
    identity,
    insert,
    new_input_id,
    new_run_id,
    read,
    send,
    take,
)

ALICE: Final = identity("alice")


@check
def inputs_come_in_admission_order_from_either_end(store: Store) -> None:
    """Pages of inputs go up or down by admission number, from beyond a cursor, and hold no other identity's."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(insert(1))
    for admission in range(1, 8):
        alice.must_commit(insert(admission))

    def admissions(after: int | None, limit: int, *, newest_first: bool) -> list[int | None]:
        page = store.page_inputs(ALICE, after=after, limit=limit, newest_first=newest_first)
        return [row.admission for row in page]

    assert admissions(None, 3, newest_first=False) == [1, 2, 3]
    assert admissions(3, 3, newest_first=False) == [4, 5, 6]
    assert admissions(6, 3, newest_first=False) == [7]
    assert admissions(7, 3, newest_first=False) == []
    assert admissions(None, 3, newest_first=True) == [7, 6, 5]
    assert admissions(5, 3, newest_first=True) == [4, 3, 2]
    assert admissions(2, 3, newest_first=True) == [1]
    assert admissions(1, 3, newest_first=True) == []
    assert admissions(None, 0, newest_first=True) == admissions(None, -1, newest_first=False) == []


@check
def taken_mail_is_listed_where_it_was_admitted(store: Store) -> None:
    """The place of mail among the inputs is its admission's, not the one of when it was sent."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    alice.must_commit(insert(1))
    (mail,) = store.pending_mail(alice.fence.key, limit=1)
    alice.must_commit(take(mail, 2))
    rows = store.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    assert [(row.admission, row.sender) for row in rows] == [(1, None), (2, "bob")]
    assert rows[0].sequence > rows[1].sequence  # sent before, admitted after


@check
def boundaries_come_newest_first_and_point_to_the_one_before(store: Store) -> None:
    """``previous`` leads from each boundary to the one before it, and is 0 at the first."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for _ in range(5):
        alice.must_commit(alice.boundary())
        bob.must_commit(bob.boundary())

    rows = store.page_turns(ALICE, before=None, limit=9)
    assert [row.body for row in rows] == [body_of(version) for version in (5, 4, 3, 2, 1)]
    assert {(row.identity, row.generation) for row in rows} == {("alice", 0)}
    assert [(row.version, row.digest) for row in rows] == [(version, digest_of(version)) for version in (5, 4, 3, 2, 1)]
    assert len({row.run_id for row in rows}) == 5
    assert [row.previous for row in rows] == [*(row.sequence for row in rows[1:]), 0]

    pages: list[bytes] = []
    before: int | None = None
    while before != 0:
        page = store.page_turns(ALICE, before=before, limit=2)
        pages.extend(row.body for row in page)
        assert len(pages) <= len(rows)
        before = page[-1].previous
    assert pages == [row.body for row in rows]


@check
def boundaries_of_another_identity_are_not_reached(store: Store) -> None:
    """A cursor that is another's, or nobody's, leads to nothing."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(alice.boundary())
    bob.must_commit(bob.boundary())
    (row,) = store.page_turns(ALICE, before=None, limit=9)
    assert store.page_turns(identity("bob"), before=row.sequence, limit=9) == ()
    assert store.page_turns(ALICE, before=row.sequence + 1_000, limit=9) == ()
    assert store.page_turns(ALICE, before=None, limit=0) == store.page_turns(ALICE, before=None, limit=-1) == ()


@check
def identities_come_in_the_order_of_their_names(store: Store) -> None:
    """Identities come by the code points of their names, existing ones only, from beyond a name that need not exist."""
    for name in ("mob/b", "mob/a", "Zoe", "alice"):
        created(store, name, kind=f"kind-{name[0]}")
    created(store, "sender").must_commit(send("mentioned-only", 1))
    rows = store.page_identities(after=None, limit=9)
    assert [row.identity for row in rows] == ["Zoe", "alice", "mob/a", "mob/b", "sender"]
    assert rows[1] == IdentityRow(
        identity=ALICE,
        kind="kind-a",
        generation=Generation(0),
        version=CheckpointVersion(0),
        message_count=0,
    )
    assert store.page_identities(after=identity("alice"), limit=2) == rows[2:4]
    assert store.page_identities(after=identity("zzz"), limit=2) == ()
    assert store.page_identities(after=None, limit=0) == store.page_identities(after=None, limit=-1) == ()


@check
def work_is_an_open_input_or_mail(store: Store) -> None:
    """Identities have work until the last open input ended and the last mail was taken."""
    queued, staged, mailed, idle = (created(store, name) for name in ("queued", "staged", "mailed", "idle"))
    run = new_run_id()
    queued.must_commit(insert(1))
    staged.must_commit(insert(1, run=run))
    idle.must_commit(send("mailed", 1), idle.boundary())
    assert store.identities_with_work() == ("mailed", "queued", "staged")
    staged.must_commit(end(1, run), staged.boundary(run))
    (mail,) = store.pending_mail(mailed.fence.key, limit=1)
    mailed.must_commit(take(mail, 1, run))
    mailed.must_commit(end(1, run), mailed.boundary(run))
    assert store.identities_with_work() == ("queued",)


@check
def what_is_unknown_is_empty(store: Store) -> None:
    """Asking about nobody, or for what nobody has, is no error."""
    nobody = identity("nobody")
    assert store.find_input(nobody, new_input_id()) is None
    assert store.page_inputs(nobody, after=None, limit=9, newest_first=True) == ()
    assert store.page_turns(nobody, before=None, limit=9) == ()
    assert store.page_turns(nobody, before=1, limit=9) == ()
    assert read(store, "nobody").head is None


@check_each({"empty": "", "no uuid": "no uuid"})
def an_id_that_is_no_uuid_is_unknown(store: Store, text: str) -> None:
    """Text that could never be an input id is looked for and not found."""
    created(store, "alice").must_commit(insert(1))
    assert store.find_input(ALICE, InputId(text)) is None


@check
def reading_an_unknown_name_gives_it_no_row(store: Store) -> None:
    """Reads write nothing: each activation of a name without a row mints another key."""
    assert read(store, "nobody").key != read(store, "nobody").key
    assert store.page_identities(after=None, limit=9) == ()
