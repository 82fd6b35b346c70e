"""Every statement that reads mail and timers, named, with its promise. None of them grows with what waits."""

from __future__ import annotations

from typing import Final

# -- mail ---------------------------------------------------------------------------------

_MAIL: Final = """
SELECT input.seq, input.sender, sender.name, input.input_id, input.kind, input.content, input.header
"""

# What may be taken, oldest first, as the index is: what steers, and what does not. Of those that steer the second
# passes over fewer than ?2, for it is asked only when there are no more.
READ_STEERED_MAIL: Final = (
    _MAIL  # noqa: S608 - constants only
    + """
  FROM input INDEXED BY input_steered LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.identity = ?1 AND input.state = 0 AND input.lane = 1
   AND input.seq > coalesce((SELECT mail_floor FROM head WHERE key = ?1), 0)
 ORDER BY input.seq
 LIMIT ?2
"""
)
READ_MAIL: Final = (
    _MAIL  # noqa: S608 - constants only
    + """
  FROM input INDEXED BY input_open LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.identity = ?1 AND input.state = 0 AND input.state < 3 AND input.lane <> 1
   AND input.seq > coalesce((SELECT mail_floor FROM head WHERE key = ?1), 0)
 ORDER BY input.seq
 LIMIT ?2
"""
)

# Jumps from one recipient to the next.
READ_RECIPIENTS: Final = """
WITH RECURSIVE recipient (key) AS (
    SELECT min(identity) FROM input INDEXED BY input_open WHERE state < 3 AND identity > ?1
     UNION ALL
    SELECT (SELECT min(input.identity) FROM input INDEXED BY input_open
             WHERE input.state < 3 AND input.identity > recipient.key)
      FROM recipient
     WHERE recipient.key IS NOT NULL
)
SELECT name.key, name.name
  FROM recipient CROSS JOIN name ON name.key = recipient.key
 WHERE EXISTS (SELECT 1 FROM input INDEXED BY input_open
                WHERE input.identity = recipient.key AND input.state = 0 AND input.state < 3)
 LIMIT ?2
"""

# Who may or may not take mail; all but the key is null for a name that nobody has.
READ_ADDRESSEE: Final = """
SELECT name.key, head.desired, head.mail_floor, head.tombstone
  FROM name LEFT JOIN head ON head.key = name.key
 WHERE name.name = ?1
"""

# The oldest mail of a recipient (?1) up to a sequence (?2).
READ_WAITING: Final = (
    _MAIL
    + """
  FROM input INDEXED BY input_open LEFT JOIN name AS sender ON sender.key = input.sender
 WHERE input.identity = ?1 AND input.state = 0 AND input.state < 3 AND input.seq <= ?2
 ORDER BY input.seq
 LIMIT ?3
"""
)

# -- timers -------------------------------------------------------------------------------

# Timers of all that are due at ?3, beyond a time (?1) and a row (?2), and whether the owner ?4 may fire them.
READ_DUE_TIMERS: Final = """
SELECT place.due, place.number, name.name,
       head.tombstone = 0 AND head.desired NOT IN ('stopped', 'retired', 'destroyed')
       AND (head.owner = ?4 OR NOT EXISTS (SELECT 1 FROM owner WHERE owner.key = head.owner))
  FROM (SELECT due, number, identity FROM timer INDEXED BY timer_due WHERE due = ?1 AND number > ?2 AND due <= ?3
         UNION ALL
        SELECT due, number, identity FROM timer INDEXED BY timer_due WHERE due > ?1 AND due <= ?3
         ORDER BY 1, 2
         LIMIT ?5) AS place
       CROSS JOIN head ON head.key = place.identity
       CROSS JOIN name ON name.key = place.identity
 ORDER BY place.due, place.number
"""

_TIMER: Final = """
SELECT timer.name, timer.due, timer.body, timer.last, timer.fired
"""

# Those of one identity that are due at ?2; the index is in that order.
READ_DUE_TIMERS_OF: Final = (
    _TIMER
    + """
  FROM timer INDEXED BY timer_identity
 WHERE timer.identity = ?1 AND timer.due <= ?2
 ORDER BY timer.due, timer.name
 LIMIT ?3
"""
)

# All of one identity, by name.
READ_TIMERS: Final = (
    _TIMER  # noqa: S608 - constants only
    + """
  FROM timer
 WHERE timer.identity = (SELECT key FROM name WHERE name = ?1) AND timer.name > ?2
 ORDER BY timer.name
 LIMIT ?3
"""
)
