"""The schema, as migrations. Loaded only when a database is created or brought up to date.

They lose no row, and those that are missing are made in one transaction. Most add tables, columns and indexes.
Migration 4 rebuilds four tables of batches and copies each of their rows once, since ALTER TABLE cannot change a CHECK;
migration 6 changes checks, to ones that say the same, where SQLite keeps them (worker/store/schema/checks.py).

Times are whole milliseconds UTC; the views show them as ISO text for people, Datasette and BI tools. Statements
elsewhere stay plain (named parameters, ON CONFLICT, RETURNING), so that they can be run on another database.
"""

from sqlite_utils import Database, Migrations

from worker.core.errors import StorageFailed
from worker.store.db.store import SCHEMA_VERSION, Store
from worker.store.schema.batch import STATEMENTS
from worker.store.schema.checks import plain_checks
from worker.store.schema.rebuilt import rebuild
from worker.store.state.learned import STATEMENTS as LEARNING

schema = Migrations("cdpoll")


def apply(store: Store) -> None:
    """Bring ``store`` up to :data:`SCHEMA_VERSION`; safe when several processes start at once.

    Raises :class:`StorageFailed`, and leaves the file as it was, when a row would then refer to nothing.
    """
    # What rebuilding a table needs; the first of them cannot be switched inside a transaction.
    store.conn.execute("PRAGMA foreign_keys = OFF")
    store.conn.execute("PRAGMA legacy_alter_table = ON")
    try:
        with store.write():
            # The lock is ours now: whoever else was migrating has finished, and only what is missing is applied.
            schema.apply(Database(store.conn, execute_plugins=False, strict=True))
            broken = store.one("PRAGMA foreign_key_check")
            if broken is not None:
                raise StorageFailed(
                    f"{store.path} cannot be brought up to date: a row of {broken[0]} refers to nothing",
                    "nothing in it was changed; restore the last good copy",
                )
            store.conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    finally:
        store.conn.execute("PRAGMA legacy_alter_table = OFF")
        store.conn.execute("PRAGMA foreign_keys = ON")


@schema()
def m0001_tasks_and_results(db: Database) -> None:
    for statement in (
        META,
        TASKS,
        TASKS_DUE,
        TASKS_STATE,
        REFS,
        RESULTS,
        RESULTS_REVISION,
        PATHS,
        HISTORY,
        HISTORY_TASK,
        UNREADABLE,
        NOTICES,
    ):
        db.conn.execute(statement)
    for statement in (LANE, LANE_ROW, DAEMON):
        db.conn.execute(statement)


@schema()
def m0002_batches(db: Database) -> None:
    for statement in STATEMENTS:
        db.conn.execute(statement)


@schema()
def m0003_learned_schedule(db: Database) -> None:
    for statement in (*METER, *LEARNING):
        db.conn.execute(statement)


@schema()
def m0004_tests_and_what_is_gone(db: Database) -> None:
    rebuild(db.conn)


@schema()
def m0005_due_tasks_first(db: Database) -> None:
    # SQLite takes an index over all states before one of the pending only, and then sorts a million rows for a claim.
    for statement in (
        "DROP INDEX tasks_due",
        "DROP INDEX tasks_pending",
        "CREATE INDEX tasks_due ON tasks (state, due_at)",
    ):
        db.conn.execute(statement)


@schema()
def m0006_checks_at_less_cost(db: Database) -> None:
    plain_checks(db.conn)
    # Most answers of batches belong to no task.
    db.conn.execute("DROP INDEX results_task")
    db.conn.execute("CREATE INDEX results_task ON results (task) WHERE task IS NOT NULL")


META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"

TASKS = """
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
) STRICT
"""
TASKS_DUE = "CREATE INDEX tasks_due ON tasks (due_at) WHERE state = 'pending'"
TASKS_STATE = "CREATE INDEX tasks_state ON tasks (state, outcome)"

REFS = """
CREATE TABLE refs (
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    ref TEXT NOT NULL,                  -- the caller's own key; may be patient data
    correlation_id TEXT,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (task, ref)
) STRICT
"""

RESULTS = """
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
    canonical_sha256 TEXT,              -- see worker/core/vendor/document.py
    real_time_sha256 TEXT
) STRICT
"""
# Answers of batches are no revisions of a task's result: a task may have any number of them.
RESULTS_REVISION = "CREATE UNIQUE INDEX results_revision ON results (task, revision) WHERE source <> 'batch'"

PATHS = """
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
) STRICT
"""

HISTORY = """
CREATE TABLE history (
    seq INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    detail TEXT
) STRICT
"""
HISTORY_TASK = "CREATE INDEX history_task ON history (task, seq)"

UNREADABLE = """
CREATE TABLE unreadable (
    seq INTEGER PRIMARY KEY,
    raw TEXT NOT NULL,
    reason TEXT NOT NULL,
    ref TEXT NOT NULL,                  -- the caller's own key, '' where none was given
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    UNIQUE (raw, ref)
) STRICT
"""

NOTICES = """
CREATE TABLE notices (
    code TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT
"""

LANE = """
CREATE TABLE lane (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    code TEXT,
    paused_at INTEGER,
    resumes_at INTEGER,
    probes INTEGER NOT NULL,
    paused_total INTEGER NOT NULL,
    tat INTEGER NOT NULL                -- the limiter's theoretical arrival time, in microseconds
) STRICT
"""
METER = (
    # The rest of the limiter's meter; see worker/core/pacing/limiter.py.
    "ALTER TABLE lane ADD COLUMN pace INTEGER NOT NULL DEFAULT 1000000",
    "ALTER TABLE lane ADD COLUMN slowed_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lane ADD COLUMN eased_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lane ADD COLUMN day INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lane ADD COLUMN spent INTEGER NOT NULL DEFAULT 0",
)
LANE_ROW = "INSERT INTO lane (id, probes, paused_total, tat) VALUES (1, 0, 0, 0)"

DAEMON = """
CREATE TABLE daemon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    stopped_at INTEGER,
    token_expires_at INTEGER
) STRICT
"""
