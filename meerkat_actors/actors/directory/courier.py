"""The courier: it returns mail that its recipient will never take, and answers requests among it as failed.

It writes under the runtime's own fence, row by row: a row that can be taken after all is left alone by the store.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from attrs import define, evolve

from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreCorruptError, StoreError, StoreFullError, StoreInterruptedError
from meerkat_actors.machines.boundary import response_header
from meerkat_actors.records.codec import content_digest, encode_header, encode_json
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import PostInput, ReturnMail
from meerkat_actors.records.events import CommitRefused
from meerkat_actors.records.headers import Origin, ResponseStatus
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.mail import Recipient, Returnable, derived_id
from meerkat_actors.store.port import Store

_RETURNED: Final = 64
"""Rows of one transaction: it keeps everybody's commits waiting for no longer than a lap's."""
_WALKED: Final = 64
"""Recipients that one read looks at, for the same reason."""
_WALK_SECONDS: Final = 3_600.0
"""Time between two walks past all recipients: only mail for names that nobody has needs them, and it waits for days."""
_PASSING: Final = frozenset({RefusalReason.STORE_FULL, RefusalReason.STALE_OWNER})
"""Refusals of the moment: there will be room, and a runtime that lost its lease begins anew."""


@define(eq=False)
class Courier:
    """What returning mail needs."""

    directory: Directory
    storage: StorageHandle
    now_ms: Callable[[], int]
    limits: Limits
    observers: Observers


@trio.lowlevel.enable_ki_protection
async def run_courier(courier: Courier) -> None:
    """Return mail for as long as the runtime lives: where it is told to look, and everywhere once an hour.

    Ends: cancelled, after the owners; when the runtime leaves; or with storage, which tells everyone else.
    """
    returns = courier.directory.returns
    steady = evolve(courier, now_ms=_steady(courier.now_ms))
    walk_at = trio.current_time()
    while not courier.directory.is_closing:
        news, identity = returns.fresh_news(), returns.take()
        try:
            if trio.current_time() >= walk_at:
                walk_at = trio.current_time() + _WALK_SECONDS
                await _walk(steady)
            if identity is None:
                with trio.CancelScope(deadline=walk_at):
                    await news.wait()
            elif not await _return_all(steady, identity):
                returns.add(identity)
                await trio.sleep(courier.limits.full_retry_seconds)
        except StoreCorruptError:
            continue  # what else is sent goes on; this is looked at again by the next walk
        except (StoreFullError, StoreInterruptedError):
            if identity is not None:
                returns.add(identity)
            await trio.sleep(courier.limits.full_retry_seconds)
            walk_at = trio.current_time()  # it may have been the walk
        except StoreError:
            return


def _steady(now_ms: Callable[[], int]) -> Callable[[], int]:
    """A clock that no jump of the wall clock sets forward, or nobody's mail would be safe from one.

    One that was wrong when the runtime began stays as it was: behind, nothing is returned for its age.
    """
    began_ms, began = now_ms(), trio.current_time()
    return lambda: min(now_ms(), began_ms + round(1000 * (trio.current_time() - began)))


async def _walk(courier: Courier) -> None:
    """Find the recipients whose mail is to be returned."""
    after = 0
    while True:
        page, returnable = await courier.storage.read(partial(_walk_on, after, _absent_before_ms(courier)))
        for identity in returnable:
            courier.directory.returns.add(identity)
        if len(page) < _WALKED:
            return
        after = page[-1].key


def _walk_on(after: int, absent_before_ms: int, store: Store) -> tuple[tuple[Recipient, ...], list[AgentIdentity]]:
    page = store.recipients_with_mail(after=after, limit=_WALKED)
    returnable = [each.identity for each in page if _has_returnable(store, each.identity, absent_before_ms)]
    return page, returnable


def _has_returnable(store: Store, identity: AgentIdentity, absent_before_ms: int) -> bool:
    try:
        return len(store.undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=1)) > 0
    except StoreCorruptError:
        return False  # its neighbours' mail is returned all the same


async def _return_all(courier: Courier, identity: AgentIdentity) -> bool:
    """Return all mail of one recipient that it can't take; False when that has to be tried again later."""
    last = -1
    while True:
        absent_before_ms = _absent_before_ms(courier)
        found = await courier.storage.read(partial(_undeliverable, identity, absent_before_ms))
        if not found or found[0].mail.sequence <= last:
            return True
        last = found[-1].mail.sequence
        now_ms = courier.now_ms()
        returned = tuple(_return(courier, identity, each, absent_before_ms, now_ms) for each in found)
        outcome = await courier.storage.post(returned)
        if not isinstance(outcome, Committed):
            reason = outcome.reason if isinstance(outcome, Refused) else type(outcome).__name__
            courier.observers.notify(CommitRefused(identity=identity, reason=reason))
            return reason not in _PASSING
        for each in returned:
            if each.answer is not None:
                courier.directory.post_mail(each.answer.recipient)
        if len(found) < _RETURNED:
            return True


def _undeliverable(identity: AgentIdentity, absent_before_ms: int, store: Store) -> tuple[Returnable, ...]:
    return store.undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=_RETURNED)


def _absent_before_ms(courier: Courier) -> int:
    return max(0, courier.now_ms() - round(1000 * courier.limits.undeliverable_seconds))


def _return(
    courier: Courier, recipient: AgentIdentity, returnable: Returnable, absent_before_ms: int, now_ms: int
) -> ReturnMail:
    mail, abandoned = returnable.mail, returnable.abandoned
    answer: PostInput | None = None
    if mail.kind is InputKind.PEER_REQUEST and mail.sender is not None:
        kind = InputKind.PEER_RESPONSE_TERMINAL
        correlation_id = None if mail.header is None else mail.header.correlation_id
        header = evolve(
            response_header(mail.input_id, correlation_id, ResponseStatus.FAILED),
            origin=Origin.SYSTEM,
            source=recipient[: courier.limits.key_length_max],
        )
        # No limit of the user's: it is our own text, and short.
        content = encode_json(f"request returned: {abandoned}", what="response", bytes_max=COUNTER_MAX, depth_max=1)
        input_id = derived_id(now_ms, mail.input_id, "returned")
        answer = PostInput(
            mail.sender, input_id, kind, content, content_digest(content), None, encode_header(header, kind)
        )
    return ReturnMail(mail.sequence, recipient, abandoned, absent_before_ms, answer)
