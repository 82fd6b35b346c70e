"""One opaque document as a store returns it."""

from __future__ import annotations

from meerkat_actors.records.hot import hot


@hot
class Document:
    """Bytes that a store keeps for one identity, and does not read."""

    body: bytes
    epoch: int
    """Counts its lives: put again after it was dropped, it is in the next one. The first is 1."""
    generation: int
    """Counts its changes, drops included, for ever: an old one never becomes current again. The first is 1."""
