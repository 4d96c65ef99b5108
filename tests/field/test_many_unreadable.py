"""Values without number that could not be read: they are listed page by page, and dropped in short transactions."""

import json
from pathlib import Path

import pytest

from tests.support.batch_files import watched
from tests.support.cdpoll_process import House
from tests.support.database import record
from worker.core.intake.link import Unreadable
from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.tasks import unreadable
from worker.store.tasks.recording import COMMIT_ROWS
from worker.store.tasks.recording import record as record_ids

NOW = 1_800_000_000_000
MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " INSERT INTO unreadable (raw, reason, ref, first_at, last_at) SELECT 'raw' || i, 'no id', '', 1, 1 FROM n"
)


def test_they_are_listed_and_dropped(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.record("one")
    house.rows(MANY, 20_000)
    listed = house.cdpoll("unreadable", "list", "--json", check=0).json["unreadable"]
    assert [item["number"] for item in listed] == list(range(1, 20_001))
    assert len(house.cdpoll("unreadable", "list", check=0).text.splitlines()) == 1 + 40_000
    assert house.cdpoll("unreadable", "drop", "3", "2", "3", check=0).text == "dropped 3, 2\n"
    assert house.cdpoll("unreadable", "drop", "3", "4", "9" * 30, check=1).text == "dropped 4\n"
    house.rows("UPDATE unreadable SET raw = ? WHERE seq = 5", "x" * 100_000)
    shown = house.cdpoll("unreadable", "list", check=0).text.splitlines()
    assert max(map(len, shown)) < 2_100
    assert any("… (100,000 characters; --json has them all)" in line for line in shown)
    for wrong in ([], ["--all", "5"]):
        house.cdpoll("unreadable", "drop", *wrong, check=2)
    assert house.cdpoll("unreadable", "drop", "--all", check=0).text == "dropped 19997\n"
    assert house.value("SELECT count(*) FROM unreadable") == 0
    assert house.cdpoll("unreadable", "drop", "--all", check=0).text == "dropped 0\n"
    assert json.loads(house.cdpoll("unreadable", "list", "--json", check=0).out) == {"unreadable": []}
    empty = house.cdpoll("unreadable", "list", check=0)
    assert (empty.text, empty.err) == ("", "cdpoll: nothing unreadable is kept\n")


def test_no_transaction_is_long_and_what_comes_meanwhile_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, "one")
    with store.write():
        store.conn.execute(MANY, [1_050])
    came = iter(range(100))

    def another() -> None:
        store.conn.execute("BEGIN IMMEDIATE")
        store.conn.execute(
            "INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES (?, '', '', 1, 1)", [f"n{next(came)}"]
        )
        store.conn.execute("COMMIT")

    sizes = watched(store, monkeypatch, another)
    assert unreadable.drop_all(store, 1_800_000_000_000, "ann") == 1_050
    assert max(sizes) <= unreadable.PAGE_ROWS + 1, "the act is a row, too"
    assert [item["raw"] for page in unreadable.pages(store) for item in page] == [f"n{n}" for n in range(len(sizes))]


def test_they_are_kept_in_several_commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watched(store, monkeypatch, lambda: None)
    lost = [Unreadable(f"raw{n}", "no id") for n in range(2 * COMMIT_ROWS + 2)]
    record_ids(store, [], lost, origin="", now=NOW, schedule=Schedule())
    assert sizes == [COMMIT_ROWS, COMMIT_ROWS, 2]
