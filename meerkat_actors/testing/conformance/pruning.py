"""Pruning: only content goes, and whoever asks is answered as before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from types import MappingProxyType
from typing import Final

from attrs import evolve

from meerkat_actors.records.continuity_effects import ResetRecord
from meerkat_actors.records.ids import Generation, InputId
from meerkat_actors.records.inputs import InputRow, InputState
from meerkat_actors.records.pruning import (
    PRUNE_BEGIN,
    Forgotten,
    PruneCursor,
    PrunePolicy,
    PruneReport,
)
from meerkat_actors.store import Store
from meerkat_actors.store.runtime_documents import CURRENT, FORMER, SNAPSHOT
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.continuity import ANN, SESSIONS, fence_of, hold, must_commit, save
from meerkat_actors.testing.conformance.looking import documents, picture
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    Writer,
    created,
    duplicate,
    end,
    identity,
    insert,
    new_input_id,
    new_run_id,
    noted,
    put,
    send,
    settle,
    step,
    supersede,
    take,
)

NOW_MS: Final = 1_800_000_000_000
"""The wall clock of whoever prunes."""
EVERY_INPUT: Final = PrunePolicy(keep_inputs=0)
EVERYTHING: Final = PrunePolicy(keep_inputs=0, dead_letters=True, former_snapshots=True)

_NUMBERS: Final[Iterator[int]] = count(1)


def minted(ms: int) -> InputId:
    """An id of that moment."""
    digits = f"{ms:012x}7{0:03x}8{next(_NUMBERS):015x}"
    return InputId(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")


def prune(
    store: Store, policy: PrunePolicy = EVERY_INPUT, *, limit: int = 100, is_dry_run: bool = False, steps_max: int = 0
) -> PruneReport:
    """Prune to the end, or so many steps."""
    order = policy.order(NOW_MS, is_dry_run=is_dry_run)
    report, steps = PruneReport(is_dry_run=is_dry_run), 0
    cursor: PruneCursor | None = PRUNE_BEGIN
    while cursor is not None and (steps < steps_max or steps_max == 0):
        step = store.prune(order, cursor, limit=limit)
        report, cursor, steps = report.plus(step), step.following, steps + 1
    return evolve(report, free_bytes=0)


def consumed(writer: Writer, admission: int, *, content: bytes, key: str | None = None) -> InputId:
    """Admit an input, and end it with a boundary of its own."""
    run, one = new_run_id(), minted(NOW_MS)
    writer.must_commit(insert(admission, run=run, content=content, key=key, input_id=one))
    writer.must_commit(end(admission, run), writer.boundary(run))
    return one


def abandoned(writer: Writer, admission: int, *, content: bytes) -> None:
    """Admit an input, and give it up."""
    run = new_run_id()
    writer.must_commit(insert(admission, run=run, content=content), end(admission, run, GIVEN_UP))


def rows(store: Store, name: str = "alice") -> list[InputRow]:
    """What was admitted, in order."""
    return list(store.page_inputs(identity(name), after=None, limit=99, newest_first=False))


def contents(store: Store, name: str = "alice") -> list[bytes]:
    return [row.content for row in rows(store, name)]


@check
def an_input_that_was_pruned_lost_its_content_and_nothing_else(store: Store) -> None:
    """Every other field of its row, its boundary, its events and its agent's standing are as they were."""
    alice = created(store, "alice")
    one = consumed(alice, 1, content=b'"one"', key="job")
    before, whole = rows(store), picture(store, "alice")
    report = prune(store)
    assert report.inputs == Forgotten(rows=1, size_bytes=5)
    (row,) = rows(store)
    assert row.is_pruned
    assert row == store.find_input(identity("alice"), one) == evolve(before[0], content=b"")
    after = picture(store, "alice")
    assert after[1:] == whole[1:]
    for place in (0, 1, 3):
        assert after[0]["alice"][place] == whole[0]["alice"][place]
    alice.must_commit(insert(2))


@check
def what_is_open_keeps_its_content(store: Store) -> None:
    """Mail, what is queued and what is staged are never pruned, nor are steps of a live run."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), insert(2))
    alice.must_commit(step(1, run))
    bob.must_commit(send("alice", 1), send("nobody", 2))
    before = picture(store, "alice", "bob", "nobody")
    assert prune(store, EVERYTHING).rows == 0
    assert picture(store, "alice", "bob", "nobody") == before


@check
def what_ended_without_a_turn_is_pruned_too(store: Store) -> None:
    """Consumed as it was admitted, or displaced; a dead letter, if asked for, goes on to be listed."""
    alice = created(store, "alice")
    alice.must_commit(noted(1), insert(2))
    alice.must_commit(supersede(2, new_input_id()))
    abandoned(alice, 3, content=b'"three"')
    before = rows(store)
    assert prune(store).inputs.rows == 2
    assert rows(store) == [evolve(row, content=b"") for row in before[:2]] + before[2:]
    assert prune(store, EVERYTHING).inputs == Forgotten(rows=1, size_bytes=7)
    (letter,) = store.page_letters(None, after=0, limit=9)
    assert letter.row == evolve(before[2], content=b"")
    alice.must_commit(settle(3))
    assert store.page_letters(None, after=0, limit=9) == ()


@check
def mail_is_pruned_once_it_was_consumed(store: Store) -> None:
    """What an agent sent is its recipient's input, and tells its sender for ever."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    run = new_run_id()
    alice.must_commit(take(mail, 1, run))
    alice.must_commit(end(1, run), alice.boundary(run))
    assert prune(store).inputs.rows == 1
    (row,) = rows(store)
    assert (row.content, row.sender, row.input_id) == (b"", "bob", mail.input_id)
    assert duplicate(bob.commit(send("alice", 2, input_id=mail.input_id))).same_content


@check
def without_a_bound_no_input_loses_its_content(store: Store) -> None:
    """A policy that names neither a number nor an age is not about inputs."""
    alice = created(store, "alice")
    consumed(alice, 1, content=b"1")
    abandoned(alice, 2, content=b"2")
    assert prune(store, PrunePolicy(dead_letters=True)).rows == 0
    assert contents(store) == [b"1", b"2"]


@check_each(MappingProxyType({"none": 0, "one": 1, "two": 2, "more than there are": 9}))
def the_last_admissions_of_each_agent_keep_theirs(store: Store, keep: int) -> None:
    """The number is each agent's own, and open inputs count."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for number in (1, 2, 3):
        consumed(alice, number, content=b"%d" % number)
    consumed(bob, 1, content=b"1")
    alice.must_commit(insert(4, content=b"4"))
    report = prune(store, PrunePolicy(keep_inputs=keep))
    kept = [b"" if rank >= keep else b"%d" % number for number, rank in ((1, 3), (2, 2), (3, 1))]
    assert contents(store) == [*kept, b"4"]
    assert contents(store, "bob") == ([b"1"] if keep else [b""])
    assert report.inputs.rows == kept.count(b"") + (keep == 0)


@check
def an_age_is_told_by_the_id(store: Store) -> None:
    """Older is older by a millisecond; an id that tells no time is never old."""
    alice = created(store, "alice")
    for admission, one in enumerate((minted(NOW_MS - 10_001), minted(NOW_MS - 10_000), minted(NOW_MS + 9), None), 1):
        run = new_run_id()
        alice.must_commit(insert(admission, run=run, input_id=one))
        alice.must_commit(end(admission, run), alice.boundary(run))
    assert prune(store, PrunePolicy(older_than_seconds=10)).inputs.rows == 1
    assert [row.is_pruned for row in rows(store)] == [True, False, False, False]
    prune(store, PrunePolicy(older_than_seconds=0, keep_inputs=3))
    assert [row.is_pruned for row in rows(store)] == [True, False, False, False]
    prune(store, PrunePolicy(older_than_seconds=0, keep_inputs=1))
    assert [row.is_pruned for row in rows(store)] == [True, True, False, False]


@check
def dead_letters_keep_theirs_unless_asked_for(store: Store) -> None:
    """Somebody may want to look into what was given up; its ending stays in any case."""
    alice = created(store, "alice")
    abandoned(alice, 1, content=b"1")
    consumed(alice, 2, content=b"2")
    (letter, _) = rows(store)
    prune(store)
    assert contents(store) == [b"1", b""]
    prune(store, EVERYTHING)
    assert contents(store) == [b"", b""]
    (row, _) = rows(store)
    assert (row.state, row.ending) == (InputState.ABANDONED, letter.ending)


@check
def a_pruned_key_still_names_the_first(store: Store) -> None:
    """A key, or an id, that is sent again is the same input, and with other content a conflict."""
    alice = created(store, "alice")
    one = consumed(alice, 1, content=b'"one"', key="job")
    prune(store)
    for again, is_same in (
        (insert(2, content=b'"one"', key="job"), True),
        (insert(2, content=b'"two"', key="job"), False),
        (insert(2, content=b'"one"', key="job", input_id=one), True),
        (insert(2, content=b"", key="job"), False),
    ):
        first = duplicate(alice.commit(again))
        assert (first.first, first.admission, first.same_content) == (one, 1, is_same)


@check
def inputs_of_a_facade_keep_theirs(store: Store) -> None:
    """The runtime-store facade gives its inputs back byte for byte."""
    facade = created(store, "alice", kind="@runtime")
    consumed(facade, 1, content=b'"one"')
    assert prune(store, EVERYTHING).rows == 0
    assert contents(store) == [b'"one"']


@check
def steps_of_a_run_that_is_over_go(store: Store) -> None:
    """Nobody asks for them again; those of a live run stay, whatever its agent."""
    alice, bob = created(store, "alice"), created(store, "bob")
    run, live = new_run_id(), new_run_id()
    alice.must_commit(insert(1, run=run))
    alice.must_commit(step(1, run), step(1, run, "other"), step(1, run, nth=2))
    bob.must_commit(insert(1, run=live))
    bob.must_commit(step(1, live))
    assert prune(store, PrunePolicy()).rows == 0
    alice.must_commit(end(1, run), alice.boundary(run))
    before = picture(store, "alice", "bob")
    assert prune(store, PrunePolicy()) == PruneReport(is_dry_run=False, journals=Forgotten(rows=3, size_bytes=30))
    assert prune(store, PrunePolicy()).rows == 0
    assert picture(store, "alice", "bob") == before


@check_each(MappingProxyType({"one row": 1, "three rows": 3, "everything": 100}))
def pruning_twice_is_pruning_once(store: Store, limit: int) -> None:
    """The report is the same however it is cut up, a dry run tells it beforehand, and a second one finds nothing."""
    _live(store)
    before = _all_seen(store)
    told = prune(store, EVERYTHING, limit=limit, is_dry_run=True)
    assert _all_seen(store) == before
    report = prune(store, EVERYTHING, limit=limit)
    assert report == evolve(told, is_dry_run=False)
    assert (report.inputs.rows, report.snapshots.rows, report.documents.rows, report.journals.rows) == (4, 2, 1, 2)
    assert report.size_bytes == 4 + 2 + 4 + 20
    after = _all_seen(store)
    assert after != before
    assert prune(store, EVERYTHING, limit=limit).rows == 0
    assert _all_seen(store) == after


@check
def what_was_broken_off_is_begun_again(store: Store) -> None:
    """However far it came, the next pruning does the rest: together they forget what one would."""
    _live(store)
    wanted = prune(store, EVERYTHING, is_dry_run=True).rows
    forgotten = sum(prune(store, EVERYTHING, limit=2, steps_max=steps).rows for steps in (1, 2, 3, 5, 8, 13))
    rest = prune(store, EVERYTHING, limit=2).rows
    assert forgotten + rest == wanted
    assert prune(store, EVERYTHING).rows == 0


def _live(store: Store) -> None:
    """Something to forget of every kind."""
    alice, bob = created(store, "alice"), created(store, "bob")
    facade = created(store, "runtime", kind="@runtime")
    run = new_run_id()
    for number in (1, 2):
        consumed(alice, number, content=b"%d" % number)
    abandoned(alice, 3, content=b"3")
    alice.must_commit(insert(4), insert(5, run=run))
    alice.must_commit(step(5, run))
    over = new_run_id()
    bob.must_commit(insert(1, run=over, content=b"1"), send("alice", 1))
    bob.must_commit(step(1, over), step(1, over, nth=2))
    bob.must_commit(end(1, over), bob.boundary(over, sends=1))
    facade.must_commit(put(b"now", 0, kind=SNAPSHOT, key=CURRENT), put(b"then", 0, kind=SNAPSHOT, key=FORMER))
    hold(store, ANN, 0)
    for version in (1, 2):
        must_commit(store, fence_of(store), save(version))
    must_commit(store, fence_of(store), ResetRecord(Generation(1), SESSIONS[1], is_reversible=False))
    must_commit(store, fence_of(store), save(1, 1))


def _all_seen(store: Store) -> tuple[object, ...]:
    return (
        picture(store, "alice", "bob", "runtime", ANN),
        [documents(store, session) for session in SESSIONS],
        store.find_document(identity("runtime"), SNAPSHOT, FORMER),
    )
