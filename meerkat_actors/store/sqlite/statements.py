"""Every statement that writes, named, with its promise.

``?1`` to ``?4`` are always the fence: key, token, generation, version. One idiom guards them all:
``(SELECT key FROM head WHERE ...)`` is the identity's key while the fence holds, and null once it
does not: then an UPDATE finds no row, and an INSERT meets its NOT NULL. Every statement touches
exactly one row or none, so a group of them is checked by counting. ``CONSUME_INPUT`` and ``INSERT_TURN``
have no guard of their own: each unit that holds them advances the head, and that has it.

The forms are chosen by measurement (microseconds a row, 1,000 rows): INSERT ... VALUES with the guard
as a subquery 3.7, INSERT ... SELECT ... FROM head 5.1; UPDATE by rowid, found in a subquery, 2.7, by
identity and admission with AND EXISTS 4.5 (an ephemeral table). Parameters are numbered and bound as
tuples: named ones cost 0.9 to 1.2 more a row.
"""

from __future__ import annotations

from typing import Final

# Takes an existing identity over: only from the token that the claimer read, and not from an owner that has a lease.
# What the continuity facade serves (?7) has holders of its own. ?5 is that token, ?6 the incarnation.
CLAIM_HEAD: Final = """
UPDATE head
   SET token = ?2, owner = ?6
 WHERE key = ?1 AND token = ?5 AND generation = ?3 AND version = ?4 AND tombstone = 0
   AND (owner = ?6 OR kind = ?7 OR NOT EXISTS (SELECT 1 FROM owner AS holder WHERE holder.key = head.owner))
"""

# Gives it up in good order.
RELEASE_HEAD: Final = """
UPDATE head
   SET owner = 0
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""

# Gives a name its key, once: both are unique.
INSERT_NAME: Final = """
INSERT INTO name (key, name) VALUES (?1, ?2)
"""

# Makes the authority row, once.
INSERT_HEAD: Final = """
INSERT INTO head (
    key, kind, token, generation, version, owner, session, digest, message_count,
    last_turn, last_state, admissions, sends, mail_floor, tombstone, desired
) VALUES (?1, ?5, ?2, ?3, ?4, ?6, ?7, ?8, 0, 0, 0, 0, 0, 0, 0, 'open')
"""

# Binds the first session to the identity, once in the whole store.
INSERT_SESSION: Final = """
INSERT INTO session (session, identity, generation) VALUES (?1, ?2, ?3)
"""

# Configures the identity; a version is given once. ?5 is it.
INSERT_CONFIG: Final = """
INSERT INTO agent_config (identity, version, body)
VALUES ((SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?5, ?6)
"""

# Admits an input; an id, a key or an admission used before is a conflict.
INSERT_INPUT: Final = """
INSERT INTO input (seq, identity, admission, input_id, kind, state, run, idempotency, digest, content)
VALUES (?5, (SELECT key FROM head
              WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
"""

# Admits an input that says something of itself (?14), or whose policy (?15) or lane (?16) is not the usual one.
INSERT_SAID_INPUT: Final = """
INSERT INTO input (seq, identity, admission, input_id, kind, state, run, idempotency, digest, content,
                   header, policy, lane)
VALUES (?5, (SELECT key FROM head
              WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
"""

# What may be taken: above the floor, and the head of its pair and lane. Each lane has an index of its own.
_TAKEABLE: Final = """   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
                      AND mail_floor < ?5)
   AND NOT EXISTS (SELECT 1 FROM input AS older INDEXED BY input_open
                    WHERE input.lane <> 1 AND older.identity = ?1 AND older.state = 0 AND older.state < 3
                      AND older.seq < ?5 AND older.seq > (SELECT mail_floor FROM head WHERE key = ?1)
                      AND older.sender IS ?6 AND older.lane <> 1)
   AND NOT EXISTS (SELECT 1 FROM input AS older INDEXED BY input_steered
                    WHERE input.lane = 1 AND older.identity = ?1 AND older.state = 0 AND older.lane = 1
                      AND older.seq < ?5 AND older.seq > (SELECT mail_floor FROM head WHERE key = ?1)
                      AND older.sender IS ?6)
"""

# Admits mail that nobody took yet. ?5 is its sequence, ?6 its sender (null: outside).
TAKE_MAIL: Final = f"""
UPDATE input
   SET admission = ?7, state = ?8, run = ?9, lane = 0
 WHERE seq = ?5 AND sender IS ?6 AND state = 0
{_TAKEABLE}"""  # noqa: S608 - constants only

# The same, with a policy (?10) or a lane (?11) that is not the usual one.
TAKE_SAID_MAIL: Final = f"""
UPDATE input
   SET admission = ?7, state = ?8, run = ?9, policy = ?10, lane = ?11
 WHERE seq = ?5 AND sender IS ?6 AND state = 0
{_TAKEABLE}"""  # noqa: S608 - constants only

# Binds a queued input to a run.
STAGE_INPUT: Final = """
UPDATE input
   SET state = 2, run = ?6
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND state = 1
"""

# Binds a queued input to a run, by its checkpoint (?7).
BIND_INPUT: Final = """
UPDATE input
   SET state = 2, run = ?6, position = ?7
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND state = 1
"""

# Sets the counters of an input while it is staged for that run.
CHARGE_INPUT: Final = """
UPDATE input
   SET attempts = ?7, interruptions = ?8, not_before = ?9
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND state = 2 AND run = ?6
"""

# Gives an input its one outcome without a boundary, from its run only. ?9 is whether it is a dead letter.
END_INPUT: Final = """
UPDATE input
   SET state = ?7, ending = ?8, letter = ?9, attempts = attempts + ?10
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND state = 2 AND run = ?6
"""

# Gives an input its one outcome from the boundary of its own unit, whose statements prove the fence.
CONSUME_INPUT: Final = """
UPDATE input
   SET state = 3, turn = ?4
 WHERE seq = (SELECT seq FROM input WHERE identity = ?1 AND admission = ?2)
   AND state = 2 AND run = ?3
"""

# The same, for a request that its turn put off.
CONSUME_REQUEST: Final = """
UPDATE input
   SET state = 3, turn = ?4, owed = 1
 WHERE seq = (SELECT seq FROM input WHERE identity = ?1 AND admission = ?2)
   AND state = 2 AND run = ?3
"""

# Takes a dead letter from those that wait.
SETTLE_LETTER: Final = """
UPDATE input
   SET letter = 2
 WHERE seq = (SELECT seq FROM input
               WHERE admission = ?5
                 AND identity = (SELECT key FROM head
                                  WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4
                                    AND tombstone = 0))
   AND letter = 1
"""

# Records a step once, while the run's first member is staged for it.
RECORD_STEP: Final = """
INSERT INTO journal (identity, run, name, nth, arguments, result)
VALUES ((SELECT head.key
           FROM head JOIN input ON input.identity = head.key
          WHERE head.key = ?1 AND head.token = ?2 AND head.generation = ?3 AND head.version = ?4
            AND head.tombstone = 0
            AND input.admission = ?5 AND input.state = 2 AND input.run = ?6),
        ?6, ?7, ?8, ?9, ?10)
"""

# The same, for a step that is recorded before it runs.
RECORD_ONCE_STEP: Final = """
INSERT INTO journal (identity, run, name, nth, arguments, result, once)
VALUES ((SELECT head.key
           FROM head JOIN input ON input.identity = head.key
          WHERE head.key = ?1 AND head.token = ?2 AND head.generation = ?3 AND head.version = ?4
            AND head.tombstone = 0
            AND input.admission = ?5 AND input.state = 2 AND input.run = ?6),
        ?6, ?7, ?8, ?9, ?10, 1)
"""

# Fills the result of a step that is recorded and has none.
RESOLVE_STEP: Final = """
UPDATE journal
   SET result = ?8
 WHERE run = ?5 AND name = ?6 AND nth = ?7 AND result = x''
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Forgets a step that is recorded and has no result.
WITHDRAW_STEP: Final = """
DELETE FROM journal
 WHERE run = ?5 AND name = ?6 AND nth = ?7 AND result = x''
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Forgets the steps of one run. Touches as many rows as there are steps, so it is not counted.
DROP_JOURNAL: Final = """
DELETE FROM journal
 WHERE run = ?5
   AND identity = (SELECT key FROM head
                    WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)
"""

# Inserts mail from the sender. ?6 is the recipient, who need not exist.
SEND_MAIL: Final = """
INSERT INTO input (seq, identity, input_id, kind, state, sender, number, digest, content)
VALUES (?5, ?6, ?7, ?8, 0,
        (SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?9, ?10, ?11)
"""

# The same, for mail that says something of itself (?12), or waits in another lane (?13).
SEND_SAID_MAIL: Final = """
INSERT INTO input (seq, identity, input_id, kind, state, sender, number, digest, content, header, lane)
VALUES (?5, ?6, ?7, ?8, 0,
        (SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0),
        ?9, ?10, ?11, ?12, ?13)
"""

# Inserts mail from outside, for whoever holds the recipient.
POST_INPUT: Final = """
INSERT INTO input (seq, identity, input_id, kind, state, idempotency, digest, content, header)
VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8)
"""

# Appends a boundary behind the last one; the head's advance, in the same unit, proves the fence.
INSERT_TURN: Final = """
INSERT INTO turn (seq, identity, version, generation, token, previous, run, digest, body)
VALUES (?4, ?1, ?5, ?3, ?2, (SELECT last_turn FROM head WHERE key = ?1), ?6, ?7, ?8)
"""

# Compare-and-set: moves the head one boundary on iff the writer is where it believes to be. ?10: null keeps the state.
ADVANCE_HEAD: Final = """
UPDATE head
   SET version = ?5, digest = ?6, message_count = ?7, sends = ?8, last_turn = ?9,
       last_state = coalesce(?10, last_state)
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""

# One row iff the fence holds: for a unit without any guarded statement.
CHECK_FENCE: Final = """
SELECT 1
  FROM head
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""

# -- serving ------------------------------------------------------------------------------

# The barrier: one real write before anything that was read is acted on.
BEGIN_INCARNATION: Final = """
UPDATE meta SET incarnation = incarnation + 1, clean = 0
"""

# What the next incarnation begins with.
END_INCARNATION: Final = """
UPDATE meta SET clean = ?1, sequence = max(sequence, ?2)
"""

# Begins or renews a lease.
PUT_LEASE: Final = """
INSERT INTO owner (key, holder, boot, expires, ttl) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (key) DO UPDATE SET expires = ?4, ttl = ?5
"""

# Ends a lease: its own owner's, or one that is over.
DROP_LEASE: Final = """
DELETE FROM owner WHERE key = ?1
"""

# Ends all of them: for who has the store alone.
DROP_LEASES: Final = """
DELETE FROM owner
"""

# Sets ?1 identity keys aside for one of those that share, and tells the last of them.
RESERVE_KEYS: Final = """
UPDATE meta SET keys = max(keys, coalesce((SELECT max(key) FROM name), 0)) + ?1 RETURNING keys
"""

# The one row of a new store.
INSERT_META: Final = """
INSERT INTO meta (only_row, store_id, epoch, incarnation, clean, sequence) VALUES (1, ?1, 1, 0, 1, 0)
"""

BEGIN: Final = "BEGIN"
BEGIN_IMMEDIATE: Final = "BEGIN IMMEDIATE"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"
SAVEPOINT: Final = "SAVEPOINT unit"
RELEASE: Final = "RELEASE unit"
ROLLBACK_TO: Final = "ROLLBACK TO unit"
