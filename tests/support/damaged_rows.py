"""Rows of tasks as a changed bit on the disk leaves them: with values that SQLite would refuse to write."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path


def damage(path: Path, task_id: str, column: str, value: object) -> None:
    """Put ``value`` into a row, also where the schema forbids it, and leave the schema as it was."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as conn:
        (strict,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = 'tasks'").fetchone()
    loose = re.sub(r"\)\s*STRICT\s*$", ")", re.sub(r" INTEGER( NOT NULL)?(?! PRIMARY)", " BLOB", strict))
    assert loose != strict
    _declare(path, loose)
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as conn:
        conn.execute("PRAGMA ignore_check_constraints = ON")
        assert conn.execute(f"UPDATE tasks SET {column} = ? WHERE id = ?", [value, task_id]).rowcount == 1
    _declare(path, strict)


def _declare(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as conn:
        (version,) = conn.execute("PRAGMA schema_version").fetchone()
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'tasks'", [sql])
        conn.execute(f"PRAGMA schema_version = {version + 1}")
