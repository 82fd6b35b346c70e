"""Durable state behind one synchronous port; no Trio."""

from __future__ import annotations

from meerkat_actors.store.continuity import ContinuityStore as ContinuityStore
from meerkat_actors.store.memory import MemoryStore as MemoryStore
from meerkat_actors.store.port import Store as Store
from meerkat_actors.store.runtime import RuntimeStore as RuntimeStore
from meerkat_actors.store.sqlite.opening import open_sqlite as open_sqlite
from meerkat_actors.store.sqlite.reader import StoreReader as StoreReader
from meerkat_actors.store.sqlite.reader import open_reader as open_reader
from meerkat_actors.store.sqlite.store import SqliteStore as SqliteStore
from meerkat_actors.store.sqlite.surveying import Survey as Survey
from meerkat_actors.store.sqlite.surveying import owners_of as owners_of
