"""Durable state behind one synchronous port; no Trio."""

from __future__ import annotations

from meerkat_actors.store.memory import MemoryStore as MemoryStore
