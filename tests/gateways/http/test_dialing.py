"""Dead, refusing and living addresses of one name."""

import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.support.loopback import MakeClient, Serve, always, answer, closed_port, code_of, full_listener, get
from worker.gateways.http import dialing
from worker.gateways.http.client import HttpClient
from worker.gateways.http.dialing import Address, Dialer, interleaved

V4, V6 = socket.AF_INET, socket.AF_INET6

Names = Callable[..., None]


@pytest.fixture
def dead() -> Iterator[int]:
    with full_listener() as port:
        yield port


@pytest.fixture
def name_has(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Makes every name lead to these ports of 127.0.0.1, in this order."""

    def leads(*ports: int) -> None:
        found = [(V4, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return leads


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The addresses that were tried."""
    tried: list[object] = []
    begin = dialing._Attempts.begin

    def noted(self: dialing._Attempts, address: Address) -> None:
        tried.append(address.place)
        begin(self, address)

    monkeypatch.setattr(dialing._Attempts, "begin", noted)
    return tried


def test_dead_addresses_are_passed_by_and_the_living_one_remembered(
    serve: Serve, client: HttpClient, name_has: Names, dead: int, attempts: list[object]
) -> None:
    server = serve(always(answer(200, b"{}", "connection: close")))
    name_has(dead, dead, server.port)
    assert get(client, "http://vendor.test").body == b"{}"
    assert attempts == [("127.0.0.1", dead), ("127.0.0.1", server.port)]
    assert get(client, "http://vendor.test").body == b"{}"
    assert attempts[2:] == [("127.0.0.1", server.port)]


def test_what_is_remembered_is_forgotten_when_the_name_leads_elsewhere(
    serve: Serve, client: HttpClient, name_has: Names, attempts: list[object]
) -> None:
    old, new = (serve(always(answer(200, body, "connection: close"))) for body in (b"old", b"new"))
    for server, body in ((old, b"old"), (new, b"new")):
        name_has(server.port)
        assert get(client, "http://vendor.test").body == body
    assert attempts == [("127.0.0.1", old.port), ("127.0.0.1", new.port)]


def test_a_refusal_costs_no_wait(serve: Serve, name_has: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(always(b""))
    waits: list[float] = []
    wait = dialing._Attempts.wait

    def noted(self: dialing._Attempts, seconds: float) -> tuple[Address, socket.socket] | None:
        waits.append(seconds)
        return wait(self, seconds)

    monkeypatch.setattr(dialing, "NEXT_ATTEMPT_S", 20.0)
    monkeypatch.setattr(dialing._Attempts, "wait", noted)
    with closed_port() as url:
        name_has(int(url.rpartition(":")[2]), server.port)
        Dialer(lambda: False).dial("vendor.test", 80, 60.0).close()
    assert len(waits) <= 2


def test_all_are_dead_until_the_timeout(make_client: MakeClient, name_has: Names, dead: int) -> None:
    name_has(dead)
    assert code_of(lambda: get(make_client(timeout=100), "http://vendor.test")) == "timeout"


def test_the_timeout_is_for_all_attempts_together(
    name_has: Names, dead: int, monkeypatch: pytest.MonkeyPatch, attempts: list[object]
) -> None:
    monkeypatch.setattr(dialing, "NEXT_ATTEMPT_S", 0.01)
    found = [(V4, socket.SOCK_STREAM, n, "", ("127.0.0.1", dead)) for n in (0, 6)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(TimeoutError):
        Dialer(lambda: False).dial("vendor.test", 80, 0.05)
    assert len(attempts) == 2


def test_a_cut_ends_the_attempts(name_has: Names, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "NEXT_ATTEMPT_S", 0.01)
    name_has(dead)
    answers = iter([False, False, False, True])
    with pytest.raises(TimeoutError):
        Dialer(lambda: next(answers)).dial("vendor.test", 80, 3600.0)
    assert next(answers, None) is None


def test_none_stands(client: HttpClient, name_has: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as url:
        name_has(int(url.rpartition(":")[2]))
        assert code_of(lambda: get(client, "http://vendor.test")) == "connect"
    name_has()
    assert code_of(lambda: get(client, "http://vendor.test")) == "connect"
    # A family that this machine does not have.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(99, socket.SOCK_STREAM, 6, "", ("?", 1))])
    with pytest.raises(OSError) as caught:
        Dialer(lambda: False).dial("vendor.test", 80, 1.0)
    assert caught.value.errno == errno.EAFNOSUPPORT


def test_families_take_turns() -> None:
    def addresses(*families: int) -> list[Address]:
        return [Address(family, 1, 6, (n,)) for n, family in enumerate(families)]

    def order(*families: int) -> list[object]:
        return [one.place[0] for one in interleaved(addresses(*families))]

    assert order(V6, V6, V6, V4, V4) == [0, 3, 1, 4, 2]
    assert order(V4, V4, V6) == [0, 2, 1]
    assert order(V4) == [0]
    assert order() == []
