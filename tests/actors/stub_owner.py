"""An owner that does no more for its turns than journal their steps and bind inputs to their checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import trio
from attrs import evolve

from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.turn import AgentFunction, AgentKind, TurnJob, run_turn
from meerkat_actors.records.codec import decode_json, encode_json
from meerkat_actors.records.commands import Checkpoint, Command, EndTurn, JournalStep, ResolveIntent
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, Generation, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputKind, Lane, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import CHECKPOINT, JournalEntry, Run, TurnEnding
from tests.actors.world import VirtualEnv

RUN_ID: Final = RunId("018bcfe5-6800-7abc-8123-456789abcdef")
"""Of 2023-11-14, 22:13:20 UTC."""


def member(
    number: int,
    content: JSON,
    *,
    kind: InputKind = InputKind.PROMPT,
    header: Header | None = None,
) -> OpenInput:
    """An input, the ``number``-th that was admitted."""
    return OpenInput(
        AdmissionSequence(number),
        InputId(f"018bcfe5-6800-7abc-8123-{number:012}"),
        kind,
        encode_json(content, what="content", bytes_max=10_000, depth_max=10),
        None,
        header,
    )


def _nothing(*_: object) -> None:
    return None


class StubOwner:
    """The run of one identity, and what is durable of it; each attempt is given that and no more."""

    def __init__(self, *inputs: OpenInput) -> None:
        self.run_id = RUN_ID
        self.members: tuple[OpenInput, ...] = inputs or (member(1, "begin"),)
        self.steer: list[OpenInput] = []
        """What the next checkpoint binds."""
        self.journal: dict[tuple[str, int], JournalEntry] = {}
        self.asked: list[Command] = []
        """Whatever turns asked, in order."""
        self.before_run: Callable[[TurnJob], None] = _nothing
        self.before_answer: Callable[[TurnJob, Command], BaseException | None] = _nothing
        """Looks at a command that is durable; what it returns is the answer."""
        self.may_answer = trio.Event()
        """Whether commands are done, once they were taken from the mailbox."""
        self.may_answer.set()
        self.may_serve = trio.Event()
        """Whether the mailbox is looked into at all."""
        self.may_serve.set()
        self.threads = trio.CapacityLimiter(2)
        self.endings: list[TurnEnding] = []

    async def attempt(
        self, agent: AgentFunction | AgentKind, *, while_running: Callable[[TurnJob], Any] | None = None
    ) -> TurnEnding:
        """Run one turn; ``while_running`` is awaited beside it. What it ended with."""
        kind = agent if isinstance(agent, AgentKind) else AgentKind(agent)
        identity = AgentIdentity("a")
        journal = dict(self.journal)
        run = Run(self.run_id, self.members, len(self.endings), 0, 0, journal)
        job = TurnJob(
            kind, identity, Generation(0), SessionId("s"), run, journal, None, None, Mailbox(identity, Limits()),
            VirtualEnv(), Limits(), self.threads, trio.CancelScope(),
        )  # fmt: skip
        self.before_run(job)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_turn, job)
            if while_running is not None:
                nursery.start_soon(while_running, job)
            await self._serve(job)
        return self.endings[-1]

    async def _serve(self, job: TurnJob) -> None:
        while True:
            while not self.may_serve.is_set():  # no schedule point between it and the drain
                await self.may_serve.wait()
            envelopes = job.mailbox.drain(64)
            questions = [envelope for envelope in envelopes if not isinstance(envelope.command, EndTurn)]
            assert len(questions) <= 1, "what one unit settles, a turn asks one after the other"
            for envelope in envelopes:
                if isinstance(envelope.command, EndTurn):
                    self.endings.append(envelope.command.ending)
                    return
                await self.may_answer.wait()
                self._answer(job, envelope)
            if not envelopes:
                await job.mailbox.wait()

    def _answer(self, job: TurnJob, envelope: Envelope) -> None:
        self.asked.append(envelope.command)
        answer = self._done(envelope.command)
        error = self.before_answer(job, envelope.command)
        assert envelope.slot is not None
        if error is None:
            envelope.slot.resolve(answer)
        else:
            envelope.slot.reject(error)

    def _done(self, command: Command) -> tuple[OpenInput, ...] | None:
        assert isinstance(command, JournalStep | ResolveIntent | Checkpoint)
        assert command.run_id == self.run_id
        if isinstance(command, Checkpoint):
            return self._bind(command.nth)
        key = (command.name, command.nth)
        if isinstance(command, JournalStep):
            assert key not in self.journal, f"{key} is recorded twice"
            self.journal[key] = JournalEntry(command.arguments, command.result, command.is_once)
            return None
        intent = self.journal.pop(key)
        assert (intent.result, intent.is_once) == (b"", True), f"{key} is no intent"
        if command.result is not None:
            self.journal[key] = evolve(intent, result=command.result)
        return None

    def _bind(self, nth: int) -> tuple[OpenInput, ...]:
        assert (CHECKPOINT, nth) not in self.journal, f"checkpoint {nth} is recorded twice"
        bound = tuple(evolve(each, lane=Lane.STEER, position=nth) for each in self.steer)
        if bound:
            self.steer.clear()
            self.members += bound
            self.journal[CHECKPOINT, nth] = JournalEntry(b"", b"[]")
        return bound


def texts(entries: tuple[bytes, ...]) -> list[tuple[str, JSON]]:
    """Role and content of transcript entries."""
    decoded = [decode_json(entry) for entry in entries]
    return [(str(entry["role"]), entry["content"]) for entry in decoded if isinstance(entry, dict)]
