"""The wire against servers that misbehave: every failure has its code, no answer outlives its deadline or its cap."""

import gzip
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.loopback import (
    Asked,
    Certificate,
    Loopback,
    Peer,
    Script,
    answer,
    bomb,
    head,
    make_certificate,
    nobody,
)
from worker.gateways.wire import BODY_CAP, Response, Unusable, Wire, WireFailed, header, tls_context

# What no test waits for: a failure that depends on this timeout is a test that hangs.
LONG = 20_000

Serve = Callable[..., Loopback]
MakeWire = Callable[..., Wire]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script, **more: stack.enter_context(Loopback(script, **more))


@pytest.fixture(scope="module")
def plain_tls() -> ssl.SSLContext:
    return tls_context(None)


@pytest.fixture
def make_wire(plain_tls: ssl.SSLContext) -> Iterator[MakeWire]:
    wires: list[Wire] = []

    def make(tls: ssl.SSLContext = plain_tls, timeout: int = LONG, proxy: str | None = None) -> Wire:
        wires.append(Wire(tls, timeout, proxy))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture
def wire(make_wire: MakeWire) -> Wire:
    return make_wire()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def always(data: bytes) -> Script:
    return lambda asked, peer: data


def get(wire: Wire, url: str) -> Response:
    return wire.send("GET", url, {"authorization": "Bearer t"})


def code_of(call: Callable[[], object], kind: type[WireFailed] | type[Unusable] = WireFailed) -> str:
    try:
        call()
    except (WireFailed, Unusable) as error:
        assert type(error) is kind  # noqa: PT017 - there is no common class to wait for
        return error.code
    pytest.fail("this should have failed")


# What is asked for, and what comes back.


def test_a_whole_answer_comes_back_as_it_was_sent(serve: Serve, wire: Wire) -> None:
    body = b'{"a": "\xc3\xa9"}\r\n'
    server = serve(always(answer(200, body, "X-Optum-Trace-Id: abc", "Retry-After: 7")))
    response = wire.send("POST", server.url + "/x%2Fy", {"content-type": "text/plain"}, b"said")
    assert (response.status, response.body) == (200, body)
    assert header(response, "x-optum-trace-id") == "abc"
    assert header(response, "retry-after") == "7"
    assert header(response, "link") is None
    [asked] = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/x%2Fy", b"said")
    assert wire.sent == 1


def test_identity_is_asked_for_and_nothing_is_sent_that_was_not_meant(serve: Serve, wire: Wire) -> None:
    server = serve(always(answer(200, b"{}")))
    get(wire, server.url)
    headers = dict(server.asked[0].headers)
    assert headers.pop("user-agent").startswith("cdpoll/")
    assert headers == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer t",
        "host": f"127.0.0.1:{server.port}",
    }


def test_a_cookie_is_not_kept(serve: Serve, wire: Wire) -> None:
    server = serve(always(answer(200, b"{}", "Set-Cookie: session=1; Path=/")))
    get(wire, server.url)
    get(wire, server.url)
    assert server.asked[1].header("cookie") is None


def test_one_connection_serves_many_requests(serve: Serve, wire: Wire) -> None:
    server = serve(always(answer(200, b"{}")))
    for _ in range(5):
        assert get(wire, server.url).body == b"{}"
    assert (server.connections, wire.sent) == (1, 5)


@pytest.mark.parametrize("value", [b"caf\xe9", b"a\x01b", b"", b"x" * 513], ids=["latin-1", "control", "empty", "long"])
def test_a_header_that_is_no_printable_text_is_dropped(serve: Serve, wire: Wire, value: bytes) -> None:
    server = serve(always(b"HTTP/1.1 200 OK\r\nx-optum-trace-id: " + value + b"\r\ncontent-length: 0\r\n\r\n"))
    try:
        assert header(get(wire, server.url), "x-optum-trace-id") is None
    except WireFailed as failed:
        assert failed.code == "protocol"  # noqa: PT017 - some of them are refused as a whole


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve: Serve, wire: Wire, status: int) -> None:
    elsewhere = serve(always(answer(200, b"{}")))
    server = serve(always(answer(status, b"", f"Location: {elsewhere.url}/")))
    assert get(wire, server.url).status == status
    assert wire.send("POST", server.url, {}, b"secret").status == status
    assert (elsewhere.connections, len(server.asked)) == (0, 2)


def test_the_environment_is_ignored(
    serve: Serve, make_wire: MakeWire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = serve(always(answer(200, b"from the proxy")))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.upper(), proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(always(answer(200, b"straight")))
    wire = make_wire()
    assert wire.send("GET", server.url, {}).body == b"straight"
    assert proxy.connections == 0
    assert server.asked[0].header("authorization") is None


def test_session_keys_are_written_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert tls_context(None).keylog_filename is None
    assert not (tmp_path / "keys").exists()


# Failures, each with its code.


def test_nobody_listens(wire: Wire) -> None:
    with nobody() as url:
        assert code_of(lambda: get(wire, url)) == "connect"


def test_a_name_that_does_not_resolve(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert code_of(lambda: get(wire, "http://vendor.invalid/")) == "dns"


def test_a_peer_that_says_nothing(serve: Serve, make_wire: MakeWire) -> None:
    server = serve(lambda asked, peer: peer.hold())
    assert code_of(lambda: get(make_wire(timeout=100), server.url)) == "timeout"


def test_a_peer_that_does_not_even_connect(make_wire: MakeWire) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # A full queue answers no further SYN: a black hole.
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        assert code_of(lambda: get(make_wire(timeout=100), f"http://127.0.0.1:{full.getsockname()[1]}/")) == "timeout"


def refuse(asked: Asked, peer: Peer) -> None:
    peer.close()


def reset(asked: Asked, peer: Peer) -> None:
    peer.reset()


def cut_in_headers(asked: Asked, peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-le")
    peer.close()


def cut_in_body(asked: Asked, peer: Peer) -> None:
    peer.send(head(200, "content-length: 40") + b'{"id": "x", ')
    peer.close()


def reset_in_body(asked: Asked, peer: Peer) -> None:
    peer.send(head(200, "content-length: 40") + b'{"id": "x", ')
    peer.reset()


def reset_without_length(asked: Asked, peer: Peer) -> None:
    peer.send(head(200, "connection: close") + b'{"id": "x"}')
    peer.reset()


def cut_in_chunk(asked: Asked, peer: Peer) -> None:
    peer.send(head(200, "transfer-encoding: chunked") + b'10\r\n{"id"')
    peer.close()


def cut_between_chunks(asked: Asked, peer: Peer) -> None:
    peer.send(head(200, "transfer-encoding: chunked") + b"2\r\n{}\r\n")
    peer.close()


CUTS = [
    refuse,
    reset,
    cut_in_headers,
    cut_in_body,
    reset_in_body,
    reset_without_length,
    cut_in_chunk,
    cut_between_chunks,
]


@pytest.mark.parametrize("script", CUTS, ids=lambda script: script.__name__)
def test_a_cut_answer_is_never_taken_for_a_whole_one(serve: Serve, wire: Wire, script: Script) -> None:
    server = serve(script)
    assert code_of(lambda: get(wire, server.url)) == "cut"
    # It was a fresh connection: whatever is wrong would be so again.
    assert len(server.asked) == wire.sent == 1


@pytest.mark.parametrize("script", CUTS, ids=lambda script: script.__name__)
def test_under_tls_too(serve: Serve, make_wire: MakeWire, certificate: Certificate, script: Script) -> None:
    server = serve(script, tls=certificate.server())
    wire = make_wire(tls_context(str(certificate.cert)))
    assert code_of(lambda: get(wire, server.url)) == "cut"
    assert len(server.asked) == 1


NONSENSE = {
    "not http": b"220 mail.example.com ESMTP\r\n\r\n",
    "a bad status": b"HTTP/1.1 2xx OK\r\n\r\n",
    "a folded header": b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    "a length that is no number": head(200, "content-length: many") + b"{}",
    "two lengths": head(200, "content-length: 2", "content-length: 3") + b"{} ",
    "a bad chunk size": head(200, "transfer-encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000,
    "more headers than fit": head(200, *(f"x-{n}: {'y' * 90}" for n in range(2000))),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_http_is_said_to_be_that(serve: Serve, wire: Wire, said: bytes) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(said)
        peer.hold()

    server = serve(script)
    assert code_of(lambda: get(wire, server.url)) == "protocol"
    assert len(server.asked) == 1


def test_a_body_longer_than_said_is_read_to_what_was_said(serve: Serve, wire: Wire) -> None:
    server = serve(always(head(200, "content-length: 2") + b'{}{"id": "smuggled"}'))
    assert get(wire, server.url).body == b"{}"
    # What came after it must not be taken for the next answer.
    assert get(wire, server.url).body == b"{}"


def test_chunks_and_interim_answers_and_http_1_0_are_understood(serve: Serve, wire: Wire) -> None:
    chunked = b'3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\ntrailer: t\r\n\r\n'

    def script(asked: Asked, peer: Peer) -> bytes:
        if asked.target == "/1.0":
            peer.send(b'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"a":1}')
            peer.close()
        if asked.target == "/interim":
            return head(100) + head(103, "link: </x>") + answer(200, b'{"a":1}')
        return head(200, "transfer-encoding: chunked") + chunked

    server = serve(script)
    for path in ("/chunked", "/interim", "/1.0"):
        assert get(wire, server.url + path).body == b'{"a":1}'


def test_switching_protocols_is_an_answer_like_another(serve: Serve, wire: Wire) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(head(101, "connection: upgrade", "upgrade: h2c"))
        peer.close()

    try:
        assert get(wire, serve(script).url).status == 101
    except WireFailed as failed:
        assert failed.code in ("cut", "protocol")  # noqa: PT017


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(serve: Serve, wire: Wire) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) in (2, 4):
            (peer.reset if len(server.asked) == 2 else peer.close)()
        return answer(200, str(len(server.asked)).encode())

    server = serve(script)
    # The second and the fourth request are heard and not answered: each is asked again, once, on a new connection.
    assert [get(wire, server.url).body for _ in range(3)] == [b"1", b"3", b"5"]
    assert (server.connections, wire.sent) == (3, 5)


def test_a_kept_tls_connection_likewise(serve: Serve, make_wire: MakeWire, certificate: Certificate) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) == 2:
            peer.close()
        return answer(200, str(len(server.asked)).encode())

    server = serve(script, tls=certificate.server())
    wire = make_wire(tls_context(str(certificate.cert)))
    assert [get(wire, server.url).body for _ in range(2)] == [b"1", b"3"]


def test_it_is_asked_again_once_and_a_post_never(serve: Serve, wire: Wire) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) > 1:
            peer.close()
        return answer(200, b"{}")

    server = serve(script)
    get(wire, server.url)
    assert code_of(lambda: get(wire, server.url)) == "cut"
    assert len(server.asked) == 3
    server = serve(script)
    get(wire, server.url)
    assert code_of(lambda: wire.send("POST", server.url, {}, b"x")) == "cut"
    assert len(server.asked) == 2


# TLS.


def test_a_certificate_nobody_vouches_for_is_refused(
    serve: Serve, wire: Wire, make_wire: MakeWire, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    assert code_of(lambda: get(wire, server.url)) == "tls"
    assert server.asked == []
    assert get(make_wire(tls_context(str(certificate.cert))), server.url).body == b"{}"


def test_a_certificate_of_another_host_is_refused(serve: Serve, make_wire: MakeWire, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "DNS:vendor.example.com")
    server = serve(always(answer(200, b"{}")), tls=other.server())
    assert code_of(lambda: get(make_wire(tls_context(str(other.cert))), server.url)) == "tls"
    assert server.asked == []


def test_tls_1_1_is_refused_and_1_2_is_spoken(serve: Serve, make_wire: MakeWire, certificate: Certificate) -> None:
    old = certificate.server()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    ours = tls_context(str(certificate.cert))
    assert ours.minimum_version == ssl.TLSVersion.TLSv1_2
    # Without this the ciphers and not the version would be what is refused.
    ours.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(always(answer(200, b"{}")), tls=old)
    assert code_of(lambda: get(make_wire(ours), server.url)) == "tls"
    assert server.asked == []
    enough = certificate.server()
    enough.maximum_version = ssl.TLSVersion.TLSv1_2
    assert get(make_wire(ours), serve(always(answer(200, b"{}")), tls=enough).url).status == 200


def test_plain_http_where_tls_was_expected(serve: Serve, wire: Wire) -> None:
    def greet(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.hold()

    server = serve(always(b""), greet=greet)
    assert code_of(lambda: get(wire, server.url.replace("http:", "https:"))) == "tls"


# The proxy that is configured.


def tunnel(to: Loopback) -> Callable[[Asked, Peer], bytes | None]:
    """A proxy that knows CONNECT, and passes on what comes until one side ends."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def script(asked: Asked, peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", to.port), 10) as onward:
            peer.send(head(200))
            back = threading.Thread(target=pump, args=(onward, peer.sock))
            back.start()
            pump(peer.sock, onward)
            back.join()
        peer.close()

    return script


def test_through_a_proxy_only_the_tunnel_is_seen_there(
    serve: Serve, make_wire: MakeWire, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    proxy = serve(tunnel(server))
    wire = make_wire(tls_context(str(certificate.cert)), proxy=proxy.url.replace("http://", "http://me:pass@"))
    assert get(wire, server.url + "/coverage-discovery/x").body == b"{}"
    [asked] = proxy.asked
    assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{server.port}")
    assert asked.header("authorization") is None
    assert asked.header("proxy-authorization") == "Basic bWU6cGFzcw=="
    assert server.asked[0].header("proxy-authorization") is None
    wire.close()


def test_a_proxy_that_refuses_or_hides_a_bad_certificate(
    serve: Serve, make_wire: MakeWire, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    refusing = serve(always(answer(407, b"", "proxy-authenticate: Basic")))
    assert code_of(lambda: get(make_wire(proxy=refusing.url), server.url)) == "proxy"
    wire = make_wire(proxy=serve(tunnel(server)).url)
    assert code_of(lambda: get(wire, server.url)) == "tls"
    assert server.asked == []
    wire.close()


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


def cut_once_begun(wire: Wire, begun: threading.Event, looked: "Future[Response]") -> str:
    assert begun.wait(10)
    wire.cut()
    return code_of(lambda: looked.result(10))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("first", "then"), SLOW.values(), ids=SLOW)
def test_a_drip_ends_when_it_is_cut_and_the_wire_lives_on(
    serve: Serve,
    make_wire: MakeWire,
    threads: ThreadPoolExecutor,
    certificate: Certificate,
    first: bytes,
    then: bytes,
    secure: bool,
) -> None:
    slow = Slow(first, then)
    server = serve(slow, tls=certificate.server() if secure else None)
    wire = make_wire(tls_context(str(certificate.cert)))
    wire.begin()
    assert cut_once_begun(wire, slow.begun, threads.submit(get, wire, server.url)) == "timeout"
    # Until a new piece of work begins nothing more is sent: a token's retry must not outlive the deadline either.
    assert code_of(lambda: get(wire, server.url)) == "timeout"
    assert len(server.asked) == wire.sent == 1
    slow.mended = True
    wire.begin()
    assert get(wire, server.url).body == b'{"quick": true}'


def test_a_kept_connection_is_cut_too_and_not_asked_again(
    serve: Serve, wire: Wire, threads: ThreadPoolExecutor
) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n")
    slow.mended = True
    server = serve(slow)
    get(wire, server.url)
    slow.mended = False
    assert cut_once_begun(wire, slow.begun, threads.submit(get, wire, server.url)) == "timeout"
    assert (len(server.asked), server.connections) == (2, 1)


def test_a_proxy_that_drips_is_cut(serve: Serve, make_wire: MakeWire, threads: ThreadPoolExecutor) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n")
    wire = make_wire(proxy=serve(slow).url)
    assert cut_once_begun(wire, slow.begun, threads.submit(get, wire, "https://127.0.0.1:9/")) == "timeout"


def test_a_handshake_that_never_ends_is_bounded_by_the_timeout(serve: Serve, make_wire: MakeWire) -> None:
    def greet(peer: Peer) -> None:
        # The head of a TLS record of 16,000 bytes, and then those one by one.
        peer.send(b"\x16\x03\x03\x3e\x80")
        peer.drip(b"\x02" * 16_000)

    server = serve(always(b""), greet=greet)
    assert code_of(lambda: get(make_wire(timeout=300), server.url.replace("http:", "https:"))) == "timeout"


def test_a_cut_between_two_pieces_of_work_does_no_harm(serve: Serve, wire: Wire) -> None:
    server = serve(always(answer(200, b"{}")))
    wire.cut()
    wire.begin()
    get(wire, server.url)
    wire.cut()
    wire.cut()
    wire.begin()
    assert get(wire, server.url).body == b"{}"


# Bodies that are too large, or packed in ways nobody asked for.


def test_the_cap_holds_for_what_is_said_and_for_what_comes(serve: Serve, wire: Wire) -> None:
    def script(asked: Asked, peer: Peer) -> bytes | None:
        size = int(asked.target[1:])
        peer.send(head(200, "connection: close"))
        peer.send(b" " * size)
        peer.close()

    server = serve(script)
    assert len(get(wire, f"{server.url}/{BODY_CAP}").body) == BODY_CAP
    assert code_of(lambda: get(wire, f"{server.url}/{BODY_CAP + 1}"), Unusable) == "too_large"
    assert code_of(lambda: get(wire, f"{server.url}/{BODY_CAP * 8}"), Unusable) == "too_large"
    assert get(wire, f"{server.url}/5").body == b"     "


def test_a_call_can_have_a_cap_of_its_own(serve: Serve, wire: Wire) -> None:
    for size in (1_000, BODY_CAP + 1_000):
        plain, packed = b" " * size, gzip.compress(b" " * size)
        for said in (answer(200, plain), answer(200, packed, "content-encoding: gzip")):
            server = serve(always(said))
            assert wire.send("GET", server.url, {}, cap=size).body == plain
            assert code_of(partial(wire.send, "GET", server.url, {}, cap=size - 1), Unusable) == "too_large"


def test_a_bomb_is_refused_and_never_unpacked(serve: Serve, wire: Wire) -> None:
    packed = bomb(b'{"id": "x", "status": "success"}')
    assert len(packed) < 600_000
    server = serve(always(answer(200, packed, "content-encoding: gzip")))
    tracemalloc.start()
    try:
        assert code_of(lambda: get(wire, server.url), Unusable) == "too_large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * BODY_CAP


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_a_packed_body_is_unpacked_all_the_same(serve: Serve, wire: Wire, name: str) -> None:
    body = b'{"id": "x"}' * 1000
    packed = zlib.compress(body) if name == "deflate" else gzip.compress(body)
    server = serve(always(answer(200, packed, f"content-encoding: {name}")))
    assert get(wire, server.url).body == body


def test_identity_by_name_is_none_at_all(serve: Serve, wire: Wire) -> None:
    assert get(wire, serve(always(answer(200, b"{}", "content-encoding: identity"))).url).body == b"{}"


PACKED = gzip.compress(b'{"id": "x", "status": "success"}' + b" " * 100)
BADLY_PACKED = {
    "unknown": (b"{}", "br"),
    "twice": (gzip.compress(PACKED), "gzip, gzip"),
    "not packed": (b"{}", "gzip"),
    "cut short": (PACKED[:-9], "gzip"),
    "without its checksum": (PACKED[:-8], "gzip"),
    "wrong checksum": (PACKED[:-8] + b"\0" * 8, "gzip"),
    "nothing": (b"", "gzip"),
}


@pytest.mark.parametrize(("body", "name"), BADLY_PACKED.values(), ids=BADLY_PACKED)
def test_what_cannot_be_unpacked_whole_is_unusable(serve: Serve, wire: Wire, body: bytes, name: str) -> None:
    server = serve(always(answer(200, body, f"content-encoding: {name}")))
    assert code_of(lambda: get(wire, server.url), Unusable) == "encoding"


@pytest.mark.parametrize("status", [401, 404, 429, 503])
@pytest.mark.parametrize("kind", ["too large", "unknown encoding"])
def test_an_error_is_heard_whatever_its_body(serve: Serve, wire: Wire, status: int, kind: str) -> None:
    body = b" " * (BODY_CAP + 1) if kind == "too large" else b"\x0b\x00"
    encoding = "identity" if kind == "too large" else "br"
    server = serve(always(answer(status, body, f"content-encoding: {encoding}", "retry-after: 5")))
    response = get(wire, server.url)
    assert (response.status, response.body, header(response, "retry-after")) == (status, b"", "5")


def test_a_connection_is_kept_and_each_look_has_its_own_target_and_token(serve: Serve, wire: Wire) -> None:
    """Headers and origin are made once for many looks: what differs must differ all the same."""
    server = serve(always(answer(200, b"{}")))
    for n, token in enumerate(("a", "a", "b")):
        wire.begin()
        wire.send("GET", f"{server.url}/x/{n}?y=%2F", {"authorization": f"Bearer {token}"})
    assert [asked.target for asked in server.asked] == ["/x/0?y=%2F", "/x/1?y=%2F", "/x/2?y=%2F"]
    assert [dict(asked.headers)["authorization"] for asked in server.asked] == ["Bearer a", "Bearer a", "Bearer b"]
    assert all(asked.body == b"" and "content-length" not in dict(asked.headers) for asked in server.asked)
    assert server.connections == 1


def test_a_proxy_without_tls_beyond_it_is_told_the_whole_address(serve: Serve, make_wire: MakeWire) -> None:
    proxy = serve(always(answer(200, b"{}")))
    wire = make_wire(proxy=proxy.url)
    for n in range(2):
        wire.send("GET", f"http://vendor.test:8080/x/{n}?y=1", {"authorization": "Bearer t"})
    assert [asked.target for asked in proxy.asked] == [f"http://vendor.test:8080/x/{n}?y=1" for n in range(2)]
    assert proxy.asked[0].header("host") == "vendor.test:8080"
