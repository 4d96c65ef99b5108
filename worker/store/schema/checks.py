"""The words that a column may hold, checked without a list, as migration 6 makes it.

For ``CHECK (state IN ('a', 'b', 'c'))`` SQLite makes a temporary b-tree of the words in every INSERT: three rows of a
batch's set took half of their time for that. ``CHECK (state = 'a' OR state = 'b' OR state = 'c')`` says the same, and
compares. No row changes, so the statements are changed where SQLite keeps them, as its documentation of ALTER TABLE
says for constraints: https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes
"""

import re
import sqlite3

TABLES = ("tasks", "results", "files", "sets", "answers", "remote_files")

_CHECK = re.compile(r"CHECK \((\w+) IN \(([^()]+)\)\)")


def plain_checks(conn: sqlite3.Connection) -> None:
    """Rewrite the checks of the tables, inside a transaction."""
    conn.execute("PRAGMA writable_schema = ON")
    try:
        for name in TABLES:
            (statement,) = conn.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
            ).fetchone()
            conn.execute(
                "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?",
                (_CHECK.sub(_compared, statement), name),
            )
        (version,) = conn.execute("PRAGMA schema_version").fetchone()
        conn.execute(f"PRAGMA schema_version = {version + 1}")
    finally:
        # Also lets this connection read the statements anew.
        conn.execute("PRAGMA writable_schema = RESET")


def _compared(check: re.Match[str]) -> str:
    column, words = check.groups()
    return f"CHECK ({' OR '.join(f'{column} = {word.strip()}' for word in words.split(','))})"
