"""The end of a history: everybody is let go on, everything ends, and the books are compared."""

from __future__ import annotations

from collections import Counter

import trio

from meerkat_actors.errors import DestroyedError
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import (
    DIGEST_ZERO,
    decode_consumed,
    decode_log,
    decode_receipt,
    encode_json,
    extend_chain,
)
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Consumed, ReceiptOutcome
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import StoredEventKind
from tests.histories.ledger import ALL, Page
from tests.histories.moves import AGENTS
from tests.histories.outside import Mailed, ViolationError
from tests.histories.processes import LONG
from tests.histories.world import World


async def reckon(world: World) -> None:
    """Let everything end, and compare."""
    outside = world.outside
    outside.never_hangs = True
    outside.open_gate()
    world.processes.spare()
    await _idle(world, "somebody stays busy")
    await world.look()
    world.raise_complaints()
    for name in AGENTS:
        await _wake(world, name)
    await _idle(world, "somebody stays busy after a last word")
    world.raise_complaints()
    if world.callers.pending:
        raise ViolationError(kind="a call is never answered", detail=str(world.callers.pending[0].what))
    for name in AGENTS:
        await _tell(world, name)
    await world.close()
    for identity, page in world.ledger.pages.items():
        _check_books(world, identity, page)
    world.raise_complaints()


async def _idle(world: World, kind: str) -> None:
    assert world.runtime is not None
    world.watchdog.pat()
    with trio.move_on_after(LONG) as scope:
        await world.runtime.wait_idle()
    world.raise_complaints()
    if scope.cancelled_caught:
        raise ViolationError(kind=kind, detail="wait_idle does not return")
    await world.settle()


async def _wake(world: World, name: str) -> None:
    """An operator's and a caller's word, after which nothing waits any more."""
    assert world.runtime is not None
    try:
        agent = await world.callers.handle(world.runtime, name)
        await agent.resume()
        await _idle(world, "somebody stays busy after an operator's word")
        await agent.send({"n": f"last of {name}", "do": []})
    except DestroyedError:
        return


async def _tell(world: World, name: str) -> None:
    """Everything that was admitted has ended, and its outcome is told."""
    assert world.runtime is not None
    identity = AgentIdentity(name)
    found, page = world.ledger.activation(identity), world.ledger.page(identity)
    if found is None or found.head is None:
        raise ViolationError(kind="an agent is gone", detail=name)
    is_destroyed = found.head.desired is Desired.DESTROYED
    world.outside.require(not page.open, "an input without an end", f"{name}: {page.open}")
    world.outside.require(is_destroyed or not found.has_mail, "mail that nobody takes", name)
    if is_destroyed:
        return
    agent = await world.callers.handle(world.runtime, name)
    for admission, outcome in page.ended.items():
        with trio.move_on_after(LONG):
            told = await agent.wait(page.ids[admission])
            world.outside.require(told == outcome, "told another outcome", f"{outcome}, told {told}")
            continue
        raise ViolationError(kind="an outcome is not told", detail=str(outcome))
    world.raise_complaints()


def _check_books(world: World, identity: AgentIdentity, page: Page) -> None:
    """Receipts are what was consumed, transcripts say each input once, mail arrived once and in order."""
    require = world.outside.require
    rows = world.ledger.store.page_turns(identity, before=None, limit=ALL)[::-1]
    consumed = [page.ids[admission] for admission, outcome in page.ended.items() if isinstance(outcome, Consumed)]
    receipts = [decode_receipt(row) for row in rows]
    completed = [receipt for receipt in receipts if receipt.outcome is ReceiptOutcome.COMPLETED]
    proved = [input_id for receipt in completed for input_id in receipt.contributors]
    require(sorted(proved) == sorted(consumed), "receipts are not what was consumed", identity)
    require(len(set(proved)) == len(proved), "an input in two receipts", identity)
    runs = Counter(receipt.run_id for receipt in receipts)
    require(max(runs.values(), default=1) == 1, "a run with two boundaries", runs)
    _check_transcript(world, rows)
    found = world.ledger.activation(identity)
    if found is not None and found.head is not None and rows:
        last, head = rows[-1], found.head
        is_current = last.generation == head.generation
        require(not is_current or (last.version, last.digest) == (head.version, head.digest), "a head astray", head)
    _check_mail(world, identity, rows)


def _check_transcript(world: World, rows: tuple[TurnRow, ...]) -> None:
    require = world.outside.require
    digest, count, generation = DIGEST_ZERO, 0, -1
    named: Counter[InputId] = Counter()
    for row in rows:
        if row.generation != generation:
            digest, count, generation = DIGEST_ZERO, 0, row.generation
        receipt, entries = decode_receipt(row), decode_log(row.body)
        count += len(entries)
        require(receipt.message_count == count, "messages miscounted", f"{receipt}: {count}")
        named.update(entry["input"] for entry in entries if entry.get("input"))
        digest = extend_chain(digest, tuple(map(_canonical, entries)))
        require(row.digest == digest, "a digest of another transcript", receipt)
    require(max(named.values(), default=1) == 1, "an input twice in a transcript", named)


def _check_mail(world: World, sender: AgentIdentity, rows: tuple[TurnRow, ...]) -> None:
    """What completed turns sent, and nothing else, in the order of the turns."""
    sent: list[Mailed] = []
    for row in rows:
        receipt = decode_receipt(row)
        if receipt.outcome is ReceiptOutcome.COMPLETED and decode_consumed(row).text is not None:
            sent += world.outside.mailed.get(row.run_id, ())
    store, require = world.ledger.store, world.outside.require
    events = store.page_events(after=0, limit=ALL)
    for recipient in world.ledger.pages:
        told = [
            given
            for event in events
            if event.kind is StoredEventKind.SENT and (event.identity, event.sender) == (recipient, sender)
            if event.input_id is not None and (given := store.find_input(recipient, event.input_id)) is not None
        ]
        mine = [_canonical(mail.content) for mail in sent if mail.recipient == recipient]
        require([given.content for given in told] == mine, "mail lost", f"{sender} to {recipient}: {mine}")
        admitted = [given.admission for given in told if given.admission is not None]
        require(admitted == sorted(admitted), "mail astray", f"{sender} to {recipient}: {admitted}")
        found = world.ledger.activation(recipient)
        if found is not None and not found.has_mail:
            # What may be taken no more is returned; that may be under way.
            left = store.undeliverable_mail(recipient, absent_before_ms=0, limit=ALL)
            waiting = {given.input_id for given in told if given.state is InputState.SENT}
            lost = waiting - {each.mail.input_id for each in left}
            require(not lost, "mail lost", f"{sender} to {recipient}: {lost}")


def _canonical(value: object) -> bytes:
    return encode_json(value, what="content", bytes_max=ALL, depth_max=9)
