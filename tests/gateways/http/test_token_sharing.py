"""One token for many threads: asked for once, refreshed ahead by one of them, replaced once when it is rejected."""

import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.loopback import Asked, Peer, answer
from tests.support.token_endpoint import Endpoint, failure, granted
from worker.core.vendor.reply import RateLimited, Refused, Unreachable
from worker.gateways.http.client import HttpClient
from worker.gateways.http.token import REFRESH_AHEAD_MS, TokenFailed, Tokens

NOW = 1_800_000_000_000
HOUR = 3_600_000


def test_one_token_serves_many_threads(
    endpoint: Endpoint, tokens: Tokens, make_client: Callable[[], HttpClient]
) -> None:
    together = threading.Barrier(12)

    def get(client: HttpClient) -> str:
        together.wait(10)
        return tokens.get(client, NOW)

    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(get, [make_client() for _ in range(12)]))
    assert set(got) == {"token-1"}
    assert tokens.get(make_client(), NOW + 1000) == "token-1"
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
    """Until ``count`` of the threads have got as far as the lock; there is no other sign of it."""
    pause = threading.Event()
    for _ in range(2000):
        gc.disable()  # what a collection frees here may wait for a lock that this call holds, for ever
        frames = sys._current_frames()
        gc.enable()
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
    make_client: Callable[[], HttpClient],
    said: bytes,
    reply: object,
    requests: int,
) -> None:
    held = Held(said)
    endpoint.say = held
    got: list[object] = []

    def get(client: HttpClient) -> None:
        try:
            tokens.get(client, NOW)
        except TokenFailed as failed:
            got.append(failed.reply)

    threads = [threading.Thread(target=get, args=(make_client(),)) for _ in range(6)]
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
    assert tokens.get(make_client(), NOW + 1) == f"token-{requests + 1}"


def test_those_who_waited_get_the_token_that_came(
    endpoint: Endpoint, tokens: Tokens, make_client: Callable[[], HttpClient]
) -> None:
    held = Held(granted("late"))
    endpoint.say = held
    with ThreadPoolExecutor(5) as pool:
        polls = [pool.submit(tokens.get, make_client(), NOW) for _ in range(5)]
        assert held.come.wait(10)
        held.go.set()
        assert {poll.result(10) for poll in polls} == {"late"}
    assert endpoint.count == 1


def test_ahead_of_the_expiry_one_refreshes_and_the_others_go_on(
    endpoint: Endpoint, tokens: Tokens, make_client: Callable[[], HttpClient]
) -> None:
    assert tokens.get(make_client(), NOW) == "token-1"
    assert tokens.get(make_client(), NOW + HOUR - REFRESH_AHEAD_MS - 1) == "token-1"
    assert endpoint.count == 1
    held = Held(granted("next"))
    endpoint.say = held
    early = NOW + HOUR - REFRESH_AHEAD_MS
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(tokens.get, make_client(), early)
        assert held.come.wait(10)
        # None of these waits for the refresh: it is held until they are through.
        assert [tokens.get(make_client(), early) for _ in range(5)] == ["token-1"] * 5
        held.go.set()
        assert refreshing.result(10) == "next"
    assert tokens.get(make_client(), early) == "next"
    assert tokens.expires_at == early + HOUR
    assert endpoint.count == 2


def test_an_early_refresh_that_fails_keeps_the_token_and_is_not_tried_by_every_poll(
    endpoint: Endpoint, tokens: Tokens, client: HttpClient
) -> None:
    tokens.get(client, NOW)
    endpoint.say = lambda asked, peer: answer(401)
    early = NOW + HOUR - REFRESH_AHEAD_MS
    assert [tokens.get(client, early + n) for n in range(20)] == ["token-1"] * 20
    assert endpoint.count == 2
    assert tokens.get(client, early + REFRESH_AHEAD_MS // 4) == "token-1"
    assert endpoint.count == 3
    # Expired is expired.
    assert failure(lambda: tokens.get(client, NOW + HOUR)) == Refused("token_http_401", "token")
    assert tokens.expires_at is None


def test_a_rejected_token_is_replaced_once_for_all_who_had_it(
    endpoint: Endpoint, tokens: Tokens, make_client: Callable[[], HttpClient]
) -> None:
    old = tokens.get(make_client(), NOW)
    together = threading.Barrier(8)

    def replace(client: HttpClient) -> str:
        together.wait(10)
        return tokens.replace(client, NOW, old)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(replace, [make_client() for _ in range(8)])) == {"token-2"}
    assert endpoint.count == 2
    assert tokens.get(make_client(), NOW) == "token-2"
