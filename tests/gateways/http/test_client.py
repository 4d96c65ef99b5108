"""The client against servers that misbehave: a whole answer comes as it was sent, and every failure has its code."""

import errno
import socket
from pathlib import Path

import pytest

from tests.support.loopback import (
    Asked,
    Certificate,
    MakeClient,
    Peer,
    Script,
    Serve,
    always,
    answer,
    closed_port,
    code_of,
    full_listener,
    get,
    head,
    raising,
)
from worker.gateways.http.client import HttpClient, HttpFailed, header, tls_context
from worker.gateways.http.head import HEAD_CAP_BYTES

# What is asked for, and what comes back.


def test_a_whole_answer_comes_back_as_it_was_sent(serve: Serve, client: HttpClient) -> None:
    body = b'{"a": "\xc3\xa9"}\r\n'
    server = serve(always(answer(200, body, "X-Optum-Trace-Id: abc", "Retry-After: 7")))
    response = client.send("POST", server.url + "/x%2Fy", {"content-type": "text/plain"}, b"said")
    assert (response.status, response.body) == (200, body)
    assert header(response, "x-optum-trace-id") == "abc"
    assert header(response, "retry-after") == "7"
    assert header(response, "link") is None
    [asked] = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/x%2Fy", b"said")
    assert client.sent == 1


def test_identity_is_asked_for_and_nothing_is_sent_that_was_not_meant(serve: Serve, client: HttpClient) -> None:
    server = serve(always(answer(200, b"{}")))
    get(client, server.url)
    headers = dict(server.asked[0].headers)
    assert headers.pop("user-agent").startswith("cdpoll/")
    assert headers == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer t",
        "host": f"127.0.0.1:{server.port}",
    }


def test_a_cookie_is_not_kept(serve: Serve, client: HttpClient) -> None:
    server = serve(always(answer(200, b"{}", "Set-Cookie: session=1; Path=/")))
    get(client, server.url)
    get(client, server.url)
    assert server.asked[1].header("cookie") is None


def test_one_connection_serves_many_requests(serve: Serve, client: HttpClient) -> None:
    server = serve(always(answer(200, b"{}")))
    for _ in range(5):
        assert get(client, server.url).body == b"{}"
    assert (server.connections, client.sent) == (1, 5)


@pytest.mark.parametrize("value", [b"caf\xe9", b"a\x01b", b"", b"x" * 513], ids=["latin-1", "control", "empty", "long"])
def test_a_header_that_is_no_printable_text_is_dropped(serve: Serve, client: HttpClient, value: bytes) -> None:
    server = serve(always(b"HTTP/1.1 200 OK\r\nx-optum-trace-id: " + value + b"\r\ncontent-length: 0\r\n\r\n"))
    assert header(get(client, server.url), "x-optum-trace-id") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve: Serve, client: HttpClient, status: int) -> None:
    elsewhere = serve(always(answer(200, b"{}")))
    server = serve(always(answer(status, b"", f"Location: {elsewhere.url}/")))
    assert get(client, server.url).status == status
    assert client.send("POST", server.url, {}, b"secret").status == status
    assert (elsewhere.connections, len(server.asked)) == (0, 2)


def test_the_environment_is_ignored(
    serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
    client = make_client()
    assert client.send("GET", server.url, {}).body == b"straight"
    assert proxy.connections == 0
    assert server.asked[0].header("authorization") is None


def test_session_keys_are_written_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert tls_context(None).keylog_filename is None
    assert not (tmp_path / "keys").exists()


def test_a_connection_is_kept_and_each_poll_has_its_own_target_and_token(serve: Serve, client: HttpClient) -> None:
    """Headers and origin are made once for many polls: what differs must differ all the same."""
    server = serve(always(answer(200, b"{}")))
    for n, token in enumerate(("a", "a", "b")):
        client.begin()
        client.send("GET", f"{server.url}/x/{n}?y=%2F", {"authorization": f"Bearer {token}"})
    assert [asked.target for asked in server.asked] == ["/x/0?y=%2F", "/x/1?y=%2F", "/x/2?y=%2F"]
    assert [dict(asked.headers)["authorization"] for asked in server.asked] == ["Bearer a", "Bearer a", "Bearer b"]
    assert all(asked.body == b"" and "content-length" not in dict(asked.headers) for asked in server.asked)
    assert server.connections == 1


# Failures, each with its code.


def test_nobody_listens(client: HttpClient) -> None:
    with closed_port() as url:
        assert code_of(lambda: get(client, url)) == "connect"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
        (socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"), "dns"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "dns_no_resolver"),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"), "dns_no_resolver"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no_route"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no_route"),
        (OSError(errno.EPERM, "Operation not permitted"), "not_permitted"),
        (OSError(errno.EADDRNOTAVAIL, "the name has no address"), "connect"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_why_no_connection_stands(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(error))
    assert code_of(lambda: get(client, "http://vendor.invalid/")) == code


def test_a_peer_that_says_nothing(serve: Serve, make_client: MakeClient) -> None:
    server = serve(lambda asked, peer: peer.hold())
    assert code_of(lambda: get(make_client(timeout=100), server.url)) == "timeout"


def test_a_peer_that_does_not_even_connect(make_client: MakeClient) -> None:
    with full_listener() as port:
        assert code_of(lambda: get(make_client(timeout=100), f"http://127.0.0.1:{port}/")) == "timeout"


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
def test_a_cut_answer_is_never_taken_for_a_whole_one(serve: Serve, client: HttpClient, script: Script) -> None:
    server = serve(script)
    assert code_of(lambda: get(client, server.url)) == "cut"
    # It was a fresh connection: a second try would fail too.
    assert len(server.asked) == client.sent == 1


@pytest.mark.parametrize("script", CUTS, ids=lambda script: script.__name__)
def test_under_tls_too(serve: Serve, make_client: MakeClient, certificate: Certificate, script: Script) -> None:
    server = serve(script, tls=certificate.server())
    client = make_client(tls_context(str(certificate.cert)))
    assert code_of(lambda: get(client, server.url)) == "cut"
    assert len(server.asked) == 1


def head_of(size_bytes: int) -> bytes:
    least = head(200, "content-length: 2", "x: ")
    return head(200, "content-length: 2", "x: " + "y" * (size_bytes - len(least)))


NONSENSE = {
    "not http": b"220 mail.example.com ESMTP\r\n\r\n",
    "a bad status": b"HTTP/1.1 2xx OK\r\n\r\n",
    "a length that is no number": head(200, "content-length: many") + b"{}",
    "two lengths": head(200, "content-length: 2", "content-length: 3") + b"{} ",
    "a bad chunk size": head(200, "transfer-encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000,
    "more headers than fit": head(200, *(f"x-{n}: {'y' * 90}" for n in range(3000))),
    # Its end comes with the read that goes beyond the limit.
    "a head that is a little too long": head_of(HEAD_CAP_BYTES + 100),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_http_is_said_to_be_that(serve: Serve, client: HttpClient, said: bytes) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(said)
        peer.hold()

    server = serve(script)
    assert code_of(lambda: get(client, server.url)) == "protocol"
    assert len(server.asked) == 1


def test_a_head_may_be_as_long_as_the_limit(serve: Serve, client: HttpClient) -> None:
    server = serve(always(head_of(HEAD_CAP_BYTES) + b"{}"))
    assert get(client, server.url).body == b"{}"


def test_chunks_and_interim_answers_and_http_1_0_are_understood(serve: Serve, client: HttpClient) -> None:
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
        assert get(client, server.url + path).body == b'{"a":1}'


def test_switching_protocols_is_an_answer_like_another(serve: Serve, client: HttpClient) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(head(101, "connection: upgrade", "upgrade: h2c"))
        peer.close()

    try:
        assert get(client, serve(script).url).status == 101
    except HttpFailed as failed:
        assert failed.code in ("cut", "protocol")  # noqa: PT017


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(serve: Serve, client: HttpClient) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) in (2, 4):
            (peer.reset if len(server.asked) == 2 else peer.close)()
        return answer(200, str(len(server.asked)).encode())

    server = serve(script)
    # The second and the fourth request are heard and not answered: each is asked again, once, on a new connection.
    assert [get(client, server.url).body for _ in range(3)] == [b"1", b"3", b"5"]
    assert (server.connections, client.sent) == (3, 5)


def test_a_kept_tls_connection_likewise(serve: Serve, make_client: MakeClient, certificate: Certificate) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) == 2:
            peer.close()
        return answer(200, str(len(server.asked)).encode())

    server = serve(script, tls=certificate.server())
    client = make_client(tls_context(str(certificate.cert)))
    assert [get(client, server.url).body for _ in range(2)] == [b"1", b"3"]


def test_it_is_asked_again_once_and_a_post_never(serve: Serve, client: HttpClient) -> None:
    def script(asked: Asked, peer: Peer) -> bytes:
        if len(server.asked) > 1:
            peer.close()
        return answer(200, b"{}")

    server = serve(script)
    get(client, server.url)
    assert code_of(lambda: get(client, server.url)) == "cut"
    assert len(server.asked) == 3
    server = serve(script)
    get(client, server.url)
    assert code_of(lambda: client.send("POST", server.url, {}, b"x")) == "cut"
    assert len(server.asked) == 2
