"""Texts in which a bit has changed on the disk: SQLite does not look at them.

They cannot be decoded, or they are JSON of ours no more. The other rows can still be read.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Read at a time while every text is looked at: no cursor stays open for long.
PAGE_ROWS = 500

# Told of one database.
MOST_LINES = 20

# What is read as JSON.
JSON_COLUMNS = (
    ("curves", "curve"),
    ("envelopes", "grouped"),
    ("envelopes", "interchange"),
    ("files", "warnings"),
    ("sets", "issues"),
)

# Stands for the issues of a file or set that cannot be read any more.
LOST_ISSUE = {"code": "damaged", "segment": "", "message": "What was noted here was damaged on the disk."}


def json_object(text: str) -> dict[str, Any]:
    """What a column of ours says; empty where it is damaged."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def json_issues(text: str) -> list[dict[str, str]]:
    """The issues in a column of ours; one that says so where they are damaged."""
    try:
        found = json.loads(text)
        if all(one.keys() == LOST_ISSUE.keys() for one in found):
            return list(found)
    except (ValueError, AttributeError, TypeError):
        pass
    return [LOST_ISSUE]


@contextmanager
def shown(conn: sqlite3.Connection) -> Iterator[None]:
    """Within it, texts are read with U+FFFD in place of what cannot be decoded."""
    conn.text_factory = _decoded
    try:
        yield
    finally:
        conn.text_factory = str


def damaged_texts(conn: sqlite3.Connection) -> list[str]:
    """In words, where such texts stand and not what they say; at most :data:`MOST_LINES`."""
    found: list[str] = []
    tables = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall()
    for name in sorted(row["name"] for row in tables):
        columns = [row["name"] for row in conn.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()]
        last: int | None = -(2**63)
        while last is not None and len(found) < MOST_LINES:
            last = _look_at_page(conn, name, columns, last, found)
    for name, column in JSON_COLUMNS:
        rows = conn.execute(
            f"SELECT _rowid_ AS _number_ FROM {name}"  # noqa: S608 - names of our own
            f" WHERE {column} IS NOT NULL AND json_valid({column}) = 0 LIMIT {MOST_LINES}"
        ).fetchall()
        found += [f"what stands in row {row['_number_']} of {name}, column {column}, is not JSON" for row in rows]
    return found[:MOST_LINES]


def _look_at_page(conn: sqlite3.Connection, table: str, columns: list[str], after: int, found: list[str]) -> int | None:
    """Look at the rows that follow; the number of the last one, or ``None`` at the end."""
    quoted = [_quoted(name) for name in columns]
    texts = ", ".join(f"CASE WHEN typeof({name}) = 'text' THEN {name} END AS {name}" for name in quoted)
    page = (
        f"SELECT _rowid_ AS _number_, {texts} FROM {_quoted(table)}"  # noqa: S608 - names of our own
        f" WHERE _rowid_ > :after ORDER BY _rowid_ LIMIT {PAGE_ROWS}"
    )
    try:
        rows = conn.execute(page, {"after": after}).fetchall()
    except sqlite3.OperationalError:
        conn.text_factory = bytes
        try:
            rows = conn.execute(page, {"after": after}).fetchall()
        finally:
            conn.text_factory = str
        found += [
            f"a text in row {row['_number_']} of {table}, column {name}, cannot be decoded"
            for row in rows
            for name in columns
            if row[name] is not None and not _sound(row[name])
        ]
    return rows[-1]["_number_"] if rows else None


def _sound(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
