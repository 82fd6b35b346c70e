"""What begins, governs and ends the lives of an identity, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commits import Refused
from meerkat_actors.records.effects import BeginGeneration, Bury, Recreate, SetDesired
from meerkat_actors.records.ids import CheckpointVersion, Generation, SessionId
from meerkat_actors.records.status import Desired
from meerkat_actors.store.memory_work import No, Work
from meerkat_actors.store.runtime_refusing import session_refusal


def _desire(effect: SetDesired, _: int, work: Work) -> No | None:
    if effect.desired is Desired.STOPPED:
        _raise_mail_floor(work)
    _change(work, desired=effect.desired)
    return None


def _begin_generation(effect: BeginGeneration, index: int, work: Work) -> No | None:
    _raise_mail_floor(work)
    return _next_life(work, index, effect.session_id)


def _bury(_: Bury, __: int, work: Work) -> No | None:
    _raise_mail_floor(work)
    _change(work, is_deleted=True, desired=Desired.DESTROYED)
    return None


def _recreate(effect: Recreate, index: int, work: Work) -> No | None:
    no = _next_life(work, index, effect.session_id)
    if no is None:
        _change(work, token=work.fence.token, owner=work.owner, kind=effect.kind, is_deleted=False)
    return no


def _next_life(work: Work, index: int, session_id: SessionId) -> Refused | None:
    """The next generation. The last boundary stays: what comes after it chains into it."""
    tables, key = work.tables, work.fence.key
    bound = tables.sessions.get(session_id)
    if bound is not None:
        return session_refusal(index, tables.identities[bound[0]], bound[1])
    generation = Generation(work.fence.generation + 1)
    tables.put(tables.sessions, session_id, (key, generation))
    _change(
        work,
        generation=generation,
        session_id=session_id,
        version=CheckpointVersion(0),
        digest=DIGEST_ZERO,
        message_count=0,
        last_state=0,
        desired=Desired.OPEN,
    )
    return None


def _raise_mail_floor(work: Work) -> None:
    """Whatever waits can't be taken any more."""
    _change(work, mail_floor=work.tables.sequence)


def _change(work: Work, **changes: object) -> None:
    heads, key = work.tables.heads, work.fence.key
    head: Any = heads[key]
    work.tables.put(heads, key, evolve(head, **changes))


LIVES_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {SetDesired: _desire, BeginGeneration: _begin_generation, Bury: _bury, Recreate: _recreate}
)
