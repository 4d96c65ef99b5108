"""Readings of patient data stand in the table ``acts``; where they cannot, a warning is given."""

from pathlib import Path

import pytest

from cli.who import who
from tests.support.cdpoll_process import House
from tests.support.x12_samples import a_file, a_set


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.record("a")
    return made


@pytest.mark.parametrize(
    ("command", "act"),
    [
        (["show", "a", "--body"], "read the body of a"),
        (["found", "--csv"], "read coverage with found --csv"),
        (["found", "--json"], "read coverage with found --json"),
    ],
)
def test_a_reading_is_noted_and_done_also_where_it_cannot_be_noted(house: House, command: list[str], act: str) -> None:
    house.cdpoll(*command, check=0)
    assert house.rows("SELECT who, act FROM acts") == [(who(), act)]
    house.rows("CREATE TRIGGER broken BEFORE INSERT ON acts BEGIN SELECT raise(ABORT, 'broken'); END")
    assert "warning: this could not be written into the table of acts" in house.cdpoll(*command, check=0).err


def test_what_shows_no_patient_data_in_bulk_is_not_noted_and_export_refuses(house: House) -> None:
    house.cdpoll("show", "a", check=0)
    house.cdpoll("found", check=0)
    assert house.rows("SELECT who, act FROM acts") == []
    house.rows("CREATE TRIGGER broken BEFORE INSERT ON acts BEGIN SELECT raise(ABORT, 'broken'); END")
    assert house.cdpoll("export", check=74).out == b""


def test_what_is_done_by_hand_is_noted(house: House) -> None:
    cut = house.folder / "cut.x12"
    cut.write_text(a_file(a_set())[:-30])
    house.cdpoll("poll", "a")
    house.cdpoll("abandon", "a", check=0)
    house.cdpoll("retry", "a", check=0)
    house.cdpoll("ingest", str(cut), check=1)
    house.cdpoll("ingest", str(cut), "--as-is", check=1)
    acts = [act for (act,) in house.rows("SELECT act FROM acts ORDER BY seq")]
    assert acts == [
        "asked for a poll of 1 task: a",
        "abandoned 1 task: a",
        "retried 1 task: a",
        "took 1 file as is, also what is incomplete",
    ]
