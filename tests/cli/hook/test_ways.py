"""Where the hook brings things: the intake, else the spool, else an error in the log with the ids; never a raise, and
never a long wait."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from cli.hook import cdpoll_hook
from cli.hook.cdpoll_hook import Ways, hand_over
from tests.support.cdpoll_process import small_files
from tests.support.hooking import ONE, Handed, handed_to, link, spool_in, taken
from tests.support.loopback import (
    Asked,
    Certificate,
    Loopback,
    Peer,
    Script,
    always,
    answer,
    closed_port,
    full_listener,
    head,
)

LINK = {"link": link(ONE).partition(": ")[2]}
# What would hang for ever, or for as long as a test may take, is told from this with room to spare.
SOON_S = 10
BOUNDS_S = cdpoll_hook._INTAKE_S, cdpoll_hook._WAIT_S


@contextmanager
def soon() -> Iterator[None]:
    began = monotonic()
    yield
    assert monotonic() - began < SOON_S


def test_a_caller_waits_for_less_than_a_second_and_the_spool_has_a_part_of_it() -> None:
    assert 0.4 <= BOUNDS_S[0] < 0.6 < BOUNDS_S[1] < 1


def hang(asked: Asked, peer: Peer) -> None:
    peer.hold()


def drip(asked: Asked, peer: Peer) -> None:
    peer.drip(head(200, "x: " + "y" * 60_000))


@pytest.mark.parametrize("status", [200, 201, 422])
def test_what_the_intake_has_kept_is_not_left_in_the_spool(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with handed_to(always(answer(status, b'{"recorded": []}')), tmp_path) as handed:
        assert hand_over(LINK, ways=handed.ways)
    assert (len(handed.posts), handed.left) == (1, [])
    assert ("cannot read" in caplog.text) == (status == 422)


@pytest.mark.parametrize("script", [hang, drip], ids=["hangs", "drips"])
def test_an_intake_that_does_not_answer_is_cut_and_the_spool_has_it(
    tmp_path: Path, script: Script, waiting: pytest.MonkeyPatch
) -> None:
    waiting.setattr(cdpoll_hook, "_INTAKE_S", 0.2)
    with handed_to(script, tmp_path) as handed:
        with soon():
            assert hand_over(LINK, ways=handed.ways, ref="account 7")
            assert not wait([*cdpoll_hook._under_way], SOON_S).not_done
        handed.posts.clear()
        (left,) = handed.left
        assert left.endswith(b"}\n")
        assert [one.ref for one in handed.read().recordings] == ["account 7"]


@pytest.mark.parametrize("status", [307, 401, 413, 429, 500, 503])
def test_what_the_intake_refuses_goes_to_the_spool(tmp_path: Path, status: int) -> None:
    elsewhere = "location: http://127.0.0.1:1/v1/tasks"
    with handed_to(always(answer(status, b"", elsewhere)), tmp_path) as handed:
        assert hand_over(LINK, ways=handed.ways)
        assert (len(handed.posts), len(handed.left)) == (1, 1)  # not tried again, and no redirect is followed
        assert handed.ids() == {ONE}


def test_a_name_that_does_not_resolve_is_not_waited_for(tmp_path: Path, waiting: pytest.MonkeyPatch) -> None:
    spool, over = spool_in(tmp_path), threading.Event()
    waiting.setattr(cdpoll_hook, "_INTAKE_S", 0.2)
    waiting.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60) and [])
    with soon():
        assert hand_over(LINK, ways=Ways("http://localhost:1", spool=str(spool)))
    over.set()
    assert len(Handed("", spool).left) == 1


def test_no_intake_or_one_that_is_not_to_be_reached(tmp_path: Path, waiting: pytest.MonkeyPatch) -> None:
    waiting.setattr(cdpoll_hook, "_INTAKE_S", 0.2)
    spool = spool_in(tmp_path)
    with ExitStack() as stack, soon():
        closed, full = stack.enter_context(closed_port()), stack.enter_context(full_listener())
        for intake in (closed, f"http://127.0.0.1:{full}", f"unix:{tmp_path}/none.sock", ""):
            assert hand_over(LINK, ways=Ways(intake, spool=str(spool)))
    assert len(Handed("", spool).left) == 4


def test_the_file_is_for_the_group_of_the_folder_whatever_the_umask(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    before = os.umask(0o077)
    try:
        assert hand_over(LINK, ways=Ways("", spool=str(spool)))
    finally:
        os.umask(before)
    (left,) = spool.iterdir()
    assert left.stat().st_mode & 0o777 == 0o640


def test_a_spool_that_nothing_looks_at_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = spool_in(tmp_path)
    lane = spool / ".lane"
    lane.touch()
    hand_over(LINK, ways=Ways("", spool=str(spool)))
    assert caplog.text == ""
    os.utime(lane, (1, 1))
    assert hand_over(LINK, ways=Ways("", spool=str(spool)))
    assert "has not looked for a day" in caplog.text


@contextmanager
def missing(spool: Path) -> Iterator[None]:
    spool.rmdir()
    yield


@contextmanager
def full_disk(spool: Path) -> Iterator[None]:
    with small_files(10):
        yield


@pytest.mark.parametrize("trouble", [missing, full_disk])
def test_what_neither_takes_is_logged_with_its_ids_and_nothing_is_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: Callable[[Path], ExitStack]
) -> None:
    spool = spool_in(tmp_path)
    with closed_port() as closed, trouble(spool):
        assert not hand_over(LINK, ways=Ways(closed, spool=str(spool)), ref="PATIENT")
    (error,) = caplog.records
    assert error.levelname == "ERROR"
    assert ONE in error.getMessage()
    assert "Connection refused" in error.getMessage()
    assert "PATIENT" not in error.getMessage()
    assert not spool.exists() or [*spool.iterdir()] == []


def test_a_disk_that_hangs_is_not_waited_for(
    tmp_path: Path, waiting: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool, over = spool_in(tmp_path), threading.Event()
    waiting.setattr(os, "fsync", lambda fd: over.wait(60))
    waiting.setattr(cdpoll_hook, "_MOST_THREADS", 1)
    waiting.setattr(cdpoll_hook, "_WAIT_S", 0.2)
    with soon():
        assert not hand_over(LINK, ways=Ways("", spool=str(spool)))
        assert not hand_over(LINK, ways=Ways("", spool=str(spool)))
        cdpoll_hook._at_exit()
    assert [one.getMessage() for one in caplog.records] == [
        f"a response is not handed over (too many threads hang); its ids: {ONE}",
        "the program ends before 1 responses are handed over",
    ]
    (still,) = cdpoll_hook._under_way
    child = os.fork()
    if child == 0:
        os._exit(len(cdpoll_hook._under_way))  # no thread comes along into a fork
    assert os.waitpid(child, 0)[1] == 0
    over.set()  # it goes on by itself
    assert still.result(60) is True
    assert len(Handed("", spool).left) == 1


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with handed_to(taken, tmp_path) as handed:
        assert hand_over(LINK, ways=handed.ways)
        assert len(handed.posts) == 1


def test_a_token_and_tls_for_an_intake_on_another_host(tmp_path: Path, certificate: Certificate) -> None:
    spool = spool_in(tmp_path)
    with Loopback(taken, tls=certificate.server()) as server:
        known = Ways(server.url, token="let-me", ca_file=str(certificate.cert), spool="")
        assert hand_over(LINK, ways=known)
        assert server.asked[0].header("authorization") == "Bearer let-me"
        assert server.asked[0].target == "/v1/tasks"
        assert hand_over(LINK, ways=Ways(server.url, spool=str(spool)))  # not known to be the intake
        assert len(server.asked) == 1
    assert len(Handed("", spool).left) == 1


@pytest.mark.parametrize(
    "intake", ["http://intake.example/v1/tasks", "127.0.0.1:9271", "ftp://localhost", "http://127.evil"]
)
def test_an_address_that_would_show_the_token_is_refused_at_the_start(intake: str) -> None:
    with pytest.raises(ValueError, match="intake: write"):
        Ways(intake)


def test_many_threads_and_a_fork_lose_nothing(tmp_path: Path) -> None:
    with handed_to(taken, tmp_path) as handed:
        with ThreadPoolExecutor(20) as pool:
            done = [*pool.map(lambda n: hand_over({"link": link(f"task{n:05}")[6:]}, ways=handed.ways), range(300))]
            child = os.fork()
            if child == 0:
                os._exit(not hand_over({"link": link("child")[6:]}, ways=handed.ways))
            assert os.waitpid(child, 0)[1] == 0
        assert all(done)
        assert handed.ids() == {f"task{n:05}" for n in range(300)} | {"child"}
