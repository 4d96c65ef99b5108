"""The list of tasks over real HTTP: its rows, filters and pages, and the faults that strike it alone."""

from collections.abc import Iterable

import httpx
import pytest

from sandbox.odd_lists import OTHER_TENANT
from tests.support.task_list import LIST, TASKS, ListRig


def ids(found: list[dict[str, str]]) -> list[str]:
    return [row["id"] for row in found]


def test_the_list_tells_what_each_task_tells() -> None:
    with ListRig() as rig:
        assert rig.listed() == [rig.body(task_id) for task_id in rig.ids]


def test_filters() -> None:
    with ListRig() as rig:
        assert ids(rig.listed("status=pending")) == rig.ids[::3]
        assert ids(rig.listed("startDateTime=2026-01-01T00:02:00Z&endDateTime=2026-01-01T00:04:00Z")) == rig.ids[2:5]


def test_pages() -> None:
    with ListRig() as rig:
        rows = [rig.get(f"{LIST}?sort=startDateTime&limit=5&offset={offset}").json() for offset in (0, 5, 10, TASKS)]
        assert [ids(page) for page in rows] == [rig.ids[:5], rig.ids[5:10], rig.ids[10:], []]


@pytest.mark.parametrize(("offset", "expected"), [(0, "5"), (6, "11"), (7, None), (10, None)])
def test_the_next_page_that_is_named(offset: int, expected: str | None) -> None:
    with ListRig() as rig:
        link = rig.get(f"{LIST}?limit=5&offset={offset}").headers.get("link")
        assert (httpx.URL(link[1 : link.index(">")]).params["offset"] if link else None) == expected


@pytest.mark.parametrize(
    ("fault", "query", "expected"),
    [
        ("list_pages", "limit=5&offset=1", range(5, 10)),
        ("list_repeats:2", "limit=5&offset=5", range(3, 8)),
        ("list_repeats:2", "limit=5", range(5)),
        ("list_leaves_out", "limit=5&offset=5", range(6, 11)),
        ("list_short:3", "limit=5", range(3)),
        ("list_unsorted", "limit=3", (11, 10, 9)),
        ("list_unbounded", "limit=3&startDateTime=2026-01-01T00:02:00Z", range(3)),
        ("list_unfiltered", "limit=3&correlationId=c-1", range(3)),
    ],
)
def test_faults_of_pages(fault: str, query: str, expected: Iterable[int]) -> None:
    with ListRig(fault) as rig:
        assert ids(rig.get(f"{LIST}?sort=startDateTime&{query}").json()) == [rig.ids[n] for n in expected]


@pytest.mark.parametrize(
    ("fault", "key", "said"), [("list_foreign", "tenantName", OTHER_TENANT), ("list_no_start", "startDateTime", None)]
)
def test_faults_of_rows(fault: str, key: str, said: str | None) -> None:
    with ListRig(fault) as rig:
        first, again = rig.listed(), rig.listed("limit=7")
        struck = [row["id"] for row in first if row.get(key) == said]
        assert 0 < len(struck) < TASKS
        assert [row["id"] for row in again if row.get(key) == said] == [
            row["id"] for row in again if row["id"] in struck
        ]
        assert rig.body(struck[0]).get(key) != said, "in the list alone"


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
