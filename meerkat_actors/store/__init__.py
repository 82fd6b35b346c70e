"""Durable state behind one synchronous port; no Trio."""

from __future__ import annotations

from meerkat_actors.store.memory import MemoryStore as MemoryStore
from meerkat_actors.store.port import Store as Store
from meerkat_actors.store.sqlite.opening import open_sqlite as open_sqlite
from meerkat_actors.store.sqlite.store import SqliteStore as SqliteStore
