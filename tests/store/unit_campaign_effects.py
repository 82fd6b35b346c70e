"""Effects that a writer would send from where it stands: each maker gives one that goes through, or None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve

from meerkat_actors.machines.input_moves import MOVES
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    ResolveStep,
    SendMail,
    SetConfig,
    SettleLetter,
    Stage,
    TakeMail,
)
from meerkat_actors.records.ids import (
    AdmissionSequence,
    CheckpointVersion,
    FencingToken,
    Generation,
    RunId,
)
from meerkat_actors.records.inputs import InputKind, InputState, Lane
from meerkat_actors.records.outcomes import DEAD_LETTERS, Abandoned, AbandonReason
from meerkat_actors.records.runs import CHECKPOINT
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from tests.store.unit_campaign_agenda import agenda
from tests.store.unit_campaign_sight import NAMES, STRANGERS, Sight, number_of, sender_key

CONTENTS: Final = (b'"one"', b'"two"', b"{}")
DOCUMENT_KINDS: Final = ("ops", "login")
DOCUMENT_KEYS: Final = ("a", "b")
KINDS: Final = ("worker", "worker", "worker", "reviewer", "@other")
HEADERS: Final = (b'{"correlation_id":"7"}', b'{"mode":"steer"}', '{"supersession_key":"é"}'.encode())
"""Of any kind, also of the one that a mistake makes of it."""
RULES: Final = (8, 12)
"""For every kind."""
SPECIAL: Final = 0.4
"""How often an input or mail is no plain one."""
REQUESTS: Final = 0.3
"""How often mail is a request."""
RECEIPT_RUNS: Final = 3
"""Recent runs of which one gets another receipt."""

Maker = Callable[[Sight], Effect | None]


def insert(sight: Sight) -> InsertInput:
    chance, content = sight.chance, sight.chance.choice(CONTENTS)
    admission = AdmissionSequence(sight.next_admission)
    sight.next_admission += 1
    key = f"key {number_of(sight.world.new_id())}" if chance.random() < 0.3 else None
    lane, policy = _lane_and_rule(sight)
    run = sight.run_for(lane) if lane is not Lane.NONE and chance.random() < 0.4 else None
    kind, header = _kind_and_header(sight, InputKind.PROMPT)
    digest = content_digest(content)
    return InsertInput(admission, sight.world.new_input(), kind, content, digest, key, run, header, policy, lane)


def take(sight: Sight) -> TakeMail | None:
    if not sight.mail:
        return None
    mail = sight.mail.pop(0)
    if mail.sender is not None and mail.sender not in NAMES:  # a stranger's, whose key differs between the stores
        return None
    admission = AdmissionSequence(sight.next_admission)
    sight.next_admission += 1
    lane, policy = _lane_and_rule(sight)
    run = sight.run_for(lane) if lane is not Lane.NONE and sight.chance.random() < 0.4 else None
    return TakeMail(number_of(mail.input_id), sender_key(mail), admission, run, policy, lane)


def stage(sight: Sight) -> Stage | None:
    position = sight.chance.choice((0, 0, 0, 1, 2))
    return Stage(sight.queued.pop(0), sight.run_or_new(), position) if sight.queued else None


def charge(sight: Sight) -> ChargeRun | None:
    if not sight.staged:
        return None
    chance = sight.chance
    return ChargeRun(*sight.staged.pop(0), chance.randrange(4), chance.randrange(4), chance.randrange(9))


def consume(sight: Sight) -> EndInput | None:
    if not sight.staged:
        return None
    admission, run = sight.staged.pop(0)
    return EndInput(admission, run, None, owes=admission in sight.requests and sight.chance.random() < 0.6)


def abandon(sight: Sight) -> EndInput | None:
    if not sight.staged:
        return None
    reason = sight.chance.choice(tuple(AbandonReason))
    admission, run = sight.staged.pop(0)
    if reason in DEAD_LETTERS:
        sight.letters.append(admission)
    return EndInput(admission, run, Abandoned(reason, "no"))


def settle(sight: Sight) -> SettleLetter | None:
    return SettleLetter(sight.letters.pop(0)) if sight.letters else None


def move(sight: Sight) -> MoveInput | None:
    chance = sight.chance
    if sight.queued and (not sight.staged or chance.random() < 0.5):
        admission, was, was_run = sight.queued.pop(0), InputState.QUEUED, None
    elif sight.staged:
        admission, was_run = sight.staged.pop(0)
        was = InputState.STAGED
    else:
        return None
    state = chance.choice([after for before, after in sorted(MOVES) if before is was])
    run = sight.run_or_new() if state is InputState.STAGED else None
    ending = b'{"how":"moved"}' if state.is_terminal else None
    counts = chance.randrange(4), chance.randrange(4), chance.randrange(9)
    return MoveInput(admission, was, was_run, state, run, *counts, ending)


def record(sight: Sight) -> RecordStep | None:
    if not sight.staged:
        return None
    chance = sight.chance
    admission, run = sight.staged[0]
    name = chance.choice(("fetch", "ask", CHECKPOINT))
    nth = 1 + sum(step[0] == name for step in sight.steps)
    sight.steps.add((name, nth))
    is_once = chance.random() < 0.5
    if is_once and chance.random() < 0.7:
        sight.intents.append((run, name, nth))
        return RecordStep(admission, run, name, nth, b"arguments", b"", is_once)
    return RecordStep(admission, run, name, nth, b"arguments", chance.choice(CONTENTS), is_once)


def resolve(sight: Sight) -> ResolveStep | None:
    if not sight.intents:
        return None
    return ResolveStep(*sight.intents.pop(0), sight.chance.choice((None, *CONTENTS)))


def drop_journal(sight: Sight) -> DropJournal:
    sight.steps.clear()
    return DropJournal(sight.run_or_new())


def send(sight: Sight) -> SendMail:
    chance, content = sight.chance, sight.chance.choice(CONTENTS)
    recipient = chance.choice(STRANGERS if chance.random() < 0.1 else NAMES)
    digest = content_digest(content)
    number = chance.randrange(9)
    plain = InputKind.PEER_REQUEST if chance.random() < REQUESTS else InputKind.PEER_MESSAGE
    kind, header = _kind_and_header(sight, plain)
    lane = Lane.STEER if chance.random() < SPECIAL else Lane.QUEUE
    return SendMail(recipient, sight.world.new_input(), kind, content, digest, number, header, lane)


def _kind_and_header(sight: Sight, plain: InputKind) -> tuple[InputKind, bytes | None]:
    if sight.chance.random() >= SPECIAL:
        return plain, None
    return sight.chance.choice(tuple(InputKind)), sight.chance.choice((None, *HEADERS))


def _lane_and_rule(sight: Sight) -> tuple[Lane, int]:
    if sight.chance.random() >= SPECIAL:
        return Lane.QUEUE, 0
    return sight.chance.choice(tuple(Lane)), sight.chance.choice((0, *RULES))


def configure(sight: Sight) -> SetConfig:
    sight.config_version += 1
    return SetConfig(sight.config_version, sight.chance.choice(CONTENTS))


def append(sight: Sight) -> AppendTurn:
    version = CheckpointVersion(sight.fence.version + 1)
    # Also where none is set: what the mistakes make of it must still decode.
    body = b'{"state":%d}' % sight.world.serial
    sets_state = sight.chance.random() < 0.5
    return AppendTurn(
        sight.run_or_new(), version, content_digest(body), sight.world.serial, sight.world.serial, body, sets_state
    )


def receipt(sight: Sight) -> RecordReceipt:
    """The next one of the live run, or of another that then is the live one."""
    if sight.run is None:
        recent = list(sight.world.runs)[-RECEIPT_RUNS:]
        sight.run = sight.chance.choice(recent) if recent else None
    run: RunId = sight.run_or_new()
    return RecordReceipt(run, sight.world.receipts[sight.name, run] + 1)


def bind(sight: Sight) -> BindSession:
    return BindSession(sight.world.new_session() if sight.chance.random() < 0.5 else sight.session)


def put(sight: Sight) -> PutDocument:
    chance, body = sight.chance, sight.chance.choice(CONTENTS)
    kind, key = chance.choice(DOCUMENT_KINDS), chance.choice(DOCUMENT_KEYS)
    expected = None if chance.random() < 0.4 else _generation(sight, kind, key)
    return PutDocument(kind, key, body, content_digest(body), expected)


def drop_document(sight: Sight) -> DropDocument | None:
    chance = sight.chance
    kind, key = chance.choice(DOCUMENT_KINDS), chance.choice(DOCUMENT_KEYS)
    generation = _generation(sight, kind, key)
    if generation == 0:
        return None
    return DropDocument(kind, key, None if chance.random() < 0.4 else generation)


def _generation(sight: Sight, kind: str, key: str) -> int:
    found = sight.model.find_document(sight.name, kind, key)
    return 0 if found is None else found.generation


RUNTIME_MAKERS: Final[tuple[tuple[Maker, int], ...]] = (
    (insert, 6),
    (take, 6),
    (stage, 5),
    (charge, 3),
    (consume, 6),
    (abandon, 3),
    (settle, 2),
    (move, 4),
    (record, 4),
    (resolve, 3),
    (drop_journal, 2),
    (send, 5),
    (agenda, 8),
    (configure, 1),
    (append, 4),
    (receipt, 3),
    (bind, 1),
    (put, 2),
    (drop_document, 2),
)
"""Each with its weight."""


# -- beginnings ---------------------------------------------------------------------------


def create(sight: Sight) -> tuple[Effect, ...]:
    """The runtime's creation, or the facade's."""
    chance = sight.chance
    if chance.random() < 0.6:
        return (CreateIdentity(chance.choice(KINDS), sight.world.new_session()),)
    # A record may begin at any token and generation; seldom far up.
    far = chance.random() < 0.3
    token, generation = (chance.randrange(1, 9), chance.randrange(9)) if far else (1, 0)
    sight.fence = evolve(sight.fence, token=FencingToken(token), generation=Generation(generation))
    return (CreateRecord(sight.world.new_session()), grant(sight))


def grant(sight: Sight) -> Grant:
    return Grant(sight.chance.choice(("ann", "ben")))


def exhume(sight: Sight) -> tuple[Effect, ...]:
    """Lift the tombstone: for a new life, or to bury it again."""
    previous = sight.fence.token
    sight.fence = evolve(sight.fence, token=FencingToken(previous + 1))
    lifted = (Exhume(previous), grant(sight))
    return (*lifted, reset(sight) if sight.chance.random() < 0.8 else BuryRecord(sight.session))


# -- the continuity facade's --------------------------------------------------------------


def save(sight: Sight) -> SaveSnapshot:
    chance, data = sight.chance, sight.chance.choice(CONTENTS)
    version = CheckpointVersion(sight.fence.version + chance.choice((1, 1, 1, 2, 7)))
    return SaveSnapshot(sight.session, version, data, content_digest(data))


def drop_snapshots(sight: Sight) -> DropSnapshots:
    session = sight.session
    newest = sight.model.read_snapshots(session, limit=1)
    return DropSnapshots(session, newest[0].digest if newest else bytes(32))


def rebind(sight: Sight) -> RebindSession:
    return RebindSession(sight.session, sight.world.new_session())


def reset(sight: Sight) -> ResetRecord:
    floor = 0 if sight.authority is None else sight.authority.floor
    reversible = sight.is_alive and sight.chance.random() < 0.7
    return ResetRecord(Generation(floor + 1), sight.world.new_session(), reversible)


def roll_back(sight: Sight) -> RollBackRecord:
    now = sight.authority
    if now is None or now.former is None:  # there is nothing to return to
        return RollBackRecord(sight.session, Generation(0), sight.session, CheckpointVersion(0))
    return RollBackRecord(sight.session, now.former.generation, now.former.session_id, now.former.version)


def bury(sight: Sight) -> BuryRecord:
    return BuryRecord(sight.session)


def continuity(sight: Sight) -> tuple[Effect, ...]:
    """One verb of the facade, as a unit."""
    chance = sight.chance
    assert sight.authority is not None
    can_return = sight.authority.former is not None
    makers: list[Callable[[Sight], Effect]] = [save, save, save, rebind, reset, bury, grant]
    if sight.model.read_snapshots(sight.session, limit=1):
        makers.append(drop_snapshots)
    if can_return:
        makers += [roll_back, roll_back]
    effects = (chance.choice(makers)(sight),)
    with_grant = chance.random() < 0.2 and not isinstance(effects[0], Grant)
    return (*effects, grant(sight)) if with_grant else effects
