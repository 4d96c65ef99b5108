"""Answers that are slow or immense: another thread cuts them, a cap holds, and what is packed does no harm."""

import gzip
import threading
import tracemalloc
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.loopback import Asked, Certificate, MakeClient, Peer, Serve, always, answer, bomb, code_of, get, head
from worker.gateways.http.client import BODY_CAP_BYTES, HttpClient, Response, Unusable, header, tls_context

# The total deadline: another thread cuts.


class Slow:
    """A script that tells when it has begun to be slow, and is quick once ``mended``."""

    def __init__(self, first: bytes, then: bytes) -> None:
        self._first = first
        self._then = then
        self.begun = threading.Event()
        self.mended = False

    def __call__(self, asked: Asked, peer: Peer) -> bytes:
        if not self.mended:
            peer.send(self._first)
            self.begun.set()
            peer.drip(self._then * 10_000)
            peer.hold()
        return answer(200, b'{"quick": true}')


SLOW = {
    "nothing": (b"", b""),
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
    "interim answers": (b"", head(100)),
    "body": (head(200, "content-length: 1000000"), b" "),
    "body without a length": (head(200, "connection: close") + b'{"id": "x"}', b" "),
    "chunks": (head(200, "transfer-encoding: chunked"), b"1\r\n \r\n"),
    "gzip": (head(200, "content-encoding: gzip", "content-length: 100000"), gzip.compress(b"")[:10] + b"\0" * 10),
}


def cut_once_begun(client: HttpClient, begun: threading.Event, asking: "Future[Response]") -> str:
    assert begun.wait(10)
    client.cut()
    return code_of(lambda: asking.result(10))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW)
def test_a_drip_ends_when_it_is_cut_and_the_client_lives_on(
    serve: Serve,
    make_client: MakeClient,
    threads: ThreadPoolExecutor,
    certificate: Certificate,
    pieces: tuple[bytes, bytes],
    secure: bool,
) -> None:
    slow = Slow(*pieces)
    server = serve(slow, tls=certificate.server() if secure else None)
    client = make_client(tls_context(str(certificate.cert)))
    client.begin()
    assert cut_once_begun(client, slow.begun, threads.submit(get, client, server.url)) == "timeout"
    # Until a new piece of work begins nothing more is sent: a token's retry must not outlive the deadline either.
    assert code_of(lambda: get(client, server.url)) == "timeout"
    assert len(server.asked) == client.sent == 1
    slow.mended = True
    client.begin()
    assert get(client, server.url).body == b'{"quick": true}'


def test_a_kept_connection_is_cut_too_and_not_asked_again(
    serve: Serve, client: HttpClient, threads: ThreadPoolExecutor
) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n")
    slow.mended = True
    server = serve(slow)
    get(client, server.url)
    slow.mended = False
    assert cut_once_begun(client, slow.begun, threads.submit(get, client, server.url)) == "timeout"
    assert (len(server.asked), server.connections) == (2, 1)


def test_a_proxy_that_drips_is_cut(serve: Serve, make_client: MakeClient, threads: ThreadPoolExecutor) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n")
    client = make_client(proxy=serve(slow).url)
    assert cut_once_begun(client, slow.begun, threads.submit(get, client, "https://127.0.0.1:9/")) == "timeout"


def test_a_handshake_that_never_ends_is_bounded_by_the_timeout(serve: Serve, make_client: MakeClient) -> None:
    def greet(peer: Peer) -> None:
        # The head of a TLS record of 16,000 bytes, and then those one by one.
        peer.send(b"\x16\x03\x03\x3e\x80")
        peer.drip(b"\x02" * 16_000)

    server = serve(always(b""), greet=greet)
    assert code_of(lambda: get(make_client(timeout=300), server.url.replace("http:", "https:"))) == "timeout"


def test_a_cut_between_two_pieces_of_work_does_no_harm(serve: Serve, client: HttpClient) -> None:
    server = serve(always(answer(200, b"{}")))
    client.cut()
    client.begin()
    get(client, server.url)
    client.cut()
    client.cut()
    client.begin()
    assert get(client, server.url).body == b"{}"


# Bodies that are too large, or packed though the client asked for plain ones.


def test_the_cap_holds_for_what_is_said_and_for_what_comes(serve: Serve, client: HttpClient) -> None:
    def script(asked: Asked, peer: Peer) -> bytes | None:
        size = int(asked.target[1:])
        peer.send(head(200, "connection: close"))
        peer.send(b" " * size)
        peer.close()

    server = serve(script)
    assert len(get(client, f"{server.url}/{BODY_CAP_BYTES}").body) == BODY_CAP_BYTES
    assert code_of(lambda: get(client, f"{server.url}/{BODY_CAP_BYTES + 1}"), Unusable) == "too_large"
    assert code_of(lambda: get(client, f"{server.url}/{BODY_CAP_BYTES * 8}"), Unusable) == "too_large"
    assert get(client, f"{server.url}/5").body == b"     "


def test_a_call_can_have_a_cap_of_its_own(serve: Serve, client: HttpClient) -> None:
    for size in (1_000, BODY_CAP_BYTES + 1_000):
        plain, packed = b" " * size, gzip.compress(b" " * size)
        for said in (answer(200, plain), answer(200, packed, "content-encoding: gzip")):
            server = serve(always(said))
            assert client.send("GET", server.url, {}, cap=size).body == plain
            assert code_of(partial(client.send, "GET", server.url, {}, cap=size - 1), Unusable) == "too_large"


def test_a_bomb_is_refused_and_never_unpacked(serve: Serve, client: HttpClient) -> None:
    packed = bomb(b'{"id": "x", "status": "success"}')
    assert len(packed) < 600_000
    server = serve(always(answer(200, packed, "content-encoding: gzip")))
    tracemalloc.start()
    try:
        assert code_of(lambda: get(client, server.url), Unusable) == "too_large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * BODY_CAP_BYTES


@pytest.mark.parametrize(
    ("body", "name"),
    [(gzip.compress(b'{"id": "x"}' * 9), "gzip"), (b'{"id": "x"}' * 9, "utf-8"), (b'{"id": "x"}' * 9, "identity")],
    ids=["packed", "no coding", "identity"],
)
def test_a_body_is_unpacked_where_it_is_packed(serve: Serve, client: HttpClient, body: bytes, name: str) -> None:
    for headers in ((f"content-encoding: {name}",), (f"content-encoding: {name}", f"Content-Encoding: {name}")):
        assert get(client, serve(always(answer(200, body, *headers))).url).body == b'{"id": "x"}' * 9


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_in_a_coding_that_is_not_read_is_unusable(serve: Serve, client: HttpClient, status: int) -> None:
    server = serve(always(answer(status, b'{"id": "x"}', "content-encoding: br")))
    assert code_of(lambda: get(client, server.url), Unusable) == "encoding"


@pytest.mark.parametrize("status", [401, 404, 429, 503])
@pytest.mark.parametrize("kind", ["too large", "unknown encoding"])
def test_an_error_is_heard_whatever_its_body(serve: Serve, client: HttpClient, status: int, kind: str) -> None:
    body = b" " * (BODY_CAP_BYTES + 1) if kind == "too large" else b"\x0b\x00"
    encoding = "identity" if kind == "too large" else "br"
    server = serve(always(answer(status, body, f"content-encoding: {encoding}", "retry-after: 5")))
    response = get(client, server.url)
    assert (response.status, response.body, header(response, "retry-after")) == (status, b"", "5")
