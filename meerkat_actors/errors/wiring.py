"""Who may speak to whom."""

from __future__ import annotations

from meerkat_actors.errors.tree import UsageError


class NotWiredError(UsageError):
    """An agent speaks to one that it has no connection to. ``problem`` names both, and what to do."""
