CREATE TABLE meta (                 -- one row: the store itself
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id    TEXT    NOT NULL CHECK (length(store_id) = 36),   -- names this file for ever
    epoch       INTEGER NOT NULL CHECK (epoch >= 1),              -- raised by restoring a backup: voids cursors
    incarnation INTEGER NOT NULL CHECK (incarnation >= 0),        -- how often serving began
    clean       INTEGER NOT NULL CHECK (clean IN (0, 1)),         -- 1: the last incarnation ended in good order
    sequence    INTEGER NOT NULL CHECK (sequence >= 0),           -- none above it was given out when serving last ended
    keys        INTEGER NOT NULL DEFAULT 0 CHECK (keys >= 0)      -- identity keys up to it may have been given out
) STRICT;
CREATE TABLE owner (                -- a runtime that serves the store beside others, for as long as it holds its lease
    key     INTEGER PRIMARY KEY CHECK (key >= 1),                  -- its incarnation
    holder  TEXT    NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),    -- its process, for people
    boot    TEXT    NOT NULL CHECK (length(boot) BETWEEN 1 AND 64),       -- of the kernel whose clock it reads
    expires INTEGER NOT NULL CHECK (expires >= 0),                 -- by that clock, ms: others may take over then
    ttl     INTEGER NOT NULL CHECK (ttl >= 1)                      -- ms that each renewal gives
) STRICT;
CREATE TABLE name (                 -- the integer key of an identity's name; made at first mention, for ever
    key  INTEGER PRIMARY KEY CHECK (key >= 1),
    name TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 160)
) STRICT;
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
) STRICT;
CREATE TABLE session (              -- a session id belongs to one generation of one identity, for ever
    session    BLOB    NOT NULL PRIMARY KEY CHECK (length(session) = 16),
    identity   INTEGER NOT NULL REFERENCES name (key),
    generation INTEGER NOT NULL CHECK (generation >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE agent_config (         -- what an identity was configured with; the highest version holds
    identity INTEGER NOT NULL REFERENCES head (key),
    version  INTEGER NOT NULL CHECK (version >= 1),
    body     BLOB    NOT NULL,                                     -- canonical JSON
    PRIMARY KEY (identity, version)
) STRICT, WITHOUT ROWID;
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
) STRICT;
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
) STRICT;
CREATE TABLE receipt (              -- the boundary of a receipt, for runs of the runtime-store facade
    identity INTEGER NOT NULL REFERENCES head (key),
    run      BLOB    NOT NULL CHECK (length(run) = 16),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),               -- dense per run
    turn     INTEGER NOT NULL CHECK (turn >= 1),                   -- sequence of the boundary
    PRIMARY KEY (identity, run, sequence)
) STRICT, WITHOUT ROWID;
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
) STRICT;
CREATE TABLE journal (              -- one recorded step of a live run; dropped with its run
    identity  INTEGER NOT NULL REFERENCES head (key),
    run       BLOB    NOT NULL CHECK (length(run) = 16),
    name      TEXT    NOT NULL,
    nth       INTEGER NOT NULL CHECK (nth >= 1),                   -- use of the name within the run
    arguments BLOB    NOT NULL,                                    -- digest of the arguments
    result    BLOB    NOT NULL,                                    -- canonical JSON
    PRIMARY KEY (identity, run, name, nth)
) STRICT, WITHOUT ROWID;
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
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (             -- an opaque document of the continuity facade; the last two of a session are kept
    identity   INTEGER NOT NULL REFERENCES head (key),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    version    INTEGER NOT NULL CHECK (version >= 1),              -- the checkpoint version that it made
    session    BLOB    NOT NULL REFERENCES session (session),
    token      INTEGER NOT NULL CHECK (token >= 1),                -- under which it was saved
    size       INTEGER NOT NULL CHECK (size >= 1),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),       -- SHA-256 of the data
    data       BLOB    NOT NULL CHECK (length(data) = size)
) STRICT;
CREATE UNIQUE INDEX input_admission ON input (identity, admission) WHERE admission IS NOT NULL;
CREATE UNIQUE INDEX input_id ON input (input_id);
CREATE UNIQUE INDEX input_idempotency ON input (identity, idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX input_open ON input (identity, state) WHERE state < 3;
CREATE UNIQUE INDEX snapshot_version ON snapshot (identity, generation, version);
CREATE INDEX snapshot_session ON snapshot (session, version);
INSERT INTO meta VALUES (1, '00000000-0000-0000-0000-0000e0000001', 1, 2, 1, 16, 0);
INSERT INTO name VALUES (1, 'ann');
INSERT INTO name VALUES (2, 'triage:ben');
INSERT INTO name VALUES (3, 'facade');
INSERT INTO name VALUES (4, 'other');
INSERT INTO name VALUES (5, 'rt:login-flows');
INSERT INTO name VALUES (6, 'tally');
INSERT INTO name VALUES (7, 'absent');
INSERT INTO name VALUES (8, 'unlucky');
INSERT INTO name VALUES (9, 'busy');
INSERT INTO head VALUES (1, '@continuity', 5, 1, 1, 1, X'0000000000000000000000005E550001', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 0, 'open');
INSERT INTO head VALUES (2, '@continuity', 5, 0, 0, 1, X'0000000000000000000000005E550009', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 1, 'open');
INSERT INTO head VALUES (3, '@runtime-store', 1, 0, 1, 1, X'000000000000000000000000E0000002', X'2CB6847727AD3A12D9E1F9E6C8D19FFE39495EC251BC0C80C8A504E9B7FC8484', 1, 3, 0, 0, 0, 0, 0, 'open');
INSERT INTO head VALUES (4, '@runtime-store', 1, 0, 0, 1, X'000000000000000000000000E0000003', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 0, 'open');
INSERT INTO head VALUES (5, '@runtime-store', 1, 0, 0, 1, X'000000000000000000000000E0000004', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 0, 'open');
INSERT INTO head VALUES (6, 'counter', 1, 0, 3, 2, X'000000000000000000000000E0000006', X'D1BB28F308DCD54FDBBC044AF152D8E75922094530CBE78A5B121F0B23FA2D80', 6, 11, 11, 0, 3, 0, 0, 'open');
INSERT INTO head VALUES (8, 'failing', 1, 0, 0, 2, X'000000000000000000000000E0000012', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 0, 'open');
INSERT INTO head VALUES (9, 'worker', 1, 0, 0, 2, X'000000000000000000000000E0000017', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0, 0, 0, 0, 0, 'open');
INSERT INTO session VALUES (X'00000000000000000000000000005E55', 3, 0);
INSERT INTO session VALUES (X'0000000000000000000000005E550000', 1, 0);
INSERT INTO session VALUES (X'0000000000000000000000005E550001', 1, 1);
INSERT INTO session VALUES (X'0000000000000000000000005E550009', 2, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000002', 3, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000003', 4, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000004', 5, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000006', 6, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000012', 8, 0);
INSERT INTO session VALUES (X'000000000000000000000000E0000017', 9, 0);
INSERT INTO agent_config VALUES (6, 1, X'7B22756E6974223A22776F726473227D');
INSERT INTO agent_config VALUES (6, 2, X'7B22756E6974223A226C657474657273227D');
INSERT INTO input VALUES (1, 3, 1, X'00000000000000000000000000001001', 'prompt', 0, 3, 0, 0, 0, 0, 3, X'000000000000000000000000000000A1', NULL, NULL, 'job', NULL, X'E5D5F7C1D225FD6B13623EBB1B5B9D075C705659F81868B1E37005A0923B0346', X'7B226E223A20317D');
INSERT INTO input VALUES (2, 3, 2, X'00000000000000000000000000001002', 'prompt', 0, 2, 2, 0, 0, 0, NULL, X'000000000000000000000000000000A1', NULL, NULL, NULL, NULL, X'FCB7ECF22A686FDE527CAFA2DD308D1C321FF6D1BADDEDF24668AFBBA85A7D64', X'7B226E223A20327D');
INSERT INTO input VALUES (4, 6, 1, X'000000000000000000000000E0000007', 'prompt', 0, 3, 0, 0, 0, 0, 5, X'000000000000000000000000E0000008', NULL, NULL, 'one', NULL, X'49E9FCFB5617AAD332D56D58FFD0C7020D29EC1D0D0A03B7D7C47F268820ACF3', X'226F6E6522');
INSERT INTO input VALUES (6, 7, NULL, X'000000000000000000000000E0000009', 'peer_message', 0, 0, 0, 0, 0, 0, NULL, NULL, 6, 1, NULL, NULL, X'481005D685566676230F3DD9956830B04EA564B4F8B26B92D1C8820172D3F2E5', X'226D61696C203122');
INSERT INTO input VALUES (7, 6, 2, X'000000000000000000000000E000000A', 'prompt', 0, 3, 0, 0, 0, 0, 8, X'000000000000000000000000E000000B', NULL, NULL, 'two', NULL, X'B85D38DC71A8027700BEBD3C30D39424852CF532883D88F0A0D992D3BF0EBA9B', X'2274776F22');
INSERT INTO input VALUES (9, 7, NULL, X'000000000000000000000000E000000C', 'peer_message', 0, 0, 0, 0, 0, 0, NULL, NULL, 6, 2, NULL, NULL, X'83ED8BE2B11190BD4AD275B21CFF2A3B184E71E8A83C18052C8CF1FDF33CBF4F', X'226D61696C203222');
INSERT INTO input VALUES (10, 6, 3, X'000000000000000000000000E000000D', 'prompt', 0, 3, 0, 0, 0, 0, 11, X'000000000000000000000000E000000E', NULL, NULL, 'three', NULL, X'097A4DFB7F430FF3E44AA2399549A038C1F29465540D1E18701E8B5CD3FD2CCB', X'22746872656522');
INSERT INTO input VALUES (12, 7, NULL, X'000000000000000000000000E000000F', 'peer_message', 0, 0, 0, 0, 0, 0, NULL, NULL, 6, 3, NULL, NULL, X'CD06F5310BAAC4A6D23D089E1086B3D957CBB55A50F6BFF2546509704ED3D4FC', X'226D61696C203322');
INSERT INTO input VALUES (13, 8, 1, X'000000000000000000000000E0000013', 'prompt', 0, 6, 0, 0, 0, 0, NULL, X'000000000000000000000000E0000014', NULL, NULL, NULL, X'7B22726561736F6E223A22617474656D7074735F657868617573746564222C2264657461696C223A2256616C75654572726F723A206E6F206C75636B227D', X'CBFEDA2B1F044CCCA4EA9DAC0FE08A34AF201914E29ADF982262F1D735D08996', X'2262616422');
INSERT INTO input VALUES (14, 9, 1, X'000000000000000000000000E0000018', 'prompt', 0, 2, 0, 0, 0, 0, NULL, X'000000000000000000000000E0000019', NULL, NULL, NULL, NULL, X'777E96E064047B8D54BE5D9A02C7C7DD31C06CD5E7E14AA11AF907E6C7731EC9', X'226A6F62203122');
INSERT INTO input VALUES (15, 9, 2, X'000000000000000000000000E000001B', 'prompt', 0, 1, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, X'38F264440DEB7AF46A9C6DE0FE6B29B16009215B369259B025C9C52F845D4511', X'226A6F62203222');
INSERT INTO input VALUES (16, 9, 3, X'000000000000000000000000E000001D', 'prompt', 0, 1, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, X'589F0AB5B61B90832A78C1B4D6D8D472FE58D4D1D04857F256F8B623FE5107EE', X'226A6F62203322');
INSERT INTO turn VALUES (3, 3, 1, 0, 1, 0, X'000000000000000000000000000000A1', X'2CB6847727AD3A12D9E1F9E6C8D19FFE39495EC251BC0C80C8A504E9B7FC8484', X'7B22626F756E64617279223A2272756E5F7374617274222C22636F6E7472696275746F7273223A5B2230303030303030302D303030302D303030302D303030302D303030303030303031303031225D2C22636F756E74223A312C226C6F67223A5B5D2C2273657175656E6365223A312C2274657874223A6E756C6C7D');
INSERT INTO turn VALUES (5, 6, 1, 0, 1, 0, X'000000000000000000000000E0000008', X'B8817A589C6F327D92B7ABB0FC769C42612B940334F6CBE9F00D4DA9C85ECF25', X'7B22636F756E74223A322C226C6F67223A5B7B22636F6E74656E74223A226F6E65222C22696E707574223A2230303030303030302D303030302D303030302D303030302D303030306530303030303037222C22726F6C65223A2275736572227D2C7B22636F6E74656E74223A2231222C22726F6C65223A22617373697374616E74227D5D2C227374617465223A317D');
INSERT INTO turn VALUES (8, 6, 2, 0, 1, 5, X'000000000000000000000000E000000B', X'A23B546C105A4467FBB7B640CB460C8EC53BC9BBD6DD4713200AD2A18473A360', X'7B22636F756E74223A342C226C6F67223A5B7B22636F6E74656E74223A2274776F222C22696E707574223A2230303030303030302D303030302D303030302D303030302D303030306530303030303061222C22726F6C65223A2275736572227D2C7B22636F6E74656E74223A2232222C22726F6C65223A22617373697374616E74227D5D2C227374617465223A327D');
INSERT INTO turn VALUES (11, 6, 3, 0, 1, 8, X'000000000000000000000000E000000E', X'D1BB28F308DCD54FDBBC044AF152D8E75922094530CBE78A5B121F0B23FA2D80', X'7B22636F756E74223A362C226C6F67223A5B7B22636F6E74656E74223A227468726565222C22696E707574223A2230303030303030302D303030302D303030302D303030302D303030306530303030303064222C22726F6C65223A2275736572227D2C7B22636F6E74656E74223A2233222C22726F6C65223A22617373697374616E74227D5D2C227374617465223A337D');
INSERT INTO receipt VALUES (3, X'000000000000000000000000000000A1', 1, 3);
INSERT INTO document VALUES (3, 'runtime.lifecycle', 'current', 1, 1, X'8187B18E0D45FCF8187227E7C03D7939D74999B49C29DB3467EF206AB6123774', X'7B2262696E64696E67223A7B226167656E745F72756E74696D655F6964223A6E756C6C2C2266656E63655F746F6B656E223A6E756C6C2C2272756E74696D655F65706F63685F6964223A6E756C6C2C2272756E74696D655F67656E65726174696F6E223A6E756C6C7D2C227265636F72645F76657273696F6E223A312C2272756E74696D655F7374617465223A2269646C65227D');
INSERT INTO document VALUES (3, 'runtime.operations', 'current', 1, 1, X'8C0322AA5B7DC1702F99876B7E8E3FD3670C6BA624D569693BEC601DF8500887', X'7B2265706F63685F6964223A2230303030303030302D303030302D303030302D303030302D303030303030303030306531222C227265636F72645F76657273696F6E223A317D0A6F7065726174696F6E73');
INSERT INTO document VALUES (3, 'runtime.session', 'current', 1, 1, X'4FBEECEE976B5790A94D04404BB524662D85D5A21BA37CACDDFC8F65DE767BD3', X'7B0A20202276657273696F6E223A20312C0A2020226964223A202230303030303030302D303030302D303030302D303030302D303030303030303035653535222C0A2020226D65737361676573223A205B0A202020207B0A20202020202022726F6C65223A202275736572222C0A2020202020202274657874223A202261220A202020207D0A20205D2C0A2020226D65746164617461223A207B7D0A7D');
INSERT INTO document VALUES (4, 'runtime.operations', 'current', 1, 2, NULL, NULL);
INSERT INTO document VALUES (4, 'runtime.retired-epoch', '00000000-0000-0000-0000-0000000000e1', 1, 1, X'5B720147B6918DFC19BAA0D7767CAB75B76E17998837D04AF43F2F3463C5350F', X'72657469726564');
INSERT INTO document VALUES (5, 'auth.login-flows', 'current', 1, 1, X'E7C71028AB7F218808524EDD0F9FD83960F618B2211E93CFDEA3B030E68737C0', X'6C6F67696E20666C6F7773');
INSERT INTO journal VALUES (9, X'000000000000000000000000E0000019', 'fetch', 1, X'6476D8F54E2CC7324B5AC0CE56798E30A2A5C9DC56E398F80C55E2AE17EF3215', X'2266657463686564206A6F62203122');
INSERT INTO continuity VALUES (1, 5, 'a', 1, 0, X'0000000000000000000000005E550000', 3);
INSERT INTO continuity VALUES (2, 5, 'a', 0, NULL, NULL, NULL);
INSERT INTO snapshot VALUES (1, 0, 2, X'0000000000000000000000005E550000', 5, 2, X'FB04DCB6970E4C3D1873DE51FD5A50D7BB46B3383113602665C350EC40B5F990', X'7632');
INSERT INTO snapshot VALUES (1, 0, 3, X'0000000000000000000000005E550000', 5, 2, X'E0D2747B9AB7ABB6EB65E0373FA1B428A28BD6D8A2380106DCC080F58005EE14', X'7633');
INSERT INTO snapshot VALUES (1, 1, 1, X'0000000000000000000000005E550001', 5, 2, X'3BFC269594EF649228E9A74BAB00F042EFC91D5ACC6FBEE31A382E80D42388FE', X'7631');
PRAGMA application_id = 1298874740;
PRAGMA user_version = 4;
