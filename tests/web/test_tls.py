"""A server with a certificate: what it speaks, which pairs it takes, and what a renewal does to it."""

import shutil
import socket
import ssl
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.cdpoll_process import DEADLINE, until
from tests.support.served_app import ServedApp, served_app
from worker.core.errors import TryLater
from worker.web import probe
from worker.web.serve import Served
from worker.web.tls import Pair, context_of

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.file)


def pair_of(authority: Authority, name: str) -> Pair:
    made = authority.certificate(name)
    return Pair(made.cert, made.key)


def shown(served: ServedApp, authority: Authority) -> str:
    """The name in the certificate that it shows."""
    with closing(served.connect(trusting(authority))) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        told = connection.getpeercert()
    assert told is not None
    return str(told["subject"])


def test_it_answers_by_tls_alone_and_says_so_to_the_app(tmp_path: Path, authority: Authority) -> None:
    with served_app(tmp_path, Served("local", "", pair_of(authority, "one"))) as served:
        with closing(served.connect(trusting(authority))) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            assert connection.version() == "TLSv1.3"
        take = b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        assert served.ask(take, trusting(authority)).endswith(b"3 bytes by https for None\n")
        assert b"200" not in served.ask(HEALTH)
        older: list[str | Path] = ["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect"]
        done = subprocess.run(
            [*older, f"127.0.0.1:{served.port}"], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert "alert protocol version" in done.stderr
        assert served.process.poll() is None


def test_a_renewed_pair_counts_after_a_reload_and_half_of_one_does_not(tmp_path: Path, authority: Authority) -> None:
    kept = Pair(tmp_path / "kept.pem", tmp_path / "kept-key.pem")
    one, two = pair_of(authority, "one"), pair_of(authority, "two")
    shutil.copy(one.certificate, kept.certificate)
    shutil.copy(one.key, kept.key)
    with served_app(tmp_path, Served("local", "", kept)) as served:
        assert "one" in shown(served, authority)
        shutil.copy(two.certificate, kept.certificate)  # and the key not yet
        served.reload()
        assert "one" in shown(served, authority)
        assert f"{kept.key} is not the key of {kept.certificate}" in served.said()
        kept.certificate.unlink()
        served.reload()
        assert "one" in shown(served, authority)
        assert f"{kept.certificate}: no such file or directory" in served.said()
        shutil.copy(two.certificate, kept.certificate)
        shutil.copy(two.key, kept.key)
        served.reload()
        until(lambda: "two" in shown(served, authority), "the new certificate", served.process)
        assert "Traceback" not in served.said()


def test_a_reload_keeps_what_is_under_way(tmp_path: Path, authority: Authority) -> None:
    with (
        served_app(tmp_path, Served("local", "", pair_of(authority, "one"))) as served,
        closing(served.connect(trusting(authority))) as connection,
    ):
        connection.sendall(b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
        assert "one" in shown(served, authority)  # the thread of the first is at work
        served.say(Served("local", "", pair_of(authority, "two")))
        served.reload()
        until(lambda: "two" in shown(served, authority), "the new certificate", served.process)
        connection.sendall(b"def")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_worker_process_that_is_killed_comes_back_with_the_pair_in_force(
    tmp_path: Path, authority: Authority
) -> None:
    pair = pair_of(authority, "one")
    with served_app(tmp_path, Served("local", "", pair)) as served:
        pair.certificate.write_text("half")
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        subprocess.run(["kill", "-KILL", *children], check=True)
        until(lambda: served.said().count("Booting worker") == 2, "a second worker process", served.process)
        assert "one" in shown(served, authority)


def test_what_cannot_be_used_at_the_start_is_told_in_one_line(tmp_path: Path, authority: Authority) -> None:
    one, two = pair_of(authority, "one"), pair_of(authority, "two")
    bare = tmp_path / "empty.pem"
    bare.write_text("")
    locked = tmp_path / "locked.pem"
    lock: list[str | Path] = ["openssl", "pkey", "-in", one.key, "-aes128", "-passout", "pass:word", "-out", locked]
    subprocess.run(lock, check=True)
    for pair, told in (
        (Pair(one.certificate, two.key), f"{two.key} is not the key of {one.certificate}"),
        (Pair(one.certificate, locked), f"{locked} has a passphrase"),
        (Pair(one.certificate, bare), "cannot be used as certificate and key"),
        (Pair(one.key, one.key), "cannot be used as certificate and key"),
        (Pair(tmp_path, one.key), f"{tmp_path}: is a directory"),
    ):
        with pytest.raises(TryLater) as raised:
            context_of(pair)
        assert told in raised.value.message
        assert "PRIVATE" not in raised.value.message


def test_the_probe_of_the_watchdog_asks_through_tls(tmp_path: Path, authority: Authority) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as heard:
        heard.bind(f"\0cdpoll-test-{tmp_path.name}-{id(heard)}")
        heard.settimeout(DEADLINE)
        address = heard.getsockname().decode().replace("\0", "@")
        how = Served("local", "", pair_of(authority, "one"))
        with served_app(tmp_path, how, NOTIFY_SOCKET=address, WATCHDOG_USEC="300000") as served:
            while heard.recv(65536) != b"WATCHDOG=1":
                pass
            assert probe.answers(socket.AF_INET, ("127.0.0.1", served.port), tls=True)
            assert not probe.answers(socket.AF_INET, ("127.0.0.1", served.port))


def test_half_a_handshake_holds_up_no_others_and_is_shut(tmp_path: Path, authority: Authority) -> None:
    pair = pair_of(authority, "one")
    with ExitStack() as opened:
        served = opened.enter_context(served_app(tmp_path, Served("local", "", pair, head_s=2)))
        stalled = [opened.enter_context(closing(served.connect())) for _ in range(64)]
        for one in stalled:
            one.sendall(b"\x16\x03\x01\x02\x00\x01")  # the first bytes of a handshake
        assert b"200 OK" in served.ask(HEALTH, trusting(authority))
        for one in stalled:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):  # it was answered while all of them still stalled
                one.recv(1)
        stalled[0].settimeout(DEADLINE)
        assert stalled[0].recv(65536) == b""
