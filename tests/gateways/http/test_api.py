"""Polls over real HTTP: where the token goes, what a 401 sets off, and what is never sent."""

from functools import partial

import pytest

from tests.support.loopback import Asked, Loopback, MakeClient, Peer, Serve, always, answer, bomb, closed_port
from tests.support.scripted_vendor import PREFIX, ScriptedVendor, task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Heard,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)
from worker.gateways.http.client import BODY_CAP_BYTES, HttpClient

NOW = 1_800_000_000_000


def said(data: bytes, asked: Asked, peer: Peer) -> bytes:
    return data


def test_a_poll_is_one_get_with_the_token_and_little_else(scripted: ScriptedVendor, client: HttpClient) -> None:
    scripted.say = lambda asked, peer: task("AbC-1", "pending", "x-optum-trace-id: tr-1")
    heard = scripted.api(tenant_id="T1").poll(client, "AbC-1", NOW)
    assert isinstance(heard.reply, Pending)
    assert heard.reply.document.trace_id == "tr-1"
    assert heard[1:] == (200, "tr-1")
    [asked] = scripted.polls
    assert (asked.method, asked.target, asked.body) == ("GET", PREFIX + "/coverage-discovery/AbC-1", b"")
    assert asked.header("authorization") == "Bearer token-1"
    assert asked.header("accept-encoding") == "identity"
    assert not [name for name, _ in asked.headers if name.startswith("x-")]
    assert not [name for name, _ in scripted.server.asked[0].headers if name in ("authorization", "x-optum-tenant-id")]


def test_one_token_for_many_polls(scripted: ScriptedVendor, client: HttpClient) -> None:
    api = scripted.api()
    for n in range(10):
        api.poll(client, "x", NOW + n)
    api.health(client, NOW)
    assert (scripted.tokens, len(scripted.polls)) == (1, 11)


# None but the last two could be recorded: valid ids are unreserved characters alone. It must not matter here.
@pytest.mark.parametrize(
    ("task_id", "segment"),
    [
        ("a/../../x12", "a%2F..%2F..%2Fx12"),
        ("a?b#c", "a%3Fb%23c"),
        ("//other.example.com/", "%2F%2Fother.example.com%2F"),
        ("https://other.example.com", "https%3A%2F%2Fother.example.com"),
        ("@other.example.com", "%40other.example.com"),
        ("a b\r\nx-y: z", "a%20b%0D%0Ax-y%3A%20z"),
        ("%2e%2e", "%252e%252e"),
        ("é", "%C3%A9"),
        ("a.b_c~d-E", "a.b_c~d-E"),
        ("0E56Z-87ee", "0E56Z-87ee"),
    ],
)
def test_an_id_is_one_segment_whatever_is_in_it(
    scripted: ScriptedVendor, client: HttpClient, task_id: str, segment: str
) -> None:
    scripted.say = lambda asked, peer: task(task_id, "success")
    assert isinstance(scripted.api().poll(client, task_id, NOW).reply, Concluded)
    assert scripted.polls[0].target == f"{PREFIX}/coverage-discovery/{segment}"


def test_what_is_left_of_a_damaged_id_is_not_asked_for(scripted: ScriptedVendor, client: HttpClient) -> None:
    assert scripted.api().poll(client, "0716\ufffd3e8", NOW) == Heard(Garbled("damaged_id"))
    assert not scripted.server.asked


def test_the_token_does_not_follow_a_redirect_or_a_link(scripted: ScriptedVendor, client: HttpClient) -> None:
    with Loopback(lambda asked, peer: task("x", "success")) as elsewhere:
        url = elsewhere.url + PREFIX
        api = scripted.api()
        for status in (301, 302, 303, 307, 308):
            redirect = answer(status, b"", f"location: {url}/coverage-discovery/x")
            scripted.say = partial(said, redirect)
            assert api.poll(client, "x", NOW).reply == Garbled("redirect")
        scripted.say = lambda asked, peer: task("x", "pending", f'link: <{url}/coverage-discovery/x>; rel="related"')
        assert isinstance(api.poll(client, "x", NOW).reply, Pending)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("location", ["http://[", "http://a b/", "//:99999999/", "\x80\xff", "http://" + "a" * 70_000])
def test_a_redirect_is_a_redirect_wherever_it_leads(
    scripted: ScriptedVendor, client: HttpClient, location: str
) -> None:
    scripted.say = lambda asked, peer: answer(302, b"", f"location: {location}")
    assert scripted.api().poll(client, "x", NOW).reply == Garbled("redirect")


def test_a_rejected_token_is_replaced_once_and_the_poll_repeated_once(
    scripted: ScriptedVendor, client: HttpClient
) -> None:
    expired = answer(401, b'{"error": "access_token_expired", "traceId": "t"}')
    scripted.say = lambda asked, peer: expired if asked.header("authorization") == "Bearer token-1" else task("x")
    api = scripted.api()
    assert isinstance(api.poll(client, "x", NOW).reply, Pending)
    assert [asked.header("authorization") for asked in scripted.polls] == ["Bearer token-1", "Bearer token-2"]
    assert isinstance(api.poll(client, "x", NOW).reply, Pending)
    assert (scripted.tokens, len(scripted.polls)) == (2, 3)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": "invalid_product", "error_description": "x", "traceId": "t"}', "http_401_invalid_product"),
        (b"<html>", "http_401_html"),
        (b"[" * 9_999, "http_401"),
    ],
    ids=["invalid_product", "html", "deep"],
)
def test_still_401_with_a_fresh_token_is_a_refusal(
    scripted: ScriptedVendor, client: HttpClient, body: bytes, code: str
) -> None:
    scripted.say = lambda asked, peer: answer(401, body)
    assert scripted.api().poll(client, "x", NOW).reply == Refused(code)
    assert (scripted.tokens, len(scripted.polls)) == (2, 2)


def test_a_403_is_a_refusal_at_once(scripted: ScriptedVendor, client: HttpClient) -> None:
    scripted.say = lambda asked, peer: answer(403, b'["not allowed"]')
    assert scripted.api().poll(client, "x", NOW).reply == Refused("http_403")
    assert (scripted.tokens, len(scripted.polls)) == (1, 1)


def test_a_401_whose_refresh_fails_is_the_tokens_failure(scripted: ScriptedVendor, client: HttpClient) -> None:
    api = scripted.api()
    api.poll(client, "x", NOW)
    scripted.say = lambda asked, peer: answer(401)
    scripted.say_token = lambda asked, peer: answer(400, b'{"error": "invalid_client"}')
    assert api.poll(client, "x", NOW).reply == Refused("token_http_400_invalid_client", "token")


TOKEN_TROUBLE: list[tuple[bytes, Reply]] = [
    (answer(401), Refused("token_http_401", "token")),
    (answer(404), Unreachable("token_http_404", "token")),
    (answer(429, b"", "retry-after: 2"), RateLimited("token_http_429", 2000, "token")),
    (answer(200, b"<html>"), Unreachable("token_html", "token")),
]


@pytest.mark.parametrize(("said", "reply"), TOKEN_TROUBLE, ids=lambda value: getattr(value, "code", ""))
def test_without_a_token_nothing_is_asked_of_the_api(
    scripted: ScriptedVendor, client: HttpClient, said: bytes, reply: Reply
) -> None:
    scripted.say_token = lambda asked, peer: said
    api = scripted.api()
    assert api.poll(client, "x", NOW).reply == reply
    assert api.health(client, NOW).reply == reply
    assert scripted.polls == []


PENDING = Pending(Document("pending", b'{"id": "x", "status": "pending"}', "x"))

ANSWERS: list[tuple[str, bytes, Reply]] = [
    ("404", answer(404, b'["no such task"]'), Unknown()),
    ("422", answer(422, b'["bad"]'), Rejected("http_422")),
    ("500", answer(500, b'["oops"]'), Unreachable("http_500")),
    ("503", answer(503), Unreachable("http_503")),
    (
        "503 with a date",
        answer(503, b"", "retry-after: Fri, 15 Jan 2027 08:00:30 GMT"),
        RateLimited("http_503", 30_000),
    ),
    ("429", answer(429, b"", "retry-after: 30"), RateLimited("http_429", 30_000)),
    (
        "502 by another clock",
        answer(502, b"", "date: Fri, 15 Jan 2027 09:00:00 GMT", "retry-after: Fri, 15 Jan 2027 09:00:30 GMT"),
        RateLimited("http_502", 30_000),
    ),
    ("429 said twice", answer(429, b"", "retry-after: 30", "Retry-After: 30"), RateLimited("http_429", 30_000)),
    ("429 said in two ways", answer(429, b"", "retry-after: 7", "Retry-After: 30"), RateLimited("http_429", 30_000)),
    ("html", answer(200, b"<!DOCTYPE html><html></html>"), Garbled("html")),
    ("another task", task("X", "success"), Garbled("wrong_id")),
    ("another tenant", task("x", "success", "x-optum-tenant-id: T2"), Garbled("other_tenant")),
    ("two tenants", task("x", "success", "x-optum-tenant-id: T1", "x-optum-tenant-id: T2"), Garbled("other_tenant")),
    ("our tenant twice", task("x", "pending", "x-optum-tenant-id: T1", "X-Optum-Tenant-Id: T1"), PENDING),
    ("our tenant", task("x", "pending", "x-optum-tenant-id: T1"), PENDING),
    ("a bomb", answer(200, bomb(b'{"id": "x", "status": "success"}'), "content-encoding: gzip"), Garbled("too_large")),
    ("an encoding", answer(200, b"\x0b\x00", "content-encoding: br"), Garbled("encoding")),
    ("429 in an encoding", answer(429, b"\x0b\x00", "content-encoding: br"), RateLimited("http_429")),
    ("half of it", answer(200, b'{"id": "x", "status": "success"')[:-5], Unreachable("cut")),
    ("no http", b"220 ready\r\n\r\n", Unreachable("protocol")),
]


@pytest.mark.parametrize(("said", "reply"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_what_an_answer_becomes(scripted: ScriptedVendor, client: HttpClient, said: bytes, reply: Reply) -> None:
    def say(asked: Asked, peer: Peer) -> None:
        peer.send(said)
        peer.close()

    scripted.say = say
    assert scripted.api(tenant_id="T1").poll(client, "x", NOW).reply == reply


FACTS = [
    (
        "the header's trace before the body's",
        task("x", "pending", "x-optum-trace-id: tr-1", traceId="b"),
        (200, "tr-1"),
    ),
    ("the body's trace", task("x", "success", traceId="b, 1"), (200, "b, 1")),
    ("a failure's trace", answer(500, b"[]", "x-optum-trace-id: tr-2"), (500, "tr-2")),
    ("another task's", task("X", "success", "x-optum-trace-id: tr-3", traceId="b"), (200, "tr-3")),
    ("a body too large", answer(200, b" " * (BODY_CAP_BYTES + 1), "x-optum-trace-id: tr-4"), (200, "tr-4")),
    ("none", answer(404), (404, None)),
]


@pytest.mark.parametrize(("said", "facts"), [case[1:] for case in FACTS], ids=[case[0] for case in FACTS])
def test_status_and_trace_id_come_with_every_reply(
    scripted: ScriptedVendor, client: HttpClient, said: bytes, facts: tuple[int, str | None]
) -> None:
    scripted.say = lambda asked, peer: said
    assert scripted.api().poll(client, "x", NOW)[1:] == facts


def test_without_an_answer_there_is_no_status(scripted: ScriptedVendor, client: HttpClient) -> None:
    scripted.say = lambda asked, peer: peer.close()
    assert scripted.api().poll(client, "x", NOW) == Heard(Unreachable("cut"))
    scripted.say_token = lambda asked, peer: answer(400, b'{"error": "invalid_client"}', "x-optum-trace-id: tr-1")
    assert scripted.api().poll(client, "x", NOW) == Heard(Refused("token_http_400_invalid_client", "token"))


def test_a_proxys_refusal_stands_for_what_was_asked_meanwhile(
    scripted: ScriptedVendor, serve: Serve, make_client: MakeClient
) -> None:
    proxy = serve(always(answer(407, b"", "proxy-authenticate: Basic")))
    api = scripted.api(base_url="https://vendor.test")
    refused = Heard(Refused("proxy_auth", "proxy"))
    # The token is there already: it came before the proxy wanted another login.
    api._tokens.get(make_client(), NOW)
    clients = [make_client(proxy=proxy.url) for _ in range(3)]
    assert [api.poll(client, "x", NOW + n) for n, client in enumerate(clients)] == [refused] * 3
    assert api.health(clients[0], NOW + 9_000) == refused
    assert len(proxy.asked) == 1
    assert api.poll(clients[0], "x", NOW + 20_000) == refused
    assert len(proxy.asked) == 2, "a probe is one attempt"


def test_nobody_is_there(scripted: ScriptedVendor, client: HttpClient) -> None:
    with closed_port() as url:
        assert scripted.api(base_url=url + PREFIX).poll(client, "x", NOW).reply == Unreachable("connect")


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (answer(200, b'{"status":"ok"}'), Pending()),
        (answer(200, b"<html>sign in, please</html>"), Unreachable("html")),
        (answer(500, b'{"status":"unhealthy"}'), Unreachable("http_500")),
        (answer(403), Refused("http_403")),
        (answer(401), Refused("http_401")),
        (answer(404), Unreachable("http_404")),
        (answer(407), Refused("proxy_auth", "proxy")),
        (answer(429, b"", "retry-after: 7"), RateLimited("http_429", 7000)),
        (answer(503, b"", "retry-after: 7"), RateLimited("http_503", 7000)),
        (answer(302, b"", "location: /login"), Unreachable("http_302")),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_the_health_check_proves_only_what_it_proves(
    scripted: ScriptedVendor, client: HttpClient, said: bytes, reply: Reply
) -> None:
    scripted.say = lambda asked, peer: said
    assert scripted.api().health(client, NOW).reply == reply
    assert scripted.polls[0].target == PREFIX + "/healthcheck"
    assert scripted.polls[0].header("authorization") == "Bearer token-1"
