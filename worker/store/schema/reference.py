"""docs/schema.md, written from the comments in schema.sql: ``python -m worker.store.schema.reference``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")
TARGET = Path(__file__).parents[3] / "docs" / "schema.md"

HEAD = """\
# The database

One SQLite file, at `[store] path`, or the same tables on a PostgreSQL server, at `[store] url`. Read it with any tool
while cdpoll works, best through the views at the end; write to it with none. Times are whole milliseconds since 1970 in
UTC; the views show them as ISO 8601 text. Every release brings a database of 0.1.0 or later up to date, and keeps its
rows.

This page is made from the comments in `worker/store/schema/schema.sql`.
"""


@dataclass(slots=True)
class Column:
    """A column of a table or a view, and what its comment says."""

    name: str
    declared: str  # its type, and whether it may be empty; '' in a view
    meaning: str


@dataclass(slots=True)
class Relation:
    """A table or a view."""

    name: str
    section: str
    meaning: str
    columns: list[Column] = field(default_factory=list)


def relations(script: str) -> list[Relation]:
    """Every table and view of the script, in its order, with what the comments say."""
    found: list[Relation] = []
    section = ""
    comment: list[str] = []
    lines = iter(script.splitlines())
    for line in lines:
        if line.startswith("-- ---"):
            section, comment = next(lines).removeprefix("-- "), []
        elif line.startswith("-- "):
            comment.append(line.removeprefix("-- "))
        elif match := re.match(r"CREATE (TABLE|VIEW) (\w+)", line):
            columns = _columns(lines) if match[1] == "TABLE" else _shown(lines)
            found.append(Relation(match[2], section, " ".join(comment), list(columns)))
            comment = []
        else:
            comment = []
    return found


def _columns(lines: Iterator[str]) -> Iterator[Column]:
    """Those of a table, up to the end of its statement. A comment on a line of its own belongs to the column above."""
    for declared, meaning in _commented(lines, r"\) STRICT"):
        name, _, rest = declared.partition(" ")
        if name not in ("CHECK", "PRIMARY", "UNIQUE"):
            empty = "" if "NOT NULL" in rest or "PRIMARY KEY" in rest else ", may be empty"
            yield Column(name, rest.split()[0].rstrip(",") + empty, meaning)


def _shown(lines: Iterator[str]) -> Iterator[Column]:
    """Those of a view, up to its FROM."""
    for shown, meaning in _commented(lines, r"(SELECT .*)?FROM "):
        name = re.search(r"(\w+),?$", shown)
        if name is not None:
            yield Column(name[1], "", meaning)


def _commented(lines: Iterator[str], end: str) -> Iterator[tuple[str, str]]:
    """What stands before each comment, with the comment, up to the line that begins as ``end`` says."""
    code = ""
    comments: list[str] = []
    for line in lines:
        before, _, comment = line.strip().partition("-- ")
        if before and comments:
            yield code, " ".join(comments)
            code, comments = "", []
        if re.match(end, line):
            return
        if before not in ("", "SELECT"):
            code = f"{code} {before.strip()}".strip()
        if comment:
            comments.append(comment)


def markdown() -> str:
    """The whole page."""
    lines, section = [HEAD], ""
    for one in relations(SCHEMA.read_text(encoding="utf-8")):
        if one.section != section:
            section = one.section
            lines.append(f"## {section}\n")
        lines.append(f"### {one.name}\n\n{one.meaning}\n")
        lines += _table(one.columns)
    return "\n".join(lines)


def _table(columns: list[Column]) -> list[str]:
    if not columns:
        return []
    declared = any(column.declared for column in columns)
    rows = [
        f"| `{column.name}` |{f' {column.declared} |' if declared else ''} {column.meaning.replace('|', '&#124;')} |"
        for column in columns
    ]
    heads = ["| column | type | what it says |", "| --- | --- | --- |"]
    return [*(heads if declared else ["| column | what it says |", "| --- | --- |"]), *rows, ""]


if __name__ == "__main__":
    TARGET.write_text(markdown(), encoding="utf-8")
