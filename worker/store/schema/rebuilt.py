"""The tables of batches whose words have grown, and the views over them, as migration 4 makes them.

They replace those of the same names in :mod:`worker.store.schema.batch`, which says what each is for; the indexes stay
as they are there. Rows of a file in the state ``staging`` are seen by no view, nor are the answers of a set in
quarantine: they are staged, too.
"""

import sqlite3

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
    test_answers INTEGER NOT NULL DEFAULT 0,      -- held back as tests: neither matched nor delivered
    quarantined_sets INTEGER NOT NULL DEFAULT 0,
    other_sets INTEGER NOT NULL DEFAULT 0,
    warnings TEXT NOT NULL DEFAULT '[]',          -- JSON
    first_at INTEGER NOT NULL,          -- when it, or an incomplete one of its name, was first read
    done_at INTEGER NOT NULL
) STRICT
"""

SETS = """
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
) STRICT
"""

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
    match TEXT CHECK (match IN ('matched', 'candidate', 'unmatched', 'test')),
    said TEXT                           -- JSON; that of a batch's answer is the body of its result
) STRICT
"""

# What the drop held at the latest look; a file is settled when size and time were the same for long enough.
REMOTE = """
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
) STRICT
"""

# What the drop held at the latest look; a file is settled when size and time were the same for long enough.
# Results that count: those of a file that is still being read do not, nor what is held back as a test.
KEPT_RESULTS = """
CREATE VIEW kept_results AS
SELECT results.* FROM results
WHERE results.source <> 'batch' OR EXISTS (
    SELECT 1 FROM answers JOIN sets ON sets.seq = answers.from_set JOIN files ON files.seq = sets.file
    WHERE answers.result = results.seq AND files.state = 'ingested' AND sets.state = 'accepted'
)
"""

# What the drop held at the latest look; a file is settled when size and time were the same for long enough.
# Results that count: those of a file that is still being read do not, nor what is held back as a test.
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
    strftime('%Y-%m-%dT%H:%M:%fZ', results.received_at / 1000.0, 'unixepoch') AS received_at,
    json_extract(envelopes.interchange, '$.test') AS test
FROM answers
JOIN results ON results.seq = answers.result
JOIN sets ON sets.seq = answers.from_set AND sets.state IN ('accepted', 'test')
JOIN envelopes ON envelopes.seq = sets.envelope
JOIN files ON files.seq = sets.file AND files.state = 'ingested'
LEFT JOIN tasks ON tasks.seq = results.task
"""

# What the drop held at the latest look; a file is settled when size and time were the same for long enough.
# Results that count: those of a file that is still being read do not, nor what is held back as a test.
# A polled row is a path that found coverage, with what its 271 says where there is one; a batch row is an answer that
# tells of coverage: its own, or another payer that it names. What is held back as a test found nothing.
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
WHERE answers.coverage = 'active' OR answers.other_payers <> ''
"""

TABLES = {"files": FILES, "sets": SETS, "answers": ANSWERS, "remote_files": REMOTE}
VIEWS = {"found_coverage": FOUND_COVERAGE, "batch_answers": BATCH_ANSWERS, "kept_results": KEPT_RESULTS}


def rebuild(conn: sqlite3.Connection) -> None:
    """Bring tables and views to what stands here, inside a transaction; every row stays, and keeps its number.

    Foreign keys must be off, or dropping a table deletes what refers to its rows; ``legacy_alter_table`` must be on, or
    a view that somebody made over one of these tables is in the way of renaming.
    """
    for name in VIEWS:
        conn.execute(f"DROP VIEW IF EXISTS {name}")
    for name, statement in TABLES.items():
        _rebuild_table(conn, name, statement)
    for statement in VIEWS.values():
        conn.execute(statement)


def _rebuild_table(conn: sqlite3.Connection, name: str, statement: str) -> None:
    columns = ", ".join(row["name"] for row in conn.execute(f"PRAGMA table_info({name})"))
    # Its indexes and triggers go with the old table, those that somebody added included.
    lost = conn.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL", (name,)
    ).fetchall()
    conn.execute(statement.replace(f"CREATE TABLE {name} ", f"CREATE TABLE new_{name} ", 1))
    conn.execute(f"INSERT INTO new_{name} ({columns}) SELECT {columns} FROM {name}")  # noqa: S608 - our own names
    # A number that was used once is not used again, though its row is gone.
    conn.execute("DELETE FROM sqlite_sequence WHERE name = ?", (f"new_{name}",))
    conn.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT ?, seq FROM sqlite_sequence WHERE name = ?",
        (f"new_{name}", name),
    )
    conn.execute(f"DROP TABLE {name}")
    conn.execute(f"ALTER TABLE new_{name} RENAME TO {name}")
    for row in lost:
        conn.execute(row["sql"])
