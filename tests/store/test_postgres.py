"""The adapter of PostgreSQL, on a real server."""

from tests.support.database import record
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.opening import open_store


def test_what_one_host_records_another_reads(server_store: Store, place: DatabasePlace) -> None:
    record(server_store, "a")
    with open_store(place) as other:
        assert [row["id"] for row in other.read("SELECT id FROM tasks")] == ["a"]
