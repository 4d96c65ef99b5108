"""Where the database of a test lies."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.database import record
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.opening import open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def used(path: Path) -> Path:
    """A database with a task in it."""
    with open_store(path, create=True) as store:
        record(store, "a")
    return path


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How SQLite answers each statement that reads, line by line, from now on."""
    read: Any = SqliteStore.read
    found = list[str]()

    def watched(self: Store, sql: str, *params: Any) -> Any:
        found.extend(row["detail"] for row in read(self, f"EXPLAIN QUERY PLAN {sql}", *params))
        return read(self, sql, *params)

    monkeypatch.setattr(SqliteStore, "read", watched)
    return found
