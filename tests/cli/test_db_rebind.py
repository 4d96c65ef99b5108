"""`cdpoll db rebind`: the vendor has moved to another host, and knows the same tasks there."""

import signal
from pathlib import Path

import pytest

from tests.daemon.test_kill import begun
from tests.support.cdpoll_process import House, until
from tests.support.database import DONE, conclude, record
from worker.store.opening import open_store
from worker.store.state.api import bind_origin

OLD, NEW = "http://127.0.0.1:9", "http://127.0.0.2:9"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One pending task, one abandoned and one concluded, of a vendor that has moved since."""
    found = House(tmp_path, api_base_url=f"{NEW}/rcm/eligibility/v1", api_token_url=f"{NEW}/apip/auth/v2/token")
    found.database.parent.mkdir(exist_ok=True)
    with open_store(found.database, create=True) as store:
        bind_origin(store, OLD)
        for name in ("done", "pending", "abandoned"):
            record(store, name)
        conclude(store, {**DONE, "id": "done"})
    found.rows("UPDATE tasks SET origin = ?", OLD)
    found.cdpoll("abandon", "abandoned", check=0)
    return found


def test_the_error_of_another_host_names_the_command(house: House) -> None:
    assert "cdpoll db rebind" in house.cdpoll("run", "--once", check=78).err


def test_what_is_not_concluded_is_asked_for_at_the_new_host(house: House) -> None:
    told = house.cdpoll("db", "rebind", "--yes", "--json", check=0).json
    assert told == {"database": str(house.database), "before": OLD, "origin": NEW, "tasks": 2}
    assert sorted(house.rows("SELECT id, origin FROM tasks")) == [("abandoned", NEW), ("done", OLD), ("pending", NEW)]
    assert "belongs to another" not in house.cdpoll("run", "--once").err
    assert house.rows("SELECT act, object FROM acts WHERE act <> 'abandoned'") == [
        ("rebound the database", f"{OLD} to {NEW}")
    ]


def test_a_second_time_changes_nothing(house: House) -> None:
    house.cdpoll("db", "rebind", "--yes", check=0)
    assert "already" in house.cdpoll("db", "rebind", check=0).text
    assert len(house.rows("SELECT * FROM acts WHERE act = 'rebound the database'")) == 1


def test_it_asks_before(house: House) -> None:
    assert "--yes" in house.cdpoll("db", "rebind", check=2).err
    assert house.rows("SELECT DISTINCT origin FROM tasks") == [(OLD,)]


def test_a_daemon_at_work_keeps_its_host(house: House) -> None:
    house.rows("UPDATE meta SET value = ? WHERE key = 'api_origin'", NEW)
    daemon = begun(house, "run")
    until(lambda: house.rows("SELECT 1 FROM daemons"), "a daemon that beats", daemon)
    house.rows("UPDATE meta SET value = ? WHERE key = 'api_origin'", OLD)
    assert "already works" in house.cdpoll("db", "rebind", "--yes", check=75).err
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
