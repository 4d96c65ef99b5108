"""A request that is begun and not ended: cut, answered, or waited for."""

from pathlib import Path

import pytest

from tests.support.loopback import Loopback, Peer, answer, closed_port, make_certificate
from worker.gateways.http.client import tls_context
from worker.gateways.http.unfinished import Left, begin

# Nothing here waits for so long.
LONG_S = 20.0


def answered(peer: Peer) -> None:
    peer.send(answer(413, b"too large"))
    peer.hold()


@pytest.mark.parametrize(
    ("greet", "left"),
    [
        (answered, Left(413, held=False)),
        (lambda peer: peer.close(), Left(None, held=False)),
        (lambda peer: peer.reset(), Left(None, held=False)),
    ],
)
@pytest.mark.parametrize("sent", [b"POST /", b"POST / HTTP/1.1\r\n\r\n" + b"x" * 10_000_000])
@pytest.mark.parametrize("secure", [False, True])
def test_what_a_server_makes_of_it(greet: object, left: Left, sent: bytes, *, secure: bool, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    tls = made.server() if secure else None
    with Loopback(lambda asked, peer: None, greet=greet, tls=tls) as server:  # type: ignore[arg-type]
        trusting = tls_context(str(made.cert)) if secure else None
        assert begin("127.0.0.1", server.port, trusting, sent, LONG_S) == left


@pytest.mark.parametrize("secure", [False, True])
def test_one_that_waits_on(*, secure: bool, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    tls = made.server() if secure else None
    with Loopback(lambda asked, peer: None, greet=lambda peer: peer.hold(), tls=tls) as server:
        trusting = tls_context(str(made.cert)) if secure else None
        assert begin("127.0.0.1", server.port, trusting, b"POST /", 0.2) == Left(None, held=True)


def test_no_connection() -> None:
    with closed_port() as url, pytest.raises(ConnectionRefusedError):
        begin("127.0.0.1", int(url.rpartition(":")[2]), None, b"", LONG_S)
