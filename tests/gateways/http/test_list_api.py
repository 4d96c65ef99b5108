"""Pages of the list over real HTTP: the query, where the token goes, and what an answer becomes."""

import pytest

from tests.support.loopback import Asked, Loopback, Peer, answer, bomb
from tests.support.scripted_vendor import PREFIX, ScriptedVendor, task
from worker.core.vendor.page import Page, PageQuery, Row
from worker.core.vendor.reply import Garbled, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.gateways.http.api import PAGE_CAP_BYTES
from worker.gateways.http.client import HttpClient

NOW = 1_800_000_000_000
QUERY = PageQuery(NOW - 3_600_000, NOW)


def test_a_page_is_one_get_with_the_token_and_the_query(scripted: ScriptedVendor, client: HttpClient) -> None:
    body = b'[{"id": "AbC-1", "status": "pending", "discoveryPaths": {"pending": [{"name": "RTCOB"}]}}, 17]'
    scripted.say = lambda asked, peer: answer(200, body, "x-optum-tenant-id: T1")
    row = Row("AbC-1", "pending")
    assert scripted.api(tenant_id="T1").page(client, QUERY, NOW) == Page((row,), 2)
    [asked] = scripted.polls
    assert (asked.method, asked.body, asked.header("authorization")) == ("GET", b"", "Bearer token-1")
    assert asked.target == (
        f"{PREFIX}/coverage-discovery?startDateTime=2027-01-15T07%3A00%3A00Z"
        "&endDateTime=2027-01-15T08%3A00%3A00Z&sort=startDateTime&offset=0&limit=100"
    )
    assert not [name for name, _ in asked.headers if name.startswith("x-")]


def test_the_token_follows_no_link_and_no_redirect_of_a_list(scripted: ScriptedVendor, client: HttpClient) -> None:
    with Loopback(lambda asked, peer: answer(200, b"[]")) as elsewhere:
        url = f"{elsewhere.url}{PREFIX}/coverage-discovery"
        api = scripted.api()
        scripted.say = lambda asked, peer: answer(302, b"", f"location: {url}")
        assert api.page(client, QUERY, NOW) == Garbled("redirect")
        scripted.say = lambda asked, peer: answer(200, b"[]", f'link: <{url}?offset=100>; rel="next"')
        assert api.page(client, QUERY, NOW) == Page((), 0)
        assert elsewhere.connections == 0


def test_a_rejected_token_is_replaced_once_for_a_page_too(scripted: ScriptedVendor, client: HttpClient) -> None:
    scripted.say = lambda asked, peer: answer(401, b'{"error": "invalid_product"}')
    assert scripted.api().page(client, QUERY, NOW) == Refused("http_401_invalid_product")
    assert [asked.header("authorization") for asked in scripted.polls] == ["Bearer token-1", "Bearer token-2"]
    scripted.say_token = lambda asked, peer: answer(401)
    assert scripted.api().page(client, QUERY, NOW) == Refused("token_http_401", "token")


PAGES: list[tuple[str, bytes, Page | Reply]] = [
    ("403", answer(403, b'["no"]'), Refused("http_403")),
    ("404", answer(404, b'["no"]'), Unknown()),
    ("400", answer(400, b'["no"]'), Rejected("http_400")),
    ("500", answer(500, b'["oops"]'), Unreachable("http_500")),
    ("429", answer(429, b"", "retry-after: 30"), RateLimited("http_429", 30_000)),
    ("html", answer(200, b"<!DOCTYPE html><html></html>"), Garbled("html")),
    ("one task", task("x", "success"), Garbled("no_list")),
    ("another tenant", answer(200, b"[]", "x-optum-tenant-id: T2"), Garbled("other_tenant")),
    ("a bomb", answer(200, bomb(b"[]"), "content-encoding: gzip"), Garbled("too_large")),
    ("as large as may be", answer(200, b"[]".ljust(PAGE_CAP_BYTES)), Page((), 0)),
    ("larger", answer(200, b"[]".ljust(PAGE_CAP_BYTES + 1)), Garbled("too_large")),
    ("half of it", answer(200, b'[{"id": "x", "status": "success"}]')[:-5], Unreachable("cut")),
]


@pytest.mark.parametrize(("said", "reply"), [case[1:] for case in PAGES], ids=[case[0] for case in PAGES])
def test_what_a_list_becomes(scripted: ScriptedVendor, client: HttpClient, said: bytes, reply: Page | Reply) -> None:
    def say(asked: Asked, peer: Peer) -> None:
        peer.send(said)
        peer.close()

    scripted.say = say
    assert scripted.api(tenant_id="T1").page(client, QUERY, NOW) == reply
