"""Whom an agent means by a name, and whether it may speak to them."""

from __future__ import annotations

from collections.abc import Callable

from meerkat_actors.records.ids import AgentIdentity, parse_identity

Wiring = Callable[[AgentIdentity, str], AgentIdentity]
"""Given who speaks and what name it uses: whom it means. It raises ``NotWiredError`` where there is no connection, and
``InvalidValueError`` for what is no name. Called where the agent runs, for a plain one in a thread; it waits for
nothing."""


def every_name(sender: AgentIdentity, to: str) -> AgentIdentity:
    """Everybody may speak to everybody, by their full names.

    Raises:
        InvalidValueError: no identity.
    """
    return parse_identity(to)
