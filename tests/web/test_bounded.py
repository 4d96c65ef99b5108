"""Clients that are slow, silent, or do not go: none holds up another, each is cut in time. Bodies up to their limit."""

import socket
from concurrent.futures import Future
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from gunicorn.workers.gthread import _DEFER, TConn

from tests.support.cdpoll_process import DEADLINE, until
from tests.support.served_app import MOST_BYTES, served_app
from worker.web import bounded
from worker.web.bounded import BoundedWorker
from worker.web.serve import Served

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HEAD = b"POST /take HTTP/1.1\r\nHost: localhost\r\n"
BODY = HEAD + b"Content-Length: 500\r\n\r\nabc"
CHUNK = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"


def test_sixty_four_that_stall_hold_up_no_other(tmp_path: Path) -> None:
    with served_app(tmp_path) as served, ExitStack() as opened:
        stalled = [opened.enter_context(closing(served.connect())) for _ in range(64)]
        for n, one in enumerate(stalled):
            one.sendall((b"", b"P", HEAD, BODY, CHUNK)[n % 5])
        assert b"200 OK" in served.ask(HEALTH)
        for one in stalled:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):  # it was answered while all of them still stalled
                one.recv(1)


def test_who_has_its_answer_and_does_not_go_holds_up_no_other(tmp_path: Path) -> None:
    """gunicorn's loop would wait 2 s for each of them, more than what the last is given."""
    with served_app(tmp_path) as served, ExitStack() as opened:
        for n in range(64):
            staying = opened.enter_context(closing(served.connect()))
            staying.sendall((HEALTH, b"nonsense\r\n\r\n")[n % 2])
        assert b"200 OK" in served.ask(HEALTH)


def test_those_that_go_on_too_slowly_are_cut(tmp_path: Path) -> None:
    with served_app(tmp_path, Served("local", "", head_s=0.2, deadline_s=0.2)) as served, ExitStack() as opened:
        slow = [opened.enter_context(closing(served.connect())) for _ in range(4)]
        for one, begun in zip(slow, (b"P", HEAD, BODY, CHUNK), strict=True):
            one.sendall(begun)
        for one in slow:
            answer = one.recv(65536)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        assert b"200 OK" in served.ask(HEALTH)
        assert '"level": "error"' not in served.said()


def test_a_connection_that_has_said_nothing_when_the_process_ends_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn would shut it where its thread gives it back to the loop in that moment. A reload is such an end."""
    worker = object.__new__(BoundedWorker)
    worker.alive = False
    again: list[object] = []
    monkeypatch.setattr(worker, "enqueue_req", again.append, raising=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conn = TConn(None, ours, "", "")
        given_back: Future[object] = Future()
        given_back.set_result(_DEFER)
        worker.finish_request(conn, given_back)
        assert again == [conn]
        conn.data_ready = False
        monkeypatch.setattr(bounded, "SILENT_S", 0.05)
        assert worker.handle(conn) is False


def test_a_body_up_to_the_limit_is_taken_and_of_a_longer_one_the_refusal_is_seen(tmp_path: Path) -> None:
    with served_app(tmp_path) as served:
        for size, status in ((MOST_BYTES, 200), (MOST_BYTES + 500_000, 413), (MOST_BYTES + 10_000_000, 413)):
            for chunked in (False, True):
                with closing(HTTPConnection("127.0.0.1", served.port, timeout=DEADLINE)) as connection:
                    body = (bytes(500_000) for _ in range(size // 500_000)) if chunked else bytes(size)
                    connection.request("POST", "/take", body, encode_chunked=chunked)
                    assert connection.getresponse().status == status, (size, chunked)


def test_several_processes_serve_one_address(tmp_path: Path) -> None:
    with served_app(tmp_path, Served("local", "", workers=2)) as served:
        assert b"200 OK" in served.ask(HEALTH)
        until(lambda: served.said().count("Booting worker") == 2, "the second process", served.process)
