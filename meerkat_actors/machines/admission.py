"""Which inputs no agent admits, whatever it is doing: decided on what they say of themselves.

Rule 1: what can be derived is made again from other facts, so it comes from inside and is no conversation.
Rule 2: a mode is said of what has one.
Rule 3: a response names its request and how that is getting on; nothing else does.
Rule 4: what the runtime says of an input, nobody else says.

The first rule that is broken is told.

Reference: ``reference/runtime.md`` sections 2.3 to 2.5.
"""

from __future__ import annotations

from typing import Final

from meerkat_actors.errors import InputRejection, RejectedInputError
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Origin, ResponseStatus
from meerkat_actors.records.inputs import InputKind

K = InputKind
R = InputRejection

INSIDE: Final = frozenset({Origin.FLOW, Origin.SYSTEM})
"""The origins whose inputs can be derived."""
DERIVABLE: Final = frozenset({K.PEER_RESPONSE_PROGRESS, K.EXTERNAL_EVENT, K.CONTINUATION, K.OPERATION})
"""The kinds that can be derived."""
MODELESS: Final = frozenset({K.PEER_RESPONSE_PROGRESS, K.OPERATION})
"""The kinds that have no mode: where they go is not theirs to say."""
PROGRESS: Final = frozenset({ResponseStatus.ACCEPTED, ResponseStatus.IN_PROGRESS, ResponseStatus.PARTIAL_RESULT})
RESULTS: Final = frozenset({ResponseStatus.COMPLETED, ResponseStatus.FAILED})
"""What a terminal response tells. A cancelled request is no work for the agent that made it."""

_RESPONSES: Final = frozenset({K.PEER_RESPONSE_PROGRESS, K.PEER_RESPONSE_TERMINAL})


def refusal(kind: InputKind, header: Header | None) -> RejectedInputError | None:
    """Why an input from outside is not admitted, or None. ``header``: None for its kind's default."""
    if header is None:
        if kind not in _RESPONSES:
            return None
        header = DEFAULT_HEADERS[kind]
    return (
        _durability_refusal(kind, header)
        or _mode_refusal(kind, header)
        or _response_refusal(kind, header)
        or _header_refusal(kind, header)
    )


def _durability_refusal(kind: InputKind, header: Header) -> RejectedInputError | None:
    if header.durability is not Durability.DERIVED:
        return None
    if header.origin not in INSIDE:
        problem = f"only inputs of origin {_listed(INSIDE)} can be derived, and this one is of origin {header.origin}"
    elif kind not in DERIVABLE:
        problem = "such inputs can't be derived: what they say is said once"
    else:
        return None
    return _rejected(R.DURABILITY_VIOLATION, kind, f"{problem}; declare it durable or ephemeral")


def _mode_refusal(kind: InputKind, header: Header) -> RejectedInputError | None:
    if header.mode is None or kind not in MODELESS:
        return None
    return _rejected(R.HANDLING_MODE_INVALID, kind, f"such inputs have no mode; leave out mode={header.mode.value!r}")


def _response_refusal(kind: InputKind, header: Header) -> RejectedInputError | None:
    if kind not in _RESPONSES:
        if header.request_id is None and header.status is None:
            return None
        problem = "such inputs are no responses; leave out request_id and status, or send a response"
    elif header.request_id is None:
        problem = "a response names its request; give the request's input id as request_id"
    else:
        statuses = PROGRESS if kind is K.PEER_RESPONSE_PROGRESS else RESULTS
        if header.status in statuses:
            return None
        told = "none" if header.status is None else repr(header.status.value)
        problem = f"its status has to be {_listed(statuses)}, and is {told}"
    return _rejected(R.RESPONSE_INVALID, kind, problem)


def _header_refusal(kind: InputKind, header: Header) -> RejectedInputError | None:
    if header.intent is not None and kind is not K.PEER_REQUEST:
        problem = f"only a {K.PEER_REQUEST} has an intent; leave it out"
    elif header.redrives is not None or header.coalesces:
        problem = "redrives and coalesces are the runtime's to say; leave them out"
    else:
        return None
    return _rejected(R.HEADER_INVALID, kind, problem)


def _rejected(reason: InputRejection, kind: InputKind, problem: str) -> RejectedInputError:
    return RejectedInputError(reason=reason, problem=f"{kind}: {problem}; nothing was written")


def _listed(values: frozenset[Origin] | frozenset[ResponseStatus]) -> str:
    return " or ".join(sorted(values))
