"""Results as signed requests over real HTTP. `standardwebhooks`, the library that receivers use, is the judge."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from freezegun import freeze_time
from standardwebhooks.webhooks import Webhook as Judge
from standardwebhooks.webhooks import WebhookVerificationError

from tests.support.letters import letter
from tests.support.loopback import Asked, Loopback, Peer, Script, always, answer, bomb, closed_port, head, raising
from worker.core.delivery import Delivered, LetterRefused, ReceiverDown, ReceiverGone, Sent
from worker.core.errors import BadConfiguration
from worker.core.instant import iso
from worker.gateways.deliver.webhook import Hook, Webhook
from worker.gateways.http.client import HttpClient, tls_context

NOW = 1_750_000_000_250
LONG_MS = 20_000
FIRST, SECOND, THIRD = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))


class Hooks:
    """Ways out to servers of this test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(self, script: Script) -> Loopback:
        return self._stack.enter_context(Loopback(script))

    def way(self, url: str, *secrets: str, timeout_ms: int = LONG_MS, full: bool = False) -> Webhook:
        given: list[Callable[[], str]] = [lambda secret=secret: secret for secret in secrets or (FIRST,)]  # type: ignore[misc]
        made = Webhook(Hook(lambda: url, given, timeout_ms, full), HttpClient(tls_context(None), timeout_ms))
        self._stack.callback(made.close)
        return made

    def sent(self, script: Script, **more: int) -> tuple[Sent, Loopback]:
        server = self.serve(script)
        return self.way(f"{server.url}/in", **more).send(letter(7, "secret-ref"), NOW), server  # type: ignore[arg-type]


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with ExitStack() as stack:
        yield Hooks(stack)


def verified(server: Loopback, secret: str) -> list[object]:
    """What the judge finds in all that was asked."""
    with freeze_time(iso(NOW)):
        return [Judge(secret).verify(asked.body, dict(asked.headers)) for asked in server.asked]


def test_the_judge_verifies_every_request(hooks: Hooks) -> None:
    server = hooks.serve(always(answer(204)))
    way = hooks.way(f"{server.url}/in?sig=x", full=True)
    letters = [letter(number, f"Größe \U0001f600 {number}", id_=f"a.{number}") for number in range(1, 201)]
    assert {type(way.send(one, NOW)) for one in letters} == {Delivered}
    told = verified(server, FIRST)
    assert [one["data"] for one in told] == [json.loads(one.body) for one in letters]  # type: ignore[index]
    assert {(asked.method, asked.target) for asked in server.asked} == {("POST", "/in?sig=x")}
    assert server.connections == 1


def test_the_headers_and_the_envelope(hooks: Hooks) -> None:
    server = hooks.serve(always(answer(200)))
    one = letter(7, visible_at="2025-06-15T15:00:00Z")
    hooks.way(server.url).send(one, NOW)
    hooks.way(server.url, full=True).send(dataclasses.replace(one, outcome="batch"), NOW + 60_000)
    first, second = server.asked
    assert first.header("webhook-id") == second.header("webhook-id") == "msg_7"
    assert (first.header("webhook-timestamp"), second.header("webhook-timestamp")) == ("1750000000", "1750000060")
    assert first.header("content-type") == "application/json"
    assert first.header("authorization") is None
    assert json.loads(first.body) == {
        "type": "coverage_discovery.concluded",
        "timestamp": "2025-06-15T15:00:00Z",
        "data": json.loads(one.thin),
    }
    told = json.loads(second.body)
    assert (told["type"], told["timestamp"]) == ("batch_answer.ingested", "2025-06-15T15:00:00Z")
    assert told["data"] == json.loads(one.body)


def test_while_one_secret_replaces_the_other_both_verify(hooks: Hooks) -> None:
    server = hooks.serve(always(answer(200)))
    hooks.way(server.url, FIRST, SECOND).send(letter(1), NOW)
    assert verified(server, FIRST) == verified(server, SECOND) != []
    with pytest.raises(WebhookVerificationError):
        verified(server, THIRD)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_is_success(hooks: Hooks, status: int) -> None:
    assert hooks.sent(always(answer(status)))[0] == Delivered()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 500, 501, 505, 520])
def test_what_is_refused(hooks: Hooks, status: int) -> None:
    sent, _ = hooks.sent(always(answer(status, b"secret-ref is unknown")))
    assert sent == LetterRefused(f"http_{status}", f"127.0.0.1 answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(hooks: Hooks, status: int) -> None:
    other = hooks.serve(always(answer(200)))
    sent, server = hooks.sent(always(answer(status, b"", f"location: {other.url}/there")))
    assert isinstance(sent, LetterRefused)
    assert sent.code == f"http_{status}"
    assert "a redirect, which is not followed; write the address that it leads to under url" in sent.detail
    assert (len(server.asked), len(other.asked)) == (1, 0)


def test_a_receiver_that_is_gone(hooks: Hooks) -> None:
    gone = ReceiverGone("http_410", "127.0.0.1 answered 410: it wants no more results")
    assert hooks.sent(always(answer(410)))[0] == gone


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, (), None),
        (429, ("retry-after: 30",), 30_000),
        (502, (), None),
        (503, ("retry-after: Sun, 15 Jun 2025 15:07:40 GMT", "date: Sun, 15 Jun 2025 15:06:40 GMT"), 60_000),
        (503, ("retry-after: 99999999",), 3_600_000),
        (504, ("retry-after: soon",), None),
    ],
)
def test_a_receiver_that_is_slow(hooks: Hooks, status: int, headers: tuple[str, ...], wait: int | None) -> None:
    sent, _ = hooks.sent(always(answer(status, b"", *headers)))
    assert sent == ReceiverDown(f"http_{status}", f"127.0.0.1 answered {status}", wait, counts=status != 429)


def down(sent: Sent) -> tuple[str, str]:
    assert isinstance(sent, ReceiverDown), sent
    assert (sent.retry_after_ms, sent.counts) == (None, True)
    return sent.code, sent.detail


def test_a_receiver_that_cannot_be_reached(hooks: Hooks) -> None:
    with closed_port() as url:
        sent = hooks.way(f"{url}/in?sig=hunter2").send(letter(7), NOW)
    assert down(sent) == ("connect", "no whole answer came from 127.0.0.1: connect")


@pytest.mark.parametrize(
    "script",
    [
        lambda asked, peer: peer.hold(),
        lambda asked, peer: peer.drip(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500_000),
        lambda asked, peer: (peer.send(head(200, "content-length: 1000000")), peer.drip(b"x" * 1_000_000)),
    ],
    ids=["silence", "a dripping head", "a dripping body"],
)
def test_a_receiver_that_does_not_end(hooks: Hooks, script: Script) -> None:
    sent, _ = hooks.sent(script, timeout_ms=250)
    assert down(sent) == ("timeout", "127.0.0.1 did not answer within 250 ms")


@pytest.mark.parametrize(
    ("said", "code"), [(b"", "cut"), (b"SSH-2.0-x\r\n\r\n", "protocol"), (head(200, "content-length: 9") + b"x", "cut")]
)
def test_a_receiver_that_breaks_off(hooks: Hooks, said: bytes, code: str) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(said)
        peer.close()

    sent, server = hooks.sent(script)
    assert down(sent) == (code, f"no whole answer came from 127.0.0.1: {code}")
    assert len(server.asked) == 1


def test_a_kept_connection_that_the_receiver_has_closed(hooks: Hooks) -> None:
    """Node closes an idle connection after 5 s, without a word; a request that is under way then is sent again."""

    def script(asked: Asked, peer: Peer) -> bytes:
        if peer.number == 0 and len(server.asked) > 1:
            peer.close()
        return answer(200)

    server = hooks.serve(script)
    way = hooks.way(server.url)
    assert way.send(letter(1), NOW) == Delivered()
    assert way.send(letter(2), NOW) == Delivered()
    assert [(asked.header("webhook-id"), asked.connection) for asked in server.asked] == [
        ("msg_1", 0),
        ("msg_2", 0),
        ("msg_2", 1),
    ]


def test_the_body_of_an_answer_does_not_matter(hooks: Hooks) -> None:
    assert hooks.sent(always(answer(200, b"x" * 10_000_000)))[0] == Delivered()
    assert hooks.sent(always(answer(200, bomb(), "content-encoding: gzip")))[0] == Delivered()
    sent, _ = hooks.sent(always(answer(500, b"x" * 10_000_000)))
    assert isinstance(sent, LetterRefused)


def test_a_secret_that_cannot_be_had(hooks: Hooks) -> None:
    error = BadConfiguration("[deliver.a] secret: /x cannot be read", "let this user read it")
    with Loopback(always(answer(200))) as server:
        hook = Hook(lambda: server.url, [lambda: FIRST, raising(error)], LONG_MS, full=False)
        way = Webhook(hook, HttpClient(tls_context(None), LONG_MS))
        sent = way.send(letter(7), NOW)
        way.close()
    assert down(sent) == ("configuration", "[deliver.a] secret: /x cannot be read; let this user read it")
    assert server.asked == []
