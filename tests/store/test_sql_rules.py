"""Statements are written once, for SQLite and for PostgreSQL: what can be held of that by reading them is held here.

Views and the rest of the schema are apart: each database has its own.
"""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
STORE = ROOT / "worker" / "store"

# Bulk statements bind by place, for names cost 2.2 times as much: of batches, of the history, and of polls that found a
# task still pending.
BY_PLACE = {"worker/store/batch/rows.py", "worker/store/tasks/history.py", "worker/store/tasks/polling.py"}


class Statement(NamedTuple):
    place: str  # file:line
    text: str  # what is put into an f-string is … there


def text_of(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
    return None


BEGINS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|PRAGMA|BEGIN|COMMIT|ROLLBACK|WHERE)\b")


def statements(path: Path) -> Iterator[Statement]:
    """Every literal of a file that is a statement, or the part of one that begins with WHERE."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in ast.walk(node) if part is not node)
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inside:
            text = text_of(node)
            if text is not None and BEGINS.match(text):
                yield Statement(f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(text.split()))


ALL = [one for path in sorted((ROOT / "worker").rglob("*.py")) for one in statements(path)]


def broken(rule: str, but: Collection[str] = ()) -> list[str]:
    """The statements in which ``rule`` is found, those in the files ``but`` apart."""
    return [f"{place}: {text}" for place, text in ALL if re.search(rule, text) and place.partition(":")[0] not in but]


def test_they_are_found() -> None:
    assert len(ALL) > 100
    files = {place.partition(":")[0] for place, _ in ALL}
    assert BY_PLACE | {"worker/store/conclude.py", "worker/store/views/status.py", "worker/store/db/sqlite.py"} <= files


def test_only_the_store_has_statements() -> None:
    assert [place for place, _ in ALL if not place.startswith("worker/store/")] == []


RULES = {
    "the smaller or larger of two is a CASE": r"\b(min|max)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*,",
    "no key is the largest one plus one": r"max\(seq\)|last_insert_rowid",
    "a list is never empty": r"\bIN \(\)",
    "no dialect: INSERT OR, REPLACE, rowid, GLOB": r"\bINSERT OR\b|\bREPLACE INTO\b|\browid\b|\bGLOB\b|\bINDEXED BY\b",
    "a condition is no number": r"\bsum\((?!CASE )[^()]* (IS|=|<>|<|>) ",
    "no SQL reads a clock": r"CURRENT_TIME|strftime\(|unixepoch|'now'",
    "bytes are not cast, and a number is a BIGINT": r"\bAS (BLOB|BYTEA|INTEGER)\)|CAST\(substr\(",
    "a sum or a mean is no decimal": r"(?<!CAST\()(?<!CAST\(coalesce\()\b(sum|avg)\((?!CASE |CAST\(|length\()",
    "a name in DO UPDATE says of which row it is": r"DO UPDATE SET (?:.*, )?(\w+) = (?:CASE WHEN )?\1 ",
    "no reserved word is an alias": r"\bAS (all|analyze|any|desc|end|group|limit|offset|order|some|user|window)\b",
    "a subquery in FROM has an alias": r"(FROM|JOIN) \((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)(?! AS \w)",
}


OFFENDERS = (
    "SELECT max(0, min(a, b)) FROM t",
    "SELECT coalesce(max(seq), 0) + 1 FROM t",
    "SELECT * FROM t WHERE seq IN ()",
    "INSERT OR IGNORE INTO t VALUES (1)",
    "SELECT sum(error IS NULL) FROM t",
    "SELECT strftime('%s', 'now')",
    "SELECT CAST(a AS BLOB) FROM t",
    "SELECT avg(a) FROM t",
    "INSERT INTO t (a, n) VALUES (1, 1) ON CONFLICT (a) DO UPDATE SET b = 2, n = n + 1",
    "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 3) AS some",
    "SELECT count(*) FROM (SELECT a FROM t WHERE b IN (SELECT c FROM u)) WHERE a > 1",
)


@pytest.mark.parametrize(("rule", "offender"), [*zip(RULES.values(), OFFENDERS, strict=True)])
def test_a_rule_finds_what_it_forbids(rule: str, offender: str) -> None:
    assert re.search(rule, offender)
    assert not re.search(rule, "SELECT max(a) AS a FROM (SELECT b AS a FROM t WHERE c IN (SELECT d FROM u)) AS v")


@pytest.mark.parametrize("rule", RULES)
def test_every_statement_keeps_to(rule: str) -> None:
    assert broken(RULES[rule]) == []


def test_parameters_have_names_but_in_bulk() -> None:
    assert broken(r"\?", but=BY_PLACE) == []


def test_pragmas_and_transactions_stay_in_the_database_folder() -> None:
    inside = {str(path.relative_to(ROOT)) for path in (STORE / "db").glob("*.py")}
    assert broken(r"^(PRAGMA|BEGIN|COMMIT|ROLLBACK)\b", but=inside) == []


def by_place(path: Path) -> Iterator[str]:
    """Where a value is taken out of a row by its number: ``row[0]``, ``read(…)[0][0]``, ``tuple(row)``."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Subscript(ast.Name("row"), ast.Constant(int()) | ast.Slice()):
                pass
            case ast.Subscript(ast.Subscript(_, ast.Constant(int())), ast.Constant(int())):
                pass
            case ast.Call(ast.Name("tuple" | "list"), [ast.Name("row")]):
                pass
            case ast.Call(ast.Attribute(_, "_make"), [ast.Name("row")]):
                pass
            case _:
                continue
        assert isinstance(node, ast.expr)
        yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"


def test_rows_are_read_by_name() -> None:
    # The columns of a task are selected in the order of its fields, from these fields.
    found = [place for path in sorted(STORE.rglob("*.py")) for place in by_place(path)]
    assert [
        one for one in found if not re.fullmatch(r"worker/store/tasks/polling\.py:\d+: Task\._make\(row\)", one)
    ] == []
