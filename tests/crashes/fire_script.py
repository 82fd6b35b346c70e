"""What the client under fire writes: a fixed script of batches, each built from what was acknowledged so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final

import orjson
from attrs import evolve, frozen

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity_effects import CreateRecord, Grant, SaveSnapshot
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    SendMail,
    SetConfig,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
    uuid_text,
)
from meerkat_actors.records.inputs import InputKind, Mail
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runtime_effects import DropDocument, PutDocument, RecordReceipt
from tests.crashes.fire_ledger import QUEUED, STAGED, Head, Ledger

ANN, BEN, RECORD = AgentIdentity("ann"), AgentIdentity("ben"), AgentIdentity("record")
NAMES: Final = (ANN, BEN, RECORD)
LAPS: Final = 3


@frozen
class View:
    """What a client knows when it builds a batch."""

    ledger: Ledger
    keys: Mapping[AgentIdentity, IdentityKey]
    mail: Callable[[AgentIdentity], Mail]
    """The oldest that somebody did not take."""

    def fence(self, name: AgentIdentity) -> IdentityFence:
        """Under which somebody is written now; of somebody new, the first."""
        head = self.ledger.heads.get(name)
        token, generation, version = (1, 0, 0) if head is None else (head.token, head.generation, head.version)
        return IdentityFence(
            name, self.keys[name], FencingToken(token), Generation(generation), CheckpointVersion(version)
        )

    def head(self, name: str) -> Head:
        return self.ledger.heads[name]

    def next_admission(self, name: str) -> AdmissionSequence:
        taken = (row.admission or 0 for row in self.ledger.inputs.values() if row.identity == name)
        return AdmissionSequence(max(taken, default=0) + 1)

    def admission(self, name: str, state: int) -> AdmissionSequence:
        """Of somebody's first input in a state."""
        rows = self.ledger.inputs.values()
        return AdmissionSequence(next(r.admission or 0 for r in rows if (r.identity, r.state) == (name, state)))

    def run(self, name: str) -> RunId:
        """The one that somebody's input is staged for."""
        rows = self.ledger.inputs.values()
        return RunId(uuid_text(next(r.run or b"" for r in rows if (r.identity, r.state) == (name, STAGED))))


@frozen
class Ask:
    """One unit of a batch, yet to be built."""

    name: AgentIdentity
    make: Callable[[View], tuple[Effect, ...]]
    is_wrong: bool = False
    """Whether it must be refused."""
    is_stale: bool = False
    """Whether it presents the version before the current one."""

    def unit(self, view: View) -> Unit:
        """The unit, from what is known now."""
        fence = view.fence(self.name)
        if self.is_stale:
            fence = evolve(fence, version=CheckpointVersion(fence.version - 1))
        return Unit(fence, self.make(view))


@frozen
class Batch:
    """Units that are sent together."""

    asks: tuple[Ask, ...]


class Checkpoint:
    """Copy the log into the database."""


class Restart:
    """End in good order, and open anew."""


Step = Batch | Checkpoint | Restart


def script(laps: int = LAPS) -> Sequence[Step]:
    """All of it. Restarts and checkpoints are between the laps."""
    steps: list[Step] = [
        _batch(
            Ask(ANN, lambda _: (CreateIdentity("worker", SessionId(_id(1, "session"))), SetConfig(1, b"{}"))),
            Ask(BEN, lambda _: (CreateIdentity("worker", SessionId(_id(2, "session"))),)),
            Ask(RECORD, lambda _: (CreateRecord(SessionId(_id(3, "session"))), Grant("holder"))),
        )
    ]
    for lap in range(1, laps + 1):
        steps += _lap(lap)
        steps.append(Checkpoint() if lap % 2 else Restart())
    return steps


def claims(view: View) -> list[Unit]:
    """What a new owner begins with: of everyone that the runtime has."""
    found: list[Unit] = []
    for name in (ANN, BEN):
        if name in view.ledger.heads:
            fence = view.fence(name)
            found.append(Unit(evolve(fence, token=FencingToken(fence.token + 1)), (Claim(fence.token),)))
    return found


def _lap(lap: int) -> list[Step]:
    return [
        _batch(
            Ask(ANN, lambda view: (_insert(view, ANN, lap, "first", run=True),)),
            Ask(BEN, lambda view: (_insert(view, BEN, lap, "second"),)),
        ),
        _batch(Ask(ANN, lambda view: (_record(view, lap),)), Ask(BEN, lambda view: (_stage(view, BEN, lap),))),
        _batch(
            Ask(ANN, lambda view: (*_boundary(view, ANN, lap, state=lap), _send(view, ANN, BEN, lap))),
            Ask(BEN, lambda view: (ChargeRun(view.admission(BEN, STAGED), view.run(BEN), lap, 0, 5),)),
        ),
        _batch(
            Ask(BEN, lambda view: _boundary(view, BEN, lap)),
            Ask(RECORD, lambda view: (_save(view, lap),)),
            Ask(ANN, lambda view: (_insert(view, ANN, lap, "third"),)),
        ),
        # What is refused here is refused among others, after some of its own effects went through.
        _batch(
            Ask(BEN, lambda view: (_take(view, BEN, lap),)),
            Ask(ANN, lambda view: (_insert(view, ANN, lap, "wrong"), _insert(view, ANN, lap, "first")), is_wrong=True),
            Ask(RECORD, lambda view: (_save(view, 10 + lap),)),
        ),
        _batch(
            Ask(ANN, lambda view: (_stage(view, ANN, lap),), is_wrong=True, is_stale=True),
            Ask(BEN, lambda view: (*_boundary(view, BEN, lap), RecordReceipt(view.run(BEN), 1))),
        ),
        _batch(
            Ask(ANN, lambda view: (_stage(view, ANN, lap), _put(view, lap))),
            Ask(BEN, lambda view: (SetConfig(lap, b'{"lap":%d}' % lap),)),
        ),
        _batch(Ask(ANN, lambda view: (_abandon(view, ANN), *_drop(view, lap)))),
    ]


def _batch(*asks: Ask) -> Batch:
    return Batch(asks)


def _id(lap: int, what: str) -> str:
    """Ids say what they are of: the same again when the same is asked again."""
    return uuid_text(sha256(f"{lap} {what}".encode()).digest()[:16])


def _insert(view: View, name: AgentIdentity, lap: int, what: str, *, run: bool = False) -> InsertInput:
    content = orjson.dumps({"lap": lap, "what": what, "text": "x" * (200 * lap)}, option=orjson.OPT_SORT_KEYS)
    key = f"{lap} first" if what in {"first", "wrong"} else None
    input_id = _id(lap, f"{name} input {what}")
    if what == "first" and not run:  # the same key, in the unit that is to be refused
        input_id = _id(lap, f"{name} input again")
    admission = view.next_admission(name) + (what == "first" and not run)
    return InsertInput(
        AdmissionSequence(admission),
        InputId(input_id),
        InputKind.PROMPT,
        content,
        content_digest(content),
        None if what == "wrong" else key,
        RunId(_id(lap, f"{name} run {what}")) if run else None,
    )


def _stage(view: View, name: AgentIdentity, lap: int) -> Stage:
    return Stage(view.admission(name, QUEUED), RunId(_id(lap, f"{name} run staged")))


def _record(view: View, lap: int) -> RecordStep:
    return RecordStep(view.admission(ANN, STAGED), view.run(ANN), "fetch", 1, bytes(32), b'"%d"' % lap)


def _take(view: View, name: AgentIdentity, lap: int) -> TakeMail:
    mail = view.mail(name)
    run = RunId(_id(lap, f"{name} run mail"))
    return TakeMail(mail.sequence, mail.sender_key, view.next_admission(name), run)


def _send(view: View, name: AgentIdentity, recipient: AgentIdentity, lap: int) -> SendMail:
    content = orjson.dumps({"mail": lap})
    input_id = InputId(_id(lap, f"mail to {recipient}"))
    number = view.head(name).sends + 1
    return SendMail(recipient, input_id, InputKind.PEER_MESSAGE, content, content_digest(content), number)


def _boundary(view: View, name: AgentIdentity, lap: int, *, state: int | None = None) -> tuple[Effect, ...]:
    """The turn of the staged input; with a state it also sends one mail."""
    head, admission, run = view.head(name), view.admission(name, STAGED), view.run(name)
    input_id = view.ledger.admitted(name, admission)
    entries = [
        {"role": "user", "input": uuid_text(input_id), "content": orjson.loads(view.ledger.inputs[input_id].content)},
        {"role": "assistant", "content": f"lap {lap}"},
    ]
    digest = head.digest
    for entry in entries:
        digest = sha256(digest + sha256(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).digest()).digest()
    count = head.message_count + len(entries)
    body: dict[str, object] = {"count": count, "log": entries, "text": None}
    if state is not None:
        body["state"] = state
    turn = AppendTurn(
        run,
        CheckpointVersion(head.version + 1),
        digest,
        count,
        head.sends + (state is not None),
        orjson.dumps(body, option=orjson.OPT_SORT_KEYS),
        state is not None,
    )
    return (EndInput(admission, run, None), DropJournal(run), turn)


def _save(view: View, number: int) -> SaveSnapshot:
    head = view.head(RECORD)
    data = number.to_bytes(2, "big") * 1500
    return SaveSnapshot(
        SessionId(uuid_text(head.session)), CheckpointVersion(head.version + 1), data, content_digest(data)
    )


def _put(view: View, lap: int) -> PutDocument:
    body = b"document %d" % lap
    current = view.ledger.documents.get((ANN, "ops", "one"), (0, 0, None))
    return PutDocument("ops", "one", body, content_digest(body), 0 if current[2] is None else current[1])


def _abandon(view: View, name: AgentIdentity) -> EndInput:
    ending = Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: no")
    return EndInput(view.admission(name, STAGED), view.run(name), ending)


def _drop(view: View, lap: int) -> tuple[Effect, ...]:
    if lap % 2:
        return ()
    return (DropDocument("ops", "one", view.ledger.documents[ANN, "ops", "one"][1]),)
