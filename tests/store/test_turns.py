"""One thread of a process asks the server for its lock at a time."""

import threading

import pytest

from tests.support.postgres import Cluster
from worker.core.errors import TryLater
from worker.place import DatabasePlace
from worker.store.opening import open_store

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def test_threads_that_wait_hold_no_place_in_the_servers_queue(place: DatabasePlace, cluster: Cluster) -> None:
    """A frozen process would keep the lock for as long as each of them is let have it."""
    begun, inside, goes_on = threading.Barrier(2), threading.Event(), threading.Event()

    def write() -> None:
        with open_store(place, timeout=30) as store:
            begun.wait(10)
            with store.write():
                inside.set()
                goes_on.wait(10)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    with open_store(place, timeout=0.1) as store:
        with pytest.raises(TryLater, match="another thread of this process"), store.write():
            raise AssertionError("it has the lock")
        with store.write(alone=False):
            name = store.one("SELECT current_database() AS name")
    assert name is not None
    assert cluster.run(WAITING, name["name"]) == [(0,)]
    goes_on.set()
    for thread in threads:
        thread.join()
