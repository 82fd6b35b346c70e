"""How a turn speaks to other agents: messages, requests, and the answers to those that it was asked."""

from __future__ import annotations

from typing import Final

from meerkat_actors.actors.turn.gathering import check_count, gathered
from meerkat_actors.actors.turn.heading import (
    MessageOptions,
    RequestOptions,
    check_admissible,
    header_of,
    parse_word,
)
from meerkat_actors.actors.turn.job import Draft, TurnInput, TurnJob
from meerkat_actors.actors.turn.wiring import every_name
from meerkat_actors.errors import UsageError
from meerkat_actors.machines.admission import PROGRESS
from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header, Mode, ResponseStatus
from meerkat_actors.records.ids import AgentIdentity, InputId, parse_identity, parse_input_id, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.runs import Sending

# Looking a member up in its enum takes a tenth of a message's time.
_MESSAGE: Final = InputKind.PEER_MESSAGE
_REQUEST: Final = InputKind.PEER_REQUEST


def send(job: TurnJob, draft: Draft, to: str, content: JSON, options: MessageOptions) -> InputId:
    """Send a message. See ``Turn.send``."""
    header = header_of(_MESSAGE, options, MessageOptions, job.limits) if options else None
    return _sent(job, draft, _meant(job, to), content, _MESSAGE, header)


def request(job: TurnJob, draft: Draft, to: str, content: JSON, options: RequestOptions) -> InputId:
    """Send a request. See ``Turn.request``."""
    header = header_of(_REQUEST, options, RequestOptions, job.limits) if options else None
    return _sent(job, draft, _meant(job, to), content, _REQUEST, header)


def _meant(job: TurnJob, to: str) -> AgentIdentity:
    recipient = job.wiring(job.identity, to)
    # Somebody else's wiring may return anything, and what is sent there is durable.
    return recipient if job.wiring is every_name else parse_identity(recipient)


def respond(
    job: TurnJob,
    draft: Draft,
    request: TurnInput | InputId,
    content: JSON,
    status: ResponseStatus | str,
    mode: Mode | str | None,
) -> InputId:
    """Answer a request, or say how it is getting on. See ``Turn.respond``."""
    request_id = _id_of(request)
    sender, correlation_id = _asked(job, draft, request_id)
    _check_unanswered(job, draft, request_id)
    said = parse_word(ResponseStatus, "status", status)
    is_terminal = said not in PROGRESS
    kind = InputKind.PEER_RESPONSE_TERMINAL if is_terminal else InputKind.PEER_RESPONSE_PROGRESS
    default = DEFAULT_HEADERS[kind]
    # Not as options: what the request says of itself was let in when that was sent.
    header = Header(
        origin=default.origin,
        durability=default.durability,
        request_id=request_id,
        status=said,
        correlation_id=correlation_id,
        mode=parse_word(Mode, "mode", mode),
    )
    check_admissible(kind, header)
    input_id = _sent(job, draft, sender, content, kind, header)
    if is_terminal:
        draft.more.answered.add(request_id)
        draft.more.deferred.discard(request_id)
    return input_id


def defer(job: TurnJob, draft: Draft, request: TurnInput | InputId) -> None:
    """Let a later turn answer a request. See ``Turn.defer``."""
    request_id = _id_of(request)
    _asked(job, draft, request_id)
    _check_unanswered(job, draft, request_id)
    deferred = draft.more.deferred
    if request_id in job.owed or request_id in deferred:
        return
    if len(owed(job, draft)) + len(deferred) >= job.limits.owed_max:
        problem = f"it owes {job.limits.owed_max:,} answers, as many as it may; answer some before it defers more"
        raise UsageError(problem=f"{job.identity}: {problem}")
    deferred.add(request_id)


def owed(job: TurnJob, draft: Draft) -> tuple[InputId, ...]:
    """The requests of earlier turns that wait for an answer still. See ``Turn.owed``."""
    answered = frozenset[InputId]() if draft.extras is None else draft.extras.answered
    oldest_first = sorted(job.owed.values(), key=lambda each: each.admission)
    return tuple(each.input_id for each in oldest_first if each.input_id not in answered)


def _sent(
    job: TurnJob, draft: Draft, recipient: AgentIdentity, content: JSON, kind: InputKind, header: Header | None
) -> InputId:
    check_count(job, len(draft.sendings), "sends or appends", "messages")
    input_id = InputId(job.env.new_id())
    encoded = gathered(draft, content, "message", job.limits)
    draft.sendings.append(Sending(recipient, input_id, encoded, kind, header))
    return input_id


def _id_of(request: TurnInput | InputId) -> InputId:
    return request.input_id if isinstance(request, TurnInput) else parse_input_id(request)


def _asked(job: TurnJob, draft: Draft, request_id: InputId) -> tuple[AgentIdentity, str | None]:
    """Who asked, and the correlation id of the request."""
    debt = job.owed.get(request_id)
    if debt is not None:
        return debt.sender, debt.correlation_id
    for member in (*job.run.base, *draft.bound):
        if member.input_id != request_id:
            continue
        if member.kind is not _REQUEST:
            problem = f"input {request_id} is a {member.kind}; only a {_REQUEST} is answered"
        elif member.sender is None:
            problem = f"request {request_id} came from no agent; who asked is told what the turn returns"
        else:
            return member.sender, None if member.header is None else member.header.correlation_id
        raise UsageError(problem=f"{job.identity}: {problem}")
    problem = f"{shown(request_id)} is no request of this turn, and no answer to it is owed; see turn.inputs, turn.owed"
    raise UsageError(problem=f"{job.identity}: {problem}")


def _check_unanswered(job: TurnJob, draft: Draft, request_id: InputId) -> None:
    if draft.extras is not None and request_id in draft.extras.answered:
        problem = f"request {request_id} has its answer; nothing follows that"
        raise UsageError(problem=f"{job.identity}: {problem}")
