"""What records and looks needs `[store]` only: a mistake elsewhere is one line on stderr, and the work is done."""

import json
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from worker.store.db.marker import marker_of

WARNING = "warning: the configuration has a mistake beside [store]; `cdpoll config check` lists them\n"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """With one task, and then a mistake that stops the daemon."""
    made = House(tmp_path)
    made.record("known")
    made.write(polling_brust="5")
    made.cdpoll("run", "--once", check=78)
    return made


@pytest.mark.parametrize(
    "command",
    [
        ["record", "new"],
        ["status"],
        ["show", "known"],
        ["tasks"],
        ["found"],
        ["files"],
        ["unreadable", "list"],
        ["quarantine", "list"],
        ["retry", "known"],
        ["db", "integrity"],
        ["db", "path"],
    ],
    ids=" ".join,
)
def test_a_mistake_elsewhere_is_one_line_and_json_stays_pure(house: House, command: list[str]) -> None:
    plain = house.cdpoll(*command, check=0)
    assert plain.err.startswith(WARNING)
    as_json = house.cdpoll(*command, "--json", check=0)
    assert as_json.err.startswith(WARNING)
    assert isinstance(json.loads(as_json.out), dict)


def test_what_is_recorded_is_as_with_a_right_configuration(house: House) -> None:
    """The origin is the one that the database belongs to, also where [api] has mistakes."""
    house.write(api_base_url="http://127.0.0.1:10/rcm/eligibility/v1", polling_cadence="soon")
    assert house.record("new")["recorded"] == ["new"]
    ((new,), (known,)) = house.rows("SELECT origin FROM tasks WHERE id IN ('new', 'known') ORDER BY id DESC")
    assert new == known != ""
    assert house.value("SELECT due_at - recorded_at FROM tasks WHERE id = 'new'") in range(5_000, 15_001)  # of 10 s


def test_ids_that_came_before_the_api_was_known_get_their_origin_from_the_daemon(tmp_path: Path) -> None:
    house = House(tmp_path, polling_brust="5")
    house.record("early")
    assert house.rows("SELECT origin FROM tasks") == [("",)]
    house.write(polling_brust="")
    house.cdpoll("run", "--once", check=69)
    assert house.rows("SELECT origin FROM tasks") == [("http://127.0.0.1:9",)]


def test_the_file_of_a_batch_waits_for_a_right_configuration(house: House) -> None:
    batch = house.folder / "a.x12"
    batch.write_text("ISA")
    assert "brust" in house.cdpoll("ingest", str(batch), check=78).err  # [sftp] receiver may be what is wrong


def test_a_mistake_in_store_stops_everything(house: House) -> None:
    house.write(store_paht=str(house.folder / "other.db"))
    for command in (["record", "new"], ["status"], ["tasks"], ["db", "path"]):
        ended = house.cdpoll(*command, check=78)
        assert ended.err.startswith(f"cdpoll: {house.config}:")
        assert "[store] paht: unknown key" in ended.err
    assert house.cdpoll("status", "--check").code == 3
    assert not (house.folder / "other.db").exists()


def test_a_file_of_conf_d_that_cannot_be_read_may_name_another_store(tmp_path: Path) -> None:
    """So it is passed over only where a database is, with its marker: that one was in use."""
    house = House(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.ini").write_bytes("[store]\npath = other.db\n".encode("utf-16"))
    ended = house.cdpoll("record", "new", check=78)
    assert "conf.d/x.ini:1: not a text file" in ended.err
    assert "what is in there may be [store] path, so nothing was done" in ended.err
    assert not house.database.exists()
    (tmp_path / "conf.d" / "x.ini").rename(tmp_path / "x.ini")
    house.record("known")
    (tmp_path / "x.ini").rename(tmp_path / "conf.d" / "x.ini")
    assert house.cdpoll("record", "new", check=0).err.startswith(WARNING)
    assert house.cdpoll("status", "--json", check=0).json["tasks"]["pending"] == 2
    marker_of(house.database).unlink()
    house.cdpoll("record", "newer", check=78)
    house.database.unlink()
    house.cdpoll("record", "newer", check=78)
    assert not house.database.exists()
