"""Every statement of the runtime-store facade, named, with its promise.

``?1`` to ``?4`` are the fence, as in ``statements``; each statement touches exactly one row or none.
"""

from __future__ import annotations

from typing import Final

# Sets an open input iff it is in that state (?6), of that run (?7). In another run no checkpoint has bound it.
MOVE_INPUT: Final = """
UPDATE input
   SET state = ?8, run = ?9, position = iif(run IS ?9, position, 0),
       attempts = ?10, interruptions = ?11, not_before = ?12, ending = ?13
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND state = ?6 AND run IS ?7
"""

# Makes a session (?5) the identity's; once it is, only finds it so. Another's is no row.
BIND_SESSION: Final = """
INSERT INTO session (session, identity, generation)
VALUES (?5, (SELECT key FROM head
              WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0), ?3)
    ON CONFLICT (session) DO UPDATE
   SET generation = excluded.generation
 WHERE identity = excluded.identity AND generation = excluded.generation
"""

# Puts a document iff ?9 is its generation, or 0 and there is none, or null. A dropped one begins its next epoch.
PUT_DOCUMENT: Final = """
INSERT INTO document (identity, kind, key, body, digest, epoch, generation)
SELECT head.key, ?5, ?6, ?7, ?8, 1, 1
  FROM head
 WHERE head.key = ?1 AND head.token = ?2 AND head.generation = ?3 AND head.version = ?4 AND head.tombstone = 0
   AND (?9 IS NULL OR ?9 = 0
        OR EXISTS (SELECT 1 FROM document WHERE identity = ?1 AND kind = ?5 AND key = ?6))
    ON CONFLICT (identity, kind, key) DO UPDATE
   SET body = excluded.body, digest = excluded.digest, epoch = epoch + (body IS NULL), generation = generation + 1
 WHERE ?9 IS NULL OR ?9 = iif(body IS NULL, 0, generation)
"""

# Drops a document that is there, at that generation (?7) or, null, at any; and remembers it.
DROP_DOCUMENT: Final = """
UPDATE document
   SET body = NULL, digest = NULL, generation = generation + 1
 WHERE kind = ?5 AND key = ?6 AND (?7 IS NULL OR generation = ?7) AND body IS NOT NULL
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Names the boundary (?7) as the run's (?5) next receipt (?6); another sequence is null, which no column takes.
RECORD_RECEIPT: Final = """
INSERT INTO receipt (identity, run, sequence, turn)
VALUES ((SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?5,
        iif(?6 = 1 + coalesce((SELECT max(sequence) FROM receipt WHERE identity = ?1 AND run = ?5), 0), ?6, NULL),
        ?7)
"""

# -- reads --------------------------------------------------------------------------------

# A document that was not dropped.
READ_DOCUMENT: Final = """
SELECT document.body, document.digest, document.epoch, document.generation
  FROM document
 WHERE document.identity = (SELECT key FROM name WHERE name = ?1)
   AND document.kind = ?2 AND document.key = ?3 AND document.body IS NOT NULL
"""

# The boundary of a receipt; ?3 is null for the run's last. Independent of how many receipts the run has.
READ_RECEIPT: Final = """
SELECT turn.seq, turn.previous, ?1, turn.generation, turn.version, turn.run, turn.digest, turn.body
  FROM name JOIN receipt ON receipt.identity = name.key AND receipt.run = ?2
            JOIN turn ON turn.seq = receipt.turn
 WHERE name.name = ?1
   AND receipt.sequence = coalesce(?3, (SELECT max(sequence) FROM receipt AS last
                                         WHERE last.identity = name.key AND last.run = ?2))
"""

# Why a put or a drop was refused.
READ_GENERATION: Final = """
SELECT generation FROM document WHERE identity = ?1 AND kind = ?2 AND key = ?3 AND body IS NOT NULL
"""

# Why a receipt was refused; the end of the run's range.
READ_LAST_RECEIPT: Final = """
SELECT coalesce(max(sequence), 0) FROM receipt WHERE identity = ?1 AND run = ?2
"""
