"""Responses that named no task: their count since the last one that did, and the problem that it becomes."""

from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import MACHINE, NOW
from worker.core.intake.intake import Intake, Recording
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import meta, responses
from worker.store.views.problems import SILENT_RESPONSES, StatusRules, problems

LINK = b"HTTP/1.1 200 OK\r\nlink: </coverage-discovery/0716e3e8-87ee-11ee-b9d1-0242ac120002>; rel=related\r\n\r\n"
SILENT, NAMING = Intake(without_task=1), Intake((Recording("a", "link"),))
NO_LINK = b"HTTP/1.1 200 OK\r\n\r\n"


def hints(store: Store) -> list[tuple[int, str, int | None]]:
    found = problems(store, NOW, StatusRules(), MACHINE, alive=True)
    return [(one.count, one.hint, one.since) for one in found if one.code == "no_links"]


def test_ten_in_a_row_are_a_problem_and_one_that_names_a_task_ends_it(path: Path) -> None:
    with open_store(path, create=True) as store:
        responses.count(store, [SILENT] * (SILENT_RESPONSES - 1), NOW)
        assert hints(store) == []
        responses.count(store, [SILENT], NOW + 1)
        ((count, hint, since),) = hints(store)
        assert (count, since) == (10, NOW)
        assert hint.startswith(
            "10 responses handed in since 2027-01-15 08:00 UTC, and none named a task: ask the vendor"
        )
        responses.count(store, [SILENT, NAMING, SILENT, SILENT], NOW + 2)
        assert responses.without_task(store) == (2, NOW + 2)
        assert hints(store) == []
        responses.count(store, [NAMING], NOW + 3)
        assert responses.without_task(store) == (0, None)


@pytest.mark.parametrize("value", [{}, {"count": "x", "since": 1}, {"count": 3}, {"count": 3, "since": None}])
def test_a_damaged_count_is_none(path: Path, value: dict[str, object]) -> None:
    with open_store(path, create=True) as store:
        with store.write():
            meta.put(store, "responses_without_task", value)
        assert responses.without_task(store) == (0, None)
        with store.write():
            responses.count_within(store, [SILENT], NOW)
        assert responses.without_task(store) == (1, NOW)


def test_twelve_checks_that_name_no_task(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.cdpoll("record", "--headers", "-", stdin=LINK, check=0)
    lines = b'{"link": null, "ref": "R"}\n' * 7 + b'{"headers": {"date": "x"}}\n'
    house.cdpoll("record", "--jsonl", "-", stdin=lines, check=0)
    house.cdpoll("record", "--link", "", check=65)
    assert "no_links" not in house.problems()
    refused = NO_LINK.replace(b"200 OK", b"401 Unauthorized")
    for dump in (refused, NO_LINK, NO_LINK, NO_LINK.replace(b"200 OK", b"202 Accepted")):
        house.cdpoll("record", "--headers", "-", stdin=dump, check=0)
    house.cdpoll("record", "0e56aa10-87ee-11ee-b9d1-0242ac120002", check=0)
    assert house.problems()["no_links"].startswith("11 responses handed in since ")
    house.cdpoll("record", "--headers", "-", stdin=NO_LINK + LINK, check=0)
    assert "no_links" not in house.problems()
    assert responses_of(house) == []


def responses_of(house: House) -> list[tuple[object, ...]]:
    return house.rows("SELECT value FROM meta WHERE key = 'responses_without_task'")
