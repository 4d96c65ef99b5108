"""A database goes to a server and back: nothing in it changes, and both places are complete databases."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import record
from tests.support.moved import NOW, content, filled, moved
from tests.support.postgres import Cluster
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.moving.into_file import FileTarget
from worker.store.moving.into_server import ServerTarget
from worker.store.opening import identity_of, open_store

pytestmark = pytest.mark.sqlite  # from a file, which stays one

OBJECTS = """
    SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT tgname, tgenabled::text || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'public'
    ORDER BY 1, 2
"""


def test_every_table_has_rows(source: Store) -> None:
    assert [name for name, rows in content(source).items() if not rows] == []


def test_there_and_back(source: Store, empty: DatabasePlace, server: ServerTarget, tmp_path: Path) -> None:
    there = moved(source, server)
    before = content(source)
    assert {name: len(rows) for name, rows in before.items()} == {k: v.rows for k, v in there.tables.items()}
    with open_store(empty) as store:
        assert content(store) == before
        back = moved(store, FileTarget(tmp_path / "back.db", identity_of(store)))
    with open_store(tmp_path / "back.db") as store:
        after = content(store)
        assert store.wrong() == []
        assert identity_of(store) == identity_of(source)
    # The one row more says that it was moved.
    (act,) = after["acts"][len(before["acts"]) :]
    assert act[2:] == ("ann", "moved the database", f"{server.name} to {tmp_path}/back.db")
    assert {**after, "acts": before["acts"]} == before
    changed = [name for name in before if there.tables[name] != back.tables[name]]
    assert changed == ["acts"]


def test_from_a_file_to_a_file(source: Store, tmp_path: Path) -> None:
    moved(source, FileTarget(tmp_path / "new" / "back.db", identity_of(source)))
    with open_store(tmp_path / "new" / "back.db") as store:
        assert content(store) == content(source)


def test_the_new_file_has_the_whole_schema(source: Store, tmp_path: Path) -> None:
    def schema(path: Path) -> list[Any]:
        with closing(sqlite3.connect(path)) as conn:
            return conn.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()

    moved(source, FileTarget(tmp_path / "back.db", identity_of(source)))
    with open_store(tmp_path / "fresh.db", create=True):
        pass
    assert schema(tmp_path / "back.db") == schema(tmp_path / "fresh.db")
    with open_store(tmp_path / "back.db") as store, store.write():
        pass
    assert (tmp_path / "back.db.marker").exists()


def test_the_server_has_the_whole_schema(
    source: Store, empty: DatabasePlace, server: ServerTarget, cluster: Cluster
) -> None:
    fresh = cluster.databases.new()
    moved(source, server)
    names = [name for (name,) in cluster.run("SELECT datname FROM pg_database")]
    assert fresh in names
    with open_store(empty) as store:
        database = store.read("SELECT current_database() AS name")[0]["name"]
    assert cluster.run(OBJECTS, database=database) == cluster.run(OBJECTS, database=fresh)


def test_numbers_go_on_behind_the_largest(source: Store, empty: DatabasePlace, server: ServerTarget) -> None:
    moved(source, server)
    with open_store(empty) as store:
        there = content(store)
        numbered = [row["name"] for row in store.read("SELECT sequencename AS name FROM pg_sequences")]
        assert len(numbered) > 5
        for name in numbered:
            after = store.read("SELECT nextval(:name) AS number", {"name": name})[0]["number"]
            assert after == there[name.removesuffix("_seq_seq")][-1][0] + 1


def test_triggers_work_at_the_new_places(
    source: Store, empty: DatabasePlace, server: ServerTarget, tmp_path: Path
) -> None:
    count = "SELECT n FROM tallies WHERE name = 'state' AND key = 'pending'"
    moved(source, server)
    with open_store(empty) as store:
        before = store.read(count)[0]["n"]
        record(store, "new", now=NOW)
        assert store.read(count)[0]["n"] == before + 1
        moved(store, FileTarget(tmp_path / "back.db", identity_of(store)))
    with open_store(tmp_path / "back.db") as store:
        record(store, "newer", now=NOW)
        assert store.read(count)[0]["n"] == before + 2


@pytest.mark.parametrize("column", ["body", "received_at", "source"])
def test_what_was_not_copied_as_it_is_is_found(
    old: Path, source: Store, server: ServerTarget, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    """One value of one row differs at the new place when it is read back."""
    from worker.core.errors import StorageFailed

    fill = ServerTarget.fill

    def spoilt(self: ServerTarget, *args: Any) -> None:
        fill(self, *args)
        value = {"body": "body || '\\x20'::bytea", "received_at": "received_at + 1", "source": "'replay'"}[column]
        with self.open() as store:
            store.script(f"UPDATE results SET {column} = {value} WHERE seq = 1")

    monkeypatch.setattr(ServerTarget, "fill", spoilt)
    before = content(source)
    with pytest.raises(StorageFailed, match="table results was not copied as it is"):
        moved(source, server)
    with open_store(old) as store:
        assert content(store) == before
        record(store, "new", now=NOW)


def test_filled_fills(tmp_path: Path) -> None:
    filled(tmp_path / "other.db")
    with open_store(tmp_path / "other.db") as store:
        assert len([row for row in content(store)["history"] if row[1] == 1]) > 300
