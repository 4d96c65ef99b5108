"""The old place refuses every write, also of who has had it open for long; it can be read, and taken back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.support.database import record
from tests.support.moved import NOW, content, moved
from tests.support.postgres import Cluster
from worker.core.errors import MovedAway
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.moving.into_file import FileTarget
from worker.store.moving.into_server import ServerTarget
from worker.store.moving.sealing import unseal
from worker.store.moving.work import tables_that_move
from worker.store.opening import identity_of, open_store

pytestmark = pytest.mark.sqlite  # from a file, which stays one


@pytest.mark.parametrize("table", [table.name for table in tables_that_move()])
def test_a_file_refuses_each_change(old: Path, source: Store, tmp_path: Path, table: str) -> None:
    moved(source, FileTarget(tmp_path / "new.db", identity_of(source)))
    column = next(one.columns[-1].name for one in tables_that_move() if one.name == table)
    with closing(sqlite3.connect(old)) as conn:
        for change in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
        ):
            if "SELECT" in change and table in ("tasks", "answers"):
                change = f"INSERT INTO {table} DEFAULT VALUES"  # they have generated columns
            with pytest.raises(sqlite3.IntegrityError, match=f"^cdpoll: was moved to {tmp_path}/new.db$"):
                conn.execute(change)


def test_a_server_refuses_each_change(
    source: Store, server: ServerTarget, empty: DatabasePlace, cluster: Cluster, tmp_path: Path
) -> None:
    moved(source, server)
    with open_store(empty) as there:
        moved(there, FileTarget(tmp_path / "back.db", identity_of(there)))
        database = there.read("SELECT current_database() AS name")[0]["name"]
    with cluster.connect(database) as conn:
        for table in tables_that_move():
            column = table.columns[-1].name
            for change in (
                f"INSERT INTO {table.name} DEFAULT VALUES",
                f"UPDATE {table.name} SET {column} = {column}",
                f"DELETE FROM {table.name}",
                f"TRUNCATE {table.name} CASCADE",
            ):
                with pytest.raises(psycopg.DatabaseError, match=r"was moved to .*back\.db|acts are only added"):
                    conn.execute(change)


def test_who_had_it_open_is_refused_and_can_read(old: Path, source: Store, server: ServerTarget) -> None:
    with open_store(old) as other:
        record(other, "before", now=NOW)
        moved(source, server)
        with pytest.raises(MovedAway) as refused:
            record(other, "after", now=NOW)
        assert refused.value.message == f"{old} was moved to {server.name}: nothing is written here"
        assert refused.value.exit_code == 78
        assert content(other) == content(source)


def test_who_had_the_server_open_is_refused_and_can_read(
    source: Store, server: ServerTarget, empty: DatabasePlace, tmp_path: Path
) -> None:
    moved(source, server)
    with open_store(empty) as there, open_store(empty) as other:
        record(other, "before", now=NOW)
        back = FileTarget(tmp_path / "back.db", identity_of(there))
        moved(there, back)
        with pytest.raises(MovedAway) as refused:
            record(other, "after", now=NOW)
        assert refused.value.message == f"{other.name} was moved to {back.name}: nothing is written here"
        assert content(other) == content(there)
        with back.open() as store:
            assert content(store) == content(other)


def test_who_would_write_is_refused_at_once(old: Path, source: Store, server: ServerTarget) -> None:
    moved(source, server)
    with pytest.raises(MovedAway):
        open_store(old, create=True)


def test_it_is_taken_back(old: Path, source: Store, server: ServerTarget, empty: DatabasePlace, tmp_path: Path) -> None:
    moved(source, server)
    with source.write():
        unseal(source)
    assert record(source, "again", now=NOW).new == ["again"]
    with open_store(empty) as there:
        moved(there, FileTarget(tmp_path / "back.db", identity_of(there)))
        with there.write():
            unseal(there)
        assert record(there, "again", now=NOW).new == ["again"]
