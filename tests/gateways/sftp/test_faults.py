"""What a network and a server can do to a download: it always ends in time, with the whole file or none.

The clock is moved by hand, so that deadlines pass when the test says so and not when the machine is slow.
"""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cdpoll_process import DEADLINE
from tests.support.faulty_proxy import Direction, Fault, FaultyProxy
from tests.support.frozen_clock import FrozenClock
from tests.support.sshd import Sshd, sshd
from worker.clock import Clock
from worker.gateways.sftp.drop import STEP_MS, DropSettings, Fetched, Server, SftpFailed, connect
from worker.gateways.sftp.guard import Guard

CONTENT = bytes(range(251)) * 1600  # 400 KB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        running.put("a.x12", CONTENT)
        yield running


@pytest.fixture(scope="module")
def traffic(server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> dict[Direction, int]:
    """How many bytes a whole visit takes in each direction."""
    with FaultyProxy(server.port) as proxy:
        visit(server, proxy, Clock(), tmp_path_factory.mktemp("clean"))
        return {"up": proxy.passed["up"], "down": proxy.passed["down"]}


def visit(server: Sshd, proxy: FaultyProxy, clock: Clock, to: Path) -> Fetched:
    with connect(server.settings(port=proxy.port), clock, threading.Event()) as drop:
        (remote,) = drop.list()
        return drop.fetch(remote, to)


def ends(future: "Future[Fetched]", clock: FrozenClock) -> Fetched | SftpFailed:
    """Move the clock until it is over; each turn leaves the threads some time of the machine to see it."""
    for _ in range(int(DEADLINE / 0.05)):
        if future.done():
            break
        clock.advance(STEP_MS)
        with contextlib.suppress(TimeoutError):
            future.exception(timeout=0.05)
    error = future.exception(timeout=0)
    if error is None:
        return future.result()
    assert isinstance(error, SftpFailed), repr(error)
    return error


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


HOLES: list[tuple[Direction, int]] = [(direction, part) for direction in ("up", "down") for part in range(17)]


def hole(server: Sshd, direction: Direction, offset: int, to: Path) -> None:
    clock = FrozenClock(held=True)
    with ThreadPoolExecutor(1) as pool, FaultyProxy(server.port, "hole", direction, offset) as proxy:
        future = pool.submit(visit, server, proxy, clock, to)
        while not future.done() and not proxy.hit.wait(0.01):
            pass
        result = ends(future, clock)
    if isinstance(result, Fetched):
        # The hole came after the last byte of the file: it was whole, and durable.
        assert left_in(to) == [SHA]
    else:
        assert result.code == "timeout", (direction, offset, result.message)
        assert result.hint
        assert left_in(to) in ([], [SHA])


def test_no_black_hole_outlives_its_deadline(server: Sshd, traffic: dict[Direction, int], tmp_path: Path) -> None:
    before = threading.active_count()
    offsets = [(direction, traffic[direction] * part // 17) for direction, part in HOLES]
    assert len(set(offsets)) == 34
    with ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(hole, server, direction, offset, tmp_path / f"{direction}-{offset}")
            for direction, offset in offsets
        ]
        for future in futures:
            future.result()
    assert threading.active_count() <= before
    # A hole before the end of the file never leaves anything of it.
    early = [f"{direction}-{offset}" for direction, offset in offsets if offset < traffic[direction] * 3 // 4]
    assert [left_in(tmp_path / name) for name in early if name.startswith("down")] == [[]] * 13


@pytest.mark.parametrize("fault", ["reset", "cut"])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_that_ends_anywhere_is_said_to_be_cut(
    server: Sshd, traffic: dict[Direction, int], tmp_path: Path, fault: Fault, direction: Direction
) -> None:
    for part in range(8):
        to = tmp_path / str(part)
        offset = traffic[direction] * part // 8
        with FaultyProxy(server.port, fault, direction, offset) as proxy, pytest.raises(SftpFailed) as caught:
            visit(server, proxy, Clock(), to)
        assert caught.value.code == "cut", (part, caught.value.message)
        assert left_in(to) == []


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_bytes_that_come_in_small_pieces(server: Sshd, tmp_path: Path, piece: int) -> None:
    server.put("small.txt", CONTENT[: 3000 * piece])
    with FaultyProxy(server.port, piece=piece) as proxy:
        settings = server.settings("small.txt", port=proxy.port)
        with connect(settings, Clock(), threading.Event()) as drop:
            (remote,) = drop.list()
            assert drop.fetch(remote, tmp_path).path.read_bytes() == CONTENT[: 3000 * piece]


@pytest.mark.parametrize("where", ["greeting", "handshake", "file"])
def test_a_drip_does_not_outlive_the_deadline_of_its_step(
    server: Sshd, traffic: dict[Direction, int], tmp_path: Path, where: str
) -> None:
    clock = FrozenClock(held=True)
    offset = {"greeting": 0, "handshake": 1500, "file": traffic["down"] // 2}[where]
    with ThreadPoolExecutor(1) as pool, FaultyProxy(server.port, "drip", "down", offset) as proxy:
        future = pool.submit(visit, server, proxy, clock, tmp_path)
        assert proxy.hit.wait(20)
        # A byte comes every second of the clock: never silent, and never done.
        for _ in range(int(DEADLINE / 0.01)):
            if future.done():
                break
            proxy.let_through(1)
            clock.advance(1000)
            with contextlib.suppress(TimeoutError):
                future.exception(timeout=0.01)
        assert future.done()
        error = future.exception()
    assert isinstance(error, SftpFailed)
    assert error.code == "timeout"


def test_a_slow_download_is_not_cut_while_it_moves(server: Sshd, traffic: dict[Direction, int], tmp_path: Path) -> None:
    clock = FrozenClock(held=True)
    with ThreadPoolExecutor(1) as pool, FaultyProxy(server.port, "drip", "down", traffic["down"] - 3000) as proxy:
        future = pool.submit(visit, server, proxy, clock, tmp_path)
        assert proxy.hit.wait(20)
        # Half of what a whole step may take passes before it goes on: neither silence nor the total is reached.
        clock.advance(STEP_MS // 2)
        proxy.let_through(100_000)
        assert future.result(timeout=20).sha256 == SHA


def test_being_told_to_stop_ends_a_download(server: Sshd, traffic: dict[Direction, int], tmp_path: Path) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool, FaultyProxy(server.port, "hole", "down", traffic["down"] // 2) as proxy:

        def fetch() -> Fetched:
            with connect(server.settings(port=proxy.port), Clock(), stop) as drop:
                return drop.fetch(drop.list()[0], tmp_path)

        future = pool.submit(fetch)
        assert proxy.hit.wait(20)
        stop.set()
        error = future.exception(timeout=20)
    assert isinstance(error, SftpFailed)
    assert (error.code, error.as_error().exit_code) == ("stopped", 75)
    assert left_in(tmp_path) == []
    with pytest.raises(SftpFailed) as caught, connect(server.settings(), Clock(), stop):
        pass
    assert caught.value.code == "stopped"


def test_a_host_that_swallows_the_connection_attempt(tmp_path: Path) -> None:
    clock = FrozenClock(held=True)
    (tmp_path / "known").touch()
    # A queue of one that is full: the kernel answers no further attempt, as a firewall that drops would not.
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        server = Server("127.0.0.1", port, "me", tmp_path / "known", password=lambda: "x")
        with ThreadPoolExecutor(1) as pool:

            def attempt() -> Fetched:
                with connect(DropSettings(server, ".", ("*",)), clock, threading.Event()):
                    raise AssertionError

            result = ends(pool.submit(attempt), clock)
    assert isinstance(result, SftpFailed)
    assert result.code == "timeout"


def turned(clock: FrozenClock, guard: Guard, arrives: int, answers: int) -> int:
    """How many seconds of the clock a step lasts in which so many bytes and whole answers come each second."""
    for seconds in range(int(DEADLINE / 0.005)):
        if guard.cause is not None:
            assert guard.cause == "timeout"
            return seconds
        guard.arrived += arrives
        guard.answers += answers
        clock.advance(1000)
        threading.Event().wait(0.005)
    raise AssertionError("the step has no end")


SLOW, FAST = 1_000, 20_000  # bytes a second; the border is 16,000


@pytest.mark.parametrize(
    ("arrives", "answers", "at_least"),
    [(0, 0, 10), (SLOW, 0, 10), (FAST, 0, 100), (0, 1, 100), (SLOW, 1, 100)],
)
def test_a_listing_is_ended_by_silence_and_else_by_its_total(arrives: int, answers: int, at_least: int) -> None:
    clock = FrozenClock(held=True)
    guard = Guard(clock, threading.Event())
    with guard.answering(10_000, 100_000):
        assert at_least <= turned(clock, guard, arrives, answers) < at_least + 50


@pytest.mark.parametrize(("arrives", "answers"), [(0, 0), (SLOW, 0), (SLOW, 1), (0, 1)])
def test_a_download_is_ended_by_silence_and_by_being_slow(arrives: int, answers: int) -> None:
    clock = FrozenClock(held=True)
    guard = Guard(clock, threading.Event())
    with guard.streaming(10_000):
        assert 10 <= turned(clock, guard, arrives, answers) < 60


def test_while_bytes_come_that_is_told_and_what_is_fast_enough_has_no_end() -> None:
    clock = FrozenClock(held=True)
    told = threading.Event()
    guard = Guard(clock, threading.Event(), told.set)
    with guard.streaming(10_000):
        for _ in range(200):
            told.clear()
            guard.arrived += FAST
            guard.answers += 1
            clock.advance(1000)
            assert told.wait(20)
    assert guard.cause is None
