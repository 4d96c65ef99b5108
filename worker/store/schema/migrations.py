"""Brings the database of an earlier release to the present schema.

:data:`STEPS` has one step for each version of the schema since the oldest that is read. A new database is made from
``schema.sql`` alone (creation.py). So a change of the schema changes that file, raises
:data:`~worker.store.opening.SCHEMA_VERSION`, and adds the step that does the same to a database with rows in it. All
steps that are missing are made in one transaction; they lose no row. The views are made anew. What ALTER TABLE cannot
do, ``sqlite_utils.Table.transform`` does. The database as it was is copied before.

Loaded only when a database is brought up to date: importing sqlite_utils takes longer than a `record`.
"""

import re
from collections.abc import Callable, Mapping

from sqlite_utils import Database

from worker.core.errors import StorageFailed
from worker.store.db.copying import drop_copies, keep_copy
from worker.store.db.failures import RESTORE
from worker.store.db.sqlite import SqliteStore
from worker.store.schema.creation import SCHEMA, statements

# version -> what makes it of the version before. The caller has begun a transaction; a step begins none.
Steps = Mapping[int, Callable[[Database], None]]


def _polls_outlived(db: Database) -> None:
    if not any(column.name == "polls_outlived" for column in db.table("tasks").columns):
        db.execute("ALTER TABLE tasks ADD COLUMN polls_outlived INTEGER NOT NULL DEFAULT 0")


def _columns_of_answers(db: Database) -> None:
    there = {column.name for column in db.table("answers").columns}
    for name in ("begins", "ends", "managed_care", "to_ask", "warnings", "account"):
        if name not in there:
            db.execute(f"ALTER TABLE answers ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")


def _found_and_visible_at(db: Database) -> None:
    # `columns` leaves out those that are computed.
    if not any(row["name"] == "found" for row in db.query("SELECT name FROM pragma_table_xinfo('answers')")):
        db.execute(
            "ALTER TABLE answers ADD COLUMN found INTEGER NOT NULL"
            " GENERATED ALWAYS AS (coverage = 'active' OR other_payers <> '' OR managed_care <> '') VIRTUAL"
        )
    if not any(column.name == "at" for column in db.table("outbox").columns):
        db.execute("ALTER TABLE outbox ADD COLUMN at INTEGER")


def _older_readers(db: Database) -> None:
    db.execute("CREATE INDEX IF NOT EXISTS results_read ON results (derived) WHERE source = 'batch'")


def _standing_problems(db: Database) -> None:
    _make(db, "problems", "acts")
    for table, column, value in (("daemon", "starts", 1), ("remote_files", "first_at", 0)):
        if db.table(table).exists() and not any(one.name == column for one in db.table(table).columns):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER NOT NULL DEFAULT {value}")


def _restless_files(db: Database) -> None:
    if not any(column.name == "retimed" for column in db.table("remote_files").columns):
        db.execute("ALTER TABLE remote_files ADD COLUMN retimed INTEGER NOT NULL DEFAULT 0")
    # Of a file that is done it said when the last attempt was due; now it says when it is read once more.
    db.execute("UPDATE remote_files SET next_at = 0 WHERE state = 'done' AND tidy = 0")


def _ways_out(db: Database) -> None:
    _make(db, "ways", "deliveries", "deliveries_due", "deliveries_task", "deliveries_result", "cursors")
    db.execute("INSERT INTO counters (name, value) VALUES ('later_refs', 0) ON CONFLICT (name) DO NOTHING")
    _number_each_ref(db)


def _number_each_ref(db: Database) -> None:
    """An answer of a batch had one number for all refs of its task. Now one number stands for one ref: that of the
    range for the first, and one of its own for each other."""
    rows = db.query(
        """
        SELECT results.seq AS result, refs.ref, outbox.at
        FROM outbox JOIN answers ON answers.file = outbox.file
            AND answers.ordinal BETWEEN outbox.ordinal AND outbox.ordinal + outbox.last - outbox.first
        JOIN results ON results.seq = answers.result
        JOIN refs ON refs.task = results.task
        WHERE outbox.file IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM outbox AS mine WHERE mine.result = results.seq AND mine.ref = refs.ref)
            AND EXISTS (
                SELECT 1 FROM refs AS earlier WHERE earlier.task = refs.task
                AND (earlier.added_at, earlier.ref) < (refs.added_at, refs.ref)
                AND NOT EXISTS (SELECT 1 FROM outbox AS its WHERE its.result = results.seq AND its.ref = earlier.ref)
            )
        ORDER BY answers.ordinal, refs.added_at, refs.ref
        """
    )
    for row in list(rows):
        db.execute("UPDATE counters SET value = value + 1 WHERE name = 'outbox'")
        db.execute(
            "INSERT INTO outbox (first, last, result, ref, reason, at)"
            " SELECT value, value, :result, :ref, 'file', :at FROM counters WHERE name = 'outbox'",
            row,
        )


def _purged(db: Database) -> None:
    for table in ("tasks", "results", "files"):
        if not any(one.name == "purged_at" for one in db.table(table).columns):
            db.execute(f"ALTER TABLE {table} ADD COLUMN purged_at INTEGER")
    _make(db, "refs_after_purge", "results_after_purge", "bodies_after_purge")


def _object_of_acts(db: Database) -> None:
    """The triggers refuse to change a row, and a new column changes none. What older rows say stays one sentence."""
    if not any(one.name == "object" for one in db.table("acts").columns):
        db.execute("ALTER TABLE acts ADD COLUMN object TEXT")


def _callbacks(db: Database) -> None:
    for table, column, kind in (
        ("tasks", "callback_at", "INTEGER"),
        ("tasks", "verified", "TEXT"),
        ("tasks", "awaited_from", "INTEGER"),
        ("bodies", "tenant", "TEXT"),
        ("bodies", "correlation_id", "TEXT"),
        ("bodies", "trace_id", "TEXT"),
    ):
        if not any(one.name == column for one in db.table(table).columns):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    _make(db, "tasks_verify", "tasks_verified", "bodies_callback", "callback_tokens", "callback_tokens_expires")
    _make(db, "callback_lane", "tasks_waiting", "tasks_awaited", "results_called", "results_called_at")
    db.execute("INSERT INTO callback_lane (id) VALUES (1) ON CONFLICT (id) DO NOTHING")


def _ways_in(db: Database) -> None:
    _make(db, "lookups", "lookups_due", "lookups_state", "expected", "backfill", "spool", "tasks_correlation")
    if not any(one.name == "expected" for one in db.table("results").columns):
        db.execute("ALTER TABLE results ADD COLUMN expected INTEGER REFERENCES expected (seq) ON DELETE SET NULL")
    _make(db, "results_expected", "expected_ref", "expected_waiting", "answers_unjoined")
    db.execute("INSERT INTO backfill (id) VALUES (1) ON CONFLICT (id) DO NOTHING")


# What only one daemon can know, of the problems and notices that there were when there was one.
_OWN = (
    *("daemon_restarts", "daemon_stuck", "lane_stuck", "database_unwritable", "database_denied", "disk_full"),
    *("disk_low", "disk_read_only", "disk_unreadable", "damaged_text", "internal_fault", "spool_stuck", "spool_bad"),
    *("deliver_stuck", "deliver_fault", "deliver_reload_refused", "reload_refused", "clock_jumped"),
)


def _several_daemons(db: Database) -> None:
    _make(db, "leases", "unreadable_again")
    for name in ("floated_at", "asked", "backlog"):
        if not any(column.name == name for column in db.table("api").columns):
            db.execute(f"ALTER TABLE api ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
    for table in ("files", "remote_files"):
        if not any(one.name == "daemon" for one in db.table(table).columns):
            db.execute(f"ALTER TABLE {table} ADD COLUMN daemon TEXT")
    if not db.table("daemons").exists():
        _make(db, "daemons")
        kept = "pid, version, started_at, beat_at, stopped_at, token_expires_at, starts"
        db.execute(f"INSERT INTO daemons (name, host, {kept}) SELECT 'cdpoll', '', {kept} FROM daemon")  # noqa: S608
        db.execute("DROP TABLE daemon")
        for key in ("deliver", "alert_ping"):
            db.execute("UPDATE OR REPLACE meta SET key = key || ':cdpoll' WHERE key = :key", {"key": key})
    own = ", ".join(f"'{code}'" for code in _OWN)
    whose = f"CASE WHEN code IN ({own}) THEN 'cdpoll' ELSE '' END"
    _keyed_by_daemon(db, "spool", "'cdpoll'")
    _keyed_by_daemon(db, "notices", whose)
    _keyed_by_daemon(db, "problems", whose)


def _keyed_by_daemon(db: Database, table: str, whose: str) -> None:
    """Give a table the daemon as a part of its key: made anew, with the rows that it had."""
    names = [column.name for column in db.table(table).columns]
    if "daemon" in names:
        return
    kept = ", ".join(name for name in names if name != "id")
    db.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    _make(db, table)
    db.execute(f"INSERT INTO {table} (daemon, {kept}) SELECT {whose}, {kept} FROM {table}_before")  # noqa: S608
    db.execute(f"DROP TABLE {table}_before")


def _make(db: Database, *names: str) -> None:
    """Make those of these tables, indexes and triggers that are not there, as ``schema.sql`` has them."""
    there = {row["name"] for row in db.query("SELECT name FROM sqlite_master")}
    for statement in statements(SCHEMA.read_text(encoding="utf-8")):
        for name in set(names) - there:
            if re.search(rf"^CREATE (TABLE|(UNIQUE )?INDEX|TRIGGER) {name}\b", statement, re.MULTILINE):
                db.execute(statement)


STEPS: Steps = {
    15: _polls_outlived,
    16: _columns_of_answers,
    17: _found_and_visible_at,
    18: lambda _db: None,  # views alone
    19: _older_readers,
    20: lambda _db: None,  # views alone
    21: _standing_problems,
    22: _restless_files,
    23: _ways_out,
    24: _purged,
    25: lambda db: _make(db, "acts_replaced", "acts_changed", "acts_removed"),
    26: lambda db: _make(db, "failed_polls", "failed_polls_task"),
    27: _object_of_acts,
    28: _callbacks,
    29: _ways_in,
    30: _several_daemons,
}


def bring_up(store: SqliteStore, version: int, working: Callable[[], None], steps: Steps = STEPS) -> bool:
    """Bring ``store`` to the schema ``version``; safe when several processes start at once. Whether it was done here.

    ``working`` is called time and again meanwhile. Raises :class:`StorageFailed`, and leaves the file as it was, when
    no copy can be made, and when a row would then refer to nothing.
    """
    working()
    with store.rebuilding(), store.calling(working):
        # The write lock is held now: another process that was doing the same has finished.
        present = store.version()
        if present == version:
            return False
        copy = keep_copy(store, present, working)
        db = Database(store.conn, execute_plugins=False, strict=True)
        for number in range(present + 1, version + 1):
            steps[number](db)
        _make_views_anew(store)
        broken = store.dangling()
        if broken:
            raise StorageFailed(
                f"{store.path} cannot be brought up to date: {broken[0]}", f"nothing in it was changed; {RESTORE}"
            )
        store.set_version(version)
    drop_copies(store, but=copy)
    return True


def _make_views_anew(store: SqliteStore) -> None:
    """Views hold no rows, so no step needs to say how they changed."""
    ours = [one for one in statements(SCHEMA.read_text(encoding="utf-8")) if "CREATE VIEW" in one]
    for statement in ours:
        name = statement.partition("CREATE VIEW ")[2].split()[0]
        store.execute(f"DROP VIEW IF EXISTS {name}")
        store.execute(statement)
