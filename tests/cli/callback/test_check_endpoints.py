"""What `cdpoll callback-check` finds at the endpoints: the real app, behind a front that bends one thing at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.callback.address import target_of
from cli.callback.caller import Caller
from cli.callback.endpoints import Endpoints
from cli.callback.rehearsing import CHECKS
from cli.callback.stalling import Stalled, oversized
from cli.doctor.finding import Finding
from tests.support.callback_front import BRIEF_S, PAIR, Front, front, is_delivery, is_token
from tests.support.callback_world import SECRET
from tests.support.loopback import Asked, Gone, Loopback, Peer, answer, raising
from worker.core.vendor.rehearsal import PREFIX
from worker.gateways.http.client import tls_context

SCOPE = "coverage-discovery"

Bend = Callable[[Asked, Front], bytes | None]


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Front]:
    with front(tmp_path) as made:
        yield made


def worst(found: list[Finding], check: str) -> Finding:
    order = ("FAIL", "WARN", "OK")
    return min((one for one in found if one.check == check), key=lambda one: order.index(one.level))


def test_the_real_endpoints_pass_and_store_nothing(tmp_path: Path) -> None:
    with front(tmp_path, f"scope = {SCOPE}") as made:
        found = made.findings(scope=SCOPE)
        assert [one.check for one in found if one.level == "FAIL"] == []
        levels = {check: worst(found, check).level for check in {one.check for one in found}}
        # The test's own server waits for bodies; the real one does not (test_check_command.py).
        assert {check for check, level in levels.items() if level == "WARN"} == {
            *("url", "domain", "dns", "oversized", "slow")
        }
        assert {*levels} == {*CHECKS} - {"tls", "plain_http", "clock"}
        assert [one.words.rpartition(": ")[2] for one in found if one.check == "delivery"] == ["HTTP 204"] * 4
        for table in ("tasks", "results", "outbox"):
            assert made.world.rows(f"SELECT * FROM {table}") == []
    delivered = [one for one in made.server.asked if is_delivery(one) and one.header("content-type") == "text/plain"]
    assert all(PREFIX.encode() in one.body for one in delivered)


def said(of: Callable[[Asked], bool], *answers: bytes) -> Bend:
    """Another answer than the app's."""
    return lambda asked, front: answers[0] if of(asked) else front.pass_on(asked)


def without(name: str) -> Bend:
    return lambda asked, front: front.pass_on(asked, name)


def with_header(name: str, text: str) -> Bend:
    return lambda asked, front: front.pass_on(asked, other={name: text})


def given(body: bytes) -> bytes:
    return answer(200, body, "content-type: application/json", "cache-control: no-store")


BEARER = b'{"access_token": "t", "token_type": "bearer", "expires_in": 3600}'


@pytest.mark.parametrize(
    ("bend", "check", "level", "words", "cure"),
    [
        (without("cache-control"), "token_basic", "FAIL", "Cache-Control is not no-store", "change the answer"),
        (said(is_token, given(BEARER.replace(b"bearer", b"mac"))), "token_json", "FAIL", "not Bearer", "change"),
        (said(is_token, given(BEARER.replace(b"3600", b'"3600"'))), "token_basic", "FAIL", "expires_in", "change"),
        (said(is_token, given(BEARER.replace(b"3600", b"5"))), "token_basic", "WARN", "5 s", "token_lifetime"),
        (said(is_token, given(b"{}")), "token_basic", "FAIL", "without an access_token", "is this cdpoll?"),
        (said(is_token, given(b"<html>")), "token_basic", "FAIL", "without an access_token", "is this cdpoll?"),
        (said(is_token, answer(302, b"", "location: /x")), "token_basic", "FAIL", "a redirect", "follows no redirect"),
        (said(is_token, answer(404)), "token_json", "FAIL", "no such path", "token_path"),
        (said(is_token, answer(502)), "token_basic", "FAIL", "reaches no cdpoll", "cdpoll-callback.socket"),
        (raising(Gone()), "token_basic", "FAIL", "ended before", "logs"),
        (with_header("date", "Fri, 15 Jan 2027 08:00:00 GMT"), "clock", "WARN", "this machine's", "NTP"),
        (said(is_token, given(BEARER)), "wrong_secret", "FAIL", "gets a token", "is this cdpoll?"),
        (without("www-authenticate"), "wrong_secret", "WARN", "without WWW-Authenticate", "take the header"),
        (without("www-authenticate"), "wrong_token", "WARN", "without WWW-Authenticate", "take the header"),
        (said(is_delivery, answer(200)), "delivery", "FAIL", "HTTP 200 in place of 204", "204 alone"),
        (
            said(lambda asked: len(asked.body) > 1 << 20, answer(413, b"")),
            "large",
            "FAIL",
            "too large",
            "raise the limit",
        ),
        (said(is_delivery, answer(301, b"", "location: /x")), "duplicate", "FAIL", "a redirect", "very URL"),
        (said(is_delivery, answer(413)), "delivery", "FAIL", "too large", "client_max_body_size"),
        (said(is_delivery, answer(403)), "delivery", "FAIL", "HTTP 403", "[callback] allow"),
        (said(is_delivery, answer(503)), "delivery", "FAIL", "database cannot be written", "cdpoll status"),
        (said(is_delivery, answer(204)), "wrong_token", "FAIL", "no token: HTTP 204, it is let in", "is this cdpoll?"),
        (said(is_delivery, answer(204)), "content_type", "FAIL", "it is let in", "is this cdpoll?"),
        (said(is_delivery, answer(400)), "content_type", "WARN", "HTTP 415 is right", "change or shorten"),
    ],
)
def test_what_the_vendor_would_trip_over(
    ours: Front, bend: Bend, check: str, level: str, words: str, cure: str
) -> None:
    ours.bend = bend
    found = worst(ours.findings(), check)
    assert (found.level, words in found.words, cure in found.cure) == (level, True, True), found


def test_a_pair_that_is_not_let_in(ours: Front) -> None:
    found = ours.findings(secret="another-one")
    assert worst(found, "token_basic").words == "with HTTP Basic and a form: HTTP 401, invalid_client"
    assert "at a reload" in worst(found, "token_json").cure
    assert worst(found, "wrong_secret").level == "OK"
    for check in ("delivery", "wrong_token", "oversized", "slow"):
        assert worst(found, check).words.startswith("not checked: it needs what token_basic")


def test_a_scope_that_no_one_asks_about(ours: Front) -> None:
    found = worst(ours.findings(scope=SCOPE), "wrong_scope")
    assert (found.level, found.words) == ("FAIL", "another scope: HTTP 204, it is let in")


def test_no_secret_and_no_token_is_told(ours: Front) -> None:
    for one in ours.findings():
        assert SECRET not in one.words + one.cure
        assert ours.world.token() not in one.words


@pytest.mark.parametrize(
    ("greet", "slow", "large"),
    [
        (lambda peer: peer.close(), "is cut after", "cut without an answer"),
        (lambda peer: peer.send(answer(408)), "is cut with HTTP 408 after", "must get 413, and gets HTTP 408"),
        (lambda peer: peer.send(answer(413)), "is cut with HTTP 413 after", "refused before it has come: HTTP 413"),
        (lambda peer: peer.hold(), "is kept for longer than 300 ms", "not refused at once"),
    ],
)
def test_clients_that_stall(greet: Callable[[Peer], None], slow: str, large: str) -> None:
    with Loopback(lambda asked, peer: None, greet=greet) as server:
        target, tls = target_of(server.url, None, None), tls_context(None)
        caller = Caller(tls, 5.0)
        endpoints = Endpoints(target, PAIR, caller, 0)
        head, body = Stalled(endpoints, target, tls, BRIEF_S).findings()
        assert "head" in head.words
        assert "body" in body.words
        assert [slow in one.words for one in (head, body)] == [True, True], (head, body)
        assert large in oversized(endpoints, target, caller, BRIEF_S).words
