-- A database as cdpoll wrote it at schema 2, before there was a schedule that learns. It is not to be changed.
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
) STRICT;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,            -- the vendor's, opaque
    origin TEXT NOT NULL,               -- of the API it belongs to; '' until one is configured
    state TEXT NOT NULL CHECK (state IN ('pending', 'concluded', 'abandoned')),
    outcome TEXT CHECK (outcome IN ('success', 'failure')),
    name TEXT,                          -- the customer's name for the kind of task
    source TEXT NOT NULL,               -- how it first came in
    correlation_id TEXT,
    trace_id TEXT,
    trace_number TEXT,                  -- TRN02 and TRN03 of our own 270
    originator_id TEXT,
    member_id TEXT,
    birth_date TEXT,
    recorded_at INTEGER NOT NULL,
    started_at INTEGER,                 -- startDateTime; until known, when the answer that named it was sent
    life_from INTEGER NOT NULL,         -- recorded, or last retried by a person
    paused_base INTEGER NOT NULL,       -- lane.paused_total at life_from
    due_at INTEGER,                     -- the next look; pushed ahead while one is under way
    why TEXT NOT NULL DEFAULT 'first',  -- why then, in a word; see worker/core/task.py
    polls INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    not_found_since INTEGER,
    last_error TEXT,
    last_poll_at INTEGER,
    concluded_at INTEGER,
    concluded_by TEXT,
    abandoned_at INTEGER,
    CHECK ((state = 'concluded') = (outcome IS NOT NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
) STRICT;
CREATE INDEX tasks_due ON tasks (due_at) WHERE state = 'pending';
CREATE INDEX tasks_state ON tasks (state, outcome);
CREATE TABLE refs (
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    ref TEXT NOT NULL,                  -- the caller's own key; may be patient data
    correlation_id TEXT,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (task, ref)
) STRICT;
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task INTEGER REFERENCES tasks (seq) ON DELETE CASCADE,
    source TEXT NOT NULL CHECK (source IN ('poll', 'callback', 'batch')),
    revision INTEGER NOT NULL,          -- 1, and more for later bodies that differ
    outcome TEXT,
    received_at INTEGER NOT NULL,
    ended_at INTEGER,                   -- endDateTime
    body BLOB NOT NULL,                 -- as received, byte for byte
    body_sha256 TEXT,                   -- of those bytes; none for an answer of a batch, whose set has one
    canonical_sha256 TEXT,              -- see worker/core/document.py
    real_time_sha256 TEXT
, derived INTEGER) STRICT;
CREATE UNIQUE INDEX results_revision ON results (task, revision) WHERE source <> 'batch';
CREATE TABLE paths (
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE,
    list TEXT NOT NULL,
    position INTEGER NOT NULL,
    path_id TEXT,
    name TEXT,
    status TEXT,
    payer_id TEXT,
    transaction_id TEXT,
    reason TEXT,
    timestamp TEXT,
    PRIMARY KEY (result, list, position)
) STRICT;
CREATE TABLE history (
    seq INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX history_task ON history (task, seq);
CREATE TABLE unreadable (
    seq INTEGER PRIMARY KEY,
    raw TEXT NOT NULL,
    reason TEXT NOT NULL,
    ref TEXT NOT NULL,                  -- the caller's own key, '' where none was given
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    UNIQUE (raw, ref)
) STRICT;
CREATE TABLE notices (
    code TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TABLE lane (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    code TEXT,
    paused_at INTEGER,
    resumes_at INTEGER,
    probes INTEGER NOT NULL,
    paused_total INTEGER NOT NULL,
    tat INTEGER NOT NULL                -- the limiter's theoretical arrival time, in microseconds
) STRICT;
CREATE TABLE daemon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    stopped_at INTEGER,
    token_expires_at INTEGER
) STRICT;
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,                 -- as it was given, or as the drop had it
    source TEXT NOT NULL CHECK (source IN ('path', 'sftp')),
    sha256 TEXT NOT NULL,               -- of its bytes: its identity
    size INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('staging', 'ingested', 'quarantined', 'incomplete', 'skipped')),
    reason TEXT,
    interchanges INTEGER NOT NULL DEFAULT 0,
    transaction_sets INTEGER NOT NULL DEFAULT 0,  -- complete 271 sets, those known before included
    known_sets INTEGER NOT NULL DEFAULT 0,
    subscribers INTEGER NOT NULL DEFAULT 0,
    matched INTEGER NOT NULL DEFAULT 0,           -- these three count new answers
    candidates INTEGER NOT NULL DEFAULT 0,
    unmatched INTEGER NOT NULL DEFAULT 0,
    test_answers INTEGER NOT NULL DEFAULT 0,      -- held back as tests: neither matched nor delivered
    quarantined_sets INTEGER NOT NULL DEFAULT 0,
    other_sets INTEGER NOT NULL DEFAULT 0,
    warnings TEXT NOT NULL DEFAULT '[]',          -- JSON
    first_at INTEGER NOT NULL,          -- when it, or an incomplete one of its name, was first read
    done_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX files_sha256 ON files (sha256) WHERE state IN ('ingested', 'quarantined', 'skipped');
CREATE INDEX files_name ON files (name) WHERE state = 'incomplete';
CREATE TABLE envelopes (
    seq INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE,
    interchange TEXT NOT NULL,          -- JSON: number, delimiters, and values of the ISA
    grouped TEXT                        -- JSON: values of the GS
) STRICT;
CREATE INDEX envelopes_file ON envelopes (file);
CREATE TABLE sets (
    seq INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE,
    envelope INTEGER NOT NULL REFERENCES envelopes (seq) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'test', 'quarantined', 'other', 'dropped')),
    code TEXT NOT NULL,                 -- ST01
    control TEXT NOT NULL,              -- ST02; no identity
    version TEXT NOT NULL,
    byte_offset INTEGER NOT NULL,
    byte_length INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    sha256 TEXT UNIQUE,                 -- its identity, of ST…SE; none where the bytes were too many to keep
    issues TEXT NOT NULL DEFAULT '[]',  -- JSON
    raw BLOB NOT NULL                   -- ST…SE, byte for byte
) STRICT;
CREATE INDEX sets_file ON sets (file);
CREATE INDEX sets_held ON sets (state) WHERE state = 'quarantined';
CREATE TABLE answers (
    seq INTEGER PRIMARY KEY,
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE,
    from_set INTEGER REFERENCES sets (seq) ON DELETE CASCADE,  -- of a batch; else the path of the polled result:
    list TEXT,
    position INTEGER,
    level TEXT NOT NULL,
    coverage TEXT NOT NULL,
    payer TEXT NOT NULL,
    payer_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    last_name TEXT NOT NULL,
    first_name TEXT NOT NULL,
    birth_date TEXT NOT NULL,
    plan TEXT NOT NULL,
    group_number TEXT NOT NULL,
    group_name TEXT NOT NULL,
    other_payers TEXT NOT NULL,
    rejections TEXT NOT NULL,
    reference TEXT NOT NULL,            -- BHT03
    trace_number TEXT NOT NULL,         -- TRN02
    originator_id TEXT NOT NULL,        -- TRN03
    match TEXT CHECK (match IN ('matched', 'candidate', 'unmatched', 'test')),
    said TEXT                           -- JSON; that of a batch's answer is the body of its result
) STRICT;
CREATE INDEX answers_result ON answers (result);
CREATE INDEX answers_set ON answers (from_set) WHERE from_set IS NOT NULL;
CREATE INDEX answers_reference ON answers (reference) WHERE from_set IS NULL;
CREATE INDEX answers_trace ON answers (trace_number) WHERE from_set IS NULL;
CREATE TABLE candidates (
    answer INTEGER NOT NULL REFERENCES answers (seq) ON DELETE CASCADE,
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    PRIMARY KEY (answer, task)
) STRICT;
CREATE INDEX candidates_task ON candidates (task);
CREATE TABLE texts (
    sha256 TEXT NOT NULL,               -- of ST…SE, as in sets
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE,
    PRIMARY KEY (sha256, result)
) STRICT;
CREATE INDEX texts_result ON texts (result);
CREATE INDEX tasks_trace ON tasks (trace_number) WHERE trace_number IS NOT NULL;
CREATE INDEX results_task ON results (task);
CREATE TABLE remote_files (
    name BLOB PRIMARY KEY,              -- the server's bytes
    shown TEXT NOT NULL,                -- the same for people
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,             -- ms, as the server says
    seen_at INTEGER NOT NULL,           -- since when it has this size and time, ms
    state TEXT NOT NULL CHECK (state IN ('seen', 'fetching', 'fetched', 'done', 'gone')),
    local TEXT,                         -- its name in the private folder, while it is there
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0, -- not to be fetched before, ms
    tidy INTEGER NOT NULL DEFAULT 0,    -- 1: everything in it is stored, and it is still to be moved or deleted there
    error TEXT                          -- why it could not be fetched the last time
) STRICT;
CREATE INDEX results_derived ON results (derived) WHERE source <> 'batch';
CREATE VIEW tasks_overview AS
SELECT
    id, state, outcome, name,
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq) AS refs,
    correlation_id, trace_id,
    strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at / 1000.0, 'unixepoch') AS recorded_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch') AS due_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', concluded_at / 1000.0, 'unixepoch') AS concluded_at,
    concluded_by, polls, failures, last_error,
    (SELECT count(*) FROM results WHERE results.task = tasks.seq AND results.source <> 'batch') AS revisions
FROM tasks;
CREATE VIEW found_coverage AS
SELECT
    results.seq AS result, tasks.id,
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq) AS refs,
    tasks.correlation_id, results.source, results.revision, results.outcome,
    paths.name AS path, paths.status, answers.coverage, answers.payer,
    coalesce(paths.payer_id, answers.payer_id) AS payer_id,
    answers.member_id, answers.last_name, answers.first_name, answers.birth_date, answers.plan, answers.group_number,
    answers.group_name, answers.other_payers, paths.transaction_id, NULL AS match, NULL AS file,
    paths.timestamp AS answered_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at, NULL AS test
FROM results
JOIN paths ON paths.result = results.seq
LEFT JOIN tasks ON tasks.seq = results.task
LEFT JOIN answers
    ON answers.result = results.seq AND answers.list = paths.list AND answers.position = paths.position
WHERE paths.list = 'successful'
UNION ALL
SELECT
    results.seq, tasks.id,
    (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq),
    tasks.correlation_id, results.source, NULL, NULL,
    NULL, NULL, answers.coverage, answers.payer,
    answers.payer_id,
    answers.member_id, answers.last_name, answers.first_name, answers.birth_date, answers.plan, answers.group_number,
    answers.group_name, answers.other_payers, NULL, answers.match, files.name,
    NULL,
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch'),
    json_extract(envelopes.interchange, '$.test')
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set AND sets.state = 'accepted'
JOIN envelopes ON envelopes.seq = sets.envelope
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
WHERE answers.coverage = 'active' OR answers.other_payers <> '';
CREATE VIEW batch_answers AS
SELECT
    answers.seq AS answer, answers.result, files.name AS file, 's' || sets.seq AS transaction_set, answers.match,
    tasks.id, (SELECT group_concat(ref, ', ') FROM refs WHERE refs.task = tasks.seq) AS refs,
    (SELECT group_concat(others.id, ', ') FROM candidates JOIN tasks AS others ON others.seq = candidates.task
        WHERE candidates.answer = answers.seq) AS candidates,
    answers.level, answers.coverage, answers.payer, answers.payer_id, answers.member_id, answers.last_name,
    answers.first_name, answers.birth_date, answers.plan, answers.group_number, answers.group_name,
    answers.other_payers, answers.rejections, answers.reference, answers.trace_number, answers.originator_id,
    CAST(results.body AS TEXT) AS said,
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at,
    json_extract(envelopes.interchange, '$.test') AS test
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set AND sets.state IN ('accepted', 'test')
JOIN envelopes ON envelopes.seq = sets.envelope
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task;
CREATE VIEW kept_results AS
SELECT results.* FROM results
WHERE results.source <> 'batch' OR EXISTS (
    SELECT 1 FROM answers JOIN sets ON sets.seq = answers.from_set JOIN files ON files.seq = sets.file
    WHERE answers.result = results.seq AND files.state = 'ingested' AND sets.state = 'accepted'
);

INSERT INTO _sqlite_migrations VALUES (1, 'cdpoll', 'm0001_tasks_and_results', '2026-11-01 00:00:00+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'cdpoll', 'm0002_batches', '2026-11-01 00:00:00+00:00');
INSERT INTO meta VALUES ('api_origin', 'https://api.example');
INSERT INTO tasks (seq, id, origin, state, outcome, name, source, correlation_id, member_id, recorded_at, started_at,
    life_from, paused_base, due_at, why, polls, failures, last_error, last_poll_at, concluded_at, concluded_by, abandoned_at)
VALUES
    (1, 'new', 'https://api.example', 'pending', NULL, NULL, 'id', NULL, NULL, 1799999990000, NULL,
        1799999990000, 0, 1800000000000, 'first', 0, 0, NULL, NULL, NULL, NULL, NULL),
    (2, 'seen', 'https://api.example', 'pending', NULL, 'RTCOB', 'link', 'c', 'M', 1799999000000, 1799998990000,
        1799999000000, 5, 1800000100000, 'cadence', 4, 0, NULL, 1799999900000, NULL, NULL, NULL),
    (3, 'troubled', 'https://api.example', 'pending', NULL, NULL, 'id', NULL, NULL, 1799999000000, NULL,
        1799999500000, 5, 1800000200000, 'backoff', 3, 2, 'timeout', 1799999900000, NULL, NULL, NULL),
    (4, 'done', 'https://api.example', 'concluded', 'success', 'x', 'id', NULL, NULL, 1799990000000, 1799990000000,
        1799990000000, 0, NULL, 'lease', 7, 0, NULL, 1799999000000, 1799999000000, 'poll', NULL),
    (5, 'gone', '', 'abandoned', NULL, NULL, 'id', NULL, NULL, 1790000000000, NULL,
        1790000000000, 0, NULL, 'cadence', 90, 0, NULL, 1799999000000, NULL, NULL, 1799999000000);
INSERT INTO refs VALUES (2, 'ACCT-1', 'c', 1799999000000), (4, 'ACCT-2', NULL, 1799990000000);
INSERT INTO results (seq, task, source, revision, outcome, received_at, ended_at, body, body_sha256, canonical_sha256)
VALUES (1, 4, 'poll', 1, 'success', 1799999000000, 1799998000000, x'7b226964223a2022646f6e65227d', 'a', 'b');
INSERT INTO paths (result, list, position, name, status, payer_id) VALUES (1, 'successful', 0, 'Medicare', 'eligible', 'P');
INSERT INTO history (task, at, event, detail) VALUES (3, 1799999900000, 'failing', 'timeout');
INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES ('<>', 'no id', '', 1, 2);
INSERT INTO notices VALUES ('clock_jumped', 1799999000000, 'said for a day');
INSERT INTO lane (id, reason, code, paused_at, resumes_at, probes, paused_total, tat)
VALUES (1, 'rate_limited', 'http_429', 1799999990000, 1800000050000, 1, 12, 1800000000000000);
INSERT INTO daemon VALUES (1, 4711, '0.1', 1799990000000, 1799999990000, NULL, NULL);
PRAGMA user_version = 2;
