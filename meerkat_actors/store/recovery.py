"""From the rows of one identity to its activation, or to what is wrong with them; the same for every store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from meerkat_actors.records.activation import Activation, Broken, Head
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.inputs import InputKind, InputState, OpenInput
from meerkat_actors.records.runs import Journal, Run

ROWS_CONTRADICT: Final = "rows_contradict"
"""The reason of a ``Broken`` whose rows can be read but can't all be true."""
ROW_UNREADABLE: Final = "row_unreadable"
"""The reason of a ``Broken`` with a row that does not decode."""

DELETED: Final = "deleted"
"""The reason of a ``Broken`` that has a tombstone."""
OPAQUE: Final = "opaque_session"
"""The reason of a ``Broken`` that is another's to serve: its sessions are documents of the continuity facade."""


@hot
class OpenRow:
    """An admitted input without an outcome, as a store finds it."""

    admission: AdmissionSequence
    input_id: InputId
    kind: InputKind
    state: InputState
    content: bytes
    digest: bytes
    sender: AgentIdentity | None
    run_id: RunId | None
    attempts: int
    interruptions: int
    not_before_ms: int


@hot
class IdentityRows:
    """What one read transaction found of one identity."""

    identity: AgentIdentity
    key: IdentityKey
    head: Head | None
    state: bytes | None
    config: AgentConfig | None
    open: Sequence[OpenRow]
    """In admission order."""
    admissions: int
    has_mail: bool


def assemble(rows: IdentityRows, journal_of: Callable[[RunId], Journal]) -> Activation | Broken:
    """Put an owner's beginning together; ``journal_of`` reads the steps of the one live run."""
    contradiction = _contradiction(rows)
    if contradiction is not None:
        return Broken(identity=rows.identity, reason=ROWS_CONTRADICT, detail=contradiction)
    members = [row for row in rows.open if row.state is InputState.STAGED]
    return Activation(
        identity=rows.identity,
        key=rows.key,
        head=rows.head,
        state=rows.state,
        config=rows.config,
        run=_run(members, journal_of),
        queued=tuple(_open_input(row) for row in rows.open if row.state is InputState.QUEUED),
        admissions=rows.admissions,
        has_mail=rows.has_mail,
    )


def unservable(identity: AgentIdentity, kind: str, *, is_deleted: bool) -> Broken | None:
    """Why the runtime can't serve an identity whose authority row is sound, if it can't."""
    if is_deleted:
        return Broken(identity=identity, reason=DELETED, detail="the identity was deleted")
    if kind == OPAQUE_KIND:
        return Broken(identity=identity, reason=OPAQUE, detail="its sessions are documents of the continuity facade")
    return None


def _contradiction(rows: IdentityRows) -> str | None:
    if rows.open and rows.head is None:
        return f"{len(rows.open)} open inputs and no authority row"
    runs = {row.run_id for row in rows.open if row.state is InputState.STAGED}
    if None in runs:
        return "an input is staged for no run"
    if len(runs) > 1:
        return f"inputs are staged for {len(runs)} runs at once"
    for row in rows.open:
        if row.state is InputState.QUEUED and row.run_id is not None:
            return f"input {row.input_id} is queued and bound to run {row.run_id}"
        if content_digest(row.content) != row.digest:
            return f"the content of input {row.input_id} is not what was admitted"
    return None


def _run(members: Sequence[OpenRow], journal_of: Callable[[RunId], Journal]) -> Run | None:
    if not members:
        return None
    first = members[0]
    assert first.run_id is not None
    return Run(
        run_id=first.run_id,
        members=tuple(_open_input(row) for row in members),
        # Members are charged together; the highest is right even if one was bound later.
        attempts=max(row.attempts for row in members),
        interruptions=max(row.interruptions for row in members),
        not_before_ms=max(row.not_before_ms for row in members),
        journal=journal_of(first.run_id),
    )


def _open_input(row: OpenRow) -> OpenInput:
    return OpenInput(
        admission=row.admission, input_id=row.input_id, kind=row.kind, content=row.content, sender=row.sender
    )
