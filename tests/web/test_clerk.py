"""The thread that uses the database: in order, together where several wait, and one failure alone."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from worker.core.errors import BadConfiguration, StorageFailed, TryLater
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.web.clerk import Clerk


class CountedClerk:
    """A database whose transactions are counted, with a clerk; the first job waits until it may go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        open_store(path, create=True).close()
        self.commits = 0
        self.opened = 0
        self.clerk = Clerk(self.open, 20.0)
        self.told: list[object] = []

    def open(self) -> Store:
        self.opened += 1
        store = open_store(self.path)
        assert isinstance(store, SqliteStore)
        committed = store._commit

        def counted() -> None:
            committed()
            self.commits += 1

        store._commit = counted  # type: ignore[method-assign]
        return store

    def together(self, works: list[Callable[[Store], object]]) -> list[object]:
        """What came of jobs that came while another was under way."""
        go, begun = threading.Event(), threading.Event()
        found: list[object] = [None] * len(works)

        def held(_: Store) -> None:
            begun.set()
            go.wait(20)

        def ask(n: int, work: Callable[[Store], object]) -> None:
            try:
                found[n] = self.clerk.do(work)
            except Exception as error:
                found[n] = error

        first = threading.Thread(target=self.clerk.do, args=(held,))
        first.start()
        assert begun.wait(20)
        threads = [threading.Thread(target=ask, args=one) for one in enumerate(works)]
        for thread in threads:
            thread.start()
        while self.clerk._jobs.qsize() < len(works):
            pass
        go.set()
        for thread in (first, *threads):
            thread.join()
        return found


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[CountedClerk]:
    found = CountedClerk(tmp_path / "x.db")
    yield found
    found.clerk.close()


def meta(key: str) -> Callable[[Store], object]:
    def work(store: Store) -> object:
        store.execute("INSERT INTO meta (key, value) VALUES (:key, '1')", {"key": key})
        return key

    return work


def kept(path: Path) -> set[str]:
    with open_store(path) as store:
        return {row["key"] for row in store.read("SELECT key FROM meta WHERE value = '1'")}


def test_what_waits_goes_into_one_commit(counting: CountedClerk) -> None:
    assert counting.together([meta(f"k{n}") for n in range(20)]) == [f"k{n}" for n in range(20)]
    assert counting.commits == 2
    assert kept(counting.path) == {f"k{n}" for n in range(20)}


def test_one_that_fails_fails_alone(counting: CountedClerk) -> None:
    def broken(store: Store) -> object:
        meta("broken")(store)
        raise ValueError("broken")

    found = counting.together([meta("a"), broken, meta("b")])
    assert (found[0], str(found[1]), found[2]) == ("a", "broken", "b")
    assert kept(counting.path) == {"a", "b"}


def test_a_database_that_is_gone_is_opened_anew(counting: CountedClerk) -> None:
    counting.clerk.do(meta("a"))
    counting.path.rename(counting.path.with_name("away.db"))
    with pytest.raises(StorageFailed):
        counting.clerk.do(meta("b"))
    counting.path.with_name("away.db").rename(counting.path)
    assert counting.clerk.do(meta("c")) == "c"
    assert kept(counting.path) == {"a", "c"}


def test_another_database_in_its_place_is_opened_before_a_job(counting: CountedClerk) -> None:
    counting.clerk.do(meta("a"))
    counting.path.rename(counting.path.with_name("away.db"))
    for beside in counting.path.parent.glob("x.db*"):
        beside.unlink()
    open_store(counting.path, create=True).close()
    assert counting.clerk.do(meta("b")) == "b"
    assert kept(counting.path) == {"b"}


def test_nothing_is_written_by_the_rules_of_another_schema(counting: CountedClerk) -> None:
    def become(version: int) -> None:
        with closing(sqlite3.connect(counting.path)) as other:
            other.execute(f"PRAGMA user_version = {version}")

    counting.clerk.do(meta("a"))
    become(SCHEMA_VERSION + 1)
    for n in range(2):
        with pytest.raises(BadConfiguration, match="has another schema now"):
            counting.clerk.do(meta(f"b{n}"))
    become(SCHEMA_VERSION)
    assert counting.clerk.do(meta("c")) == "c"
    assert kept(counting.path) == {"a", "c"}


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    go = threading.Event()
    clerk = Clerk(lambda: open_store(":memory:"), 0.01)
    with pytest.raises(TryLater):
        clerk.do(lambda _: go.wait(20))
    go.set()
    clerk.close()
