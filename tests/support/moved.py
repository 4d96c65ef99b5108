"""A database with rows in every table, and all of two databases side by side."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.planted import plant
from worker.store.db.store import Store
from worker.store.moving.content import pages
from worker.store.moving.target import NewPlace
from worker.store.moving.work import MoveReport, move, tables_that_move
from worker.store.opening import open_store
from worker.store.state import acts

NOW = 1_800_000_000_000

# Of this task more of the history was kept than the schema bounds, and the other one was purged before it got a ref: so
# triggers would change both if they fired for rows that are copied.
_MORE = f"""
    DROP TRIGGER history_bounded;
    INSERT INTO history (task, at, event)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        SELECT 1, {NOW} + i, 'retried' FROM n;
    CREATE TRIGGER history_bounded AFTER INSERT ON history
    WHEN (SELECT count(*) FROM history WHERE task = new.task) > 200
    BEGIN
        SELECT 1;
    END;
    UPDATE tasks SET purged_at = {NOW} WHERE seq = 2;
    UPDATE tasks SET last_error = 'timeout', failures = 4, state = 'pending', due_at = {NOW}, abandoned_at = NULL
        WHERE seq = 2;
    UPDATE api SET delay_per_request_ms = 20000.1;
    INSERT INTO cursors (name, number, moved_at) VALUES ('billing', 1, 1);
    INSERT INTO candidates (answer, task, reason) SELECT seq, 1, 'same member' FROM answers LIMIT 1;
    INSERT INTO failed_polls (task, at, error) VALUES (2, 1, 'timeout');
    INSERT INTO discarded (sha256) VALUES ('00');
    INSERT INTO callback_tokens (token_sha256, bound, expires_at) VALUES ('00', 'b', 1);
    INSERT INTO curves (task_class, curve) VALUES ('insight', '{{}}');
    INSERT INTO problems (code, began_at, n, told) VALUES ('overdue', 1, 2, 0);
    INSERT INTO leases (name, holder, until_at) VALUES ('drop', 'east-1', 1);
    INSERT INTO daemons (name, host, pid, version, started_at, beat_at) VALUES ('east', 'h', 7, '0.1.0', 1, 1);
    INSERT INTO spool (daemon) VALUES ('east');
    UPDATE remote_files SET name = x'00ff27';
    UPDATE lookups SET correlation_id = 'it''s "quoted" \\ %s :name ? ' || char(10) || char(9) || char(228, 128512);
    UPDATE results SET body = CAST(x'00ff0a5c' || body AS BLOB) WHERE seq = 1;
"""


class MoveCut(BaseException):
    """The process ends in the middle."""


class Seen:
    """Is told how far a move is; may end it after so many rows, or call something at the first."""

    def __init__(self, last: int | None = None, first: Callable[[], object] | None = None) -> None:
        self.rows = self.all = 0
        self._last = last
        self._first = first

    def total(self, rows: int) -> None:
        self.all = rows

    def done(self, rows: int) -> None:
        if self._first is not None and not self.rows:
            self._first()
        self.rows += rows
        if self._last is not None and self.rows >= self._last:
            raise MoveCut


def filled(path: Path) -> None:
    """A file with a row or more in every table."""
    with open_store(path, create=True) as store:
        plant(store, path.parent)
        with store.write():
            acts.note(store, "ann", "retried", "a", NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.executescript(_MORE)


def content(store: Store) -> dict[str, list[Any]]:
    """Every row of every table."""
    return {table.name: [row for page in pages(store, table) for row in page] for table in tables_that_move()}


def moved(source: Store, target: NewPlace, watch: Seen | None = None) -> MoveReport:
    return move(source, target, "ann", NOW, watch or Seen())
