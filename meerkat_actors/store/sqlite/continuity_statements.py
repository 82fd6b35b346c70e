"""Every statement that the continuity facade writes with, named, with its promise.

``?1`` to ``?4`` are the fence, as in ``statements``: key, token, generation, version, and each statement
guards itself in the same way. Nothing of the runtime's own runs any of these, or reads their tables.
"""

from __future__ import annotations

from typing import Final

# Lifts a tombstone: only from the token that the writer read. ?5 is that token, ?6 the incarnation, ?7 the new kind.
EXHUME_HEAD: Final = """
UPDATE head
   SET token = ?2, owner = ?6, kind = ?7, tombstone = 0, desired = 'open'
 WHERE key = ?1 AND token = ?5 AND generation = ?3 AND version = ?4 AND tombstone = 1
"""

# Remembers who holds the fence's token; the floor never falls.
GRANT: Final = """
INSERT INTO continuity (identity, token, holder, floor)
VALUES ((SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?2, ?5, ?3)
    ON CONFLICT (identity) DO UPDATE
       SET token = excluded.token, holder = excluded.holder, floor = max(floor, excluded.floor)
"""

# Forgets a session's newest document iff it has that digest.
DROP_NEWEST: Final = """
DELETE FROM snapshot
 WHERE rowid = (SELECT rowid FROM snapshot WHERE session = ?5 ORDER BY version DESC LIMIT 1)
   AND digest = ?6
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Forgets the session's other documents. Touches as many rows as there are, so it is not counted.
DROP_SESSION: Final = """
DELETE FROM snapshot
 WHERE session = ?5
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Binds a session to a generation of the identity, for ever; to the same one again is no change.
BIND_SESSION: Final = """
INSERT INTO session (session, identity, generation)
VALUES (?5, (SELECT key FROM head
              WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?6)
    ON CONFLICT (session) DO UPDATE
       SET generation = excluded.generation
     WHERE identity = excluded.identity AND generation = excluded.generation
"""

# Keeps a document of the current session, of an identity that the facade serves. ?10 is its kind.
INSERT_SNAPSHOT: Final = """
INSERT INTO snapshot (identity, generation, version, session, token, size, digest, data)
VALUES ((SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
            AND session = ?5 AND kind = ?10),
        ?3, ?6, ?5, ?2, ?7, ?8, ?9)
"""

# Forgets all but the session's last two documents, of which ?6 is the last. Not counted.
PRUNE_SNAPSHOTS: Final = """
DELETE FROM snapshot
 WHERE session = ?5
   AND version < (SELECT max(version) FROM snapshot WHERE session = ?5 AND version < ?6)
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Begins the next generation's number, and remembers what a rollback returns to, unless ?6 is 0.
RAISE_FLOOR: Final = """
UPDATE continuity
   SET floor = ?5,
       former_generation = iif(?6, ?3, NULL),
       former_session = iif(?6, (SELECT session FROM head WHERE key = ?1), NULL),
       former_version = iif(?6, ?4, NULL)
 WHERE floor = ?7
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Takes back what a rollback returns to, once.
TAKE_FORMER: Final = """
UPDATE continuity
   SET former_generation = NULL, former_session = NULL, former_version = NULL
 WHERE former_generation = ?5 AND former_session = ?6 AND former_version = ?7
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Forgets the documents of the current generation. Not counted.
DROP_GENERATION: Final = """
DELETE FROM snapshot
 WHERE generation = ?3
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Forgets every document of the identity. Not counted.
DROP_SNAPSHOTS: Final = """
DELETE FROM snapshot
 WHERE identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Compare-and-set: moves the head to the saved version.
SAVE_HEAD: Final = """
UPDATE head
   SET version = ?5
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND session = ?6 AND kind = ?7
"""

# Goes on with session ?5 in place of ?6.
REBIND_HEAD: Final = """
UPDATE head
   SET session = ?5
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND session = ?6 AND kind = ?7
"""

# Begins generation ?5 with session ?6 and nothing behind it.
RESET_HEAD: Final = """
UPDATE head
   SET generation = ?5, session = ?6, version = 0, digest = ?8, message_count = 0, last_turn = 0, last_state = 0
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND kind = ?7
"""

# Goes back to generation ?5, session ?6 and version ?8 from session ?9.
ROLL_BACK_HEAD: Final = """
UPDATE head
   SET generation = ?5, session = ?6, version = ?8
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND session = ?9 AND kind = ?7
"""

# Leaves a tombstone: the token as it is, and the highest generation ever begun.
BURY_HEAD: Final = """
UPDATE head
   SET tombstone = 1, version = 0,
       generation = max(generation, coalesce((SELECT floor FROM continuity WHERE identity = ?1), 0))
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND session = ?5 AND kind = ?6
"""
