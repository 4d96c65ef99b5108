"""The hook for requests, with real sessions, and what is handed over by hand."""

import http.client
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from cli.hook import cdpoll_hook
from tests.support.hooking import API, CHECKED, MADE, ONE, SEVERAL, TWO, Handed, handed_to, link, taken, vendor
from tests.support.loopback import Asked, Loopback, Peer, answer, head

DISCOVERY = API + "/coverage-discovery"


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handed]:
    with handed_to(taken, tmp_path) as found:
        yield found


@pytest.fixture
def session(handed: Handed) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.hooks["response"].append(cdpoll_hook.requests_hook(handed.ways))
        yield made


def test_a_check_hands_over_every_link_line_as_it_came(handed: Handed, session: requests.Session) -> None:
    with vendor(CHECKED) as url, cdpoll_hook.about(ref="account 7"):
        assert session.post(url + API + "/", headers={"x-optum-correlation-id": "c1"}).json() == {}
    (one, two) = handed.read().recordings
    assert ({one.id, two.id}, one.ref, one.correlation_id) == ({ONE, TWO}, "account 7", "c1")
    assert handed.objects[0]["headers"]["link"] == [link(ONE).partition(": ")[2], link(TWO).partition(": ")[2]]


def test_the_body_of_a_discovery_post_is_handed_over(handed: Handed, session: requests.Session) -> None:
    with vendor(answer(207, SEVERAL)) as url:
        assert session.post(url + DISCOVERY).content == SEVERAL
    assert handed.ids() == {ONE, TWO}


def test_a_streamed_body_is_left_to_the_caller(
    handed: Handed, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with vendor(MADE) as url:
        streamed = session.post(url + DISCOVERY, stream=True)
        assert b"".join(streamed.raw.stream()).startswith(b'{"id"')
    assert handed.ids() == {ONE}  # by its Location
    assert "left to the caller" in caplog.text


def test_a_body_that_breaks_off_fails_for_the_caller_as_without_the_hook(
    handed: Handed, session: requests.Session
) -> None:
    cut = head(202, "content-length: 999", "connection: close", f"location: {DISCOVERY}/{ONE}") + b'{"id": "'

    def script(asked: Asked, peer: Peer) -> None:
        peer.send(cut)
        peer.close()

    with Loopback(script) as broken, pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.post(broken.url + DISCOVERY)
    assert handed.ids() == {ONE}


def test_lists_and_other_paths_are_not_handed_over(handed: Handed, session: requests.Session) -> None:
    with vendor(answer(200, b"[]", f'link: <{DISCOVERY}?offset=30>; rel="next"')) as url:
        session.get(url + DISCOVERY)
        session.post(url + "/apip/auth/v2/token")
    assert handed.posts == []


def test_any_client_can_hand_over(handed: Handed) -> None:
    with vendor(CHECKED) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("POST", API + "/")
        said = connection.getresponse()
        headers = said.getheaders()
        said.read()
        connection.close()
    assert cdpoll_hook.hand_over(headers, status=said.status, ways=handed.ways, ref="account 7")
    assert handed.ids() == {ONE, TWO}
    assert cdpoll_hook.hand_over({"Link": [b"x", None, 3]}, ways=handed.ways)
    assert cdpoll_hook.hand_over(status=202, body={"id": ONE}, ways=handed.ways)
    assert cdpoll_hook.hand_over(correlation_id="c9", ways=handed.ways, ref="account 9")
    assert [one.ref for one in handed.read().lookups] == ["account 9"]


def test_what_cannot_be_handed_over_is_logged_without_its_text(
    handed: Handed, caplog: pytest.LogCaptureFixture
) -> None:
    circle: list[object] = []
    circle.append(circle)
    assert not cdpoll_hook.hand_over(3, ways=handed.ways)
    assert not cdpoll_hook.hand_over(status=207, body=circle, ways=handed.ways, ref="PATIENT")
    assert not cdpoll_hook.hand_over(ways=handed.ways)
    errors = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "PATIENT" not in caplog.text
    assert handed.posts == []
