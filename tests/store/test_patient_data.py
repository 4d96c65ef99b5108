"""The list of what holds patient data: complete, and each entry of it removed to the last byte."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import engine
from tests.support.planted import LONG_AGO, found_in, plant
from worker.rounds.retention.purge import Purged, Terms, purge, rewrite
from worker.store import patient_data
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.patient_data import HOLDS, HOLDS_NONE, WHERE, Held
from worker.store.retention.undelivered import Limit

NOW = LONG_AGO + 86_400_000


@pytest.fixture(params=engine.JOURNALS)
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    (tmp_path / "data").mkdir()
    with open_store(tmp_path / "data" / "cdpoll.db", request.param, create=True) as opened:
        if not opened.shared:
            # Debian's SQLite overwrites what it deletes, others do not; no purge may rely on it.
            opened.execute("PRAGMA secure_delete = OFF")
        plant(opened, tmp_path)
        yield opened


def test_each_column_of_text_or_bytes_is_listed(store: Store) -> None:
    columns = {
        (table, name)
        for table in engine.tables(store)
        for name, kind in engine.kinds(store, table).items()
        if kind in ("TEXT", "BLOB")
    }
    assert {(one.table, one.column) for one in HOLDS} | HOLDS_NONE.keys() == columns


# Each may hold certain words only, or names a row of another table.
WORDS_ONLY = {
    ("results", "source"),
    ("bodies", "source"),
    ("answers", "match"),
    ("deliveries", "way"),
    ("deliveries", "state"),
    ("remote_files", "state"),
    ("lookups", "state"),
    ("notices", "code"),
    ("outbox", "reason"),
}
OF: dict[tuple[str, str], str] = {
    ("results", "task"): "source <> 'batch'",
    ("results", "file"): "source = 'batch'",
    ("bodies", "task"): "task IS NOT NULL",
    ("bodies", "body"): "task IS NULL",
    ("outbox", "task"): "result IS NOT NULL",
    ("notices", "notice"): "code = 'files_lost'",
}


def marked(one: Held) -> str:
    return f"MARK-{one.table}-{one.column}-{one.of}-"


MARKED = [one for one in HOLDS if (one.table, one.column) not in WORDS_ONLY]


def mark(store: Store) -> None:
    """A marker in each column of the list, in each of its rows."""
    with store.write():
        for one in MARKED:
            value = f"'{marked(one)}' || {engine.ROW} || '-'"
            value = engine.bytes_of(value) if engine.kinds(store, one.table)[one.column] == "BLOB" else value
            where = OF.get((one.table, one.of), "1 = 1")
            assert store.execute(f"UPDATE {one.table} SET {one.column} = {value} WHERE {where}"), one


def purge_all(store: Store) -> None:
    for _ in purge(store, Terms(Limit(NOW), thorough=True), NOW, Purged()):
        pass
    assert rewrite(store, NOW) is None


MARKERS = tuple(marked(one) for one in MARKED)


def seen(store: Store) -> set[str]:
    """The markers whose bytes stand in a file of this host, or in a row on a server."""
    found = {one for there in found_in(store.path.parent, MARKERS).values() for one in there}
    for table in engine.tables(store) if store.shared else ():
        for row in store.read(f"SELECT * FROM {table}"):
            said = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
            found.update(one for one in MARKERS if one.encode() in said)
    return found


def test_of_everything_that_is_listed_no_byte_is_left(store: Store) -> None:
    mark(store)
    assert seen(store) == {*MARKERS}
    purge_all(store)
    assert seen(store) == set()
    assert store.wrong() == []


GROUPS = [group for group in WHERE if group != ("notices", "notice")]


@pytest.mark.parametrize(("table", "of"), GROUPS, ids=[f"{table} of a {of}" for table, of in GROUPS])
def test_one_that_is_left_out_would_be_seen(store: Store, table: str, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One column of it where the row stays, all of them where the row is removed."""
    mine = [one for one in HOLDS if (one.table, one.of) == (table, of)]
    left_out = mine if all(one.removed for one in mine) else mine[-1:]
    monkeypatch.setattr(patient_data, "HOLDS", tuple(one for one in HOLDS if one not in left_out))
    mark(store)
    purge_all(store)
    assert {marked(one) for one in left_out} & seen(store)
