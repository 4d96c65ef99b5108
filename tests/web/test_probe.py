"""The watchdog of what gunicorn serves is fed while that answers, and by nothing else."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.support.cdpoll_process import DEADLINE, House
from tests.support.loopback import Asked, Peer, Serve, always, answer, closed_port
from tests.support.served import served
from worker.gateways.systemd import Notify
from worker.web import probe


def asked(url: str) -> bool:
    parts = urlsplit(url)
    return probe.answers(socket.AF_INET, (parts.hostname, parts.port))


def holds(_: Asked, peer: Peer) -> bytes:
    peer.hold()


def test_only_a_good_answer_counts(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ANSWER_S", 0.1)
    good = serve(always(answer(200, b"ok\n")))
    assert asked(good.url)
    assert (good.asked[0].target, good.asked[0].header("host")) == ("/healthz", "localhost")
    assert not asked(serve(always(answer(500))).url)
    assert not asked(serve(always(b"nonsense\r\n\r\n")).url)
    assert not asked(serve(holds).url)
    with closed_port() as url:
        assert not asked(url)


def test_a_server_that_does_not_answer_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@cdpoll-test-silent")
    said = iter([True, False, False, True])
    monkeypatch.setattr(probe, "answers", lambda *_: next(said))
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as heard,
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        closing(Notify()) as notify,
    ):
        heard.bind("\0cdpoll-test-silent")
        heard.settimeout(DEADLINE)
        asking = probe.Probe(listener, notify)
        for _ in range(4):
            asking.ask()
        got = [heard.recv(65536).decode() for _ in range(4)]
        assert [one.partition(",")[0] for one in got] == [
            "WATCHDOG=1",
            "STATUS=It does not answer to itself",
            "WATCHDOG=1",
            "STATUS=It answers",
        ]
        heard.setblocking(False)
        with pytest.raises(BlockingIOError):
            heard.recv(1)


def test_the_server_feeds_the_watchdog_of_its_unit(house: House) -> None:
    house.record("a")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as heard:
        heard.bind("\0cdpoll-test-probe")
        heard.settimeout(DEADLINE)
        with served(house, NOTIFY_SOCKET="@cdpoll-test-probe", WATCHDOG_USEC="300000") as web:
            while heard.recv(65536) != b"WATCHDOG=1":
                pass
            assert web.stopped() == 0
