"""What the client reads of the list of tasks, over real HTTP, and how it names what is no list."""

import threading
from collections.abc import Iterator

import pytest

from sandbox.ledger import TENANT_NAME
from tests.support.sandbox_client import HOUR, START, Rig
from tests.support.task_list import LIST, ListRig, truth
from worker.core.vendor.page import Page, PageQuery, read_page
from worker.core.vendor.reply import Garbled, HttpAnswer, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.token import Tokens, TokenSettings


@pytest.fixture(scope="module")
def client() -> Iterator[HttpClient]:
    made = HttpClient(tls_context(None), 20_000)
    yield made
    made.close()


def api(rig: Rig) -> Api:
    secrets = TokenSettings(
        rig.sandbox.token_url, lambda: rig.sandbox.account.client_id, lambda: rig.sandbox.account.client_secret
    )
    return Api(ApiSettings(rig.sandbox.base_url, rig.sandbox.account.tenant_id), Tokens(secrets, threading.Event()))


MOST_PAGES = 20


def sweep(rig: Rig, limit: int = 5, status: str = "") -> list[Page]:
    """Read the list by rows received, up to a page without rows, and at most MOST_PAGES pages."""
    found: list[Page] = []
    offset = 0
    while len(found) < MOST_PAGES:
        reply = rig.get(f"{LIST}?sort=startDateTime&limit={limit}&offset={offset}{status}")
        page = read_page(HttpAnswer(reply.status_code, reply.content), None, rig.clock.at)
        assert isinstance(page, Page)
        found.append(page)
        if not page.received:
            break
        offset += page.received
    return found


def test_an_honest_list_tells_of_every_task(client: HttpClient) -> None:
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
            assert (row.tenant, row.subtenant, row.correlation_id or "") == (TENANT_NAME, None, task.correlation_id)
        assert {row.status for page in sweep(rig, status="&status=pending") for row in page.rows} == {"pending"}
        one = api(rig).page(client, PageQuery(START - HOUR, START + HOUR), rig.clock.at)
        assert isinstance(one, Page)
        assert [row.id for row in one.rows] == rig.ids


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
def test_what_is_no_list_becomes_the_reply_that_a_poll_gives(client: HttpClient, fault: str, reply: Reply) -> None:
    with ListRig(f"{fault}@list") as rig:
        assert api(rig).page(client, PageQuery(START, START + HOUR), rig.clock.at) == reply
