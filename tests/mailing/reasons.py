"""Why an input may have ended as it did: what operators asked for, what agents raised, what the world did."""

from __future__ import annotations

from typing import Final

from meerkat_actors.machines.state import key_of
from meerkat_actors.records.codec import decode_header, decode_json
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity
from meerkat_actors.records.inputs import InputRow, OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Coalesced, Consumed, Noted, Outcome, Superseded
from tests.mailing.book import Sent
from tests.mailing.moves import ABSENT, LATE
from tests.mailing.world import MailWorld

_ASKED: Final = {
    AbandonReason.CANCELLED: ("interrupt", "reset"),
    AbandonReason.RESET: ("reset",),
    AbandonReason.STOPPED: ("stop",),
    AbandonReason.DESTROYED: ("destroy",),
}
"""What somebody must have asked for."""
_SUPERSEDED: Final = frozenset(InputKind) - {InputKind.PEER_RESPONSE_PROGRESS}
_COALESCED: Final = frozenset({InputKind.PEER_RESPONSE_PROGRESS})
_FLOORED: Final = ("stop", "reset", "destroy")
"""What raises a mail floor. Why it rose is not kept: what is below it is returned as what its agent is by then."""


def explain(
    world: MailWorld, identity: AgentIdentity, row: InputRow, outcome: Outcome, sent: Sent | None
) -> str | None:
    """What is wrong about an ending; None for nothing."""
    match outcome:
        case Consumed():
            return None
        case Noted():
            return "noted, and no input of these worlds is"
        case Superseded(by=by):
            return _explain_displaced(world, identity, row, by, kinds=_SUPERSEDED)
        case Coalesced(into=by):
            return _explain_displaced(world, identity, row, by, kinds=_COALESCED)
        case Abandoned(reason=reason):
            return _explain_abandoned(world, identity, row, reason, sent)


def _explain_displaced(
    world: MailWorld, identity: AgentIdentity, row: InputRow, by: str, *, kinds: frozenset[InputKind]
) -> str | None:
    store = world.sides[0].processes.store
    assert store is not None
    newer = next(
        (
            each
            for each in store.inner.page_inputs(identity, after=row.admission, limit=1_000_000, newest_first=False)
            if each.input_id == by
        ),
        None,
    )
    if newer is None:
        return "displaced by nothing newer"
    if row.kind not in kinds:
        return "displaced as another kind is"
    return None if _key(row) == _key(newer) is not None else "displaced by another key"


def _key(row: InputRow) -> tuple[InputKind, str] | None:
    header = None if row.header is None else decode_header(row.header, row.kind)
    return key_of(OpenInput(AdmissionSequence(0), row.input_id, row.kind, b"", None, header))


def _explain_abandoned(
    world: MailWorld, identity: AgentIdentity, row: InputRow, reason: AbandonReason, sent: Sent | None
) -> str | None:
    is_returned = row.admission is None
    if is_returned and sent is not None and sent.input_id in world.book.floored:
        fits = reason in {AbandonReason.RESET, AbandonReason.STOPPED, AbandonReason.DESTROYED, AbandonReason.RETIRED}
        return None if fits and _asked(world, identity, *_FLOORED) else f"{reason} below a floor"
    asked = _ASKED.get(reason)
    if asked is not None:
        return None if _asked(world, identity, *asked) else f"{reason}, and nobody asked for it"
    match reason:
        case AbandonReason.RETIRED:
            return None if is_returned and _asked(world, identity, "retire") else "retired, and nobody asked for it"
        case AbandonReason.UNDELIVERABLE:
            return None if is_returned and identity in {*LATE, *ABSENT} else "undeliverable, and its agent exists"
        case AbandonReason.EPHEMERAL_LOST:
            return None if row.kind is InputKind.PEER_RESPONSE_PROGRESS else "lost, and not ephemeral"
        case AbandonReason.ATTEMPTS_EXHAUSTED:
            return None if _fails(row) else "given up, and its turns did not fail"
        case AbandonReason.CRASH_LOOP:
            ends = world.kills + world.refusals
            return None if ends >= world.history.limits.interruptions_max else "a crash loop without its crashes"
        case _:
            return f"{reason}, which nothing here leads to"


def _fails(row: InputRow) -> bool:
    """Whether the agent raises because of it; dead letters keep their content."""
    said = decode_json(row.content)
    return isinstance(said, dict) and said["fails"] != 0


def _asked(world: MailWorld, identity: AgentIdentity, *verbs: str) -> bool:
    return any(world.asked[identity, verb] for verb in verbs)
