"""What may follow a stored transcript, decided on both documents; who decides holds the runtime's fence.

Rule 1: a snapshot only moves forward: the same messages and rewrites, and then more.
Rule 2: what says nothing yet (no rewrites, no message but the system's) may become anything of its session.
Rule 3: a boundary's snapshot may also hold one new rewrite, a compaction, that keeps the stored tail;
        what follows the rewrite is appended. An explicit rewrite may replace the tail too.
Rule 4: no rewrite is ever forgotten.
"""

from __future__ import annotations

from enum import StrEnum

from meerkat_actors.records.codec import DIGEST_ZERO, extend_chain
from meerkat_actors.records.transcripts import Transcript, TranscriptRewriteCommit


class TranscriptRefusal(StrEnum):
    """Why a transcript does not follow."""

    OTHER_SESSION = "other_session"
    SUPERSEDED = "superseded"
    """It is an earlier moment of the stored one."""
    DIVERGED = "diverged"
    OTHER_PARENT = "other_parent"
    """The rewrite began from another transcript than the stored one."""
    INVALID_REWRITE = "invalid_rewrite"
    """The rewrite is not what it says of itself."""


R = TranscriptRefusal


def snapshot_refusal(stored: Transcript | None, incoming: Transcript) -> TranscriptRefusal | None:
    """Whether ``incoming`` may replace ``stored`` (None: nothing is stored) as an append or a compaction."""
    if stored is None:
        return None
    if incoming.session_id != stored.session_id:
        return R.OTHER_SESSION
    if stored.is_placeholder or (incoming.history == stored.history and _begins(incoming, stored)):
        return None
    if _begins(stored, incoming) and stored.history[: len(incoming.history)] == incoming.history:
        return R.SUPERSEDED
    added = _added_rewrite(stored, incoming)
    if added is None or added.parent_revision != stored.revision:
        return R.DIVERGED
    # A compaction puts a summary before the newest messages; one that keeps none of them forgets the present.
    if added.end == added.messages_before or not _is_what_it_says(stored, incoming, added):
        return R.INVALID_REWRITE
    return None


def rewrite_refusal(
    stored: Transcript | None, incoming: Transcript, commit: TranscriptRewriteCommit
) -> TranscriptRefusal | None:
    """Whether ``incoming`` is ``stored`` after exactly this rewrite."""
    if stored is None or commit.parent_revision != stored.revision:
        return R.OTHER_PARENT
    if incoming.session_id != stored.session_id:
        return R.OTHER_SESSION
    if _added_rewrite(stored, incoming) != commit or len(incoming.entries) != commit.messages_after:
        return R.INVALID_REWRITE
    return None if _is_what_it_says(stored, incoming, commit) else R.INVALID_REWRITE


def _begins(whole: Transcript, beginning: Transcript) -> bool:
    return whole.entries[: len(beginning.entries)] == beginning.entries


def _added_rewrite(stored: Transcript, incoming: Transcript) -> TranscriptRewriteCommit | None:
    known = len(stored.history)
    is_next = len(incoming.history) == known + 1 and incoming.history[:known] == stored.history
    return incoming.history[-1] if is_next else None


def _is_what_it_says(stored: Transcript, incoming: Transcript, commit: TranscriptRewriteCommit) -> bool:
    before, after = stored.entries, incoming.entries[: commit.messages_after]
    kept = commit.messages_before - commit.end
    return (
        len(before) == commit.messages_before
        and len(after) == commit.messages_after
        and after[: commit.start] == before[: commit.start]
        and after[len(after) - kept :] == before[commit.end :]
        and extend_chain(DIGEST_ZERO, after).hex() == commit.revision != commit.parent_revision
    )
