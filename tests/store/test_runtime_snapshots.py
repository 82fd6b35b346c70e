"""Session snapshots of the runtime store: they only move forward (ST9-11, 13-16), and are one session's."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from meerkat_actors.errors import (
    IllegalTransitionError,
    InvalidValueError,
    MixedSessionError,
    SessionBoundError,
    SessionKeyMismatchError,
    SnapshotSupersededError,
    TranscriptContinuityError,
    TranscriptRevisionConflictError,
)
from meerkat_actors.records.continuity import ContinuityRecord, SessionDelta
from meerkat_actors.records.ids import AgentIdentity, FencingToken, Generation, SessionId
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.records.transcripts import TranscriptRewriteCommit
from meerkat_actors.store import ContinuityStore, RuntimeStore, Store
from tests.store.runtime_writing import (
    OTHER_SESSION,
    RUN,
    SESSION,
    SYSTEM,
    delta,
    queued,
    receipt,
    revision,
    rewrite,
    said,
    seen,
    session,
)
from tests.store.writing import changed, created

NO_SESSIONS = {
    "text": b"session-data",
    "a list": b"[]",
    "no version": b'{"id": "%s", "messages": []}' % SESSION.encode(),
    "version 0": b'{"version": 0, "id": "%s", "messages": []}' % SESSION.encode(),
    "a later version": b'{"version": 2, "id": "%s", "messages": []}' % SESSION.encode(),
    "no id": b'{"version": 1, "messages": []}',
    "a path for an id": b'{"version": 1, "id": "../../etc", "messages": []}',
    "no messages": b'{"version": 1, "id": "%s"}' % SESSION.encode(),
    "messages that are none": b'{"version": 1, "id": "%s", "messages": {}}' % SESSION.encode(),
    "messages of nothing": b'{"version": 1, "id": "%s", "messages": [null]}' % SESSION.encode(),
    "messages of nobody": b'{"version": 1, "id": "%s", "messages": [{}]}' % SESSION.encode(),
    "metadata that is none": b'{"version": 1, "id": "%s", "messages": [], "metadata": 7}' % SESSION.encode(),
    "a history that is none": (
        b'{"version": 1, "id": "%s", "messages": [], "metadata":'
        b' {"session_transcript_history_state_v1": {"commits": [{"revision": "x"}]}}}' % SESSION.encode()
    ),
    "no UTF-8": b"\xff",
    "too deep": b"[" * 5_000,
}


@pytest.mark.parametrize("document", NO_SESSIONS.values(), ids=NO_SESSIONS)
def test_st09_bytes_that_are_no_session_are_refused_everywhere(runtime: RuntimeStore, document: bytes) -> None:
    runtime.commit_session_snapshot("test", delta(*said("a")))
    before, bad = seen(runtime, "test"), SessionDelta(session_snapshot=document)
    edit = rewrite(said("a"), said("b"), 0, 1)
    writes: tuple[Callable[[], object], ...] = (
        lambda: runtime.commit_session_snapshot("test", bad),
        lambda: runtime.atomic_apply("test", bad, receipt(1), [queued(1)], None),
        lambda: runtime.commit_session_boundary("test", bad, RUN, RunApplyBoundary.IMMEDIATE, [], [queued(1)]),
        lambda: runtime.commit_session_transcript_rewrite_snapshot("test", bad, edit),
        lambda: runtime.replace_session_snapshot_if_current("test", session(*said("a")), document),
        lambda: runtime.commit_session_snapshot("test", cast("SessionDelta", document)),
    )
    for write in writes:
        with pytest.raises(InvalidValueError):
            write()
    assert seen(runtime, "test") == before


def test_st10_a_plain_snapshot_is_no_boundary(runtime: RuntimeStore, store: Store) -> None:
    runtime.commit_session_snapshot("test", delta(*said("a")))
    assert seen(runtime, "test") == (session(*said("a")), None, (), None, None, [None] * 8)
    assert store.page_turns(store.page_identities(after=None, limit=1)[0].identity, before=None, limit=9) == ()


def test_st11_a_snapshot_that_does_not_follow_is_refused(runtime: RuntimeStore) -> None:
    runtime.commit_session_snapshot("test", delta(*said("a", "b")))
    with pytest.raises(SnapshotSupersededError) as older:
        runtime.commit_session_snapshot("test", delta(*said("a")))
    assert "1 messages" in str(older.value.presented)
    assert "2 messages" in str(older.value.current)
    for diverged in (said("a", "c"), said("x", "a", "b"), said("a", "c", "d")):
        with pytest.raises(TranscriptContinuityError):
            runtime.commit_session_snapshot("test", delta(*diverged))
    with pytest.raises(SessionKeyMismatchError):
        runtime.commit_session_snapshot("test", delta(*said("a", "b", "c"), session_id=OTHER_SESSION))
    assert runtime.load_session_snapshot("test") == session(*said("a", "b"))
    for follows in (said("a", "b"), said("a", "b", "c")):
        runtime.commit_session_snapshot("test", delta(*follows))
        assert runtime.load_session_snapshot("test") == session(*follows)


@pytest.mark.parametrize("placeholder", [(), (SYSTEM,), (SYSTEM, SYSTEM)], ids=len)
def test_st13_what_says_nothing_yet_is_replaced_by_the_first_that_does(
    runtime: RuntimeStore, placeholder: tuple[dict[str, str], ...]
) -> None:
    runtime.commit_session_snapshot("test", delta(*placeholder))
    runtime.commit_session_snapshot("test", delta({"role": "system", "text": "another"}, *said("a")))
    assert runtime.load_session_snapshot("test") == session({"role": "system", "text": "another"}, *said("a"))


def test_st13_a_placeholder_is_of_its_session_all_the_same(runtime: RuntimeStore) -> None:
    runtime.commit_session_snapshot("test", delta())
    with pytest.raises(SessionKeyMismatchError):
        runtime.commit_session_snapshot("test", delta(*said("a"), session_id=OTHER_SESSION))


def test_st13_what_was_rewritten_to_nothing_is_no_placeholder(runtime: RuntimeStore) -> None:
    emptied = rewrite(said("a"), (), 0, 1)
    runtime.commit_session_snapshot("test", delta(*said("a")))
    runtime.commit_session_transcript_rewrite_snapshot("test", delta(history=[emptied]), emptied)
    with pytest.raises(TranscriptContinuityError):
        runtime.commit_session_snapshot("test", delta(*said("b")))
    runtime.commit_session_snapshot("test", delta(*said("b"), history=[emptied]))


BEFORE = said("a", "b", "c", "d")
SUMMARY = {"role": "user", "text": "in short: a, b"}


def test_st14_a_compaction_that_keeps_the_tail_is_accepted(runtime: RuntimeStore) -> None:
    after = [SUMMARY, *said("c", "d")]
    made = rewrite(BEFORE, after, 0, 2)
    runtime.commit_session_snapshot("test", delta(*BEFORE))
    compacted = delta(*after, *said("e"), history=[made])
    runtime.atomic_apply("test", compacted, receipt(1, count=4), [], None)
    assert runtime.load_session_snapshot("test") == compacted.session_snapshot
    # No rewrite is ever forgotten.
    with pytest.raises(TranscriptContinuityError):
        runtime.commit_session_snapshot("test", delta(*after, *said("e", "f")))


NO_COMPACTIONS = {
    "drops the tail": ([SUMMARY], rewrite(BEFORE, [SUMMARY], 0, 4)),
    "changes the tail": ([SUMMARY, *said("x", "d")], rewrite(BEFORE, [SUMMARY, *said("x", "d")], 0, 2)),
    "changes the head": ([SUMMARY, *said("c", "d")], rewrite(BEFORE, [SUMMARY, *said("c", "d")], 1, 2)),
    "is of another parent": ([SUMMARY, *said("c", "d")], rewrite(said("a"), [SUMMARY, *said("c", "d")], 0, 1)),
    "is not its revision": (
        [SUMMARY, *said("c", "d")],
        changed(rewrite(BEFORE, [SUMMARY, *said("c", "d")], 0, 2), revision="0" * 64),
    ),
    "is longer than it says": (
        [SUMMARY, *said("c", "d")],
        changed(rewrite(BEFORE, [SUMMARY, *said("c", "d")], 0, 2), messages_after=9),
    ),
}


@pytest.mark.parametrize("name", NO_COMPACTIONS)
def test_st14_a_compaction_that_is_none_is_refused(runtime: RuntimeStore, name: str) -> None:
    after, commit = NO_COMPACTIONS[name]
    runtime.commit_session_snapshot("test", delta(*BEFORE))
    with pytest.raises(TranscriptContinuityError):
        runtime.commit_session_boundary(
            "test", delta(*after, history=[commit]), RUN, RunApplyBoundary.RUN_CHECKPOINT, [], [queued(1)]
        )
    assert seen(runtime, "test") == (session(*BEFORE), None, (), None, None, [None] * 8)


def test_st15_a_rewrite_of_another_parent_names_both_revisions(runtime: RuntimeStore) -> None:
    edit = rewrite(said("a"), said("z"), 0, 1)
    with pytest.raises(TranscriptRevisionConflictError) as absent:
        runtime.commit_session_transcript_rewrite_snapshot("test", delta(*said("z"), history=[edit]), edit)
    assert (absent.value.presented, absent.value.current) == (revision(session(*said("a"))), "none")
    runtime.commit_session_snapshot("test", delta(*said("a", "b")))
    with pytest.raises(TranscriptRevisionConflictError) as stale:
        runtime.commit_session_transcript_rewrite_snapshot("test", delta(*said("z"), history=[edit]), edit)
    assert stale.value.identity == "test"
    assert stale.value.presented == revision(session(*said("a")))
    assert stale.value.current == revision(session(*said("a", "b")))
    assert runtime.load_session_snapshot("test") == session(*said("a", "b"))


def test_st15_a_rewrite_is_what_it_says_of_itself(runtime: RuntimeStore) -> None:
    edit = rewrite(said("a", "b"), said("a", "z"), 1, 2)
    runtime.commit_session_snapshot("test", delta(*said("a", "b")))
    for wrong in (
        delta(*said("a", "z")),  # without the commit
        delta(*said("a", "z", "more"), history=[edit]),
        delta(*said("x", "z"), history=[edit]),
        delta(*said("a", "z"), history=[changed(edit, reason="another")]),
    ):
        with pytest.raises(TranscriptContinuityError):
            runtime.commit_session_transcript_rewrite_snapshot("test", wrong, edit)
    with pytest.raises(SessionKeyMismatchError):
        runtime.commit_session_transcript_rewrite_snapshot(
            "test", delta(*said("a", "z"), history=[edit], session_id=OTHER_SESSION), edit
        )
    runtime.commit_session_transcript_rewrite_snapshot("test", delta(*said("a", "z"), history=[edit]), edit)
    assert runtime.load_session_snapshot("test") == session(*said("a", "z"), history=[edit])


def test_st15_a_rewrite_of_no_range_can_not_be_said() -> None:
    edit = rewrite(said("a", "b"), said("a", "z"), 1, 2)
    for wrong in ({"start": 3}, {"end": 3}, {"messages_after": 0}, {"start": -1}, {"revision": "x"}, {"end": True}):
        with pytest.raises(InvalidValueError):
            changed(edit, **cast("dict[str, int]", wrong))


def test_st15_a_commit_that_is_none_is_refused(runtime: RuntimeStore) -> None:
    with pytest.raises(InvalidValueError):
        runtime.commit_session_transcript_rewrite_snapshot("test", delta(), cast("TranscriptRewriteCommit", {}))


def test_st16_compare_and_swap_of_exact_bytes(runtime: RuntimeStore, store: Store) -> None:
    first, second = session(*said("a")), session(*said("b"))
    assert runtime.replace_session_snapshot_if_current("test", first, second) is False
    assert runtime.clear_session_snapshot_if_current("test", first) is False
    runtime.clear_session_snapshot("test")
    assert store.page_identities(after=None, limit=1) == ()  # nothing was written for nothing
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=first))
    for other in (second, first + b" ", b""):
        assert runtime.replace_session_snapshot_if_current("test", other, second) is False
        assert runtime.clear_session_snapshot_if_current("test", other) is False
        assert runtime.load_session_snapshot("test") == first
    # Recovery may put back what does not follow.
    assert runtime.replace_session_snapshot_if_current("test", first, second) is True
    assert runtime.load_session_snapshot("test") == second
    assert runtime.clear_session_snapshot_if_current("test", second) is True
    assert runtime.load_session_snapshot("test") is None
    assert runtime.clear_session_snapshot_if_current("test", second) is False
    runtime.clear_session_snapshot("test")
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=first))
    runtime.clear_session_snapshot("test")
    assert runtime.load_session_snapshot("test") is None


def test_the_last_two_snapshots_are_kept(runtime: RuntimeStore) -> None:
    assert runtime.load_former_session_snapshot("test") is None
    for texts, former in ((("a",), None), (("a",), None), (("a", "b"), ("a",)), (("a", "b", "c"), ("a", "b"))):
        runtime.commit_session_snapshot("test", delta(*said(*texts)))
        kept = None if former is None else session(*said(*former))
        assert runtime.load_former_session_snapshot("test") == kept
    latest, other = session(*said("a", "b", "c")), session(*said("x"))
    assert runtime.replace_session_snapshot_if_current("test", latest, other)
    assert runtime.load_former_session_snapshot("test") == latest
    runtime.clear_session_snapshot("test")
    assert runtime.load_former_session_snapshot("test") == other
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=latest))
    assert runtime.clear_session_snapshot_if_current("test", latest)
    assert runtime.load_former_session_snapshot("test") == latest
    edit = rewrite(said("a", "b", "c"), said("a", "z"), 1, 3)
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=latest))
    runtime.commit_session_transcript_rewrite_snapshot("test", delta(*said("a", "z"), history=[edit]), edit)
    assert runtime.load_former_session_snapshot("test") == latest


def test_a_session_belongs_to_one_runtime_for_ever(runtime: RuntimeStore) -> None:
    runtime.commit_session_snapshot("one", delta(*said("a")))
    runtime.clear_session_snapshot("one")
    before = seen(runtime, "two")
    with pytest.raises(SessionBoundError) as caught:
        runtime.atomic_apply("two", delta(), receipt(1), [queued(1)], None)
    assert caught.value.presented == SESSION
    assert "one" in str(caught.value.current)
    assert seen(runtime, "two") == before


def test_a_session_is_rows_of_an_agent_or_a_document_and_never_both(runtime: RuntimeStore, store: Store) -> None:
    alice = created(store, "alice")
    ContinuityStore(store).upsert_continuity_record(
        record=ContinuityRecord(
            identity=AgentIdentity("bob"), session_id=SessionId(OTHER_SESSION), generation=Generation(0)
        ),
        fencing_token=FencingToken(1),
    )
    for name in ("alice", "bob"):
        with pytest.raises(MixedSessionError):
            runtime.commit_session_snapshot(name, delta())
    with pytest.raises(SessionBoundError):
        runtime.commit_session_snapshot("test", delta(session_id=OTHER_SESSION))
    with pytest.raises(SessionBoundError):
        runtime.commit_session_snapshot("test", delta(session_id=alice.session_id))


def test_a_snapshot_is_given_back_byte_for_byte(runtime: RuntimeStore) -> None:
    odd = b' {"messages":[], "id" : "%s","version":1,  "\\u00e9":1e400e}' % SESSION.upper().encode()
    with pytest.raises(InvalidValueError):
        runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=odd))
    odd = odd.replace(b"1e400e", b"[1.50,\t2]")
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=odd))
    assert runtime.load_session_snapshot("test") == odd


def test_an_illegal_move_of_an_input_keeps_the_snapshot_of_its_boundary_out(runtime: RuntimeStore) -> None:
    runtime.atomic_apply("test", None, receipt(1, queued(1).input_id), [queued(1)], None)
    before = seen(runtime, "test")
    with pytest.raises(IllegalTransitionError):
        runtime.atomic_apply("test", delta(*said("a")), receipt(2, count=1), [queued(1)], None)
    assert seen(runtime, "test") == before
