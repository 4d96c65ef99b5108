"""The step to schema 30: what one daemon had becomes that of the daemon of the name cdpoll."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from worker.store.opening import open_store
from worker.store.state import daemon, delivering, notices, spool, standing

pytestmark = pytest.mark.sqlite  # a step of the file's schema

AS_IT_WAS_IN_29 = """
DROP TABLE leases; DROP TABLE daemons; DROP TABLE notices; DROP TABLE problems; DROP TABLE spool;
ALTER TABLE api DROP COLUMN floated_at; ALTER TABLE api DROP COLUMN asked; ALTER TABLE api DROP COLUMN backlog;
CREATE TABLE daemon (
    id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER NOT NULL, version TEXT NOT NULL, started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL, stopped_at INTEGER, token_expires_at INTEGER, starts INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO daemon VALUES (1, 4711, '0.0.9', 10, 20, 30, 40, 2);
CREATE TABLE notices (code TEXT PRIMARY KEY, at INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;
INSERT INTO notices VALUES ('files_lost', 1, 'a file'), ('internal_fault', 2, 'a fault');
CREATE TABLE problems (
    code TEXT PRIMARY KEY, began_at INTEGER NOT NULL, n INTEGER NOT NULL, ended_at INTEGER, told INTEGER NOT NULL,
    acked_n INTEGER, acked_by TEXT, acked_at INTEGER
) STRICT;
INSERT INTO problems VALUES ('abandoned', 1, 3, NULL, 1, 3, 'ann', 5), ('disk_low', 2, 1, NULL, 1, 1, 'ann', 6);
CREATE TABLE spool (
    id INTEGER PRIMARY KEY CHECK (id = 1), looked_at INTEGER, waiting INTEGER NOT NULL DEFAULT 0, oldest_at INTEGER,
    taken INTEGER NOT NULL DEFAULT 0, bad INTEGER NOT NULL DEFAULT 0, bad_since INTEGER, last_error TEXT
) STRICT;
INSERT INTO spool VALUES (1, 7, 2, 3, 99, 1, 4, 'shut');
INSERT INTO meta VALUES ('deliver', '{"pid": 1, "version": "1", "started_at": 1, "beat_at": 2, "stopped_at": null}');
PRAGMA user_version = 29;
"""


def test_no_row_is_lost_and_each_has_its_daemon(path: Path) -> None:
    open_store(path, create=True).close()
    with closing(sqlite3.connect(path)) as conn:
        wanted = conn.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        conn.executescript(AS_IT_WAS_IN_29)
    for _ in range(2):  # it is made once
        with open_store(path, migrate=lambda: None) as store:
            (one,) = daemon.listed(store)
            assert (one.name, one.host, one.starts) == ("cdpoll", "", 2)
            assert (one.beat.pid, one.beat.version, one.beat.started_at, one.beat.beat_at) == (4711, "0.0.9", 10, 30)
            assert [tuple(note) for note in notices.told(store)] == [
                ("", "files_lost", "a file"),
                ("cdpoll", "internal_fault", "a fault"),
            ]
            rows = standing.standing(store)
            assert {key: (row.n, row.acked_by) for key, row in rows.items()} == {
                ("abandoned", ""): (3, "ann"),
                ("disk_low", "cdpoll"): (1, "ann"),
            }
            assert spool.get(store) == spool.SpoolSeen(7, 2, 3, 99, 1, 4, "shut")
            beat = delivering.get(store)
            assert beat is not None
            assert beat.beat_at == 2
    with closing(sqlite3.connect(path)) as conn:
        made = conn.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    assert {name for name, _ in made} == {name for name, _ in wanted}
