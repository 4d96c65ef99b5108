"""The client over TLS and through the configured proxy: whom it trusts, and what a stranger in between sees."""

import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.loopback import (
    Asked,
    Certificate,
    Loopback,
    MakeClient,
    Peer,
    Serve,
    always,
    answer,
    closed_port,
    code_of,
    full_listener,
    get,
    head,
    make_certificate,
    raising,
)
from worker.gateways.http.client import HttpClient, tls_context

# TLS.


def test_a_certificate_nobody_vouches_for_is_refused(
    serve: Serve, client: HttpClient, make_client: MakeClient, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    assert code_of(lambda: get(client, server.url)) == "tls_self_signed"
    assert server.asked == []
    assert get(make_client(tls_context(str(certificate.cert))), server.url).body == b"{}"


def test_a_certificate_of_another_host_is_refused(serve: Serve, make_client: MakeClient, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "DNS:vendor.example.com")
    server = serve(always(answer(200, b"{}")), tls=other.server())
    assert code_of(lambda: get(make_client(tls_context(str(other.cert))), server.url)) == "tls_other_host"
    assert server.asked == []


@pytest.mark.parametrize(
    ("of", "days", "code"),
    [
        ("ours", (-60, -30), "tls_expired"),
        ("ours", (2, 30), "tls_not_yet_valid"),
        ("other", (-1, 30), "tls_chain_cut"),
    ],
)
def test_each_fault_of_a_certificate_has_its_code(
    serve: Serve, make_client: MakeClient, tmp_path: Path, of: str, days: tuple[int, int], code: str
) -> None:
    authorities = {name: Authority(tmp_path, name) for name in ("ours", "other")}
    shown = authorities[of].certificate("shown", days=days)
    server = serve(always(answer(200, b"{}")), tls=shown.server())
    assert code_of(lambda: get(make_client(tls_context(str(authorities["ours"].file))), server.url)) == code
    assert server.asked == []


def test_an_issuer_that_was_not_sent_is_told_from_one_that_is_not_trusted(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    between = Authority(tmp_path, "between", above=other)
    shown = between.certificate("shown")
    trusted = make_client(tls_context(str(other.file)))
    unknown = make_client(tls_context(str(ours.file)))
    alone = serve(always(answer(200, b"{}")), tls=shown.server())
    assert code_of(lambda: get(trusted, alone.url)) == "tls_chain_cut"
    assert get(make_client(tls_context(str(between.file))), alone.url).status == 200, "the cure"
    for sent in (between.file.read_bytes(), between.file.read_bytes() + other.file.read_bytes()):
        chain = Certificate(tmp_path / "chain.pem", shown.key)
        chain.cert.write_bytes(shown.cert.read_bytes() + sent)
        whole = serve(always(answer(200, b"{}")), tls=chain.server())
        assert get(trusted, whole.url).status == 200
        assert code_of(partial(get, unknown, whole.url)) == "tls_unknown_issuer"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls_old_protocol"),  # the alert protocol_version
        (b"\x15\x03\x03\x00\x02\x02\x28", "tls"),  # handshake_failure
        (b"SSH-2.0-OpenSSH_9.2\r\n", "tls_not_spoken"),
        (b"", "tls"),
    ],
    ids=["old", "no cipher", "ssh", "closed"],
)
def test_what_a_peer_says_in_place_of_tls(serve: Serve, client: HttpClient, said: bytes, code: str) -> None:
    def greet(peer: Peer) -> None:
        peer.sock.recv(4096)
        peer.send(said)
        peer.close()

    server = serve(always(b""), greet=greet)
    assert code_of(lambda: get(client, server.url.replace("http:", "https:"))) == code


def test_tls_1_1_is_refused_and_1_2_is_spoken(serve: Serve, make_client: MakeClient, certificate: Certificate) -> None:
    old = certificate.server()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    ours = tls_context(str(certificate.cert))
    assert ours.minimum_version == ssl.TLSVersion.TLSv1_2
    # Without this the ciphers and not the version would be what is refused.
    ours.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(always(answer(200, b"{}")), tls=old)
    assert code_of(lambda: get(make_client(ours), server.url)) == "tls_old_protocol"
    assert server.asked == []
    enough = certificate.server()
    enough.maximum_version = ssl.TLSVersion.TLSv1_2
    assert get(make_client(ours), serve(always(answer(200, b"{}")), tls=enough).url).status == 200


def test_plain_http_where_tls_was_expected(serve: Serve, client: HttpClient) -> None:
    def greet(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.hold()

    server = serve(always(b""), greet=greet)
    assert code_of(lambda: get(client, server.url.replace("http:", "https:"))) == "tls_not_spoken"


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
    serve: Serve, make_client: MakeClient, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    proxy = serve(tunnel(server))
    client = make_client(tls_context(str(certificate.cert)), proxy=proxy.url.replace("http://", "http://me:pass@"))
    assert get(client, server.url + "/coverage-discovery/x").body == b"{}"
    [asked] = proxy.asked
    assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{server.port}")
    assert asked.header("authorization") is None
    assert asked.header("proxy-authorization") == "Basic bWU6cGFzcw=="
    assert server.asked[0].header("proxy-authorization") is None
    client.close()


def test_a_proxy_that_refuses_or_hides_a_bad_certificate(
    serve: Serve, make_client: MakeClient, certificate: Certificate
) -> None:
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    for status, code in ((407, "proxy_auth"), (403, "proxy_http_403"), (502, "proxy_http_502")):
        refusing = serve(always(answer(status, b"", "proxy-authenticate: Basic")))
        assert code_of(partial(get, make_client(proxy=refusing.url), server.url)) == code
        assert len(refusing.asked) == 1, "one attempt"
    client = make_client(proxy=serve(tunnel(server)).url)
    assert code_of(lambda: get(client, server.url)) == "tls_self_signed"
    assert server.asked == []
    client.close()


def test_a_proxy_that_cannot_be_reached(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    with closed_port() as url:
        assert code_of(lambda: get(make_client(proxy=url), "https://vendor.test/")) == "proxy_connect"
    with full_listener() as port:
        client = make_client(timeout=100, proxy=f"http://127.0.0.1:{port}")
        assert code_of(lambda: get(client, "https://vendor.test/")) == "proxy_timeout"
    monkeypatch.setattr(socket, "getaddrinfo", raising(socket.gaierror(socket.EAI_NONAME, "?")))
    assert code_of(lambda: get(make_client(proxy="http://proxy.test:3128"), "https://vendor.test/")) == "proxy_dns"


def test_a_tunnel_in_which_tls_fails_does_not_end_the_wire(
    serve: Serve, make_client: MakeClient, certificate: Certificate, tmp_path: Path
) -> None:
    stranger = serve(always(b""), tls=make_certificate(tmp_path, "IP:127.0.0.1").server())
    server = serve(always(answer(200, b"{}")), tls=certificate.server())
    through = [tunnel(stranger), tunnel(server)]
    proxy = serve(lambda asked, peer: through[peer.number](asked, peer))
    client = make_client(tls_context(str(certificate.cert)), timeout=2000, proxy=proxy.url)
    assert code_of(lambda: get(client, server.url)) == "tls_self_signed"
    assert get(client, server.url).body == b"{}"
    client.close()


def test_a_proxy_without_tls_beyond_it_is_told_the_whole_address(serve: Serve, make_client: MakeClient) -> None:
    proxy = serve(always(answer(200, b"{}")))
    client = make_client(proxy=proxy.url)
    for n in range(2):
        client.send("GET", f"http://vendor.test:8080/x/{n}?y=1", {"authorization": "Bearer t"})
    assert [asked.target for asked in proxy.asked] == [f"http://vendor.test:8080/x/{n}?y=1" for n in range(2)]
    assert proxy.asked[0].header("host") == "vendor.test:8080"
