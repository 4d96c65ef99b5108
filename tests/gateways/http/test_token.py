"""The token: what is asked, by how many at once, how long it is used, and what is said when there is none."""

import json
import threading
from functools import partial
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.loopback import Asked, Loopback, MakeClient, Peer, Serve, always, answer, closed_port
from tests.support.token_endpoint import SECRET, Endpoint, NeverStopped, asking, failure, granted
from worker.core.errors import BadConfiguration
from worker.core.vendor.reply import RateLimited, Refused, Unreachable
from worker.gateways.http import token as module
from worker.gateways.http.client import HttpClient
from worker.gateways.http.token import DEFAULT_LIFE_MS, LONGEST_LIFE_MS, SHORTEST_LIFE_MS, Tokens, TokenSettings

NOW = 1_800_000_000_000
HOUR = 3_600_000


# What is asked.


def test_the_json_body_byte_for_byte(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    assert tokens.get(client, NOW) == "token-1"
    [asked] = endpoint.server.asked
    assert (asked.method, asked.target) == ("POST", "/apip/auth/v2/token")
    assert asked.header("content-type") == "application/json"
    assert asked.header("authorization") is None
    assert asked.body == (
        b'{"grant_type": "client_credentials", "client_id": "me", "client_secret": "p&ss \\"word\\"=%\\u00e9"}'
    )


def test_the_form_body_byte_for_byte(endpoint: Endpoint, stop: NeverStopped, client: HttpClient) -> None:
    Tokens(asking(endpoint.server.url, form=True, scope="read write"), stop).get(client, NOW)
    [asked] = endpoint.server.asked
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.body == (
        b"grant_type=client_credentials&client_id=me&client_secret=p%26ss+%22word%22%3D%25%C3%A9&scope=read+write"
    )
    assert parse_qs(asked.body.decode())["client_secret"] == [SECRET]


def test_the_scope_in_json_only_where_there_is_one(endpoint: Endpoint, stop: NeverStopped, client: HttpClient) -> None:
    Tokens(asking(endpoint.server.url, scope="read"), stop).get(client, NOW)
    assert json.loads(endpoint.server.asked[0].body)["scope"] == "read"


def test_the_secret_is_resolved_at_the_first_use_and_may_turn_out_to_be_missing(
    endpoint: Endpoint, stop: NeverStopped, client: HttpClient
) -> None:
    def missing() -> str:
        raise BadConfiguration("[api] client_secret: /leaked cannot be read")

    tokens = Tokens(TokenSettings(endpoint.server.url, lambda: "me", missing), stop)
    assert failure(lambda: tokens.get(client, NOW)) == Refused("secret_unreadable", "token")
    assert endpoint.count == 0


# How long it is used.


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (3600, HOUR),
        (7200, 2 * HOUR),
        ("3600", HOUR),
        (" 3600 ", HOUR),
        (1799.5, 1_799_500),
        (0, SHORTEST_LIFE_MS),
        (1, SHORTEST_LIFE_MS),
        (-3600, SHORTEST_LIFE_MS),
        (10**12, LONGEST_LIFE_MS),
        (10**400, DEFAULT_LIFE_MS),
        ("an hour", DEFAULT_LIFE_MS),
        ("", DEFAULT_LIFE_MS),
        (None, DEFAULT_LIFE_MS),
        ([3600], DEFAULT_LIFE_MS),
        (float("nan"), DEFAULT_LIFE_MS),
        (float("inf"), DEFAULT_LIFE_MS),
    ],
    ids=str,
)
def test_the_life_that_is_said_is_trusted_where_it_is_a_sane_number(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, expires_in: object, life: int
) -> None:
    endpoint.say = lambda asked, peer: granted(expires_in=expires_in)
    tokens.get(client, NOW)
    assert tokens.expires_at == NOW + life
    # No storm: the same token serves a thousand polls of the first twenty seconds.
    for n in range(1000):
        tokens.get(client, NOW + n * 20)
    assert endpoint.count == 1


def test_a_life_that_is_not_said_is_an_hour(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    endpoint.say = lambda asked, peer: answer(200, b'{"access_token": "x"}')
    assert tokens.get(client, NOW) == "x"
    assert tokens.expires_at == NOW + HOUR


@examples(200)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_whatever_is_said_the_life_is_neither_a_storm_nor_for_ever(expires_in: object) -> None:
    assert SHORTEST_LIFE_MS <= module._life(expires_in) <= LONGEST_LIFE_MS


# When there is none.


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"error": "invalid_client", "error_description": "leaked"}', "_invalid_client"),
        (b'{"error": " Invalid_Client "}', "_invalid_client"),
        (b'{"error": "Leaked secret!"}', ""),
        (b'{"error": "leaked_secret"}', ""),
        (b'["leaked"]', ""),
        (b"<html>leaked</html>", "_html"),
        (b"[" * 5000, ""),
        (b"", ""),
    ],
    ids=["a word", "in capitals", "no word", "an unknown word", "array", "html", "deep", "empty"],
)
def test_a_refusal_is_one_and_is_not_repeated(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, status: int, body: bytes, word: str
) -> None:
    endpoint.say = lambda asked, peer: answer(status, body)
    assert failure(lambda: tokens.get(client, NOW)) == Refused(f"token_http_{status}{word}", "token")
    assert endpoint.count == 1


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("error", "code"), [("invalid_client", "_invalid_client"), ("Leaked: the secret is wrong", ""), ("odd", "")]
)
def test_an_error_that_comes_as_a_success_is_a_refusal(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, status: int, error: str, code: str
) -> None:
    endpoint.say = lambda asked, peer: answer(status, json.dumps({"error": error, "access_token": None}).encode())
    assert failure(lambda: tokens.get(client, NOW)) == Refused(f"token_http_{status}{code}", "token")
    assert endpoint.count == 1


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_an_error_of_the_endpoints_own_is_no_refusal(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, status: int, error: str
) -> None:
    endpoint.say = lambda asked, peer: answer(status, json.dumps({"error": error}).encode())
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable(f"token_http_{status}", "token")
    assert endpoint.count == 3


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206])
@pytest.mark.parametrize("more", [{}, {"error": ""}, {"error": None, "token_type": "mac"}, {"error": "odd"}], ids=str)
def test_a_success_with_a_token_gives_one(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, status: int, more: dict[str, object]
) -> None:
    body = json.dumps({"access_token": "\n tok.en= \r\n"} | more).encode()
    endpoint.say = lambda asked, peer: answer(status, b"\xef\xbb\xbf" + body)
    assert tokens.get(client, NOW) == "tok.en="


def test_a_proxy_that_wants_another_login_is_asked_once(
    stop: NeverStopped, serve: Serve, make_client: MakeClient
) -> None:
    proxy = serve(always(answer(407, b"", "proxy-authenticate: Basic")))
    client = make_client(proxy=proxy.url)
    for url in ("https://vendor.test", "http://vendor.test"):
        assert failure(partial(Tokens(asking(url), stop).get, client, NOW)) == Refused("proxy_auth", "proxy")
    assert [asked.method for asked in proxy.asked] == ["CONNECT", "POST"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_trouble_of_theirs_is_tried_three_times(
    endpoint: Endpoint, tokens: Tokens, stop: NeverStopped, client: HttpClient, status: int
) -> None:
    endpoint.say = lambda asked, peer: answer(status, b"<html>leaked</html>")
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable(f"token_http_{status}", "token")
    assert endpoint.count == 3
    # Within the second: the long waits are the pause's.
    assert len(stop.waits) == 2
    assert all(wait is not None and 0 < wait < 1 for wait in stop.waits)


def test_it_may_come_at_the_third_attempt(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    def say(asked: Asked, peer: Peer) -> bytes:
        if endpoint.count == 1:
            peer.reset()
        return answer(500) if endpoint.count == 2 else granted("third")

    endpoint.say = say
    assert tokens.get(client, NOW) == "third"


def test_a_cut_is_tried_three_times_also_on_a_kept_connection(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient
) -> None:
    tokens.get(client, NOW)
    endpoint.say = lambda asked, peer: peer.close()
    assert failure(lambda: tokens.replace(client, NOW, "token-1")) == Unreachable("token_cut", "token")
    assert endpoint.count == 4


def test_nobody_is_there(stop: NeverStopped, client: HttpClient) -> None:
    with closed_port() as url:
        assert failure(lambda: Tokens(asking(url), stop).get(client, NOW)) == Unreachable("token_connect", "token")
    assert client.sent == 3


def test_a_stop_ends_the_attempts(endpoint: Endpoint, client: HttpClient) -> None:
    stop = threading.Event()

    def say(asked: Asked, peer: Peer) -> bytes:
        stop.set()
        return answer(500)

    endpoint.say = say
    assert failure(lambda: Tokens(asking(endpoint.server.url), stop).get(client, NOW)).code == "token_http_500"
    assert endpoint.count == 1


def test_a_cut_at_the_deadline_ends_the_attempts(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    def say(asked: Asked, peer: Peer) -> None:
        client.cut()
        peer.hold()

    endpoint.say = say
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable("token_timeout", "token")
    assert endpoint.count == 1
    endpoint.say = None
    client.begin()
    assert tokens.get(client, NOW) == "token-2"


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, (), None),
        (429, ("retry-after: 30",), 30_000),
        (502, ("retry-after: 30", "retry-after: 30"), 30_000),
        (503, ("date: Sun, 06 Nov 1994 08:49:37 GMT", "retry-after: Sun, 06 Nov 1994 08:50:07 GMT"), 30_000),
        (504, ("retry-after: soon",), None),
    ],
)
def test_a_rate_limit_is_heeded(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, status: int, headers: tuple[str, ...], wait: int | None
) -> None:
    endpoint.say = lambda asked, peer: answer(status, b"", *headers)
    assert failure(lambda: tokens.get(client, NOW)) == RateLimited(f"token_http_{status}", wait, "token")
    assert endpoint.count == 1


GARBLED = {
    "array": b'["leaked"]',
    "no token": b'{"expires_in": 3600}',
    "null": b'{"access_token": null}',
    "empty": b'{"access_token": ""}',
    "number": b'{"access_token": 5}',
    "a header of its own": b'{"access_token": "x\\r\\nx-leaked: y"}',
    "a blank": b'{"access_token": "leaked leaked"}',
    "not ascii": b'{"access_token": "leaked\\u00e9"}',
    "nothing but blanks": b'{"access_token": " \\n"}',
    "an error that is no word": b'{"error": {"code": "leaked"}}',
    "deep": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("body", GARBLED.values(), ids=GARBLED)
def test_a_200_without_a_usable_token(endpoint: Endpoint, tokens: Tokens, client: HttpClient, body: bytes) -> None:
    endpoint.say = lambda asked, peer: answer(200, body)
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable("token_garbled", "token")
    assert endpoint.count == 1
    assert tokens.expires_at is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (answer(200, b" <html>leaked</html>"), "html"),
        (answer(302, b"", "location: http://login.test/leaked"), "redirect"),
    ],
    ids=["a page", "a redirect"],
)
def test_a_machine_in_between_answers_for_the_token_endpoint(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient, said: bytes, code: str
) -> None:
    endpoint.say = lambda asked, peer: said
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable(f"token_{code}", "token")
    assert endpoint.count == 1


def test_a_200_that_cannot_be_unpacked(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    endpoint.say = lambda asked, peer: answer(200, b"leaked", "content-encoding: br")
    assert failure(lambda: tokens.get(client, NOW)) == Unreachable("token_encoding", "token")
    assert endpoint.count == 1


def test_a_redirect_is_not_followed_with_the_secret(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    with Loopback(lambda asked, peer: granted()) as elsewhere:
        for status in (302, 307, 308):
            endpoint.say = lambda asked, peer, status=status: answer(status, b"", f"location: {elsewhere.url}/token")
            assert failure(lambda: tokens.get(client, NOW)) == Unreachable("token_redirect", "token")
        assert elsewhere.connections == 0


def test_nothing_shows_the_secret_or_the_token(endpoint: Endpoint, tokens: Tokens, client: HttpClient) -> None:
    endpoint.say = lambda asked, peer: granted("leaked-token")
    tokens.get(client, NOW)
    held = [tokens, tokens._settings, tokens._token, client, endpoint.server.url]
    for thing in held:
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert SECRET not in shown
            assert "leaked-token" not in shown
