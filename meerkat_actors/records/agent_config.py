"""The configuration of one agent, as stored."""

from __future__ import annotations

from meerkat_actors.records.hot import hot


@hot
class AgentConfig:
    """What ``runtime.agent(..., config=)`` gave an agent last. A change is another version; none is forgotten."""

    version: int
    """Dense per identity, from 1."""
    body: bytes
    """Canonical JSON."""
