"""Every statement that governs an identity, ends its life or begins its next one, named, with its promise.

``?1`` to ``?4`` are the fence, as in ``statements``; each statement touches exactly one row or none.
"""

from __future__ import annotations

from typing import Final

# Lifts a tombstone as the generation after the dead one: only from the token that the writer read. ?5 is that token,
# ?6 the incarnation, ?7 the new kind, ?8 the new session. The last boundary stays: the next one chains into it.
RECREATE_HEAD: Final = """
UPDATE head
   SET token = ?2, owner = ?6, kind = ?7, tombstone = 0, desired = 'open',
       generation = ?3 + 1, version = 0, session = ?8, digest = ?9, message_count = 0, last_state = 0
 WHERE key = ?1 AND token = ?5 AND generation = ?3 AND version = ?4 AND tombstone = 1
"""

# Remembers what the operator wants. ?6 is the last sequence given out, if what was sent so far is not to be taken.
SET_DESIRED: Final = """
UPDATE head
   SET desired = ?5, mail_floor = max(mail_floor, ?6)
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""

# Begins the next generation with session ?5, and nothing behind it but the last boundary to chain into. What was sent
# until then (?7) is not for it.
BEGIN_GENERATION: Final = """
UPDATE head
   SET generation = ?3 + 1, version = 0, session = ?5, digest = ?6, message_count = 0, last_state = 0, desired = 'open',
       mail_floor = max(mail_floor, ?7)
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""

# Leaves a tombstone: the row is a fence for ever, and what was sent until then (?5) is for nobody.
BURY_IDENTITY: Final = """
UPDATE head
   SET tombstone = 1, desired = 'destroyed', mail_floor = max(mail_floor, ?5)
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0
"""
