"""Both stores, across restarts and crashes."""

from __future__ import annotations

from tests.recovery.places import killer as killer
from tests.recovery.places import place as place
