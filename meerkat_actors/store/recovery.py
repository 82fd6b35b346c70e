"""From the rows of one identity to its activation, or to what is wrong with them; the same for every store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from meerkat_actors.machines.policy import policy_of
from meerkat_actors.records.activation import Activation, Broken, Head
from meerkat_actors.records.agenda_codec import decode_operation
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import content_digest, decode_header
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.inputs import InputKind, InputState, Lane, OpenInput
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.runs import Journal, Run
from meerkat_actors.records.status import Desired

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
    header: bytes | None = None
    """Canonical JSON; None for its kind's default."""
    policy: int = 0
    lane: Lane = Lane.QUEUE
    position: int = 0


@hot
class OwedRow:
    """A consumed request whose answer is owed, as a store finds it."""

    admission: AdmissionSequence
    input_id: InputId
    kind: InputKind
    sender: AgentIdentity | None
    header: bytes | None
    """Canonical JSON; None for its kind's default."""


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
    """Above the mail floor."""
    next_due_ms: int = 0
    """Of its timers; 0 for none."""
    owed: Sequence[OwedRow] = ()
    """In admission order."""
    operations: Sequence[bytes] = ()
    """Bodies, in the order of their ids."""


def assemble(rows: IdentityRows, journal_of: Callable[[RunId], Journal]) -> Activation | Broken:
    """Put an owner's beginning together; ``journal_of`` reads the steps of the one live run."""
    contradiction = _contradiction(rows)
    if contradiction is not None:
        return Broken(identity=rows.identity, reason=ROWS_CONTRADICT, detail=contradiction)
    members = [row for row in rows.open if row.state is InputState.STAGED]
    members.sort(key=_place)
    first, second = _apart(members)
    try:
        run, parked = _run(first, journal_of), _run(second, journal_of)
        queued = tuple(_open_input(row) for row in rows.open if row.state is InputState.QUEUED)
        owed = tuple(_owed(row) for row in rows.owed)
        for body in rows.operations:
            decode_operation(body)  # or its owner would stumble over it, again and again
    except ValueError as error:
        return Broken(identity=rows.identity, reason=ROW_UNREADABLE, detail=str(error))
    return Activation(
        identity=rows.identity,
        key=rows.key,
        head=rows.head,
        state=rows.state,
        config=rows.config,
        run=run,
        queued=queued,
        admissions=rows.admissions,
        has_mail=rows.has_mail,
        parked=parked,
        next_due_ms=rows.next_due_ms,
        owed=owed,
        operations=tuple(rows.operations),
    )


def unservable(identity: AgentIdentity, head: Head, *, is_deleted: bool) -> Broken | None:
    """Why the runtime can't serve an identity whose authority row is sound, if it can't.

    One that was destroyed as an agent can be read: it may be made anew.
    """
    if is_deleted and head.desired is not Desired.DESTROYED:
        return Broken(identity=identity, reason=DELETED, detail="the identity was deleted")
    if head.kind == OPAQUE_KIND:
        return Broken(identity=identity, reason=OPAQUE, detail="its sessions are documents of the continuity facade")
    return None


def _contradiction(rows: IdentityRows) -> str | None:
    # Also when all of them have ended: who began here again would be a second life under the first one's names.
    if rows.admissions and rows.head is None:
        return f"{len(rows.open)} open inputs of {rows.admissions}, and no authority row"
    runs = {row.run_id for row in rows.open if row.state is InputState.STAGED}
    if None in runs:
        return "an input is staged for no run"
    lanes = [(row.run_id, row.lane) for row in rows.open if row.state is InputState.STAGED and not row.position]
    # One run a lane, and a turn of one of them is in progress.
    if len(runs) > 2 or len({lane for _, lane in lanes}) < len({*lanes}):
        return f"inputs are staged for {len(runs)} runs at once"
    if runs != {run for run, _ in lanes}:
        return "what a checkpoint bound is staged for a run of nothing else"
    for row in rows.open:
        if row.state is InputState.QUEUED and row.run_id is not None:
            return f"input {row.input_id} is queued and bound to run {row.run_id}"
        if content_digest(row.content) != row.digest:
            return f"the content of input {row.input_id} is not what was admitted"
    return None


def _apart(members: Sequence[OpenRow]) -> tuple[Sequence[OpenRow], Sequence[OpenRow]]:
    """The members of the one or two staged runs."""
    if not members:
        return (), ()
    run_id = members[0].run_id
    return [row for row in members if row.run_id == run_id], [row for row in members if row.run_id != run_id]


def _run(members: Sequence[OpenRow], journal_of: Callable[[RunId], Journal]) -> Run | None:
    if not members:
        return None
    first = members[0]
    assert first.run_id is not None
    return Run(
        run_id=first.run_id,
        members=tuple(_open_input(row) for row in members),
        # What staging froze is charged together; what a checkpoint bound later has counts of its own, or none.
        attempts=max(row.attempts for row in members),
        interruptions=max(row.interruptions for row in members),
        not_before_ms=max(row.not_before_ms for row in members),
        journal=journal_of(first.run_id),
    )


def _open_input(row: OpenRow) -> OpenInput:
    policy_of(row.policy, row.kind)  # or its owner would stumble over it, again and again
    return OpenInput(
        row.admission,
        row.input_id,
        row.kind,
        row.content,
        row.sender,
        None if row.header is None else decode_header(row.header, row.kind),
        row.policy,
        row.lane,
        row.position,
        row.attempts,
        row.interruptions,
    )


def _owed(row: OwedRow) -> Owed:
    if row.sender is None:
        problem = f"the answer to input {row.input_id} is owed to nobody"
        raise ValueError(problem)
    correlation_id = None if row.header is None else decode_header(row.header, row.kind).correlation_id
    return Owed(row.admission, row.input_id, row.sender, correlation_id)


def _place(member: OpenRow) -> tuple[int, int]:
    return member.position, member.admission
