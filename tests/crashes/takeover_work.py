"""What processes that share a store do all the time: agents that count and write to each other, and their clients."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from typing import Final, TypeVar

import trio

import meerkat_actors as meerkat
from meerkat_actors.records.events import CommitRefused, Event, LeaseLost, OwnerCrashed
from tests.crashes.history import Acknowledged, Consumed, GivenUp
from tests.crashes.takeover_lines import Complained, LeaseEnded, Log, Note, Sending, TurnBegan

T = TypeVar("T")

AGENTS: Final = tuple(f"agent-{number:02}" for number in range(12))
KIND: Final = "counter"
LEASE_SECONDS: Final = 0.2

_BURST_MAX: Final = 5
_PAUSE_SECONDS: Final = 0.04
"""The longest rest of a client between two agents; with the next one it bounds how much a round has to check."""
_TRIES: Final = 3
_TRY_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 2.0
"""How long a client waits for one outcome before it turns to something else."""
_SLOW_SECONDS: Final = 0.05

# Of these nothing was done, or nobody knows; in both cases the same input may be sent again.
_TRANSIENT: Final = (meerkat.RejectedError, meerkat.UnknownOutcomeError)


def limits(*, wal_pages_max: int = meerkat.Limits().wal_pages_max) -> meerkat.Limits:
    """A short lease; and agents that are given up soon, so that both processes always hold some."""
    return meerkat.Limits(
        lease_seconds=LEASE_SECONDS, passivate_seconds=0.15, shutdown_seconds=1.0, wal_pages_max=wal_pages_max
    )


def folded(digest: str, path: str) -> str:
    """What an agent remembers of everything that it was told: any other order gives something else."""
    return sha256(f"{digest} {path}".encode()).hexdigest()[:16]


async def serve(turn: meerkat.Turn) -> str:
    """Count what comes, and write to somebody about what came from outside."""
    log: Log = turn.resources
    log.note(TurnBegan(identity=turn.identity))
    count, digest = turn.state or (0, "")
    for each in turn.inputs:
        content = each.content
        assert isinstance(content, dict)
        path = str(content["path"])
        count, digest = count + 1, folded(digest, path)
        if each.sender is None:
            if content["manner"] == "step":
                assert await turn.step("repeat", _repeated, path) == path
            elif content["manner"] == "slow":
                await trio.sleep(_SLOW_SECONDS)
            turn.send(str(content["to"]), {"path": path})
    turn.set_state([count, digest])
    return f"{count} {digest}"


def observer(log: Log) -> Callable[[Event], None]:
    """Note what a runtime tells its observers, and nothing of what has to be expected of a takeover."""

    def observe(event: Event) -> None:
        if isinstance(event, LeaseLost):
            log.note(LeaseEnded(live=event.live))
        elif not isinstance(event, CommitRefused) and not _is_lost_fence(event):
            log.note(Complained(event=repr(event)))

    return observe


class Client:
    """One of those who send. ``name`` is unique among all of them, and so are the numbers that they send."""

    def __init__(self, runtime: meerkat.Runtime, log: Log, name: str, chance: random.Random) -> None:
        self._runtime = runtime
        self._log = log
        self._name = name
        self._chance = chance
        self._unheard: defaultdict[str, list[Sending]] = defaultdict(list)
        self._sent = 0

    async def run(self, inputs: int) -> None:
        """Send about so many inputs, to one agent after another; whoever is held elsewhere is left for later."""
        while self._sent < inputs:
            await trio.sleep(self._chance.uniform(0, _PAUSE_SECONDS))
            identity = self._chance.choice(AGENTS)
            try:
                agent = await self._runtime.agent(identity, kind=KIND)
            except _TRANSIENT:
                continue
            again = self._unheard.pop(identity, [])
            fresh = [self._first(identity) for _ in range(self._chance.randint(1, _BURST_MAX))]
            for ids in [await self._send(agent, sending) for sending in (*again, *fresh)]:
                if ids is not None:
                    with trio.move_on_after(_PATIENCE_SECONDS):
                        await note_outcome(agent, ids, self._log)

    def _first(self, identity: str) -> Sending:
        self._sent += 1
        other = self._chance.choice([name for name in AGENTS if name != identity])
        manner = self._chance.choice(("plain", "plain", "step", "slow"))
        sending = Sending(identity=identity, path=f"{self._name}-{self._sent}", to=other, manner=manner)
        self._log.note(sending)
        return sending

    async def _send(self, agent: meerkat.AgentHandle, sending: Sending) -> meerkat.InputId | None:
        for _ in range(_TRIES):
            try:
                return await acknowledged(agent, sending, self._log)
            except meerkat.AlreadyOwnedError:
                break
            except _TRANSIENT:
                await trio.sleep(_TRY_SECONDS)
        self._unheard[sending.identity].append(sending)
        return None


async def acknowledged(agent: meerkat.AgentHandle, sending: Sending, log: Log) -> meerkat.InputId:
    """Send an input, for the first time or again, and note that it is durable."""
    content: meerkat.JSON = {"path": sending.path, "to": sending.to, "manner": sending.manner}
    admission = await agent.send(content, idempotency_key=sending.path)
    log.note(Acknowledged(identity=sending.identity, input_id=admission.input_id, key=sending.path, path=sending.path))
    return admission.input_id


async def note_outcome(agent: meerkat.AgentHandle, input_id: meerkat.InputId, log: Log) -> None:
    """Wait for an outcome, whoever serves the agent, and note it."""
    outcome = await _persistently(lambda: agent.wait(input_id))
    if isinstance(outcome, meerkat.Abandoned):
        log.note(GivenUp(identity=agent.identity, input_id=input_id, reason=str(outcome)))
        return
    assert isinstance(outcome, meerkat.Consumed)
    receipt = outcome.receipt
    log.note(
        Consumed(
            identity=agent.identity,
            input_id=input_id,
            version=receipt.checkpoint_version,
            digest=receipt.digest,
        )
    )


async def finish(runtime: meerkat.Runtime, log: Log, notes: Iterable[Note]) -> None:
    """Send again what was sent and not acknowledged, and learn every outcome that was not told; then all is done."""
    sent = {note.noted.path: note.noted for note in notes if isinstance(note.noted, Sending)}
    acknowledgements = {note.noted.path: note.noted for note in notes if isinstance(note.noted, Acknowledged)}
    heard = {note.noted.input_id for note in notes if isinstance(note.noted, Consumed | GivenUp)}

    async def finish_one(identity: str) -> None:
        for sending in sent.values():
            if sending.identity != identity:
                continue
            before = acknowledgements.get(sending.path)
            if before is not None and before.input_id in heard:
                continue
            agent = await _persistently(lambda: runtime.agent(identity, kind=KIND))
            if before is None:
                input_id = await _persistently(lambda: acknowledged(agent, sending, log))  # noqa: B023 - awaited here
            else:
                input_id = meerkat.InputId(before.input_id)
            await note_outcome(agent, input_id, log)

    async with trio.open_nursery() as nursery:
        for identity in AGENTS:
            nursery.start_soon(finish_one, identity)
    await runtime.wait_idle()


async def _persistently(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except _TRANSIENT:
            await trio.sleep(_TRY_SECONDS)


def _repeated(path: str) -> str:
    return path


def _is_lost_fence(event: Event) -> bool:
    # Who learns from a refused commit that it was taken over from, before the lookout does.
    return isinstance(event, OwnerCrashed) and ": write refused (" in event.error
