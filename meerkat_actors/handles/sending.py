"""How an input from outside reaches its agent, also where another runtime holds that."""

from __future__ import annotations

from meerkat_actors.actors.identity import answer_posting
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn.heading import parse_kind
from meerkat_actors.errors import (
    AlreadyOwnedError,
    RejectedError,
    StoreError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles.options import SendOptions, header_of
from meerkat_actors.handles.reach import Reach
from meerkat_actors.handles.waiting import wait_for
from meerkat_actors.machines.admitting import promises
from meerkat_actors.records.codec import content_digest, encode_header, encode_json
from meerkat_actors.records.commands import Send
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.content import JSON
from meerkat_actors.records.effects import PostInput
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, parse_input_id, parse_key
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Admission, Outcome


def make_send(
    reach: Reach, content: JSON, kind: InputKind | str, input_id: InputId | None, key: str | None, options: SendOptions
) -> Send:
    """The command that admits an input.

    Raises:
        InvalidValueError: a value of no acceptable form.
        RejectedInputError: nothing of that kind may say that of itself.
        TypeError: there is no such option.
    """
    limits = reach.limits
    if key is not None:
        parse_key(key, what="idempotency key", length_max=limits.key_length_max)
    header = None
    if options or kind is not InputKind.PROMPT:
        kind = parse_kind(kind)
        header = header_of(kind, options, limits)
    encoded = encode_json(content, what="content", bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max)
    chosen = InputId(reach.env.new_id()) if input_id is None else parse_input_id(input_id)
    return Send(chosen, kind, encoded, content_digest(encoded), key, header)


async def admit(reach: Reach, identity: AgentIdentity, command: Send) -> Admission:
    """Admit an input, and wait until that is durable. See ``AgentHandle.send``."""
    slot: ReplySlot[Admission] = ReplySlot()
    try:
        return await reach.ask(identity, command, slot)
    except AlreadyOwnedError:
        return await _admit_elsewhere(reach, identity, command)


async def admit_and_wait(reach: Reach, identity: AgentIdentity, command: Send) -> tuple[InputId, Outcome]:
    """Admit an input, and wait for its outcome; the id is the first one's, for a duplicate. See ``AgentHandle.ask``."""
    slot: ReplySlot[Admission | Outcome] = ReplySlot()
    input_id = command.input_id
    try:
        reply = await reach.ask(identity, command, slot, wants_outcome=True)
    except AlreadyOwnedError:
        input_id = (await _admit_elsewhere(reach, identity, command)).input_id
        return input_id, await _outcome_of_admitted(reach, identity, input_id)
    except WaitEndedError:
        # It is durable. While the runtime goes on, a successor of its owner takes the question.
        if reach.directory.is_closing:
            raise
        return input_id, await _outcome_of_admitted(reach, identity, input_id)
    except UnknownOutcomeError:
        return input_id, await _outcome_after_crash(reach, identity, input_id)
    if isinstance(reply, Admission):
        # A duplicate: the same key may have another id.
        return reply.input_id, await _outcome_of_admitted(reach, identity, reply.input_id)
    return input_id, reply


async def _admit_elsewhere(reach: Reach, identity: AgentIdentity, command: Send) -> Admission:
    """Leave an input for the runtime that holds the agent; it is durable, and not yet admitted by its owner."""
    effect = PostInput(
        identity,
        command.input_id,
        command.kind,
        command.content,
        command.digest,
        command.idempotency_key,
        None if command.header is None else encode_header(command.header, command.kind),
    )
    outcome = await reach.storage.post(effect)
    if isinstance(outcome, Committed):
        # Whoever held it may have let it go meanwhile.
        reach.directory.post_mail(identity)
        durable = promises(command.kind, command.header)
        return Admission(command.input_id, AdmissionSequence(0), duplicate=False, durable=durable)
    answer = answer_posting(reach.storage.location, identity, command, outcome)
    if isinstance(answer, Admission):
        return answer
    raise answer


async def _outcome_of_admitted(reach: Reach, identity: AgentIdentity, input_id: InputId) -> Outcome:
    try:
        return await wait_for(reach, identity, input_id, is_durable=True)
    except RejectedError as error:
        # "Nothing was written" would be untrue: the input is durable.
        raise WaitEndedError(identity=identity, input_id=input_id) from error


async def _outcome_after_crash(reach: Reach, identity: AgentIdentity, input_id: InputId) -> Outcome:
    try:
        return await wait_for(reach, identity, input_id)
    except (UsageError, StoreError, RejectedError):
        # It was not admitted under this id, or there is nobody left to ask.
        raise UnknownOutcomeError(identity=identity) from None
