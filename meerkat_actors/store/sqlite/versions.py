"""What the schema of each version holds that can be opened: ours, and those that ``migrating`` brings to ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.store.sqlite.schema import INDEXES, SCHEMA_VERSION, TABLES

# Text as it was released: never edited, for files are compared with it.
_META_3: Final = """
CREATE TABLE meta (                 -- one row: the store itself
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id    TEXT    NOT NULL CHECK (length(store_id) = 36),   -- names this file for ever
    epoch       INTEGER NOT NULL CHECK (epoch >= 1),              -- raised by restoring a backup: voids cursors
    incarnation INTEGER NOT NULL CHECK (incarnation >= 0),        -- how often serving began
    clean       INTEGER NOT NULL CHECK (clean IN (0, 1)),         -- 1: the last incarnation ended in good order
    sequence    INTEGER NOT NULL CHECK (sequence >= 0)            -- none above it was given out when serving last ended
) STRICT
"""

_HEAD_3: Final = """
CREATE TABLE head (                 -- the authority of one identity, and the fence; never deleted
    key           INTEGER PRIMARY KEY REFERENCES name (key),
    kind          TEXT    NOT NULL,                                -- the agent kind it was created with
    token         INTEGER NOT NULL CHECK (token >= 1),             -- the highest fencing token ever claimed
    generation    INTEGER NOT NULL CHECK (generation >= 0),        -- destructive resets so far
    version       INTEGER NOT NULL CHECK (version >= 0),           -- boundaries of this generation
    owner         INTEGER NOT NULL CHECK (owner >= 1),             -- the incarnation that claimed last
    session       BLOB    NOT NULL CHECK (length(session) = 16),   -- the generation's session id
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),    -- the transcript's hash chain
    message_count INTEGER NOT NULL CHECK (message_count >= 0),     -- length of the transcript
    last_turn     INTEGER NOT NULL CHECK (last_turn >= 0),         -- sequence of the last boundary; 0: none
    last_state    INTEGER NOT NULL CHECK (last_state >= 0),        -- sequence of the one that set the state; 0: none
    admissions    INTEGER NOT NULL CHECK (admissions >= 0),        -- floor of the admission counter under pruned inputs
    sends         INTEGER NOT NULL CHECK (sends >= 0),             -- the send counter
    mail_floor    INTEGER NOT NULL CHECK (mail_floor >= 0),        -- mail of a lower sequence can't be taken
    tombstone     INTEGER NOT NULL CHECK (tombstone IN (0, 1)),    -- 1: deleted; the row stays as a fence
    desired       TEXT    NOT NULL                                 -- what the operator wants: 'open'
) STRICT
"""

_HEAD_4: Final = """
CREATE TABLE head (                 -- the authority of one identity, and the fence; never deleted
    key           INTEGER PRIMARY KEY REFERENCES name (key),
    kind          TEXT    NOT NULL,                                -- the agent kind it was created with
    token         INTEGER NOT NULL CHECK (token >= 1),             -- the highest fencing token ever claimed
    generation    INTEGER NOT NULL CHECK (generation >= 0),        -- destructive resets so far
    version       INTEGER NOT NULL CHECK (version >= 0),           -- boundaries of this generation
    owner         INTEGER NOT NULL CHECK (owner >= 0),             -- the incarnation that claimed last; 0: released
    session       BLOB    NOT NULL CHECK (length(session) = 16),   -- the generation's session id
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),    -- the transcript's hash chain
    message_count INTEGER NOT NULL CHECK (message_count >= 0),     -- length of the transcript
    last_turn     INTEGER NOT NULL CHECK (last_turn >= 0),         -- sequence of the last boundary; 0: none
    last_state    INTEGER NOT NULL CHECK (last_state >= 0),        -- sequence of the one that set the state; 0: none
    admissions    INTEGER NOT NULL CHECK (admissions >= 0),        -- floor of the admission counter under pruned inputs
    sends         INTEGER NOT NULL CHECK (sends >= 0),             -- the send counter
    mail_floor    INTEGER NOT NULL CHECK (mail_floor >= 0),        -- mail of a lower sequence can't be taken
    tombstone     INTEGER NOT NULL CHECK (tombstone IN (0, 1)),    -- 1: deleted; the row stays as a fence
    desired       TEXT    NOT NULL                                 -- what the operator wants: 'open'
) STRICT
"""

_INPUT_4: Final = """
CREATE TABLE input (                -- one input of one identity
    seq           INTEGER PRIMARY KEY,                             -- from the store-wide sequence
    identity      INTEGER NOT NULL REFERENCES name (key),          -- whose input it is; mail: the recipient
    admission     INTEGER CHECK (admission >= 1),                  -- the identity's admission sequence; null while sent
    input_id      BLOB    NOT NULL CHECK (length(input_id) = 16),
    kind          TEXT    NOT NULL,                                -- see records/inputs.py
    lane          INTEGER NOT NULL DEFAULT 0 CHECK (lane >= 0),    -- 0: the queue
    state         INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
    attempts      INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),       -- failed turns so far
    interruptions INTEGER NOT NULL DEFAULT 0 CHECK (interruptions >= 0),  -- unclean ends since the last progress
    not_before    INTEGER NOT NULL DEFAULT 0 CHECK (not_before >= 0),     -- wall clock, ms: no attempt earlier
    position      INTEGER NOT NULL DEFAULT 0 CHECK (position >= 0),       -- in its run, before admission order
    turn          INTEGER CHECK (turn >= 1),                       -- sequence of the boundary that consumed it
    run           BLOB    CHECK (length(run) = 16),                -- the run it is or was bound to
    sender        INTEGER REFERENCES name (key),                   -- the sending identity; null: from outside
    number        INTEGER CHECK (number >= 0),                     -- the sender's send counter
    idempotency   TEXT,                                            -- the caller's key, unique in its identity
    ending        BLOB,                                            -- canonical JSON of what ended it without a turn
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),    -- SHA-256 of the content
    content       BLOB    NOT NULL,                                -- canonical JSON
    CHECK ((state = 0) = (admission IS NULL)),
    CHECK (state <> 2 OR run IS NOT NULL),
    CHECK ((state = 3) = (turn IS NOT NULL)),
    CHECK ((state > 3) = (ending IS NOT NULL)),
    CHECK ((sender IS NULL) = (number IS NULL))
) STRICT
"""

_JOURNAL_4: Final = """
CREATE TABLE journal (              -- one recorded step of a live run; dropped with its run
    identity  INTEGER NOT NULL REFERENCES head (key),
    run       BLOB    NOT NULL CHECK (length(run) = 16),
    name      TEXT    NOT NULL,
    nth       INTEGER NOT NULL CHECK (nth >= 1),                   -- use of the name within the run
    arguments BLOB    NOT NULL,                                    -- digest of the arguments
    result    BLOB    NOT NULL,                                    -- canonical JSON
    PRIMARY KEY (identity, run, name, nth)
) STRICT, WITHOUT ROWID
"""

_META_5: Final = """
CREATE TABLE meta (                 -- one row: the store itself
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id    TEXT    NOT NULL CHECK (length(store_id) = 36),   -- names this file for ever
    epoch       INTEGER NOT NULL CHECK (epoch >= 1),              -- raised by restoring a backup: voids cursors
    incarnation INTEGER NOT NULL CHECK (incarnation >= 0),        -- how often serving began
    clean       INTEGER NOT NULL CHECK (clean IN (0, 1)),         -- 1: the last incarnation ended in good order
    sequence    INTEGER NOT NULL CHECK (sequence >= 0),           -- none above it was given out when serving last ended
    keys        INTEGER NOT NULL DEFAULT 0 CHECK (keys >= 0)      -- identity keys up to it may have been given out
) STRICT
"""

_HEAD_5: Final = """
CREATE TABLE head (                 -- the authority of one identity, and the fence; never deleted
    key           INTEGER PRIMARY KEY REFERENCES name (key),
    kind          TEXT    NOT NULL,                                -- the agent kind it was created with
    token         INTEGER NOT NULL CHECK (token >= 1),             -- the highest fencing token ever claimed
    generation    INTEGER NOT NULL CHECK (generation >= 0),        -- destructive resets so far
    version       INTEGER NOT NULL CHECK (version >= 0),           -- boundaries of this generation
    owner         INTEGER NOT NULL CHECK (owner >= 0),             -- the incarnation that claimed last; 0: released
    session       BLOB    NOT NULL CHECK (length(session) = 16),   -- the generation's session id
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),    -- the transcript's hash chain
    message_count INTEGER NOT NULL CHECK (message_count >= 0),     -- length of the transcript
    last_turn     INTEGER NOT NULL CHECK (last_turn >= 0),         -- sequence of the last boundary; 0: none
    last_state    INTEGER NOT NULL CHECK (last_state >= 0),        -- sequence of the one that set the state; 0: none
    admissions    INTEGER NOT NULL CHECK (admissions >= 0),        -- floor of the admission counter under pruned inputs
    sends         INTEGER NOT NULL CHECK (sends >= 0),             -- the send counter
    mail_floor    INTEGER NOT NULL CHECK (mail_floor >= 0),        -- mail of a lower sequence can't be taken
    tombstone     INTEGER NOT NULL CHECK (tombstone IN (0, 1)),    -- 1: deleted; the row stays as a fence
    desired       TEXT    NOT NULL                                 -- what the operator wants of it
                  CHECK (desired IN ('open', 'paused', 'retired', 'stopped', 'destroyed'))
) STRICT
"""

_INPUT_5: Final = """
CREATE TABLE input (                -- one input of one identity
    seq           INTEGER PRIMARY KEY,                             -- from the store-wide sequence
    identity      INTEGER NOT NULL REFERENCES name (key),          -- whose input it is; mail: the recipient
    admission     INTEGER CHECK (admission >= 1),                  -- the identity's admission sequence; null while sent
    input_id      BLOB    NOT NULL CHECK (length(input_id) = 16),
    kind          TEXT    NOT NULL,                                -- see records/kinds.py
    lane          INTEGER NOT NULL DEFAULT 0 CHECK (lane BETWEEN 0 AND 2),  -- 0: the queue; 1: steer; 2: none
    state         INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
    attempts      INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),       -- failed turns so far
    interruptions INTEGER NOT NULL DEFAULT 0 CHECK (interruptions >= 0),  -- unclean ends since the last progress
    not_before    INTEGER NOT NULL DEFAULT 0 CHECK (not_before >= 0),     -- wall clock, ms: no attempt earlier
    position      INTEGER NOT NULL DEFAULT 0 CHECK (position >= 0),       -- in its run: the checkpoint that bound it
    turn          INTEGER CHECK (turn >= 1),                       -- sequence of the boundary that consumed it
    run           BLOB    CHECK (length(run) = 16),                -- the run it is or was bound to
    sender        INTEGER REFERENCES name (key),                   -- the sending identity; null: from outside
    number        INTEGER CHECK (number >= 0),                     -- the sender's send counter
    idempotency   TEXT,                                            -- the caller's key, unique in its identity
    ending        BLOB,                                            -- canonical JSON of what ended it without a turn
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),    -- SHA-256 of the content
    content       BLOB    NOT NULL,                                -- canonical JSON
    policy        INTEGER NOT NULL DEFAULT 0 CHECK (policy >= 0),  -- the rule that was resolved at its admission
    letter        INTEGER NOT NULL DEFAULT 0 CHECK (letter BETWEEN 0 AND 2),  -- 1: a dead letter; 2: looked after
    header        BLOB,                                            -- canonical JSON; null: the default of its kind
    CHECK ((state = 0) = (admission IS NULL)),
    CHECK (state <> 2 OR run IS NOT NULL),
    CHECK ((state = 3) = (turn IS NOT NULL OR lane = 2)),
    CHECK (letter = 0 OR state = 6),
    CHECK ((state > 3) = (ending IS NOT NULL)),
    CHECK ((sender IS NULL) = (number IS NULL))
) STRICT
"""

FORMER: Final[Mapping[int, Mapping[str, str | None]]] = MappingProxyType(
    {
        3: MappingProxyType({"meta": _META_3, "head": _HEAD_3, "owner": None}),
        4: MappingProxyType({"head": _HEAD_4, "input": _INPUT_4, "journal": _JOURNAL_4, "input_letter": None}),
        5: MappingProxyType(
            {
                "meta": _META_5,
                "head": _HEAD_5,
                "input": _INPUT_5,
                **dict.fromkeys(("timer", "operation", "event", "timer_due", "timer_identity", "operation_bound")),
                **dict.fromkeys(("input_steered", "input_owed")),
            }
        ),
    }
)
"""Of each older version, the objects that the next one changed, as they were; None: there was none."""


def objects_of(version: int) -> Mapping[str, str]:
    """The SQL text of every table and index of a version, by name, in an order in which they can be made."""
    texts: dict[str, str | None] = {_name_in(text): text for text in (*TABLES, *INDEXES)}
    for later in range(SCHEMA_VERSION - 1, version - 1, -1):
        texts.update(FORMER[later])
    return {name: text for name, text in texts.items() if text is not None}


def _name_in(text: str) -> str:
    words = text.split()
    return words[next(place for place, word in enumerate(words) if word in {"TABLE", "INDEX"}) + 1]
