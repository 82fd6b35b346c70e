"""Every statement that reads, named, with its promise. None of them grows with history or population."""

from __future__ import annotations

from typing import Final

# -- serving ------------------------------------------------------------------------------

READ_META: Final = """
SELECT store_id, incarnation, clean, sequence, epoch FROM meta
"""

# The highest numbers in use, of inputs, of what else has a sequence, and of keys; each is the end of a B-tree.
READ_COUNTERS: Final = """
SELECT coalesce((SELECT max(seq) FROM input), 0),
       max(coalesce((SELECT max(seq) FROM turn), 0), coalesce((SELECT max(seq) FROM event), 0)),
       coalesce((SELECT max(key) FROM name), 0)
"""

# -- activation ---------------------------------------------------------------------------

# The authority, what its last boundary says of itself, and the ends of two indexes: one statement, because
# a statement costs more than what it reads.
READ_IDENTITY: Final = """
SELECT name.key, head.kind, head.token, head.generation, head.version, head.session, head.digest,
       head.message_count, head.sends, head.tombstone, head.last_state,
       turn.identity, turn.generation, turn.version, turn.digest,
       head.owner, head.desired,
       max(coalesce(head.admissions, 0),
           coalesce((SELECT max(admission) FROM input INDEXED BY input_admission
                      WHERE input.identity = name.key AND input.admission IS NOT NULL), 0)),
       EXISTS (SELECT 1 FROM input INDEXED BY input_open
                WHERE input.identity = name.key AND input.state = 0 AND input.state < 3
                  AND input.seq > coalesce(head.mail_floor, 0)),
       coalesce((SELECT min(due) FROM timer INDEXED BY timer_identity WHERE timer.identity = name.key), 0),
       agent_config.version, agent_config.body
  FROM name LEFT JOIN head ON head.key = name.key
            LEFT JOIN turn ON turn.seq = head.last_turn
            LEFT JOIN agent_config
                   ON agent_config.identity = name.key
                  AND agent_config.version = (SELECT max(version) FROM agent_config WHERE identity = name.key)
 WHERE name.name = ?1
"""

READ_BODY: Final = """
SELECT body FROM turn WHERE seq = ?1 AND identity = ?2
"""

# The lanes and the live run, in admission order.
READ_OPEN: Final = """
SELECT input.admission, input.input_id, input.kind, input.state, input.content, input.digest,
       sender.name, input.run, input.attempts, input.interruptions, input.not_before,
       input.header, input.policy, input.lane, input.position
  FROM input INDEXED BY input_open LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.identity = ?1 AND input.state BETWEEN 1 AND 2 AND input.state < 3
 ORDER BY input.admission
"""

# Requests whose answers are owed, in admission order: few enough to be sorted.
READ_OWED: Final = """
SELECT input.admission, input.input_id, input.kind, sender.name, input.header
  FROM input INDEXED BY input_owed LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.identity = ?1 AND input.owed = 1
 ORDER BY input.admission
"""

READ_OPERATIONS: Final = """
SELECT body FROM operation WHERE identity = ?1 ORDER BY id
"""

READ_JOURNAL: Final = """
SELECT name, nth, arguments, result, once FROM journal WHERE identity = ?1 AND run = ?2
"""

# -- work ---------------------------------------------------------------------------------

# Grows with those that have open inputs, which is what it is asked for: it jumps from one to the next. A kind that
# begins with @ is a facade's, no agent's. Without what another owner (not ?1) holds, and without mail that can't be
# taken.
READ_IDENTITIES_WITH_WORK: Final = """
WITH RECURSIVE busy (key) AS (
    SELECT min(identity) FROM input INDEXED BY input_open WHERE state < 3
     UNION ALL
    SELECT (SELECT min(input.identity) FROM input INDEXED BY input_open
             WHERE input.state < 3 AND input.identity > busy.key)
      FROM busy
     WHERE busy.key IS NOT NULL
)
SELECT name.name
  FROM busy CROSS JOIN head ON head.key = busy.key
            CROSS JOIN name ON name.key = busy.key
 WHERE head.tombstone = 0 AND substr(head.kind, 1, 1) <> '@'
   AND (EXISTS (SELECT 1 FROM input INDEXED BY input_open
                 WHERE input.identity = head.key AND input.state BETWEEN 1 AND 2 AND input.state < 3)
        OR EXISTS (SELECT 1 FROM input INDEXED BY input_open
                    WHERE input.identity = head.key AND input.state = 0 AND input.state < 3
                      AND input.seq > head.mail_floor))
   AND (head.owner = ?1 OR NOT EXISTS (SELECT 1 FROM owner WHERE owner.key = head.owner))
 UNION
SELECT name.name
  FROM operation INDEXED BY operation_bound
  JOIN head ON head.key = operation.identity
  JOIN name ON name.key = operation.identity
 WHERE operation.bound = 1 AND head.tombstone = 0 AND substr(head.kind, 1, 1) <> '@'
   AND (head.owner = ?1 OR NOT EXISTS (SELECT 1 FROM owner WHERE owner.key = head.owner))
 ORDER BY name.name
"""

# The same, of those with mail beyond the sequence ?2: grows with what came since.
READ_IDENTITIES_WITH_MAIL: Final = """
SELECT name.name
  FROM (SELECT identity, max(seq) AS newest FROM input NOT INDEXED WHERE seq > ?2 AND state = 0
         GROUP BY identity) AS busy
  JOIN head ON head.key = busy.identity AND head.mail_floor < busy.newest
  JOIN name ON name.key = busy.identity
 WHERE head.tombstone = 0 AND substr(head.kind, 1, 1) <> '@'
   AND (head.owner = ?1 OR NOT EXISTS (SELECT 1 FROM owner WHERE owner.key = head.owner))
 ORDER BY name.name
"""

# -- sharing ------------------------------------------------------------------------------

READ_LEASES: Final = """
SELECT key, holder, boot, expires, ttl FROM owner
"""

# Who holds an identity, if anybody does: then a claim of another's is refused.
READ_HOLDER: Final = """
SELECT owner.key, owner.holder, owner.boot, owner.expires, owner.ttl
  FROM head JOIN owner ON owner.key = head.owner
 WHERE head.key = ?1
"""

# Changes when another connection has committed.
READ_DATA_VERSION: Final = """
PRAGMA data_version
"""

# -- listings -----------------------------------------------------------------------------

_INPUT_VALUES: Final = """
       input.seq, input.input_id, input.kind, input.state, input.content, sender.name, input.admission,
       input.run, input.attempts, input.interruptions, input.not_before, input.ending, input.idempotency,
       input.header, input.policy, input.lane, input.position, input.letter,
       turn.seq, turn.previous, owner.name, turn.generation, turn.version, turn.run, turn.digest, turn.body
  FROM input LEFT JOIN name AS sender ON sender.key = input.sender
             LEFT JOIN turn ON turn.seq = input.turn
             LEFT JOIN name AS owner ON owner.key = turn.identity
"""

_INPUT_COLUMNS: Final = f"SELECT {_INPUT_VALUES}"

READ_INPUT: Final = (
    _INPUT_COLUMNS  # noqa: S608 - constants only
    + """
 WHERE input.input_id = ?1 AND input.identity = (SELECT key FROM name WHERE name = ?2)
"""
)

READ_INPUTS_FORWARD: Final = (
    _INPUT_COLUMNS  # noqa: S608 - constants only
    + """
 WHERE input.identity = (SELECT key FROM name WHERE name = ?1) AND input.admission >= ?2
 ORDER BY input.admission
 LIMIT ?3
"""
)

READ_INPUTS_BACKWARD: Final = (
    _INPUT_COLUMNS  # noqa: S608 - constants only
    + """
 WHERE input.identity = (SELECT key FROM name WHERE name = ?1) AND input.admission <= ?2
 ORDER BY input.admission DESC
 LIMIT ?3
"""
)

_LETTERS: Final = f"""
SELECT whose.name, {_INPUT_VALUES}
             JOIN name AS whose ON whose.key = input.identity
"""

# Dead letters of the whole store: all that wait are looked at, in their index only.
READ_LETTERS: Final = (
    _LETTERS  # noqa: S608 - constants only
    + """
 WHERE input.seq IN (SELECT seq FROM input INDEXED BY input_letter
                      WHERE letter = 1 AND seq > ?1
                      ORDER BY seq
                      LIMIT ?2)
 ORDER BY input.seq
"""
)

# Dead letters of one identity: the index is in that order.
READ_LETTERS_OF: Final = (
    _LETTERS  # noqa: S608 - constants only
    + """
 WHERE input.seq IN (SELECT seq FROM input INDEXED BY input_letter
                      WHERE letter = 1 AND seq > ?1 AND identity = (SELECT key FROM name WHERE name = ?3)
                      ORDER BY seq
                      LIMIT ?2)
 ORDER BY input.seq
"""
)

READ_LAST_TURN: Final = """
SELECT head.last_turn FROM name JOIN head ON head.key = name.key WHERE name.name = ?1
"""

# Follows each boundary to the one before it: newest first, no index needed.
READ_TURNS: Final = """
WITH RECURSIVE back (seq, previous, identity, generation, version, run, digest, body) AS (
    SELECT seq, previous, identity, generation, version, run, digest, body
      FROM turn
     WHERE seq = ?2 AND identity = (SELECT key FROM name WHERE name = ?1)
     UNION ALL
    SELECT turn.seq, turn.previous, turn.identity, turn.generation, turn.version, turn.run, turn.digest, turn.body
      FROM back JOIN turn ON turn.seq = back.previous AND turn.identity = back.identity
     LIMIT ?3
)
SELECT seq, previous, ?1, generation, version, run, digest, body FROM back
"""

# Ranges of rowids, merged as they are read: nothing beyond the page is looked at.
READ_EVENTS: Final = """
SELECT input.seq, iif(input.sender IS NULL, 'admitted', 'sent'), owner.name, input.input_id, sender.name, NULL, NULL,
       NULL, input.kind
  FROM input CROSS JOIN name AS owner ON owner.key = input.identity
             LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.seq > ?1
 UNION ALL
SELECT turn.seq, 'turn', owner.name, NULL, NULL, turn.run, turn.version, turn.body, NULL
  FROM turn CROSS JOIN name AS owner ON owner.key = turn.identity
 WHERE turn.seq > ?1
 UNION ALL
SELECT event.seq, 'facts', owner.name, NULL, NULL, NULL, NULL, event.body, NULL
  FROM event CROSS JOIN name AS owner ON owner.key = event.identity
 WHERE event.seq > ?1
 ORDER BY 1
 LIMIT ?2
"""

# The last sequence is the highest of the meta row and of what is in use.
READ_EVENT_BOUNDS: Final = """
SELECT epoch, event_floor,
       max(sequence, coalesce((SELECT max(seq) FROM input), 0), coalesce((SELECT max(seq) FROM turn), 0),
           coalesce((SELECT max(seq) FROM event), 0))
  FROM meta
"""

READ_IDENTITIES: Final = """
SELECT name.name, head.kind, head.generation, head.version, head.message_count
  FROM name JOIN head ON head.key = name.key
 WHERE name.name > ?1 AND head.tombstone = 0
 ORDER BY name.name
 LIMIT ?2
"""

# -- why a unit was refused ---------------------------------------------------------------

READ_AUTHORITY: Final = """
SELECT token, generation, version, session, tombstone FROM head WHERE key = ?1
"""

READ_KEY: Final = """
SELECT key FROM name WHERE name = ?1
"""

READ_NAME: Final = """
SELECT name FROM name WHERE key = ?1
"""

READ_SESSION: Final = """
SELECT 1 FROM session WHERE session = ?1
"""

READ_BY_INPUT_ID: Final = """
SELECT input.identity, name.name, input.input_id, input.admission, input.digest, input.idempotency
  FROM input JOIN name ON name.key = input.identity
 WHERE input.input_id = ?1
"""

READ_BY_IDEMPOTENCY: Final = """
SELECT input.identity, name.name, input.input_id, input.admission, input.digest, input.idempotency
  FROM input JOIN name ON name.key = input.identity
 WHERE input.identity = ?1 AND input.idempotency = ?2
"""

READ_BY_ADMISSION: Final = """
SELECT state, run FROM input WHERE identity = ?1 AND admission = ?2
"""

READ_LETTER: Final = """
SELECT letter, state FROM input WHERE identity = ?1 AND admission = ?2
"""

READ_STEP: Final = """
SELECT result FROM journal WHERE identity = ?1 AND run = ?2 AND name = ?3 AND nth = ?4
"""

READ_CONFIG: Final = """
SELECT 1 FROM agent_config WHERE identity = ?1 AND version = ?2
"""

# The mail that a take asks for: its recipient's floor, and whether an older one of its pair and lane waits above that.
READ_SENT: Final = """
SELECT head.mail_floor,
       EXISTS (SELECT 1 FROM input AS older
                WHERE older.identity = ?2 AND older.state = 0 AND older.state < 3
                  AND older.seq < ?1 AND older.seq > head.mail_floor
                  AND older.sender IS ?3 AND older.lane = input.lane)
  FROM input JOIN head ON head.key = input.identity
 WHERE input.seq = ?1 AND input.identity = ?2 AND input.sender IS ?3 AND input.state = 0
"""
