"""Every statement on what an identity has yet to do, named, with its promise: answers owed, timers, operations, events.

``?1`` to ``?4`` are the fence, as in ``statements``; each statement touches exactly one row or none, but for those
that drop.
"""

from __future__ import annotations

from typing import Final

_GUARD: Final = """(SELECT key FROM head
          WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0)"""

# The answer to a consumed request is owed no longer.
SETTLE_REQUEST: Final = f"""
UPDATE input
   SET owed = 0
 WHERE seq = (SELECT seq FROM input WHERE admission = ?5 AND identity = {_GUARD})
   AND owed = 1
"""  # noqa: S608 - constants only

# Makes a timer (?5), or puts another in its place: it has not fired.
SET_TIMER: Final = f"""
INSERT INTO timer (identity, name, due, last, fired, body)
VALUES ({_GUARD}, ?5, ?6, 0, 0, ?7)
    ON CONFLICT (identity, name) DO UPDATE
   SET due = excluded.due, last = 0, fired = 0, body = excluded.body
"""  # noqa: S608 - constants only

# Moves a timer on that was due at ?6, to ?7.
FIRE_TIMER: Final = f"""
UPDATE timer
   SET due = ?7, last = ?8, fired = fired + 1
 WHERE identity = {_GUARD} AND name = ?5 AND due = ?6
"""  # noqa: S608 - constants only

# Ends a timer that was due at ?6.
FIRE_LAST: Final = f"""
DELETE FROM timer
 WHERE identity = {_GUARD} AND name = ?5 AND due = ?6
"""  # noqa: S608 - constants only

# Ends a timer, if it is there: so it is not counted.
DROP_TIMER: Final = f"""
DELETE FROM timer
 WHERE identity = {_GUARD} AND name = ?5
"""  # noqa: S608 - constants only

# Ends as many timers as there are, so it is not counted.
DROP_TIMERS: Final = f"""
DELETE FROM timer
 WHERE identity = {_GUARD}
"""  # noqa: S608 - constants only

# Keeps an operation (?5) as it is now.
PUT_OPERATION: Final = f"""
INSERT INTO operation (identity, id, body, bound)
VALUES ({_GUARD}, ?5, ?6, ?7)
    ON CONFLICT (identity, id) DO UPDATE
   SET body = excluded.body, bound = excluded.bound
"""  # noqa: S608 - constants only

# Forgets an operation, if it is there: so it is not counted.
DROP_OPERATION: Final = f"""
DELETE FROM operation
 WHERE identity = {_GUARD} AND id = ?5
"""  # noqa: S608 - constants only

# Tells what the unit did; another of its statements, or a check, proves the fence.
RECORD_EVENTS: Final = """
INSERT INTO event (seq, identity, body) VALUES (?2, ?1, ?3)
"""

# Moves the send counter on, where no boundary does; never back.
COUNT_SENDS: Final = """
UPDATE head
   SET sends = ?5
 WHERE key = ?1 AND token = ?2 AND generation = ?3 AND version = ?4 AND tombstone = 0 AND sends <= ?5
"""

# -- mail that is returned ----------------------------------------------------------------

# Ends mail (?1) for a recipient (?2) that can't take it any more, with ?3: one that was destroyed or is retired, that
# has a floor above it, or that does not exist, where its id was made before ?4 (the six bytes of a UUIDv7).
RETURN_MAIL: Final = """
UPDATE input
   SET state = 6, ending = ?3
 WHERE seq = ?1 AND identity = ?2 AND state = 0
   AND coalesce((SELECT tombstone = 1 OR desired = 'retired' OR mail_floor >= ?1 FROM head WHERE key = ?2),
                substr(input_id, 1, 6) < ?4 AND substr(input_id, 7, 1) BETWEEN x'70' AND x'7f')
"""

# -- why a unit was refused ---------------------------------------------------------------

READ_OWED: Final = """
SELECT owed FROM input WHERE identity = ?1 AND admission = ?2
"""

READ_SENDS: Final = """
SELECT sends FROM head WHERE key = ?1
"""

READ_DUE: Final = """
SELECT due FROM timer WHERE identity = ?1 AND name = ?2
"""
