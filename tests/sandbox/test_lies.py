"""What the list of tasks can lie about, over real HTTP, and that a client that reads it so far stays whole."""

from typing import Any

import httpx
import pytest

from sandbox.catalogue import FAULTS
from sandbox.tasks import Task
from tests.support.sandbox_client import DAY, MINUTE, SECOND, START, Rig
from tests.support.vendor_schema import TASK, check_body, rows
from worker.core.intake.link import valid_id

LIST = "/coverage-discovery"
TASKS = 12
LIES = [name for name, fault in FAULTS.items() if fault.kind == "list"]


class ListRig(Rig):
    """Twelve tasks, a minute apart; every third is pending for good, the others are found or not found by turns."""

    def __init__(self, faults: str = "", **options: Any) -> None:
        super().__init__(check=False, **options)
        self.lies = faults

    def __enter__(self) -> "ListRig":
        super().__enter__()
        for n in range(TASKS):
            self.clock.at = START + n * MINUTE
            self.task(("NEVER", "NOW-FOUND", "NOW-NOTHING")[n % 3], n)
        self.sandbox.set_faults(self.lies)
        return self

    def listed(self, query: str = "") -> list[Any]:
        found: list[Any] = self.get(f"{LIST}?sort=startDateTime&limit=100&{query}").json()
        return found

    @property
    def ids(self) -> list[str]:
        return [task.id for task in self.sandbox.tasks]


def ids(found: list[Any]) -> list[str]:
    return [row["id"] for row in found]


def truth(task: Task, now: int) -> tuple[str, str]:
    return task.id, task.status_at(now)


def test_without_a_fault_the_list_tells_what_each_task_tells() -> None:
    with ListRig() as rig:
        assert rig.listed() == [rig.body(task_id) for task_id in rig.ids]


@pytest.mark.parametrize(
    ("fault", "query"),
    [
        ("list_any_status", "status=success"),
        ("list_any_time", "startDateTime=2026-01-01T00:03:00Z"),
        ("list_unsorted", ""),
        ("list_over_limit", "limit=2"),
        ("list_page_number", "limit=2"),
        ("list_endless", "limit=2&offset=11"),
        *((fault, "") for fault in ("list_bare", "list_no_id", "list_no_objects", "list_odd_id", "list_status")),
    ],
)
def test_what_honest_pages_are_held_against_sees_what_is_wrong(fault: str, query: str) -> None:
    with ListRig() as rig:
        rig.check = True
        assert rig.get(f"{LIST}?sort=startDateTime&{query}").json()
        rig.sandbox.set_faults(fault)
        with pytest.raises(AssertionError):
            rig.get(f"{LIST}?sort=startDateTime&{query}")


# How the tasks stand.


def test_wrong_states_come_with_whole_bodies_and_the_filter_goes_by_them() -> None:
    with ListRig("list_wrong_status") as rig:
        found = rig.listed()
        check_body(rows(TASK), found)
        assert ids(found) == rig.ids
        # pending for good and without coverage, or with it; found; not found
        assert {row["status"] for row in found[1::3] + found[2::3]} == {"pending"}
        for row, task in zip(found[::3], rig.sandbox.tasks[::3], strict=True):
            will_find = any(path.status == "eligible" for path in task.paths)
            assert row["status"] == ("failure" if will_find else "success")
            assert bool(row["discoveryPaths"]["successful"]) == (not will_find)
        assert ids(rig.listed("status=pending")) == [task_id for n, task_id in enumerate(rig.ids) if n % 3]
        assert set(ids(rig.listed("status=success") + rig.listed("status=failure"))) == set(rig.ids[::3])
        for task in rig.sandbox.tasks:
            assert rig.body(task.id)["status"] == task.status_at(rig.clock.at)


def test_a_lie_about_a_running_task_is_never_what_it_will_come_to() -> None:
    with Rig(check=False) as rig:
        for n in range(40):
            rig.task(("MINUTES-FOUND", "HOURS-NOTHING", "CHAINED-MINUTES-FOUND", "NEVER", "TWO")[n % 5], n)
        rig.clock.at += 20 * SECOND
        rig.sandbox.set_faults("list_wrong_status")
        listed = rig.get(f"{LIST}?limit=100").json()
        check_body(rows(TASK), listed)
        tasks = {task.id: task for task in rig.sandbox.tasks}
        lied = [row for row in listed if tasks[row["id"]].status_at(rig.clock.at) == "pending"]
        assert len(lied) >= 20
        for row in lied:
            assert row["status"] != tasks[row["id"]].status_at(rig.clock.at + 400 * DAY)


def test_only_some_tasks_are_lied_about_and_always_the_same() -> None:
    with ListRig("list_wrong_status:50") as rig:
        wrong = [row["id"] for row, task in zip(rig.listed(), rig.sandbox.tasks, strict=True)
                 if (row["id"], row["status"]) != truth(task, rig.clock.at)]  # fmt: skip
        assert 2 <= len(wrong) <= 10
        assert rig.listed() == rig.listed()


def test_a_state_that_nobody_documented() -> None:
    with ListRig("list_status") as rig:
        assert {row["status"] for row in rig.listed("status=pending")} == {"in_review"}
        rig.sandbox.set_faults("list_status:paused=1x")
        assert {row["status"] for row in rig.listed()} == {"paused"}
        assert {row["status"] for row in rig.listed()} == {"pending", "success", "failure"}


def test_the_list_as_it_was() -> None:
    with ListRig("list_stale:2m") as rig:
        assert ids(rig.listed()) == rig.ids[:-2]
        task_id = rig.task("MINUTES", 99)
        (task,) = rig.sandbox.tasks[TASKS:]
        assert task.end is not None
        rig.clock.at = task.end + 2 * MINUTE - 1
        assert task_id in ids(rig.listed("status=pending"))
        assert rig.body(task_id)["status"] != "pending"
        rig.clock.at += 1
        assert task_id not in ids(rig.listed("status=pending"))
    with ListRig("list_stale:2h", speed=60, expires_in=DAY) as rig:
        assert ids(rig.listed()) == rig.ids[:-2]


# Which tasks there are.


@pytest.mark.parametrize(
    ("fault", "tenant"), [("list_invented", "Sandbox Customer"), ("list_foreign", "Another Customer")]
)
def test_tasks_that_nobody_here_knows(fault: str, tenant: str) -> None:
    with ListRig(fault) as rig:
        found = rig.listed()
        check_body(rows(TASK), found)
        strange = [row for row in found if row["id"] not in rig.ids]
        assert (len(found), len(strange), {row["tenantName"] for row in strange}) == (2 * TASKS, TASKS, {tenant})
        assert ids(found) == ids(rig.listed())
        assert rig.get(f"{LIST}/{strange[0]['id']}").status_code == 404
        assert {row["status"] for row in rig.listed("status=success")} == {"success"}
        rig.sandbox.set_faults(f"{fault}:40")
        assert TASKS < len(rig.listed()) < 2 * TASKS


def test_tasks_that_are_missing_are_missing_for_good() -> None:
    with ListRig("list_missing:40") as rig:
        found = ids(rig.listed())
        assert 0 < len(found) < TASKS
        assert set(found) < set(rig.ids)
        assert ids(rig.listed()) == found
        rig.sandbox.set_faults("list_missing:100")
        assert rig.listed() == []


def test_filters_and_order_that_are_ignored() -> None:
    window = "startDateTime=2026-01-01T00:02:00Z&endDateTime=2026-01-01T00:04:00Z"
    with ListRig() as rig:
        assert len(rig.listed("status=pending")) == 4
        assert ids(rig.listed(window)) == rig.ids[2:5]
        rig.sandbox.set_faults("list_any_status")
        assert ids(rig.listed("status=pending")) == rig.ids
        assert ids(rig.listed(window)) == rig.ids[2:5]
        rig.sandbox.set_faults("list_any_time")
        assert ids(rig.listed(window)) == rig.ids
        rig.sandbox.set_faults("list_unsorted")
        assert ids(rig.listed()) != rig.ids
        assert sorted(ids(rig.listed())) == sorted(rig.ids)


# The pages.


def pages(rig: ListRig, limit: int, most: int = 9) -> list[list[int]]:
    """Sweeps by the number of rows received; the rows of each page as numbers of tasks, -1 for one nobody knows."""
    found: list[list[int]] = []
    offset = 0
    known = {task_id: n for n, task_id in enumerate(rig.ids)}
    while len(found) < most:
        page = rig.get(f"{LIST}?sort=startDateTime&limit={limit}&offset={offset}").json()
        found.append([known.get(row["id"], -1) for row in page])
        offset += len(page)
        if not page:
            break
    return found


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11], []]),
        ("list_repeats:2", [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [6, 7, 8, 9, 10], [9, 10, 11], []]),
        ("list_skips:2", [[0, 1, 2, 3, 4], [7, 8, 9, 10, 11], []]),
        ("list_page_number", [[0, 1, 2, 3, 4], []]),
        ("list_over_limit:2", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [10, 11], []]),
        ("list_endless", [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, -1, -1, -1], *[[-1] * 5] * 6]),
    ],
)
def test_pages(fault: str, expected: list[list[int]]) -> None:
    with ListRig(fault) as rig:
        assert pages(rig, 5) == expected


def next_offset(reply: httpx.Response) -> int | None:
    link = reply.headers.get("link")
    return None if link is None else int(httpx.URL(link[1 : link.index(">")]).params["offset"])


@pytest.mark.parametrize(
    ("fault", "offset", "expected"),
    [
        ("", 0, 5), ("", 10, None), ("list_page_number", 0, 1), ("list_page_number", 2, None),
        ("list_endless", 0, 5), ("list_endless", 4000, 4005), ("list_over_limit:2", 0, 10), ("list_repeats:2", 5, 10),
        ("list_skips:2", 5, None),
    ],
)  # fmt: skip
def test_the_next_page_that_is_named(fault: str, offset: int, expected: int | None) -> None:
    with ListRig(fault) as rig:
        assert next_offset(rig.get(f"{LIST}?limit=5&offset={offset}")) == expected


def test_an_endless_list_names_no_task_twice() -> None:
    with ListRig("list_endless") as rig:
        seen = [row["id"] for offset in range(0, 1000, 100) for row in rig.listed(f"offset={offset}")]
        assert len(seen) == len(set(seen)) == 1000
        rig.sandbox.set_faults("list_endless,list_missing:100")
        reply = rig.get(LIST)
        assert (reply.json(), next_offset(reply)) == ([], 30)


def test_an_array_of_many_rows() -> None:
    with ListRig("list_many") as rig:
        found = rig.listed()
        assert len(found) == 100_000
        assert ids(found[:TASKS]) == rig.ids
        assert found[-1] == {"id": f"none-{100_000 - TASKS - 1}", "status": "pending"}


# The rows.


def test_rows_that_are_no_tasks() -> None:
    with ListRig("list_no_objects") as rig:
        assert not any(isinstance(row, dict) for row in rig.listed())
        assert len(rig.listed()) == TASKS
        rig.sandbox.set_faults("list_no_objects:50")
        assert 0 < sum(isinstance(row, dict) for row in rig.listed()) < TASKS
        rig.sandbox.set_faults("list_no_id")
        assert not any("id" in row for row in rig.listed())
        assert all("discoveryPaths" in row for row in rig.listed())
        rig.sandbox.set_faults("list_bare")
        assert [tuple(row) for row in rig.listed()] == [("id", "status")] * TASKS
        rig.sandbox.set_faults("list_odd_id")
        odd = [row["id"] for row in rig.listed()]
        assert len({type(value) for value in odd}) > 2
        assert not any(isinstance(value, str) and valid_id(value) for value in odd)
        rig.sandbox.set_faults("list_no_id,list_odd_id,list_bare,list_no_objects:0")
        assert {tuple(row) for row in rig.listed()} == {("status",)}


# Any other fault, on the list alone.


def test_any_other_fault_strikes_the_list_alone() -> None:
    with ListRig() as rig:
        task_id = rig.ids[0]
        for fault, status in (
            ("forbidden", 403), ("500", 500), ("503_after", 503), ("429", 429), ("404", 404), ("422", 422),
            ("html", 200), ("502", 502), ("redirect", 302),
        ):  # fmt: skip
            rig.sandbox.set_faults(f"{fault}@list")
            assert rig.get(LIST).status_code == status
            assert rig.body(task_id)["id"] == task_id
            assert rig.get("/transactions").status_code == 200
        rig.sandbox.set_faults("html@list=1x")
        assert rig.get(LIST).text.startswith("<!DOCTYPE html>")
        rig.sandbox.set_faults("oversized:3@list")
        assert len(rig.get(LIST).content) > 3 * 1024 * 1024
        rig.sandbox.set_faults("drip:1s@list")
        before, reply = rig.clock.waited, rig.get(f"{LIST}?limit=1")
        assert rig.clock.waited - before == len(reply.content) * 1000
