"""One unit of the memory store at work."""

from __future__ import annotations

from collections.abc import Callable

from meerkat_actors.records.commits import DuplicateInput, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.effects import InsertInput, TakeMail
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.store.fencing import creation_refusal, refused
from meerkat_actors.store.memory_tables import Counter, ProgressRow, Tables

No = Refused | DuplicateInput | HeldElsewhere


@hot
class Work:
    """One unit at work: its effects share this."""

    tables: Tables
    fence: IdentityFence
    next_sequence: Counter
    next_key: Counter
    owner: int
    """The incarnation that commits."""
    clock: Callable[[], int]
    """By which leases run, in milliseconds."""
    turn: int
    """The sequence of the boundary that the unit appends; 0 for none."""


def name_key(tables: Tables, identity: AgentIdentity, key: IdentityKey) -> None:
    """Give a name its key."""
    tables.put(tables.names, identity, key)
    tables.put(tables.identities, key, identity)


def creation_mismatch(work: Work, index: int) -> Refused | None:
    """Why the unit's identity can't be created under its key; None if it can."""
    tables, fence = work.tables, work.fence
    return creation_refusal(
        fence,
        index,
        has_head=fence.key in tables.heads,
        key_of_name=tables.names.get(fence.identity),
        name_of_key=tables.identities.get(fence.key),
    )


def find_duplicate(
    tables: Tables, index: int, identity: IdentityKey, input_id: InputId, digest: bytes, idempotency_key: str | None
) -> DuplicateInput | None:
    """The input that has the id or the key already. The id is global; the key is its identity's own."""
    sequence = tables.by_input_id.get(input_id)
    if sequence is None and idempotency_key is not None:
        sequence = tables.by_idempotency_key.get((identity, idempotency_key))
    if sequence is None:
        return None
    first = tables.given[sequence]
    # An id and a key that are given together must name the same input.
    agrees = idempotency_key is None or tables.by_idempotency_key.get((identity, idempotency_key)) == sequence
    return DuplicateInput(
        effect=index,
        identity=tables.identities[first.identity],
        first=first.input_id,
        admission=tables.progress[sequence].admission or 0,
        same_content=agrees and first.identity == identity and first.digest == digest,
    )


def find_admission(work: Work, admission: AdmissionSequence) -> tuple[int, ProgressRow | None]:
    """An admitted input's sequence, and where it is; 0 and None if there is none."""
    sequence = work.tables.admitted.get(work.fence.key, {}).get(admission)
    return (0, None) if sequence is None else (sequence, work.tables.progress[sequence])


def admit(work: Work, sequence: int, effect: InsertInput | TakeMail) -> None:
    """Let an input have its admission sequence, and be where the effect says."""
    tables, key, lane, run_id = work.tables, work.fence.key, effect.lane, effect.run_id
    if lane is Lane.NONE:
        state = InputState.CONSUMED
    else:
        state = InputState.QUEUED if run_id is None else InputState.STAGED
        tables.put(tables.of(tables.open, key), sequence, None)
    row = ProgressRow(state, effect.admission, run_id, 0, 0, 0, None, 0, effect.policy, lane)
    tables.put(tables.progress, sequence, row)
    tables.put(tables.of(tables.admitted, key), effect.admission, sequence)


def admission_taken(index: int, admission: AdmissionSequence) -> Refused:
    """Another input has that admission sequence."""
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, f"admission {admission} is taken")


def is_staged(row: ProgressRow, run_id: RunId) -> bool:
    """Whether the run holds the input."""
    return row.state is InputState.STAGED and row.run_id == run_id


def state_conflict(index: int, admission: AdmissionSequence, now: ProgressRow | None, wanted: str) -> Refused:
    """The input is elsewhere, or nowhere."""
    what = "is unknown" if now is None else f"is {now.state}"
    return refused(RefusalReason.INPUT_STATE_CONFLICT, index, f"admission {admission} {what}, not {wanted}")
