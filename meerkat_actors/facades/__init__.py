"""The contract facades for Trio: each is its synchronous one, called in the order of storage."""

from __future__ import annotations

from meerkat_actors.facades.continuity import AsyncContinuityStore as AsyncContinuityStore
from meerkat_actors.facades.runtime import AsyncRuntimeStore as AsyncRuntimeStore
