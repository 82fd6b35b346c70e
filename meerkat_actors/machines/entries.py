"""What an input leaves in the transcript of the turn that takes it up."""

from __future__ import annotations

from meerkat_actors.machines.policy import DEFAULT_POLICIES, policy_of
from meerkat_actors.records.codec import encode_entry
from meerkat_actors.records.inputs import OpenInput


def entry_of(member: OpenInput) -> tuple[bytes, ...]:
    """The canonical entry of an input; none for one that its header, or its policy, keeps out of the transcript."""
    if member.header is None and member.policy == 0:
        policy = DEFAULT_POLICIES[member.kind]
    elif member.header is not None and not member.header.in_transcript:
        return ()
    else:
        policy = policy_of(member.policy, member.kind)
    if not policy.in_transcript:
        return ()
    return (encode_entry(role="user", content=member.content, input_id=member.input_id, sender=member.sender),)
