"""What every edge is tried over."""

from __future__ import annotations

from tests.edges.world import place as place
