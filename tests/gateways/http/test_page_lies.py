"""What the client reads of lists that lie, over real HTTP: it ends, stays whole, and names what is no list."""

import json
import threading
from collections.abc import Iterator

import pytest

from tests.sandbox.test_lies import LIES, LIST, TASKS, ListRig, truth
from tests.support.sandbox_client import HOUR, START, Rig
from worker.core.intake.link import valid_id
from worker.core.vendor.page import MOST_ROWS, Page, PageQuery, read_page
from worker.core.vendor.reply import Answer, Garbled, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import Wire, tls_context
from worker.gateways.http.token import Tokens, TokenSettings


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    made = Wire(tls_context(None), 20_000)
    yield made
    made.close()


def api(rig: Rig) -> Api:
    secrets = TokenSettings(rig.sandbox.token_url, lambda: rig.sandbox.client_id, lambda: rig.sandbox.client_secret)
    return Api(ApiSettings(rig.sandbox.base_url, rig.sandbox.tenant_id), Tokens(secrets, threading.Event()))


MOST_PAGES = 20


def sweep(rig: Rig, limit: int = 5, status: str = "") -> list[Page]:
    """As a list is to be swept: by rows received, up to a page without rows, and so many pages at most."""
    found: list[Page] = []
    offset = 0
    while len(found) < MOST_PAGES:
        reply = rig.get(f"{LIST}?sort=startDateTime&limit={limit}&offset={offset}{status}")
        page = read_page(Answer(reply.status_code, reply.content), None, rig.clock.at)
        assert isinstance(page, Page)
        found.append(page)
        if not page.received:
            break
        offset += page.received
    return found


def test_an_honest_list_tells_of_every_task(wire: Wire) -> None:
    with ListRig() as rig:
        found = sweep(rig)
        assert [(row.id, row.status) for page in found for row in page.rows] == [
            truth(task, rig.clock.at) for task in rig.sandbox.tasks
        ]
        assert [(page.received, len(page.rows)) for page in found] == [(5, 5), (5, 5), (2, 2), (0, 0)]
        by_id = {task.id: task for task in rig.sandbox.tasks}
        for row in (row for page in found for row in page.rows):
            task = by_id[row.id]
            assert (row.started_at, row.name) == (task.start, task.name)
            pending = [path.name for path in task.paths if path.list_at(rig.clock.at) == "pending"]
            assert list(row.pending) == pending
            assert bool(pending) == (row.status == "pending")
        assert {row.status for page in sweep(rig, status="&status=pending") for row in page.rows} == {"pending"}
        one = api(rig).page(wire, PageQuery(START - HOUR, START + HOUR), rig.clock.at)
        assert isinstance(one, Page)
        assert [row.id for row in one.rows] == rig.ids[::3], "those that are pending"


# With its own hundred thousand rows on every page a sweep would take seconds.
SWEPT = [*(name for name in LIES if name != "list_many"), "list_many:2000"]


@pytest.mark.parametrize("lie", [*SWEPT, ",".join(SWEPT)], ids=[*SWEPT, "all"])
def test_a_sweep_of_a_list_that_lies_ends_with_usable_rows(lie: str) -> None:
    with ListRig(lie) as rig:
        found = sweep(rig)
        assert (found[-1].received == 0) == ("list_endless" not in lie and "list_many" not in lie)
        assert all(valid_id(row.id) for page in found for row in page.rows)
        assert all(page.received >= len(page.rows) for page in found)


def test_an_array_of_many_rows_is_read_no_further_than_it_is_worth(wire: Wire) -> None:
    with ListRig("list_many") as rig:
        page = api(rig).page(wire, PageQuery(START, START + HOUR), rig.clock.at)
        assert isinstance(page, Page)
        assert (page.received, len(page.rows)) == (100_000, MOST_ROWS)
        assert [row.id for row in page.rows[: TASKS // 3]] == rig.ids[::3]


SPOILED: list[tuple[str, Reply]] = [
    ("forbidden", Refused("http_403")),
    ("invalid_product", Refused("http_401_invalid_product")),
    ("404", Unknown()),
    ("422", Rejected("http_422")),
    ("500", Unreachable("http_500")),
    ("429:30", RateLimited("http_429", 30_000)),
    ("503_after:60", RateLimited("http_503", 60_000)),
    ("502", Unreachable("http_502")),
    ("html", Garbled("html")),
    ("redirect", Garbled("redirect")),
    ("empty", Garbled("not_json")),
    ("truncated", Garbled("not_json")),
    ("deep", Garbled("not_json")),
    ("not_object", Garbled("no_list")),
    ("wrong_tenant", Garbled("other_tenant")),
    ("oversized:9", Garbled("too_large")),
    ("gzip_bomb:9", Garbled("too_large")),
    ("cut", Unreachable("cut")),
]


@pytest.mark.parametrize(("fault", "reply"), SPOILED, ids=[fault for fault, _ in SPOILED])
def test_what_is_no_list_becomes_the_reply_that_a_look_gives(wire: Wire, fault: str, reply: Reply) -> None:
    with ListRig(f"{fault}@list") as rig:
        assert api(rig).page(wire, PageQuery(START, START + HOUR), rig.clock.at) == reply


def test_what_is_odd_about_one_row_is_not_told_of_the_next() -> None:
    with ListRig("list_no_objects:40,list_odd_id:40") as rig:
        [page, _] = sweep(rig, limit=100)
        assert 0 < len(page.rows) < page.received
        honest = {row.id for row in page.rows}
        assert honest <= set(rig.ids)
        body = json.loads(rig.get(f"{LIST}?limit=100").content)
        assert len(honest) == sum(isinstance(row, dict) and row["id"] in rig.ids for row in body)
