"""What serves: names that are refused, methods, headers, health, stalled connections, and the socket handed over."""

import json
import socket
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from gunicorn.arbiter import Arbiter

from sandbox.server import Sandbox
from tests.support.cdpoll_process import DEADLINE, House, until
from tests.support.kept_log import KeptLog
from tests.support.served import served
from worker.config import Config, load
from worker.web import serve
from worker.web.app import HEADERS
from worker.web.gunicorn_log import GunicornLog


@pytest.fixture
def known(house: House) -> House:
    house.record("a")
    return house


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9271", 200),
        ("127.0.0.1:1", 200),
        ("127.8.9.1", 200),
        ("[::1]:9271", 200),
        ("status.example.com", 200),
        ("evil.example.com", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("localhost.evil.example.com", 421),
        ("10.0.0.1", 421),
        ("localhost:80@evil.example.com", 421),
        ("", 421),
    ],
)
def test_only_under_names_of_this_machine(known: House, host: str, status: int) -> None:
    from worker.clock import Clock
    from worker.config import load
    from worker.log import make_log
    from worker.web.intake.serving import app_of

    config = load(str(known.config), {"CDPOLL_LOCAL_HOSTS": "status.example.com"})
    app = app_of(config, None, Clock().now, make_log("json", "info", Clock()))
    for path in ("/healthz", "/metrics", "/", "/tasks/a"):
        assert app.test_client().get(path, headers={"Host": host}).status_code == status


def test_every_answer_has_the_headers_and_nothing_can_be_written(known: House) -> None:
    with served(known) as web:
        for path, status in (("/healthz", 200), ("/metrics", 200), ("/readyz", 503), ("/nothing", 404)):
            got = web.get(path)
            assert got.status == status
            assert {name: got.headers[name.lower()] for name in HEADERS if "Policy" not in name} == {
                name: text for name, text in HEADERS.items() if "Policy" not in name
            }
            assert "default-src 'none'" in got.headers["content-security-policy"]
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert web.get("/healthz", method).status in (405, 501), method
        assert web.get("/healthz", "HEAD").text == ""
        assert web.get("/healthz", Host="evil.example").status == 421


def test_ready_is_who_polls(known: House) -> None:
    with served(known) as web:
        assert web.get("/readyz").text == "no daemon is polling\n"
        with known.start() as daemon:
            daemon.ready()
            until(lambda: web.get("/readyz").status == 200, "ready", daemon.process)
            assert web.get("/healthz").text == "ok\n"
            assert daemon.stopped() == 0
        got = web.get("/readyz")
        assert (got.status, got.text) == (503, "no daemon is polling\n")
        known.database.rename(known.folder / "away")
        got = web.get("/readyz")
        assert got.status == 503
        assert got.text.startswith("the database cannot be read: ")


def test_refused_credentials_are_a_reason_not_to_be_ready(tmp_path: Path, sandbox: Sandbox) -> None:
    house = House(tmp_path, sandbox)
    (house.folder / "secret").write_text("wrong")
    house.record("a")
    with house.start() as daemon, served(house) as web:
        daemon.ready()
        until(lambda: "the vendor refuses the credentials\n" in web.get("/readyz").text, "paused", daemon.process)
        assert web.get("/readyz").status == 503


def test_where_no_daemon_is_expected_its_absence_is_no_reason(known: House) -> None:
    known.write(store_runs="once")
    with served(known) as web:
        assert web.get("/readyz").text == "ready\n"


STALLING = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def test_connections_that_stall_delay_no_others(known: House) -> None:
    with served(known) as web, ExitStack() as opened:
        connect = partial(socket.create_connection, ("127.0.0.1", web.port))
        stalled = [opened.enter_context(connect()) for _ in range(64)]
        for one in stalled[::2]:  # the others send nothing
            one.sendall(STALLING)
        assert web.get("/healthz").status == 200
        for one in stalled:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):  # it was answered while all of them still stalled
                one.recv(1)


def test_a_connection_that_stalls_is_shut(known: House) -> None:
    with served(known, deadline_s=0.2) as web:
        with closing(socket.create_connection(("127.0.0.1", web.port), timeout=DEADLINE)) as stalled:
            stalled.sendall(STALLING)
            assert b"200 OK" not in stalled.recv(65536)
        assert web.get("/healthz").status == 200


def test_what_is_no_request_is_not_quoted_in_the_log(known: House) -> None:
    with served(known) as web:
        for text in (
            b"\x0bMSH|^~\\&|ADT\rPID|||4711||DOE^JANE\r\x1c\r",
            b"DOE,JANE / HTTP/1.1",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nDOE(JANE: 1",
        ):
            with closing(socket.create_connection(("127.0.0.1", web.port))) as connection:
                connection.sendall(text + b"\r\n\r\n")
                assert connection.recv(65536).startswith(b"HTTP/1.1 400")
        assert web.stopped() == 0
        log = web.log.read_text()
    assert "Invalid request from ip=127.0.0.1" in log
    assert "DOE" not in log


def test_a_reload_brings_the_new_configuration_and_a_wrong_one_changes_nothing(
    known: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gunicorn's main process does at a reload, and the next worker process."""
    log = KeptLog()
    monkeypatch.setattr(GunicornLog, "log", log, raising=False)
    served: list[tuple[str, ...] | None] = []

    def read() -> Config:
        return load(str(known.config), {})

    def make(config: Config) -> Flask:
        served.append(config.local.hosts)
        return Flask("made")

    server = serve.Server(read(), read, make, lambda _: serve.Served("local", ""), {"logger_class": GunicornLog})
    arbiter = Arbiter(server)
    for text in (f"{known.config.read_text()}[local]\nhosts = new.example\n", "[nonsense\n"):
        known.config.write_text(text)
        server.reload()
        arbiter.setup(server)
        server.load()
    assert served == [("new.example",)] * 2
    ((event, about),) = log.lines
    assert event == "reload refused; the configuration in force stays"
    assert "not a section line" in str(about["mistake"])


def test_a_mistake_beside_the_database_does_not_end_the_page(known: House) -> None:
    known.write(polling_requests_per_second="many")
    with served(known) as web:
        assert "no daemon is polling" in web.get("/").text
        assert web.stopped() == 0
    assert "the configuration has a mistake beside [store]" in web.log.read_text()


def test_two_messages_in_one_are_no_second_request(known: House) -> None:
    request = (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    with served(known) as web, closing(socket.create_connection(("127.0.0.1", web.port))) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert b"cdpoll_" not in answer
    assert answer.startswith(b"HTTP/1.1 400")


def test_where_the_address_is_taken_that_is_said(known: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = known.cdpoll("serve", "local", check=75, CDPOLL_LOCAL_LISTEN=f"127.0.0.1:{port}")
    assert f"[local] listen: 127.0.0.1:{port}: address already in use" in ended.err


def test_it_listens_by_itself_too_and_ends_with_its_log_in_lines(known: House) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with served(known, CDPOLL_LOCAL_LISTEN=f"127.0.0.1:{port}") as web:
        until(lambda: web.get("/healthz").status == 200, "served", web.process)
        assert web.stopped() == 0
        lines = [json.loads(line) for line in web.log.read_text().splitlines()]
    assert {line["event"] for line in lines} == {"web server"}
    assert not (known.folder / ".gunicorn").exists()
