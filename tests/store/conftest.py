"""Where the database of a test lies."""

from pathlib import Path

import pytest

from tests.support.database import record
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
