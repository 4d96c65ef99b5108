"""The token: what is asked, by how many at once, how long it is used, and what is said when there is none."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loopback import Asked, Loopback, Peer, answer, nobody
from worker.core.errors import BadConfiguration
from worker.core.reply import RateLimited, Refused, Unreachable
from worker.gateways import token as module
from worker.gateways.token import AHEAD, DEFAULT_LIFE, LONGEST_LIFE, SHORTEST_LIFE, TokenFailed, Tokens, TokenSettings
from worker.gateways.wire import Wire, tls_context

NOW = 1_800_000_000_000
HOUR = 3_600_000
SECRET = 'p&ss "word"=%é'
TLS = tls_context(None)


class AtOnce(threading.Event):
    """A stop event that never comes and costs no waiting; it counts the waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return False


class Endpoint:
    """A token endpoint: a new token each time, or whatever ``say`` makes of the request."""

    def __init__(self) -> None:
        self.say: Callable[[Asked, Peer], bytes | None] | None = None
        self.server = Loopback(self._answer)

    def _answer(self, asked: Asked, peer: Peer) -> bytes | None:
        return granted(f"token-{self.count}") if self.say is None else self.say(asked, peer)

    @property
    def count(self) -> int:
        return len(self.server.asked)


def granted(value: object = "token", **more: object) -> bytes:
    return answer(200, json.dumps({"access_token": value, "token_type": "bearer", "expires_in": 3600} | more).encode())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.server:
        yield made


@pytest.fixture
def make_wire() -> Iterator[Callable[[], Wire]]:
    with ExitStack() as stack:

        def make() -> Wire:
            wire = Wire(TLS, 20_000)
            stack.callback(wire.close)
            return wire

        yield make


@pytest.fixture
def wire(make_wire: Callable[[], Wire]) -> Wire:
    return make_wire()


@pytest.fixture
def stop() -> AtOnce:
    return AtOnce()


@pytest.fixture
def tokens(endpoint: Endpoint, stop: AtOnce) -> Tokens:
    return Tokens(asking(endpoint.server.url), stop)


def asking(url: str, *, form: bool = False, scope: str | None = None) -> TokenSettings:
    return TokenSettings(url + "/apip/auth/v2/token", lambda: "me", lambda: SECRET, scope, form)


def failure(call: Callable[[], object]) -> Refused | Unreachable | RateLimited:
    with pytest.raises(TokenFailed) as caught:
        call()
    error: BaseException | None = caught.value
    while error is not None:
        for shown in (str(error), repr(error), repr(error.args)):
            assert SECRET not in shown
            assert "leaked" not in shown
        error = error.__cause__
    assert str(caught.value) == caught.value.reply.code
    return caught.value.reply


# What is asked.


def test_the_json_body_byte_for_byte(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    assert tokens.get(wire, NOW) == "token-1"
    [asked] = endpoint.server.asked
    assert (asked.method, asked.target) == ("POST", "/apip/auth/v2/token")
    assert asked.header("content-type") == "application/json"
    assert asked.header("authorization") is None
    assert asked.body == (
        b'{"grant_type": "client_credentials", "client_id": "me", "client_secret": "p&ss \\"word\\"=%\\u00e9"}'
    )


def test_the_form_body_byte_for_byte(endpoint: Endpoint, stop: AtOnce, wire: Wire) -> None:
    Tokens(asking(endpoint.server.url, form=True, scope="read write"), stop).get(wire, NOW)
    [asked] = endpoint.server.asked
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.body == (
        b"grant_type=client_credentials&client_id=me&client_secret=p%26ss+%22word%22%3D%25%C3%A9&scope=read+write"
    )
    assert parse_qs(asked.body.decode())["client_secret"] == [SECRET]


def test_the_scope_in_json_only_where_there_is_one(endpoint: Endpoint, stop: AtOnce, wire: Wire) -> None:
    Tokens(asking(endpoint.server.url, scope="read"), stop).get(wire, NOW)
    assert json.loads(endpoint.server.asked[0].body)["scope"] == "read"


def test_the_secret_is_resolved_at_the_first_use_and_may_turn_out_to_be_missing(
    endpoint: Endpoint, stop: AtOnce, wire: Wire
) -> None:
    def missing() -> str:
        raise BadConfiguration("[api] client_secret: /leaked cannot be read")

    tokens = Tokens(TokenSettings(endpoint.server.url, lambda: "me", missing), stop)
    assert failure(lambda: tokens.get(wire, NOW)) == Refused("secret_unreadable", "token")
    assert endpoint.count == 0


# By how many at once.


def test_one_token_serves_many_threads(endpoint: Endpoint, tokens: Tokens, make_wire: Callable[[], Wire]) -> None:
    together = threading.Barrier(12)

    def get(wire: Wire) -> str:
        together.wait(10)
        return tokens.get(wire, NOW)

    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(get, [make_wire() for _ in range(12)]))
    assert set(got) == {"token-1"}
    assert tokens.get(make_wire(), NOW + 1000) == "token-1"
    assert endpoint.count == 1


class Held:
    """Answers with ``said`` once ``go`` is set; ``come`` is set when the first request is there."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.come = threading.Event()
        self.go = threading.Event()

    def __call__(self, asked: Asked, peer: Peer) -> bytes:
        self.come.set()
        assert self.go.wait(10)
        return self.said


def waiting_for(tokens: Tokens, count: int, threads: list[threading.Thread]) -> None:
    """Until ``count`` of the threads have got as far as the lock; they hold no other thing to look at."""
    pause = threading.Event()
    for _ in range(2000):
        frames = sys._current_frames()
        inside = 0
        for thread in threads:
            frame = frames.get(thread.ident or 0)
            while frame is not None and frame.f_code.co_name != "_single_flight":
                frame = frame.f_back
            inside += frame is not None
        if inside >= count:
            return
        pause.wait(0.005)
    pytest.fail("the threads did not come together")


@pytest.mark.parametrize(
    ("said", "reply", "requests"),
    [
        (answer(401, b'{"error": "invalid_client"}'), Refused("token_http_401_invalid_client", "token"), 1),
        (answer(500), Unreachable("token_http_500", "token"), 3),
        (answer(429, b"", "retry-after: 9"), RateLimited("token_http_429", 9000, "token"), 1),
    ],
    ids=["refused", "unreachable", "rate limited"],
)
def test_a_failure_is_shared_by_those_who_waited_for_it(
    endpoint: Endpoint,
    tokens: Tokens,
    make_wire: Callable[[], Wire],
    said: bytes,
    reply: object,
    requests: int,
) -> None:
    held = Held(said)
    endpoint.say = held
    got: list[object] = []

    def get(wire: Wire) -> None:
        try:
            tokens.get(wire, NOW)
        except TokenFailed as failed:
            got.append(failed.reply)

    threads = [threading.Thread(target=get, args=(make_wire(),)) for _ in range(6)]
    threads[0].start()
    assert held.come.wait(10)  # a try is under way when the others come: that is the ordinary case
    for thread in threads[1:]:
        thread.start()
    waiting_for(tokens, 6, threads)
    held.go.set()
    for thread in threads:
        thread.join(10)
    assert got == [reply] * 6
    assert endpoint.count == requests
    # Whoever comes later tries anew.
    endpoint.say = None
    assert tokens.get(make_wire(), NOW + 1) == f"token-{requests + 1}"


def test_those_who_waited_get_the_token_that_came(
    endpoint: Endpoint, tokens: Tokens, make_wire: Callable[[], Wire]
) -> None:
    held = Held(granted("late"))
    endpoint.say = held
    with ThreadPoolExecutor(5) as pool:
        looks = [pool.submit(tokens.get, make_wire(), NOW) for _ in range(5)]
        assert held.come.wait(10)
        held.go.set()
        assert {look.result(10) for look in looks} == {"late"}
    assert endpoint.count == 1


def test_ahead_of_the_expiry_one_refreshes_and_the_others_go_on(
    endpoint: Endpoint, tokens: Tokens, make_wire: Callable[[], Wire]
) -> None:
    assert tokens.get(make_wire(), NOW) == "token-1"
    assert tokens.get(make_wire(), NOW + HOUR - AHEAD - 1) == "token-1"
    assert endpoint.count == 1
    held = Held(granted("next"))
    endpoint.say = held
    early = NOW + HOUR - AHEAD
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(tokens.get, make_wire(), early)
        assert held.come.wait(10)
        # None of these waits for the refresh: it is held until they are through.
        assert [tokens.get(make_wire(), early) for _ in range(5)] == ["token-1"] * 5
        held.go.set()
        assert refreshing.result(10) == "next"
    assert tokens.get(make_wire(), early) == "next"
    assert tokens.expires_at == early + HOUR
    assert endpoint.count == 2


def test_an_early_refresh_that_fails_keeps_the_token_and_is_not_tried_by_every_look(
    endpoint: Endpoint, tokens: Tokens, wire: Wire
) -> None:
    tokens.get(wire, NOW)
    endpoint.say = lambda asked, peer: answer(401)
    early = NOW + HOUR - AHEAD
    assert [tokens.get(wire, early + n) for n in range(20)] == ["token-1"] * 20
    assert endpoint.count == 2
    assert tokens.get(wire, early + AHEAD // 4) == "token-1"
    assert endpoint.count == 3
    # Expired is expired.
    assert failure(lambda: tokens.get(wire, NOW + HOUR)) == Refused("token_http_401", "token")
    assert tokens.expires_at is None


def test_a_rejected_token_is_replaced_once_for_all_who_had_it(
    endpoint: Endpoint, tokens: Tokens, make_wire: Callable[[], Wire]
) -> None:
    old = tokens.get(make_wire(), NOW)
    together = threading.Barrier(8)

    def replace(wire: Wire) -> str:
        together.wait(10)
        return tokens.replace(wire, NOW, old)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(replace, [make_wire() for _ in range(8)])) == {"token-2"}
    assert endpoint.count == 2
    assert tokens.get(make_wire(), NOW) == "token-2"


# How long it is used.


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (3600, HOUR),
        (7200, 2 * HOUR),
        ("3600", HOUR),
        (" 3600 ", HOUR),
        (1799.5, 1_799_500),
        (0, SHORTEST_LIFE),
        (1, SHORTEST_LIFE),
        (-3600, SHORTEST_LIFE),
        (10**12, LONGEST_LIFE),
        (10**400, DEFAULT_LIFE),
        ("an hour", DEFAULT_LIFE),
        ("", DEFAULT_LIFE),
        (None, DEFAULT_LIFE),
        ([3600], DEFAULT_LIFE),
        (float("nan"), DEFAULT_LIFE),
        (float("inf"), DEFAULT_LIFE),
    ],
    ids=str,
)
def test_the_life_that_is_said_is_trusted_where_it_is_a_sane_number(
    endpoint: Endpoint, tokens: Tokens, wire: Wire, expires_in: object, life: int
) -> None:
    endpoint.say = lambda asked, peer: granted(expires_in=expires_in)
    tokens.get(wire, NOW)
    assert tokens.expires_at == NOW + life
    # No storm: the same token serves a thousand looks of the first twenty seconds.
    for n in range(1000):
        tokens.get(wire, NOW + n * 20)
    assert endpoint.count == 1


def test_a_life_that_is_not_said_is_an_hour(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    endpoint.say = lambda asked, peer: answer(200, b'{"access_token": "x"}')
    assert tokens.get(wire, NOW) == "x"
    assert tokens.expires_at == NOW + HOUR


@settings(max_examples=200)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_whatever_is_said_the_life_is_neither_a_storm_nor_for_ever(expires_in: object) -> None:
    assert SHORTEST_LIFE <= module._life(expires_in) <= LONGEST_LIFE


# When there is none.


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"error": "invalid_client", "error_description": "leaked"}', "_invalid_client"),
        (b'{"error": "Leaked secret!"}', ""),
        (b'["leaked"]', ""),
        (b"<html>leaked</html>", ""),
        (b"[" * 5000, ""),
        (b"", ""),
    ],
    ids=["a word", "no plain word", "array", "html", "deep", "empty"],
)
def test_a_refusal_is_one_and_is_not_repeated(
    endpoint: Endpoint, tokens: Tokens, wire: Wire, status: int, body: bytes, word: str
) -> None:
    endpoint.say = lambda asked, peer: answer(status, body)
    assert failure(lambda: tokens.get(wire, NOW)) == Refused(f"token_http_{status}{word}", "token")
    assert endpoint.count == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_trouble_of_theirs_is_tried_three_times(
    endpoint: Endpoint, tokens: Tokens, stop: AtOnce, wire: Wire, status: int
) -> None:
    endpoint.say = lambda asked, peer: answer(status, b"<html>leaked</html>")
    assert failure(lambda: tokens.get(wire, NOW)) == Unreachable(f"token_http_{status}", "token")
    assert endpoint.count == 3
    # Within the second: the long waits are the pause's.
    assert len(stop.waits) == 2
    assert all(wait is not None and 0 < wait < 1 for wait in stop.waits)


def test_it_may_come_at_the_third_attempt(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    def say(asked: Asked, peer: Peer) -> bytes:
        if endpoint.count == 1:
            peer.reset()
        return answer(500) if endpoint.count == 2 else granted("third")

    endpoint.say = say
    assert tokens.get(wire, NOW) == "third"


def test_a_cut_is_tried_three_times_also_on_a_kept_connection(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    tokens.get(wire, NOW)
    endpoint.say = lambda asked, peer: peer.close()
    assert failure(lambda: tokens.replace(wire, NOW, "token-1")) == Unreachable("token_cut", "token")
    assert endpoint.count == 4


def test_nobody_is_there(stop: AtOnce, wire: Wire) -> None:
    with nobody() as url:
        assert failure(lambda: Tokens(asking(url), stop).get(wire, NOW)) == Unreachable("token_connect", "token")
    assert wire.sent == 3


def test_a_stop_ends_the_attempts(endpoint: Endpoint, wire: Wire) -> None:
    stop = threading.Event()

    def say(asked: Asked, peer: Peer) -> bytes:
        stop.set()
        return answer(500)

    endpoint.say = say
    assert failure(lambda: Tokens(asking(endpoint.server.url), stop).get(wire, NOW)).code == "token_http_500"
    assert endpoint.count == 1


def test_a_cut_at_the_deadline_ends_the_attempts(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    def say(asked: Asked, peer: Peer) -> None:
        wire.cut()
        peer.hold()

    endpoint.say = say
    assert failure(lambda: tokens.get(wire, NOW)) == Unreachable("token_timeout", "token")
    assert endpoint.count == 1
    endpoint.say = None
    wire.begin()
    assert tokens.get(wire, NOW) == "token-2"


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(429, (), None), (429, ("retry-after: 30",), 30_000), (503, ("retry-after: 30",), 30_000)],
)
def test_a_rate_limit_is_heeded(
    endpoint: Endpoint, tokens: Tokens, wire: Wire, status: int, headers: tuple[str, ...], wait: int | None
) -> None:
    endpoint.say = lambda asked, peer: answer(status, b"", *headers)
    assert failure(lambda: tokens.get(wire, NOW)) == RateLimited(f"token_http_{status}", wait, "token")
    assert endpoint.count == 1


GARBLED = {
    "html": b"<html>leaked</html>",
    "array": b'["leaked"]',
    "no token": b'{"expires_in": 3600}',
    "null": b'{"access_token": null}',
    "empty": b'{"access_token": ""}',
    "number": b'{"access_token": 5}',
    "a header of its own": b'{"access_token": "x\\r\\nx-leaked: y"}',
    "a blank": b'{"access_token": "leaked leaked"}',
    "not ascii": b'{"access_token": "leaked\\u00e9"}',
    "a line end at the end": b'{"access_token": "leaked\\n"}',
    "deep": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("body", GARBLED.values(), ids=GARBLED)
def test_a_200_without_a_usable_token(endpoint: Endpoint, tokens: Tokens, wire: Wire, body: bytes) -> None:
    endpoint.say = lambda asked, peer: answer(200, body)
    assert failure(lambda: tokens.get(wire, NOW)) == Unreachable("token_garbled", "token")
    assert endpoint.count == 1
    assert tokens.expires_at is None


def test_a_200_that_cannot_be_unpacked(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    endpoint.say = lambda asked, peer: answer(200, b"leaked", "content-encoding: br")
    assert failure(lambda: tokens.get(wire, NOW)) == Unreachable("token_encoding", "token")
    assert endpoint.count == 1


def test_a_redirect_is_not_followed_with_the_secret(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    with Loopback(lambda asked, peer: granted()) as elsewhere:
        for status in (302, 307, 308):
            endpoint.say = lambda asked, peer, status=status: answer(status, b"", f"location: {elsewhere.url}/token")
            assert failure(lambda: tokens.get(wire, NOW)) == Unreachable(f"token_http_{status}", "token")
        assert elsewhere.connections == 0


def test_nothing_shows_the_secret_or_the_token(endpoint: Endpoint, tokens: Tokens, wire: Wire) -> None:
    endpoint.say = lambda asked, peer: granted("leaked-token")
    tokens.get(wire, NOW)
    held = [tokens, tokens._settings, tokens._token, wire, endpoint.server.url]
    for thing in held:
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert SECRET not in shown
            assert "leaked-token" not in shown
