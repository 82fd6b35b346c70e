"""Every statement that the continuity facade reads with, named, with its promise."""

from __future__ import annotations

from typing import Final

# The authority of one identity, and what the facade keeps beside it.
READ_STANDING: Final = """
SELECT name.key, head.kind, head.token, head.generation, head.version, head.session, head.tombstone,
       continuity.token, continuity.holder, continuity.floor,
       continuity.former_generation, continuity.former_session, continuity.former_version
  FROM name LEFT JOIN head ON head.key = name.key
            LEFT JOIN continuity ON continuity.identity = name.key
 WHERE name.name = ?1
"""

_SNAPSHOT_COLUMNS: Final = """
SELECT identity, session, generation, version, token, size, digest, data FROM snapshot
"""

# The newest document of one generation: the end of its range in the index.
READ_NEWEST: Final = (
    _SNAPSHOT_COLUMNS
    + """
 WHERE identity = ?1 AND generation = ?2
 ORDER BY version DESC
 LIMIT 1
"""
)

# A session's documents, newest first.
READ_SNAPSHOTS: Final = (
    _SNAPSHOT_COLUMNS
    + """
 WHERE session = ?1
 ORDER BY version DESC
 LIMIT ?2
"""
)

# Whose a session is.
READ_BINDING: Final = """
SELECT session.identity, name.name, session.generation
  FROM session JOIN name ON name.key = session.identity
 WHERE session.session = ?1
"""

# What a refused unit of the facade met.
READ_KIND: Final = """
SELECT kind FROM head WHERE key = ?1
"""
