"""The real `cdpoll serve local`: ids come in through the port and the socket, also while it is killed."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.authority import Authority
from tests.support.cdpoll_process import DEADLINE, House, until
from tests.support.intake_world import A, B, link
from tests.support.served import Served, handed, killed, served
from worker.web.intake.serving import HEAD_BYTES

TOKEN = "the-token-of-the-intake"


class UnixConnection(http.client.HTTPConnection):
    """HTTP by a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("any", timeout=DEADLINE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(str(self._path))


def told(connection: http.client.HTTPConnection, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
    """Status and JSON of the answer to one POST."""
    data = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    with closing(connection):
        connection.request("POST", "/v1/tasks", data, headers | kind)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def port(web: Served) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", web.port, timeout=DEADLINE)


def raw(web: Served, question: bytes) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", web.port), timeout=DEADLINE)) as connection:
        connection.sendall(question)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.record("known")
    return found


def test_the_port_and_the_socket_take_ids(house: House) -> None:
    place = house.folder / "s"
    with served(house, CDPOLL_LOCAL_SOCKET=str(place)) as web:
        assert told(port(web), {"X-Cdpoll-Ref": "R"}, {"link": link(A)})[1]["recorded"] == [A]
        assert told(UnixConnection(place), {"Link": link(B), "X-Cdpoll-Ref": "R"})[1]["recorded"] == [B]
        connection = UnixConnection(place)
        connection.request("GET", "/")
        assert connection.getresponse().status == 404
        connection.close()
        assert web.stopped() == 0
    assert house.rows("SELECT id, ref FROM tasks JOIN refs ON task = seq ORDER BY seq") == [(A, "R"), (B, "R")]


@pytest.mark.parametrize("own", ["me", b"\0me", b"\0\xff"])
def test_a_client_that_names_its_end_of_the_socket_is_told_no_more(house: House, own: str | bytes) -> None:
    place = house.folder / "s"
    name = str(house.folder / own) if isinstance(own, str) else own + os.urandom(8).hex().encode()
    with served(house, CDPOLL_LOCAL_SOCKET=str(place)) as web:
        until(place.exists, "a socket", web.process)
        for path, status in (("/", 404), ("/tasks/known", 404), ("/metrics", 404), ("/healthz", 200)):
            with closing(socket.socket(socket.AF_UNIX)) as connection:
                connection.settimeout(DEADLINE)
                connection.bind(name)
                connection.connect(str(place))
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert connection.recv(13) == f"HTTP/1.1 {status} ".encode()
            Path(house.folder / "me").unlink(missing_ok=True)


def test_several_headers_of_one_name_are_all_read_and_two_refs_refused(house: House) -> None:
    begin = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n"
    links = b"".join(b"Link: %s\r\n" % link(one).encode() for one in (A, B))
    with served(house) as web:
        assert b" 201 " in raw(web, begin + links + b"\r\n").partition(b"\r\n")[0]
        refused = raw(web, begin + b"Link: </coverage-discovery/c>\r\nX-Cdpoll-Ref: a\r\nX-Cdpoll-Ref: b\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 400 ")
    assert house.rows("SELECT id FROM tasks ORDER BY seq") == [("known",), (A,), (B,)]


def test_what_is_too_large_or_has_no_end(house: House) -> None:
    begin = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n"
    with served(house, deadline_s=1.0) as web:
        long_link = ", ".join(link(f"{n:08x}-87ee-11ee-b9d1-0242ac120002") for n in range(HEAD_BYTES // 130))
        assert len(told(port(web), {"Link": long_link})[1]["recorded"]) > 200
        assert raw(web, begin + b"Link: " + b"x" * 1_000_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
        kind = b"Content-Type: application/json\r\n"
        too_long = raw(web, begin + kind + b"Content-Length: 5000000\r\n\r\n" + b" " * 5_000_000)
        assert b" 413 " in too_long.partition(b"\r\n")[0]
        endless = begin + kind + b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        assert b" 200 " not in raw(web, endless)  # it is shut when its time is over
        chunks = begin + b"Connection: close\r\n" + kind + b"Transfer-Encoding: chunked\r\n\r\n"
        text = json.dumps({"id": A}).encode()
        whole = raw(web, chunks + b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))
        assert b" 201 " in whole.partition(b"\r\n")[0]
        assert b" 400 " in raw(web, chunks + b"zz\r\n").partition(b"\r\n")[0]


def test_each_accepted_id_is_there_once_with_its_ref_through_kills(house: House) -> None:
    ids = {f"{n:08x}-87ee-11ee-b9d1-0242ac120002": f"REF-{n}" for n in range(240)}
    todo, lock, accepted = list(ids), threading.Lock(), list[str]()

    def work() -> None:
        while True:
            with lock:
                if not todo:
                    return
                one = todo.pop()
            while True:
                try:
                    status, _ = told(
                        http.client.HTTPConnection("127.0.0.1", address[1], timeout=DEADLINE),
                        {"Link": link(one), "X-Cdpoll-Ref": ids[one]},
                    )
                except (OSError, http.client.HTTPException, ValueError):
                    continue
                if status in (200, 201):
                    accepted.append(one)
                    break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        log = house.folder / "served.log"
        process = handed(listener, house.line("serve", "local"), house.environment(), log)
        try:
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for part in (1, 2):
                until(lambda part=part: len(accepted) >= part * len(ids) // 3, "a third more", process)  # type: ignore[misc]
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(DEADLINE)
                process = handed(listener, house.line("serve", "local"), house.environment(), log)
            for thread in threads:
                thread.join(DEADLINE)
        finally:
            killed(process)
    rows = house.rows("SELECT id, ref FROM tasks JOIN refs ON task = seq")
    assert sorted(accepted) == sorted(ids)
    assert sorted(rows) == sorted(ids.items())


def test_a_reload_brings_another_token_and_none_that_cannot_be_read(house: House) -> None:
    secret = house.folder / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with served(house, CDPOLL_LOCAL_TOKEN=f"{{file {secret}}}") as web:

        def reload() -> None:
            said = web.log.read_text().count
            before = said("Booting worker")
            web.process.send_signal(signal.SIGHUP)
            until(lambda: web.log.read_text().count("Booting worker") > before, "a new process", web.process)

        def status(token: str) -> int:
            return told(port(web), {"Authorization": f"Bearer {token}"}, {"id": A})[0]

        until(lambda: status(TOKEN) == 201, "taken", web.process)
        assert status("another") == 401
        secret.write_text("another")
        reload()
        until(lambda: status("another") == 200, "the new token", web.process)
        secret.unlink()
        reload()
        assert status("another") == 200
        assert "reload refused; the configuration in force stays" in web.log.read_text()


_UNBLOCKED = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_UNBLOCK, {1}); os.execv(sys.argv[1], sys.argv[1:])"
)


def test_a_reload_does_not_open_to_others_what_it_listens_on(house: House) -> None:
    with socket.create_server(("0.0.0.0", 0)) as free:
        number = free.getsockname()[1]
    authority = Authority(house.folder)
    made = authority.certificate("one")
    house.write(
        local_listen=f"0.0.0.0:{number}",
        local_token=TOKEN,
        local_tls_certificate=str(made.cert),
        local_tls_key=str(made.key),
    )
    log = house.folder / "served.log"
    line = [sys.executable, "-c", _UNBLOCKED, *house.line("serve", "local")]
    with log.open("wb") as errors:
        process = subprocess.Popen(line, stderr=errors, env=house.environment(), start_new_session=True)
    try:
        until(lambda: "Booting worker" in log.read_text(), "a worker", process)
        house.write(local_listen=f"127.0.0.1:{number}", local_token="", local_tls_certificate="", local_tls_key="")
        process.send_signal(signal.SIGHUP)
        until(lambda: log.read_text().count("Booting worker") > 1, "another worker", process)
        assert "until its restart it listens on 0.0.0.0, which is not" in log.read_text()
        secure = http.client.HTTPSConnection(
            "127.0.0.1", number, timeout=DEADLINE, context=ssl.create_default_context(cafile=authority.file)
        )
        assert told(secure, {}, {"id": A})[0] == 401
    finally:
        killed(process)


def test_it_does_not_begin_with_a_mistake_about_who_may_ask(house: House, tmp_path: Path) -> None:
    ended = house.cdpoll("serve", "local", check=78, CDPOLL_LOCAL_TOKEN="{file /nowhere}")
    assert "[local] token" in ended.err
    ended = house.cdpoll("serve", "local", check=78, CDPOLL_LOCAL_HOSTS="a b/c")
    assert "it says who may hand ids in, so nothing is served" in ended.err
    ended = house.cdpoll("serve", "local", check=78, CDPOLL_LOCAL_LISTEN="0.0.0.0:9")
    assert "token and tls_certificate and tls_key are missing" in ended.err


def test_a_socket_that_is_handed_over_and_open_to_others_needs_token_and_tls(house: House) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        log = house.folder / "served.log"
        process = handed(listener, house.line("serve", "local"), house.environment(), log)
        try:
            assert process.wait(DEADLINE) == 78
        finally:
            killed(process)
    assert "which is not of this machine alone, and [local] token and tls_certificate are missing" in log.read_text()


def test_the_port_speaks_tls_and_the_socket_does_not(house: House) -> None:
    authority = Authority(house.folder)
    made, place = authority.certificate("one"), house.folder / "s"
    house.write(local_tls_certificate=str(made.cert), local_tls_key=str(made.key), local_socket=str(place))
    with served(house) as web:
        until(lambda: place.exists(), "a socket", web.process)
        assert told(UnixConnection(place), {}, {"id": A})[0] == 201
        secure = http.client.HTTPSConnection(
            "127.0.0.1", web.port, timeout=DEADLINE, context=ssl.create_default_context(cafile=authority.file)
        )
        assert told(secure, {}, {"id": A})[0] == 200
