"""Every statement of pruning, named, with its promise.

Each read looks at a bounded number of rows behind a key; each write touches one row or none, and guards itself:
none of them presents a fence, because none changes what an owner believes.
"""

from __future__ import annotations

from typing import Final

# Inputs behind a sequence, what they weigh, and how many of their agent were admitted later. The length of a blob is
# in its row's header: nothing of it is read.
READ_INPUTS: Final = """
SELECT input.seq, input.input_id, input.state, length(input.content),
       (SELECT max(newest.admission) FROM input AS newest INDEXED BY input_admission
         WHERE newest.identity = input.identity AND newest.admission IS NOT NULL) - input.admission,
       head.kind
  FROM input LEFT JOIN head ON head.key = input.identity
 WHERE input.seq > ?1
 ORDER BY input.seq
 LIMIT ?2
"""

# Takes the content of an input that has its outcome. No JSON is empty, so this one says what happened.
FORGET_CONTENT: Final = """
UPDATE input SET content = x'' WHERE seq = ?1 AND state > 2
"""

# Documents behind a rowid, and whether they may go: not those of the session in force, nor of the one that a rollback
# returns to, nor the two newest of either generation.
READ_SNAPSHOTS: Final = """
SELECT page.rowid, page.size,
       head.key IS NOT NULL
       AND page.session IS NOT head.session AND page.session IS NOT continuity.former_session
       AND (page.generation NOT IN (head.generation, coalesce(continuity.former_generation, head.generation))
            OR page.version < (SELECT second.version FROM snapshot AS second
                                WHERE second.identity = page.identity AND second.generation = page.generation
                                ORDER BY second.version DESC
                                LIMIT 1 OFFSET 1))
  FROM (SELECT rowid, identity, generation, version, session, size FROM snapshot
         WHERE rowid > ?1 ORDER BY rowid LIMIT ?2) AS page
  LEFT JOIN head ON head.key = page.identity
  LEFT JOIN continuity ON continuity.identity = page.identity
 ORDER BY page.rowid
"""

DROP_SNAPSHOT: Final = """
DELETE FROM snapshot WHERE rowid = ?1
"""

# Documents behind a rowid, and whether each is a snapshot (?3) before (?4) a current one (?5).
READ_DOCUMENTS: Final = """
SELECT page.rowid, coalesce(page.size, 0),
       page.size IS NOT NULL AND page.kind = ?3 AND page.key = ?4
       AND EXISTS (SELECT 1 FROM document AS newer
                    WHERE newer.identity = page.identity AND newer.kind = ?3 AND newer.key = ?5
                      AND newer.body IS NOT NULL)
  FROM (SELECT rowid, identity, kind, key, length(body) AS size FROM document
         WHERE rowid > ?1 ORDER BY rowid LIMIT ?2) AS page
 ORDER BY page.rowid
"""

# Takes the body, as dropping does: the row goes on counting, so that no writer from before can match.
DROP_BODY: Final = """
UPDATE document SET body = NULL, digest = NULL, generation = generation + 1 WHERE rowid = ?1 AND body IS NOT NULL
"""

# Steps behind a key, and whether their run is over: nothing is staged for it.
READ_STEPS: Final = """
SELECT page.identity, page.run, page.name, page.nth, page.size,
       NOT EXISTS (SELECT 1 FROM input INDEXED BY input_open
                    WHERE input.identity = page.identity AND input.state = 2 AND input.state < 3
                      AND input.run = page.run)
  FROM (SELECT identity, run, name, nth, length(arguments) + length(result) AS size FROM journal
         WHERE (identity, run, name, nth) > (?1, ?2, ?3, ?4)
         ORDER BY identity, run, name, nth LIMIT ?5) AS page
 ORDER BY page.identity, page.run, page.name, page.nth
"""

DROP_STEP: Final = """
DELETE FROM journal WHERE identity = ?1 AND run = ?2 AND name = ?3 AND nth = ?4
"""

# Events behind a sequence, what they weigh, and the first input behind each.
READ_EVENTS: Final = """
SELECT event.seq, length(event.body),
       (SELECT input.input_id FROM input NOT INDEXED WHERE input.seq > event.seq ORDER BY input.seq LIMIT 1)
  FROM event
 WHERE event.seq > ?1
 ORDER BY event.seq
 LIMIT ?2
"""

DROP_EVENT: Final = """
DELETE FROM event WHERE seq = ?1
"""

# In the same transaction: a cursor below it misses something. No sequence up to it is given out again.
RAISE_EVENT_FLOOR: Final = """
UPDATE meta SET event_floor = max(event_floor, ?1)
"""

# Pages that are empty, in bytes.
READ_FREE: Final = """
SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size
"""

# Writes the file anew, without them.
COMPACT: Final = """
VACUUM
"""

# Its copy may be larger than memory.
TEMPORARY_IN_FILE: Final = """
PRAGMA temp_store = 1
"""

TEMPORARY_IN_MEMORY: Final = """
PRAGMA temp_store = 2
"""
