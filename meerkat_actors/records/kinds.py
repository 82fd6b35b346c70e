"""The kinds of inputs."""

from __future__ import annotations

from enum import StrEnum


class InputKind(StrEnum):
    """What an input is."""

    PROMPT = "prompt"
    """From the embedding program. It has a turn to itself."""
    PEER_MESSAGE = "peer_message"
    """From another agent's turn."""
    PEER_REQUEST = "peer_request"
    """From another agent, which waits for a response."""
    PEER_RESPONSE_PROGRESS = "peer_response_progress"
    """How a request is getting on; a newer one stands for those still queued."""
    PEER_RESPONSE_TERMINAL = "peer_response_terminal"
    """The one answer to a request."""
    FLOW_STEP = "flow_step"
    EXTERNAL_EVENT = "external_event"
    CONTINUATION = "continuation"
    """The runtime's own: go on. It has no words for the transcript."""
    OPERATION = "operation"
    """What became of an operation: known as soon as it is admitted, and consumed by that."""
