"""What tests of the runtime-store facade write: sessions, inputs and receipts, each told apart by small numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from attrs import asdict

from meerkat_actors.records.continuity import SessionDelta
from meerkat_actors.records.ids import InputId, RunId
from meerkat_actors.records.input_states import InputStateRecord
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.run_boundary import RunApplyBoundary, RunBoundaryReceipt
from meerkat_actors.records.transcripts import HISTORY_KEY, TranscriptRewriteCommit, parse_transcript
from meerkat_actors.store import RuntimeStore
from tests.store.writing import changed, uuid_of

SESSION = uuid_of(0x5E55)
OTHER_SESSION = uuid_of(0x5E56)
RUN = RunId(uuid_of(0xA1))
OTHER_RUN = RunId(uuid_of(0xA2))
SYSTEM = {"role": "system", "text": "be brief"}


def said(*texts: str) -> list[dict[str, str]]:
    """A user's messages."""
    return [{"role": "user", "text": text} for text in texts]


def session(
    *messages: dict[str, str], session_id: str = SESSION, history: Sequence[TranscriptRewriteCommit] = ()
) -> bytes:
    """A session document; not canonical, as an agent writes it."""
    document: dict[str, Any] = {"version": 1, "id": session_id, "messages": list(messages), "metadata": {}}
    if history:
        document["metadata"][HISTORY_KEY] = {"commits": [asdict(commit) for commit in history]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def delta(
    *messages: dict[str, str], session_id: str = SESSION, history: Sequence[TranscriptRewriteCommit] = ()
) -> SessionDelta:
    return SessionDelta(session_snapshot=session(*messages, session_id=session_id, history=history))


def revision(document: bytes) -> str:
    return parse_transcript(document).revision


def rewrite(
    before: Sequence[dict[str, str]], after: Sequence[dict[str, str]], start: int, end: int
) -> TranscriptRewriteCommit:
    """The commit of an edit that replaced ``start`` to ``end``."""
    return TranscriptRewriteCommit(
        parent_revision=revision(session(*before)),
        revision=revision(session(*after)),
        start=start,
        end=end,
        messages_before=len(before),
        messages_after=len(after),
    )


def input_id(number: int) -> InputId:
    return InputId(uuid_of(0x1000 + number))


def queued(number: int, **fields: object) -> InputStateRecord:
    return changed(InputStateRecord(input_id=input_id(number), content=b'{"n": %d}' % number), **fields)


def staged(number: int, run_id: RunId = RUN, **fields: object) -> InputStateRecord:
    return queued(number, state=InputState.STAGED, last_run_id=run_id, **fields)


def receipt(sequence: int = 1, *contributors: InputId, run_id: RunId = RUN, count: int = 0) -> RunBoundaryReceipt:
    return RunBoundaryReceipt(
        run_id=run_id,
        boundary=RunApplyBoundary.RUN_START,
        contributing_input_ids=contributors,
        message_count=count,
        sequence=sequence,
    )


def seen(runtime: RuntimeStore, runtime_id: str) -> tuple[object, ...]:
    """Everything that the facade tells of one runtime."""
    return (
        runtime.load_session_snapshot(runtime_id),
        runtime.load_former_session_snapshot(runtime_id),
        runtime.load_input_states(runtime_id),
        runtime.load_machine_lifecycle_record(runtime_id),
        runtime.load_ops_lifecycle(runtime_id),
        [runtime.load_boundary_receipt(runtime_id, run, number) for run in (RUN, OTHER_RUN) for number in range(4)],
    )
