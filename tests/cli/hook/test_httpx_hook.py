"""The hook for httpx, with real clients: what is handed over, and that callers see what they would see without it."""

import asyncio
import gzip
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.hook import cdpoll_hook
from tests.support.hooking import API, CHECKED, MADE, ONE, SEVERAL, TWO, Handed, handed_to, link, taken, vendor
from tests.support.loopback import Asked, Loopback, Peer, answer, head

DISCOVERY = API + "/coverage-discovery"


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handed]:
    with handed_to(taken, tmp_path) as found:
        yield found


def client(handed: Handed) -> httpx.Client:
    return httpx.Client(event_hooks={"response": [cdpoll_hook.httpx_hook(handed.ways)]}, trust_env=False)


def test_a_check_hands_over_every_link_line_with_what_is_said_about_it(handed: Handed) -> None:
    with vendor(CHECKED) as url, client(handed) as http, cdpoll_hook.about(ref="account 7", member_id="M1"):
        assert http.post(url + API + "/", headers={"x-optum-correlation-id": "c1"}).json() == {}
    (one, two) = handed.read().recordings
    assert {one.id, two.id} == {ONE, TWO}
    assert (one.ref, one.correlation_id, one.trace_id, one.member_id) == ("account 7", "c1", "t1", "M1")
    assert one.sent_at is not None
    assert handed.left == []


def test_what_is_said_within_a_block_ends_with_it(handed: Handed) -> None:
    with vendor(CHECKED) as url, client(handed) as http:
        with cdpoll_hook.about(ref="outer", trace_number="1"), cdpoll_hook.about(ref="inner"):
            http.post(url + API + "/")
        http.post(url + API + "/")
    assert [(one.get("ref"), one.get("trace_number")) for one in handed.objects] == [("inner", None), (None, None)]


def test_an_async_client_does_the_same(handed: Handed) -> None:
    async def calls(url: str) -> None:
        hooks = {"response": [cdpoll_hook.async_httpx_hook(handed.ways)]}
        async with httpx.AsyncClient(event_hooks=hooks, trust_env=False) as http:
            with cdpoll_hook.about(ref="account 7"):
                await http.post(url + API + "/")
            assert (await http.post(url + DISCOVERY)).status_code == 200
            async with http.stream("POST", url + DISCOVERY) as streamed:
                assert b"".join([chunk async for chunk in streamed.aiter_raw()]) == b"{}"

    with vendor(CHECKED) as url:
        asyncio.run(calls(url))
    assert handed.ids() == {ONE, TWO}
    assert [one.get("ref") for one in handed.objects] == ["account 7", None, None]


@pytest.mark.parametrize("packed", [False, True])
def test_the_body_of_a_discovery_post_is_handed_over_when_it_was_read(handed: Handed, packed: bool) -> None:
    headers = ["content-encoding: gzip"] if packed else []
    with vendor(answer(207, gzip.compress(SEVERAL) if packed else SEVERAL, *headers)) as url, client(handed) as http:
        assert http.post(url + DISCOVERY).content == SEVERAL
        assert handed.ids() == {ONE, TWO}
        with http.stream("POST", url + DISCOVERY) as streamed:
            assert len(handed.posts) == 1  # nothing is read for the caller
            raw = b"".join(streamed.iter_raw())
            assert (gzip.decompress(raw) if packed else raw) == SEVERAL
        assert len(handed.posts) == 2
        with http.stream("POST", url + DISCOVERY):
            pass
        assert len(handed.posts) == 3


def test_the_connection_of_a_watched_body_is_used_again(handed: Handed) -> None:
    with Loopback(lambda asked, peer: MADE) as server, client(handed) as http:
        http.post(server.url + DISCOVERY)
        http.post(server.url + DISCOVERY)
        assert server.connections == 1
    assert len(handed.posts) == 2


def test_the_body_reaches_an_async_caller_whole(handed: Handed) -> None:
    async def calls(url: str) -> None:
        hooks = {"response": [cdpoll_hook.async_httpx_hook(handed.ways)]}
        async with httpx.AsyncClient(event_hooks=hooks, trust_env=False) as http:
            assert (await http.post(url + DISCOVERY)).content == SEVERAL
            async with http.stream("POST", url + DISCOVERY) as streamed:
                assert b"".join([chunk async for chunk in streamed.aiter_raw()]) == SEVERAL

    with vendor(answer(207, SEVERAL)) as url:
        asyncio.run(calls(url))
    assert handed.ids() == {ONE, TWO}
    assert len(handed.posts) == 2


def test_a_body_that_breaks_off_fails_for_the_caller_alone(handed: Handed) -> None:
    cut = head(202, "content-length: 999", "connection: close", f"location: {DISCOVERY}/{ONE}") + b'{"id": "'

    def script(asked: Asked, peer: Peer) -> None:
        peer.send(cut)
        peer.close()

    with Loopback(script) as broken, client(handed) as http, pytest.raises(httpx.RemoteProtocolError):
        http.post(broken.url + DISCOVERY)
    assert handed.ids() == {ONE}


def test_another_hook_may_have_read_the_body(handed: Handed) -> None:
    hooks = [lambda response: response.read(), cdpoll_hook.httpx_hook(handed.ways)]
    with vendor(MADE) as url, httpx.Client(event_hooks={"response": hooks}, trust_env=False) as http:
        http.post(url + DISCOVERY)
    assert handed.ids() == {ONE}
    assert handed.objects[0]["body"].startswith('{"id"')


def test_a_body_of_any_size_is_handed_over_up_to_a_bound(handed: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdpoll_hook, "_BODY_BYTES", len(SEVERAL) - 20)
    with vendor(answer(207, SEVERAL + b" " * 500_000)) as url, client(handed) as http:
        assert len(http.post(url + DISCOVERY).content) > 500_000
    assert len(handed.objects[0]["body"]) == len(SEVERAL) - 20
    assert ONE in handed.ids()


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", DISCOVERY, answer(200, b"[]", f'link: <{DISCOVERY}?offset=30>; rel="next"')),
        ("GET", f"{DISCOVERY}/{ONE}", answer(200, b"{}")),
        ("POST", "/apip/auth/v2/token", answer(200, b"{}", link(ONE))),
        ("POST", API + "/", answer(307, b"", f"location: {API}/")),
        ("POST", API + "/", answer(401, b"{}")),
        ("POST", DISCOVERY, answer(422, b'["bad"]')),
        ("POST", API + "/", answer(504, b"")),
    ],
)
def test_what_names_no_task_is_not_handed_over(handed: Handed, method: str, path: str, said: bytes) -> None:
    with vendor(said) as url, client(handed) as http:
        http.request(method, url + path)
    assert handed.posts == []


def test_a_check_without_a_link_is_handed_over_so_that_cdpoll_can_count_it(handed: Handed) -> None:
    with vendor(answer(200, b"{}")) as url, client(handed) as http:
        http.post(url + API + "/", headers={"x-optum-correlation-id": "c1"})
    read = handed.read()
    assert (read.without_task, read.unreadable, read.lookups) == (1, (), ())


def test_a_check_that_a_gateway_cut_is_looked_for_by_its_correlation_id(
    handed: Handed, caplog: pytest.LogCaptureFixture
) -> None:
    with vendor(answer(504, b"")) as url, client(handed) as http, cdpoll_hook.about(ref="account 7"):
        http.post(url + API + "/", headers={"x-optum-correlation-id": "c1"})
        http.post(url + API + "/")
    (lookup,) = handed.read().lookups
    assert (lookup.correlation_id, lookup.ref) == ("c1", "account 7")
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
        "status 504, and no x-optum-correlation-id by which its discoveries could be looked for"
    ]
