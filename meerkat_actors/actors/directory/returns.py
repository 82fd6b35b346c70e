"""Whose mail may have to be returned, as the courier is told."""

from __future__ import annotations

import trio

from meerkat_actors.records.ids import AgentIdentity


class Returns:
    """Identities that the courier is to look at, each once. Never waits."""

    def __init__(self) -> None:
        self._identities: dict[AgentIdentity, None] = {}
        self._news = trio.Event()

    def add(self, identity: AgentIdentity) -> None:
        """Let the courier look at the mail of an identity. Idempotent."""
        self._identities[identity] = None
        self._news.set()

    def take(self) -> AgentIdentity | None:
        """The identity that was added first; None when there is none."""
        identity = next(iter(self._identities), None)
        if identity is not None:
            del self._identities[identity]
        return identity

    def fresh_news(self) -> trio.Event:
        """Set when an identity is added from now on."""
        self._news = trio.Event()
        return self._news
