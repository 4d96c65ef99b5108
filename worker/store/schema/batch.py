"""The tables of batches and of what 271 texts say, and the views that show them. See :mod:`worker.store.schema.migrations`.

``files`` are batch files as they came, ``sets`` the transaction sets in them byte for byte, ``envelopes`` the
interchange and group a set stood in. An answer of a batch is one row of ``results`` (source ``batch``) and one of
``answers``; an answer inside a polled result is a row of ``answers`` alone, derived from the result's body. ``texts``
has the identity of each 271 that stands in a result. Rows of a file in the state ``staging`` are seen by no view.

This is what migration 2 makes, and no longer changes: there are databases made by it. What came later stands in
:mod:`worker.store.schema.rebuilt`.
"""

FILES = """
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
    quarantined_sets INTEGER NOT NULL DEFAULT 0,
    other_sets INTEGER NOT NULL DEFAULT 0,
    warnings TEXT NOT NULL DEFAULT '[]',          -- JSON
    first_at INTEGER NOT NULL,          -- when it, or an incomplete one of its name, was first read
    done_at INTEGER NOT NULL
) STRICT
"""
FILES_SHA256 = """
CREATE UNIQUE INDEX files_sha256 ON files (sha256) WHERE state IN ('ingested', 'quarantined', 'skipped')
"""
FILES_NAME = "CREATE INDEX files_name ON files (name) WHERE state = 'incomplete'"

ENVELOPES = """
CREATE TABLE envelopes (
    seq INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE,
    interchange TEXT NOT NULL,          -- JSON: number, delimiters, and values of the ISA
    grouped TEXT                        -- JSON: values of the GS
) STRICT
"""
ENVELOPES_FILE = "CREATE INDEX envelopes_file ON envelopes (file)"

SETS = """
CREATE TABLE sets (
    seq INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (seq) ON DELETE CASCADE,
    envelope INTEGER NOT NULL REFERENCES envelopes (seq) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'quarantined', 'other', 'dropped')),
    code TEXT NOT NULL,                 -- ST01
    control TEXT NOT NULL,              -- ST02; no identity
    version TEXT NOT NULL,
    byte_offset INTEGER NOT NULL,
    byte_length INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    sha256 TEXT UNIQUE,                 -- of ST…SE: its identity; none where the bytes were too many to keep
    issues TEXT NOT NULL DEFAULT '[]',  -- JSON
    raw BLOB NOT NULL                   -- ST…SE, byte for byte
) STRICT
"""
SETS_FILE = "CREATE INDEX sets_file ON sets (file)"
SETS_HELD = "CREATE INDEX sets_held ON sets (state) WHERE state = 'quarantined'"

ANSWERS = """
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
    match TEXT CHECK (match IN ('matched', 'candidate', 'unmatched')),
    said TEXT                           -- JSON; that of a batch's answer is the body of its result
) STRICT
"""
ANSWERS_RESULT = "CREATE INDEX answers_result ON answers (result)"
ANSWERS_SET = "CREATE INDEX answers_set ON answers (from_set) WHERE from_set IS NOT NULL"
ANSWERS_REFERENCE = "CREATE INDEX answers_reference ON answers (reference) WHERE from_set IS NULL"
ANSWERS_TRACE = "CREATE INDEX answers_trace ON answers (trace_number) WHERE from_set IS NULL"

CANDIDATES = """
CREATE TABLE candidates (
    answer INTEGER NOT NULL REFERENCES answers (seq) ON DELETE CASCADE,
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    PRIMARY KEY (answer, task)
) STRICT
"""
CANDIDATES_TASK = "CREATE INDEX candidates_task ON candidates (task)"

TEXTS = """
CREATE TABLE texts (
    sha256 TEXT NOT NULL,               -- of ST…SE, as in sets
    result INTEGER NOT NULL REFERENCES results (seq) ON DELETE CASCADE,
    PRIMARY KEY (sha256, result)
) STRICT
"""
TEXTS_RESULT = "CREATE INDEX texts_result ON texts (result)"

TASKS_TRACE = "CREATE INDEX tasks_trace ON tasks (trace_number) WHERE trace_number IS NOT NULL"
RESULTS_TASK = "CREATE INDEX results_task ON results (task)"

# What the drop held at the latest look; a file is settled when size and time were the same for long enough.
REMOTE = """
CREATE TABLE remote_files (
    name BLOB PRIMARY KEY,              -- the server's bytes
    shown TEXT NOT NULL,                -- the same for people
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,             -- ms, as the server says
    seen_at INTEGER NOT NULL,           -- since when it has this size and time, ms
    state TEXT NOT NULL CHECK (state IN ('seen', 'fetching', 'fetched', 'done')),
    local TEXT,                         -- its name in the private folder, while it is there
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0, -- not to be fetched before, ms
    tidy INTEGER NOT NULL DEFAULT 0,    -- 1: everything in it is stored, and it is still to be moved or deleted there
    error TEXT                          -- why it could not be fetched the last time
) STRICT
"""

# Results that count: those of a file that is still being read do not.
KEPT_RESULTS = """
CREATE VIEW kept_results AS
SELECT results.* FROM results
WHERE results.source <> 'batch' OR EXISTS (
    SELECT 1 FROM answers JOIN sets ON sets.seq = answers.from_set JOIN files ON files.seq = sets.file
    WHERE answers.result = results.seq AND files.state = 'ingested'
)
"""

BATCH_ANSWERS = """
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
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
"""

TASKS_OVERVIEW = """
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
FROM tasks
"""

# A polled row is a path that found coverage, with what its 271 says where there is one; a batch row is an answer that
# tells of coverage: its own, or another payer that it names.
FOUND_COVERAGE = """
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
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at
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
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch')
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
WHERE answers.coverage = 'active' OR answers.other_payers <> ''
"""

STATEMENTS = (
    FILES,
    FILES_SHA256,
    FILES_NAME,
    ENVELOPES,
    ENVELOPES_FILE,
    SETS,
    SETS_FILE,
    SETS_HELD,
    ANSWERS,
    ANSWERS_RESULT,
    ANSWERS_SET,
    ANSWERS_REFERENCE,
    ANSWERS_TRACE,
    CANDIDATES,
    CANDIDATES_TASK,
    TEXTS,
    TEXTS_RESULT,
    TASKS_TRACE,
    RESULTS_TASK,
    REMOTE,
    "ALTER TABLE results ADD COLUMN derived INTEGER",  # which reader made its rows of answers and texts
    "CREATE INDEX results_derived ON results (derived) WHERE source <> 'batch'",
    TASKS_OVERVIEW,
    FOUND_COVERAGE,
    BATCH_ANSWERS,
    KEPT_RESULTS,
)
