"""A submission is one POST: it is not repeated for anything that happens to it, and what came of the answer is kept."""

import json
import threading
from collections.abc import Callable

import pytest

from tests.support.loopback import Asked, Loopback, MakeClient, Peer, Serve, answer, closed_port, get, head
from worker.core.vendor.reply import PROXY_REFUSED
from worker.core.vendor.submission import Submission, Wish, json_submission
from worker.core.vendor.submitted import Answered, Unanswered
from worker.gateways.http.client import HttpClient
from worker.gateways.http.submitting import Submitter
from worker.gateways.http.token import TokenFailed, Tokens, TokenSettings

BODY = b'{"subscriber": {"memberId": "M"}}'
SUBMISSION: Submission = json_submission(BODY, "the file", Wish("c-1", subtenant="s-1", deduplication=False))
LINK = "link: </coverage-discovery/a>; rel=related"


Make = Callable[[str], Submitter]


@pytest.fixture
def submitter(make_client: MakeClient) -> Make:
    def make(url: str) -> Submitter:
        tokens = Tokens(TokenSettings(f"{url}/token", lambda: "id", lambda: "secret"), threading.Event())
        return Submitter(f"{url}/api", tokens, make_client(), make_client())

    return make


def posted(server: Loopback) -> list[Asked]:
    return [asked for asked in server.asked if asked.target == "/api"]


def test_what_is_sent(submitter: Make, serve: Serve) -> None:
    server = serve(lambda asked, peer: answer(200, b"{}", LINK, "x-optum-trace-id: t-1", "set-cookie: no"))
    with_links = submitter(server.url).post(SUBMISSION, "T")
    assert isinstance(with_links, Answered)
    assert (with_links.http.status, with_links.http.body, with_links.broken) == (200, b"{}", "")
    assert dict(with_links.fields) == {"link": LINK.partition(": ")[2], "x-optum-trace-id": "t-1"}
    [asked] = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/api", BODY)
    headers = dict(asked.headers)
    assert headers.pop("user-agent").startswith("cdpoll/")
    assert headers == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer T",
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "host": f"127.0.0.1:{server.port}",
        "x-optum-correlation-id": "c-1",
        "x-optum-eligibility-disable-value-add": "deduplication",
        "x-optum-subtenant-id": "s-1",
    }


def silent(asked: Asked, peer: Peer) -> bytes | None:
    peer.close()


def resetting(asked: Asked, peer: Peer) -> bytes | None:
    peer.reset()


def garbage(asked: Asked, peer: Peer) -> bytes | None:
    return b"nonsense\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "code"), [(silent, "cut"), (resetting, "cut"), (garbage, "protocol")], ids=["closed", "reset", "garbage"]
)
def test_a_request_without_an_answer_is_not_made_again(
    submitter: Make, serve: Serve, script: object, code: str
) -> None:
    server = serve(script)
    assert submitter(server.url).post(SUBMISSION, "T") == Unanswered(code, sent=True)
    assert len(posted(server)) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 403, 408, 429, 500, 502, 503, 504])
def test_no_status_makes_it_go_out_again(submitter: Make, serve: Serve, status: int) -> None:
    server = serve(lambda asked, peer: answer(status, b"[]", "location: /api", "retry-after: 0"))
    found = submitter(server.url).post(SUBMISSION, "T")
    assert isinstance(found, Answered)
    assert found.http.status == status
    assert len(server.asked) == 1


def test_it_goes_over_a_connection_of_its_own(submitter: Make, serve: Serve) -> None:
    """The one that the token came over may be closed by the time that the request is written."""

    def script(asked: Asked, peer: Peer) -> bytes | None:
        if asked.target == "/token":
            return answer(200, json.dumps({"access_token": "T", "expires_in": 3600}).encode())
        return answer(200, b"{}") if asked.connection else peer.close()

    server = serve(script)
    sending = submitter(server.url)
    assert isinstance(sending.post(SUBMISSION, sending.token(0)), Answered)
    assert [asked.connection for asked in server.asked] == [0, 1]
    assert sending.requests == 2


def test_a_kept_connection_is_not_used_for_it(client: HttpClient, serve: Serve) -> None:
    server = serve(lambda asked, peer: answer(200, b"{}"))
    get(client, server.url)
    assert client.post_once(server.url, {}, b"{}").sent
    assert [asked.connection for asked in server.asked] == [0, 1]


def test_the_whole_request_has_one_deadline(submitter: Make, serve: Serve) -> None:
    server = serve(lambda asked, peer: peer.hold())
    assert submitter(server.url).post(SUBMISSION, "T", timeout_ms=200) == Unanswered("timeout", sent=True)


@pytest.mark.parametrize("length", [["content-length: 100"], []], ids=["announced", "until the end"])
def test_an_answer_that_its_deadline_cuts_is_no_whole_one(submitter: Make, serve: Serve, length: list[str]) -> None:
    def half(asked: Asked, peer: Peer) -> bytes | None:
        peer.send(head(200, *length, LINK) + b"{}")
        peer.hold()

    found = submitter(serve(half).url).post(SUBMISSION, "T", timeout_ms=1000)
    assert isinstance(found, Answered)
    assert (found.broken, dict(found.fields)) == ("timeout", {"link": LINK.partition(": ")[2]})


def test_a_proxy_that_refuses_us_has_passed_nothing_on(submitter: Make, serve: Serve) -> None:
    server = serve(lambda asked, peer: answer(407))
    assert submitter(server.url).post(SUBMISSION, "T") == Unanswered(PROXY_REFUSED.code, sent=False)


def test_of_an_answer_that_is_cut_the_head_and_what_came_are_kept(submitter: Make, serve: Serve) -> None:
    def script(asked: Asked, peer: Peer) -> bytes | None:
        peer.send(head(207, "content-length: 100") + b'[{"status": 202}, ')
        peer.close()

    found = submitter(serve(script).url).post(SUBMISSION, "T")
    assert isinstance(found, Answered)
    assert (found.http.status, found.http.body, found.broken) == (207, b'[{"status": 202}, ', "cut")


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ((), b" " * (4 * 1024 * 1024 + 1), "too_large"),
        (("content-encoding: gzip",), b"no gzip", "encoding"),
    ],
)
def test_a_body_that_is_not_worth_reading_costs_the_body_alone(
    submitter: Make, serve: Serve, headers: tuple[str, ...], body: bytes, code: str
) -> None:
    found = submitter(serve(lambda asked, peer: answer(200, body, LINK, *headers)).url).post(SUBMISSION, "T")
    assert isinstance(found, Answered)
    assert (found.broken, len(found.fields)) == (code, 1)


def test_where_no_connection_stands_nothing_was_sent(submitter: Make) -> None:
    with closed_port() as url:
        assert submitter(url).post(SUBMISSION, "T") == Unanswered("connect", sent=False)


def test_a_peer_that_speaks_no_tls_has_read_nothing(submitter: Make, serve: Serve) -> None:
    server = serve(lambda asked, peer: None, greet=lambda peer: peer.close())
    found = submitter(server.url.replace("http:", "https:")).post(SUBMISSION, "T")
    assert isinstance(found, Unanswered)
    assert (found.sent, server.asked) == (False, [])


def test_without_a_token_nothing_is_posted(submitter: Make, serve: Serve) -> None:
    server = serve(lambda asked, peer: answer(401, b'{"error": "invalid_client"}'))
    with pytest.raises(TokenFailed):
        submitter(server.url).token(0)
    assert posted(server) == []
