"""Two places: a file with rows in every table, and an empty database on a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moved import filled
from tests.support.postgres import Cluster
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.moving.into_server import ServerTarget
from worker.store.opening import identity_of, open_store


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    filled(path)
    return path


@pytest.fixture
def source(old: Path) -> Iterator[Store]:
    with open_store(old) as store:
        yield store


@pytest.fixture
def empty(cluster: Cluster, old: Path) -> Iterator[DatabasePlace]:
    name = cluster.databases.new("empty")
    yield cluster.databases.at(old, name)
    cluster.databases.leave([name])


@pytest.fixture
def server(empty: DatabasePlace, source: Store) -> ServerTarget:
    return ServerTarget(empty, identity_of(source))
