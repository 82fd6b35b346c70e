"""The tables: the data dictionary. SQLite keeps this text, so every database carries its own.

Input states: 0 sent, 1 queued, 2 staged; terminal from 3 on: 3 consumed, 4 superseded,
5 coalesced, 6 abandoned. ``state < 3`` is spelled in every query that the partial index
``input_open`` is to serve: SQLite does not conclude it from ``state = 0``.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x4D6B4174
"""``MkAt``, in the file's header: whose file this is."""

SCHEMA_VERSION: Final = 6
"""In ``user_version``. A newer one is refused; an older one from 3 on is migrated: see ``migrating``."""

PAGE_BYTES: Final = 4096
"""8 and 16 KiB pages commit slower (23.4 and 28.1 us a turn, 22.5 with 4), and a lone commit writes more."""

TABLES: Final = (
    """
CREATE TABLE meta (                 -- one row: the store itself
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id    TEXT    NOT NULL CHECK (length(store_id) = 36),   -- names this file for ever
    epoch       INTEGER NOT NULL CHECK (epoch >= 1),              -- raised by restoring a backup: voids cursors
    incarnation INTEGER NOT NULL CHECK (incarnation >= 0),        -- how often serving began
    clean       INTEGER NOT NULL CHECK (clean IN (0, 1)),         -- 1: the last incarnation ended in good order
    sequence    INTEGER NOT NULL CHECK (sequence >= 0),           -- none above it was given out when serving last ended
    keys        INTEGER NOT NULL DEFAULT 0 CHECK (keys >= 0),     -- identity keys up to it may have been given out
    event_floor INTEGER NOT NULL DEFAULT 0 CHECK (event_floor >= 0)   -- events up to it may have been pruned
) STRICT
""",
    """
CREATE TABLE owner (                -- a runtime that serves the store beside others, for as long as it holds its lease
    key     INTEGER PRIMARY KEY CHECK (key >= 1),                  -- its incarnation
    holder  TEXT    NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),    -- its process, for people
    boot    TEXT    NOT NULL CHECK (length(boot) BETWEEN 1 AND 64),       -- of the kernel whose clock it reads
    expires INTEGER NOT NULL CHECK (expires >= 0),                 -- by that clock, ms: others may take over then
    ttl     INTEGER NOT NULL CHECK (ttl >= 1)                      -- ms that each renewal gives
) STRICT
""",
    """
CREATE TABLE name (                 -- the integer key of an identity's name; made at first mention, for ever
    key  INTEGER PRIMARY KEY CHECK (key >= 1),
    name TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 160)
) STRICT
""",
    """
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
    mail_floor    INTEGER NOT NULL CHECK (mail_floor >= 0),        -- mail up to this sequence can't be taken
    tombstone     INTEGER NOT NULL CHECK (tombstone IN (0, 1)),    -- 1: deleted; the row stays as a fence
    desired       TEXT    NOT NULL                                 -- what the operator wants of it
                  CHECK (desired IN ('open', 'paused', 'retired', 'stopped', 'destroyed'))
) STRICT
""",
    """
CREATE TABLE session (              -- a session id belongs to one generation of one identity, for ever
    session    BLOB    NOT NULL PRIMARY KEY CHECK (length(session) = 16),
    identity   INTEGER NOT NULL REFERENCES name (key),
    generation INTEGER NOT NULL CHECK (generation >= 0)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE agent_config (         -- what an identity was configured with; the highest version holds
    identity INTEGER NOT NULL REFERENCES head (key),
    version  INTEGER NOT NULL CHECK (version >= 1),
    body     BLOB    NOT NULL,                                     -- canonical JSON
    PRIMARY KEY (identity, version)
) STRICT, WITHOUT ROWID
""",
    """
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
    owed          INTEGER NOT NULL DEFAULT 0 CHECK (owed BETWEEN 0 AND 1),    -- 1: a request whose answer is owed
    CHECK (state <> 0 OR admission IS NULL),
    CHECK (admission IS NOT NULL OR state IN (0, 6)),              -- mail that was returned was never admitted
    CHECK (owed = 0 OR state = 3),
    CHECK (state <> 2 OR run IS NOT NULL),
    CHECK ((state = 3) = (turn IS NOT NULL OR lane = 2)),
    CHECK (letter = 0 OR state = 6),
    CHECK ((state > 3) = (ending IS NOT NULL)),
    CHECK ((sender IS NULL) = (number IS NULL))
) STRICT
""",
    """
CREATE TABLE turn (                 -- one boundary, packed; never updated
    seq        INTEGER PRIMARY KEY,                                -- from the store-wide sequence
    identity   INTEGER NOT NULL REFERENCES head (key),
    version    INTEGER NOT NULL CHECK (version >= 1),              -- the checkpoint version that it made
    generation INTEGER NOT NULL CHECK (generation >= 0),
    token      INTEGER NOT NULL CHECK (token >= 1),                -- under which it was written
    previous   INTEGER NOT NULL CHECK (previous >= 0),             -- sequence of the boundary before it; 0: none
    run        BLOB    NOT NULL CHECK (length(run) = 16),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),       -- the transcript's hash chain after it
    body       BLOB    NOT NULL                                    -- log, message count, text, state: canonical JSON
) STRICT
""",
    """
CREATE TABLE receipt (              -- the boundary of a receipt, for runs of the runtime-store facade
    identity INTEGER NOT NULL REFERENCES head (key),
    run      BLOB    NOT NULL CHECK (length(run) = 16),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),               -- dense per run
    turn     INTEGER NOT NULL CHECK (turn >= 1),                   -- sequence of the boundary
    PRIMARY KEY (identity, run, sequence)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE document (             -- opaque bytes of one identity; the row stays when they are dropped
    identity   INTEGER NOT NULL REFERENCES head (key),             -- under whose fence it is written
    kind       TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 512),
    key        TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 512),
    epoch      INTEGER NOT NULL CHECK (epoch >= 1),                -- its lives: putting after dropping begins one
    generation INTEGER NOT NULL CHECK (generation >= 1),           -- its changes, for ever: what a writer compares
    digest     BLOB    CHECK (length(digest) = 32),                -- SHA-256 of the body
    body       BLOB,                                               -- null: dropped
    CHECK ((body IS NULL) = (digest IS NULL)),
    UNIQUE (identity, kind, key)
) STRICT
""",
    """
CREATE TABLE journal (              -- one recorded step of a live run; dropped with its run
    identity  INTEGER NOT NULL REFERENCES head (key),
    run       BLOB    NOT NULL CHECK (length(run) = 16),
    name      TEXT    NOT NULL,
    nth       INTEGER NOT NULL CHECK (nth >= 1),                   -- use of the name within the run
    arguments BLOB    NOT NULL,                                    -- digest of the arguments
    result    BLOB    NOT NULL,                                    -- canonical JSON; empty: not known
    once      INTEGER NOT NULL DEFAULT 0 CHECK (once IN (0, 1)),   -- 1: recorded before it ran
    PRIMARY KEY (identity, run, name, nth),
    CHECK (once = 1 OR result <> x'')
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE continuity (           -- what the continuity facade keeps beside an authority row
    identity          INTEGER NOT NULL PRIMARY KEY REFERENCES head (key),
    token             INTEGER NOT NULL CHECK (token >= 1),         -- the token that holder was granted
    holder            TEXT    NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
    floor             INTEGER NOT NULL CHECK (floor >= 0),         -- the highest generation ever begun
    former_generation INTEGER CHECK (former_generation >= 0),      -- what a rollback of the last reset returns to
    former_session    BLOB    CHECK (length(former_session) = 16),
    former_version    INTEGER CHECK (former_version >= 0),
    CHECK ((former_generation IS NULL) = (former_session IS NULL)),
    CHECK ((former_generation IS NULL) = (former_version IS NULL))
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE snapshot (             -- an opaque document of the continuity facade; the last two of a session are kept
    identity   INTEGER NOT NULL REFERENCES head (key),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    version    INTEGER NOT NULL CHECK (version >= 1),              -- the checkpoint version that it made
    session    BLOB    NOT NULL REFERENCES session (session),
    token      INTEGER NOT NULL CHECK (token >= 1),                -- under which it was saved
    size       INTEGER NOT NULL CHECK (size >= 1),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),       -- SHA-256 of the data
    data       BLOB    NOT NULL CHECK (length(data) = size)
) STRICT
""",
    """
CREATE TABLE timer (                -- one timer of one identity
    number   INTEGER PRIMARY KEY,                                  -- among those of one time the lower one goes first
    identity INTEGER NOT NULL REFERENCES head (key),
    name     TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 512),
    due      INTEGER NOT NULL CHECK (due >= 0),                    -- wall clock, ms
    last     INTEGER NOT NULL CHECK (last >= 0),                   -- admission that it fired last; 0: none yet
    fired    INTEGER NOT NULL CHECK (fired >= 0),                  -- how often it fired, or was skipped
    body     BLOB    NOT NULL,                                     -- canonical JSON: what fires, how it repeats
    UNIQUE (identity, name)
) STRICT
""",
    """
CREATE TABLE operation (            -- something that goes on beside an identity's turns, or ended not long ago
    identity INTEGER NOT NULL REFERENCES head (key),
    id       BLOB    NOT NULL CHECK (length(id) = 16),
    body     BLOB    NOT NULL,                                     -- canonical JSON
    bound    INTEGER NOT NULL CHECK (bound IN (0, 1)),             -- 1: goes on, and ends with its process
    PRIMARY KEY (identity, id)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE event (                -- what a unit told that none of its other rows says
    seq      INTEGER PRIMARY KEY,                                  -- from the store-wide sequence
    identity INTEGER NOT NULL REFERENCES head (key),
    body     BLOB    NOT NULL                                      -- a list of facts: canonical JSON
) STRICT
""",
)

INDEXES: Final = (
    # An input is addressed by its admission; an admission is used once.
    "CREATE UNIQUE INDEX input_admission ON input (identity, admission) WHERE admission IS NOT NULL",
    # An input id is used once in the whole store.
    "CREATE UNIQUE INDEX input_id ON input (input_id)",
    # A caller's key is used once in its identity.
    "CREATE UNIQUE INDEX input_idempotency ON input (identity, idempotency) WHERE idempotency IS NOT NULL",
    # Recovery and mail read open rows only, in the order of the sequence: independent of history.
    "CREATE INDEX input_open ON input (identity, state) WHERE state < 3",
    # Dead letters only: of one identity in the order of the sequence, and few enough to be sorted for all.
    "CREATE INDEX input_letter ON input (identity) WHERE letter = 1",
    # Mail that steers is taken first, and its pairs have an order of their own.
    "CREATE INDEX input_steered ON input (identity) WHERE state = 0 AND lane = 1",
    # Answers that are owed, of one identity.
    "CREATE INDEX input_owed ON input (identity) WHERE owed = 1",
    # What is due, of all in the order of their times, and of one in that of its times and names.
    "CREATE INDEX timer_due ON timer (due)",
    "CREATE INDEX timer_identity ON timer (identity, due, name)",
    # Identities that have to learn, after a restart, what their former process took with it.
    "CREATE INDEX operation_bound ON operation (identity) WHERE bound = 1",
    # A version is saved once in its generation; its newest is the end of a range, and so is everything of an identity.
    "CREATE UNIQUE INDEX snapshot_version ON snapshot (identity, generation, version)",
    # A session's newest document, and those to forget.
    "CREATE INDEX snapshot_session ON snapshot (session, version)",
)
