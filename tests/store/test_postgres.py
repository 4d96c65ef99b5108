"""The adapter of PostgreSQL: values as with a file, and failures in which no value is quoted."""

import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import NOW, record
from tests.support.postgres import Cluster
from worker.clock import Clock
from worker.core.errors import CdpollError, ServerLost, StorageFailed
from worker.place import DatabasePlace
from worker.store.db.postgres import PostgresStore
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.opening import open_store

PATIENT = "QUERELMANN"


@pytest.fixture(params=["file", "server"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The same on both engines, with a table for each kind of value."""
    server = request.param == "server"
    place = request.getfixturevalue("place") if server else DatabasePlace(tmp_path / "cdpoll.db")
    kinds = ("BIGINT", "TEXT", "BYTEA", "DOUBLE PRECISION") if server else ("INTEGER", "TEXT", "BLOB", "REAL")
    with open_store(place, create=True) as store:
        columns = ", ".join(f"{name} {kind}" for name, kind in zip("ntbf", kinds, strict=True))
        store.conn.execute(f"CREATE TEMP TABLE kinds ({columns})")
        yield store


def kept(store: Store, column: str, value: Any) -> Any:
    with store.write():
        store.execute(f"INSERT INTO kinds ({column}) VALUES (:v)", {"v": value})
    return store.read(f"SELECT {column} FROM kinds")[0][column]


def said_of(error: CdpollError) -> str:
    return " ".join([error.message, error.hint, repr(error.args), *traceback.format_exception(error)])


# --- values


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("n", n) for n in (0, -1, 2**31, 2**63 - 1, -(2**63), None)),
        *(("t", text) for text in ("", "Zoë %s %(a)s ? :name %", "\ufffd\U0001f600", "a'b\"c\\d\n", None)),
        *(("b", body) for body in (b"", b"\0\xff\\x00", None)),
        *(("f", number) for number in (0.1, -1e300, 5e-324, None)),
    ],
)
def test_a_value_comes_back_as_it_went_in(either: Store, column: str, value: Any) -> None:
    found = kept(either, column, value)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_is_a_number(either: Store, flag: bool) -> None:
    assert repr(kept(either, "n", flag)) == repr(int(flag))
    (row,) = either.read("SELECT n = :flag AS same, n IS NULL AS missing FROM kinds", {"flag": flag})
    assert [repr(value) for value in row] == ["1", "0"]


def test_a_server_shows_that_there_was_a_nul(server_store: Store) -> None:
    with server_store.write():
        server_store.execute("INSERT INTO meta (key, value) VALUES (?, 'one')", ["a\0b"])
        server_store.many("INSERT INTO meta (key, value) VALUES (:k, 'many')", [{"k": "x"}, {"k": "c\0\0d"}])
    found = server_store.read("SELECT key FROM meta WHERE value IN ('one', 'many') ORDER BY key")
    assert [row["key"] for row in found] == ["a\ufffdb", "c\ufffd\ufffdd", "x"]
    assert server_store.read("SELECT 1 AS n WHERE 'q' = ?", ["q\0"]) == []


def test_sums_and_means_are_plain_numbers(either: Store) -> None:
    sql = "SELECT sum(n) AS all_n, count(n) AS n, avg(n) AS mean, max(n) AS most, sum(f) AS all_f FROM kinds"
    assert list(either.read(sql)[0]) == [None, 0, None, None, None]
    with either.write():
        rows = [{"n": n, "f": n / 4} for n in (1, 2, 2**40)]
        assert either.many("INSERT INTO kinds (n, f) VALUES (:n, :f)", rows) == 3
    (found,) = either.read(sql)
    expected = [2**40 + 3, 3, (2**40 + 3) / 3, 2**40, (2**40 + 3) / 4]
    assert list(found) == pytest.approx(expected)
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_row_is_read_by_the_names_of_its_columns(either: Store) -> None:
    (row,) = either.read("SELECT 1 AS one, 'x' AS two")
    assert (list(row.keys()), row["two"], list(row), len(row)) == (["one", "two"], "x", [1, "x"], 2)
    assert either.one("SELECT n FROM kinds") is None


def test_how_many_rows_were_changed(either: Store) -> None:
    again = "INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO NOTHING"
    with either.write():
        assert either.execute(again, {"k": "a", "v": "1"}) == 1
        assert either.execute(again, {"k": "a", "v": "2"}) == 0
        assert either.many(again, [{"k": k, "v": "3"} for k in "abc"]) == 2
        assert either.many(again, []) == 0
        assert either.execute("UPDATE meta SET value = '4' WHERE key IN (?, ?, ?)", ["a", "b", "z"]) == 2
        assert either.execute("DELETE FROM meta WHERE key = 'z'") == 0


@pytest.mark.parametrize("threshold", [None, 0, 5])
def test_statements_are_prepared_as_the_pooler_bears_it(place: DatabasePlace, threshold: int | None) -> None:
    assert place.server is not None
    mine = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT key FROM meta%'"
    with open_store(place._replace(server=place.server._replace(prepare_threshold=threshold))) as store:
        for times in range(1, 8):
            assert store.read("SELECT key FROM meta WHERE key = ?", ["none"]) == []
            due = threshold is not None and times > threshold
            assert store.read(mine)[0]["n"] == int(due), times


def test_both_engines_have_what_a_store_has() -> None:
    public = {name for name in (*vars(Store), *Store.__annotations__) if not name.startswith("_")}
    assert {"read", "many", "path", "daemon"} <= public
    for name in sorted(public - Store.__annotations__.keys()):
        asked = inspect.signature(getattr(Store, name)).parameters
        for engine in (SqliteStore, PostgresStore):
            assert list(inspect.signature(getattr(engine, name)).parameters) == list(asked), (engine, name)


def test_every_attribute_of_a_store_is_there(either: Store) -> None:
    assert [name for name in Store.__annotations__ if not hasattr(either, name)] == []


# --- transactions


def test_a_statement_that_failed_lets_nothing_be_committed(either: Store) -> None:
    told: list[str] = []
    either.journal = told.append

    def half() -> None:
        with either.write():
            either.tell("a line")
            either.execute("INSERT INTO meta (key, value) VALUES ('half', '1')")
            try:
                either.execute("INSERT INTO nowhere VALUES (1)")
            finally:
                either.read("SELECT 1 AS one")

    with pytest.raises(StorageFailed):
        half()
    assert either.read("SELECT * FROM meta WHERE key = 'half'") == []
    assert told == []
    record(either, "a")


def test_a_failure_that_was_passed_over_is_no_success(server_store: Store) -> None:
    """SQLite undoes the statement alone; the server undoes all, and says nothing of it at COMMIT."""

    def passed_over() -> None:
        with server_store.write():
            server_store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
            with pytest.raises(StorageFailed):
                server_store.execute("INSERT INTO meta (key, value) VALUES ('k', 'w')")

    with pytest.raises(StorageFailed, match="nothing was written"):
        passed_over()
    assert server_store.read("SELECT * FROM meta WHERE key = 'k'") == []
    record(server_store, "a")


def test_no_transaction_begins_in_another(either: Store) -> None:
    def twice() -> None:
        with either.write():
            either.execute("INSERT INTO meta (key, value) VALUES ('outer', 'v')")
            with either.write():
                either.execute("INSERT INTO meta (key, value) VALUES ('inner', 'v')")

    with pytest.raises(StorageFailed):
        twice()
    assert either.read("SELECT * FROM meta WHERE key IN ('outer', 'inner')") == []
    record(either, "a")


# --- what is said of failures


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO meta (key, value) VALUES (:v, 'again')",  # Key (key)=(…) already exists
        "UPDATE tasks SET polls = CAST(:v AS BIGINT)",  # invalid input syntax for type bigint: "…"
        "UPDATE tasks SET state = :v",  # Failing row contains (…)
        "INSERT INTO refs (task, ref, recorded_at) SELECT 77, :v, 0",
        "SELECT nothing FROM meta WHERE key = :v",
    ],
)
def test_no_failure_quotes_a_value(server_store: Store, statement: str) -> None:
    record(server_store, PATIENT, ref=PATIENT)
    with server_store.write():
        server_store.execute("INSERT INTO meta (key, value) VALUES (:v, 'first')", {"v": PATIENT})
    with pytest.raises(StorageFailed) as caught, server_store.write():
        server_store.execute(statement, {"v": PATIENT})
    assert PATIENT not in said_of(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("what", ["a database that is not there", "a port where none listens", "a user who may not"])
def test_no_failure_tells_the_password(cluster: Cluster, path: Path, what: str) -> None:
    address = f"host={cluster.folder}&port={cluster.port}"
    if what == "a port where none listens":
        address = f"host={cluster.folder}&port=1"
    user, database = ("stranger", "cdpoll") if what == "a user who may not" else ("cdpoll", "missing")
    url = f"postgresql://{user}:{PATIENT}@/{database}?{address}"
    place = cluster.databases.at(path, database, url=lambda: url)
    with pytest.raises(ServerLost if "port" in what else StorageFailed) as caught:
        open_store(place, create=True)
    assert PATIENT not in said_of(caught.value)
    assert caught.value.hint


def test_the_time_is_the_servers(cluster: Cluster, place: DatabasePlace) -> None:
    class Late(Clock):
        def now(self) -> int:
            return NOW

    assert place.server is not None
    with open_store(place) as store:
        assert store.now(Late()) == NOW
    with open_store(place._replace(server=place.server._replace(tells_time=True))) as store:
        before = Clock().now()
        assert before - 5 <= store.now(Late()) <= Clock().now() + 5
