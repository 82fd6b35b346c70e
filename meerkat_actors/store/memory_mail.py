"""What mail means - sending, taking, what waits, what never will be taken - on dicts: the reference for every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge, nsmallest
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.codec import decode_header
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import SendMail, TakeMail
from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.records.inputs import InputState, Lane, Mail
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_sorted import SortedRows
from meerkat_actors.store.memory_tables import GivenRow, ProgressRow, Tables
from meerkat_actors.store.memory_work import No, Work, admission_taken, admit, find_duplicate, name_key
from meerkat_actors.store.returning import Addressee, why_returned

_LANES: Final = (Lane.STEER, Lane.QUEUE)
"""Where mail waits, in the order in which it is taken."""


def pending_mail(tables: Tables, key: IdentityKey, limit: int) -> tuple[Mail, ...]:
    """See ``Store.pending_mail``."""
    floor = mail_floor(tables, key)
    waiting = chain.from_iterable(lane.beyond(floor) for lane in _lanes_of(tables, key))
    return tuple(_mail(tables, sequence) for sequence in islice(waiting, max(limit, 0)))


def has_mail(tables: Tables, key: IdentityKey, *, after: int = 0) -> bool:
    """Whether mail waits that may be taken and came after a sequence."""
    floor = max(mail_floor(tables, key), after)
    return any(lane.first(floor) is not None for lane in _lanes_of(tables, key))


def mail_floor(tables: Tables, key: IdentityKey) -> int:
    """The sequence up to which an identity's mail can't be taken any more."""
    head = tables.heads.get(key)
    return 0 if head is None else head.mail_floor


def recipients_with_mail(tables: Tables, after: int, limit: int) -> tuple[Recipient, ...]:
    """See ``Store.recipients_with_mail``."""
    keys = {key for (key, _), rows in tables.sent.items() if key > after and len(rows)}
    return tuple(Recipient(key=key, identity=tables.identities[key]) for key in nsmallest(max(limit, 0), keys))


def undeliverable_mail(
    tables: Tables, identity: AgentIdentity, absent_before_ms: int, limit: int
) -> tuple[Returnable, ...]:
    """See ``Store.undeliverable_mail``."""
    key = tables.names.get(identity)
    return () if key is None else tuple(islice(_undeliverable(tables, key, absent_before_ms), max(limit, 0)))


def addressee_of(tables: Tables, key: IdentityKey) -> Addressee | None:
    """What decides whether an identity may take mail; None for one that was never created."""
    head = tables.heads.get(key)
    return None if head is None else Addressee(head.desired, head.mail_floor, head.is_deleted)


def put_mail(tables: Tables, given: GivenRow, lane: Lane) -> None:
    """Insert a ``sent`` row."""
    sequence = given.sequence
    tables.put(tables.given, sequence, given)
    tables.put(tables.by_input_id, given.input_id, sequence)
    tables.put(tables.progress, sequence, ProgressRow(InputState.SENT, None, None, 0, 0, 0, None, 0, 0, lane))
    tables.sorted_of(tables.sent, (given.identity, lane)).put(tables, sequence, given.sender)


def _lanes_of(tables: Tables, key: IdentityKey) -> Iterator[SortedRows[int, IdentityKey | None]]:
    for lane in _LANES:
        rows = tables.sent.get((key, lane))
        if rows is not None:
            yield rows


def _undeliverable(tables: Tables, key: IdentityKey, absent_before_ms: int) -> Iterator[Returnable]:
    addressee = addressee_of(tables, key)
    for sequence in merge(*_lanes_of(tables, key)):
        input_id = tables.given[sequence].input_id
        abandoned = why_returned(addressee, sequence, input_id, absent_before_ms=absent_before_ms)
        if abandoned is not None:
            yield Returnable(mail=_mail(tables, sequence), abandoned=abandoned)
        elif addressee is not None:  # what came later is above the floor, too
            return


def _mail(tables: Tables, sequence: int) -> Mail:
    row = tables.given[sequence]
    sender = None if row.sender is None else tables.identities[row.sender]
    header = None if row.header is None else decode_header(row.header, row.kind)
    return Mail(sequence, row.sender, sender, row.input_id, row.kind, row.content, header)


def _send(effect: SendMail, index: int, work: Work) -> No | None:
    tables = work.tables
    recipient = tables.names.get(effect.recipient)
    if recipient is None:
        recipient = IdentityKey(work.next_key())
        name_key(tables, effect.recipient, recipient)
    duplicate = find_duplicate(tables, index, recipient, effect.input_id, effect.digest, None)
    if duplicate is not None:
        return duplicate
    given = GivenRow(
        work.next_sequence(),
        recipient,
        effect.input_id,
        effect.kind,
        effect.content,
        effect.digest,
        work.fence.key,
        None,
        effect.header,
    )
    put_mail(tables, given, effect.lane)
    return None


def _take(effect: TakeMail, index: int, work: Work) -> No | None:
    tables, key, sequence, sender = work.tables, work.fence.key, effect.sequence, effect.sender_key
    now = tables.progress.get(sequence)
    waiting = None if now is None else tables.sent.get((key, now.lane))
    if waiting is None or sequence not in waiting.rows or waiting.rows[sequence] != sender:
        problem = f"sequence {sequence} is no mail waiting from that sender"
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)
    floor = mail_floor(tables, key)
    if sequence <= floor:
        problem = f"sequence {sequence} is not above the mail floor {floor}"
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)
    # Mail is taken from the beginning of its lane, so this looks at few.
    if sequence != next(other for other in waiting.beyond(floor) if waiting.rows[other] == sender):
        return refused(RefusalReason.NOT_HEAD_OF_PAIR, index, "an older message of that sender waits in its lane")
    if effect.admission in tables.admitted.get(key, ()):
        return admission_taken(index, effect.admission)
    waiting.drop(tables, sequence)
    admit(work, sequence, effect)
    return None


MAIL_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {SendMail: _send, TakeMail: _take}
)
