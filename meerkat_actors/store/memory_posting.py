"""What a runtime writes to the memory store under its own fence."""

from __future__ import annotations

from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason
from meerkat_actors.records.effects import OwnerUnit, PostInput, ReturnMail
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_mail import addressee_of, put_mail
from meerkat_actors.store.memory_tables import Counter, GivenRow, ProgressRow, Tables
from meerkat_actors.store.memory_work import No, find_duplicate
from meerkat_actors.store.returning import why_returned


def commit_post(tables: Tables, unit: OwnerUnit, next_sequence: Counter) -> CommitOutcome:
    """Do it, or say why not."""
    effect = unit.effect
    if isinstance(effect, PostInput):
        no = _post(tables, effect, next_sequence)
        if no is not None:
            return no
    else:
        for returned in effect:
            _return(tables, returned, next_sequence)
    tables.keep()
    return Committed(CheckpointVersion(0))


def _post(tables: Tables, effect: PostInput, next_sequence: Counter) -> No | None:
    key = tables.names.get(effect.recipient)
    head = None if key is None else tables.heads.get(key)
    if key is None or head is None:
        return refused(RefusalReason.NOT_FOUND, 0, f"{effect.recipient} was never created")
    if head.is_deleted:
        return refused(RefusalReason.DELETED, 0, f"{effect.recipient} was deleted")
    duplicate = find_duplicate(tables, 0, key, effect.input_id, effect.digest, effect.idempotency_key)
    if duplicate is not None:
        return duplicate
    sequence, chosen = next_sequence(), effect.idempotency_key
    given = GivenRow(
        sequence,
        key,
        effect.input_id,
        effect.kind,
        effect.content,
        effect.digest,
        sender=None,
        idempotency_key=chosen,
        header=effect.header,
    )
    put_mail(tables, given, Lane.QUEUE)
    if chosen is not None:
        tables.put(tables.by_idempotency_key, (key, chosen), sequence)
    return None


def _return(tables: Tables, effect: ReturnMail, next_sequence: Counter) -> None:
    sequence, key = effect.sequence, tables.names.get(effect.recipient)
    row, given = tables.progress.get(sequence), tables.given.get(sequence)
    if key is None or row is None or given is None or given.identity != key or row.state is not InputState.SENT:
        return
    why = why_returned(addressee_of(tables, key), sequence, given.input_id, absent_before_ms=effect.absent_before_ms)
    if why is None:
        return
    ending = encode_abandoned(effect.abandoned)
    ended = ProgressRow(InputState.ABANDONED, None, None, 0, 0, 0, ending, 0, row.policy, row.lane)
    tables.put(tables.progress, sequence, ended)
    tables.sent[key, row.lane].drop(tables, sequence)
    if effect.answer is not None:
        # Whoever sent it may be gone: then nobody is left to be told.
        _post(tables, effect.answer, next_sequence)
