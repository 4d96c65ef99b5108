"""Two daemons on one PostgreSQL server, which are killed and frozen, and lose their server and their connections.

``KILLS=200`` is the long way: a freeze for every tenth kill, and a restart of the server for every eighth. What the
vendor told is the truth that everything is held against.
"""

import contextlib
import multiprocessing
import os
import queue
import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from sandbox.wire import Reply, Request
from tests.support import forks
from tests.support.cdpoll_process import House, begin, until
from tests.support.postgres import Cluster
from worker.clock import Clock
from worker.core.intake.intake import Recording
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document
from worker.place import DatabasePlace
from worker.store import outbox
from worker.store.conclude import conclude
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import record

KILLS = int(os.environ.get("KILLS", "6"))
ENDLESS = 4

DONE = Document("success", b'{"id": "t", "status": "success"}')

# Of a request at the vendor; with it a lease is 1 s + 5 s (worker/rounds/poll/poll.py).
TIMEOUT_S, LEASE_S = 1, 6


class AskedTwice:
    """Lets the vendor take some time for an answer, and tells whether one task is asked about twice at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._answer = sandbox.vendor.answer
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._rest = threading.Event()
        self.twice: list[str] = []
        self.polls = 0
        sandbox.vendor.answer = self.answer  # type: ignore[method-assign]

    def answer(self, request: Request, now: int) -> Reply:
        if request.method != "GET":
            return self._answer(request, now)
        with self._lock:
            self.polls += 1
            self._under_way[request.path] += 1
            if self._under_way[request.path] > 1:
                self.twice.append(request.path)
        self._rest.wait(0.03)
        try:
            return self._answer(request, now)
        finally:
            with self._lock:
                self._under_way[request.path] -= 1


class Route:
    """The way of one daemon to the server, which can be cut: every connection ends with a reset."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)
                end.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                for source, sink in ((client, server), (server, client)):
                    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    # Closing alone would wait for the other direction's recv.
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Member:
    """One daemon of the two, with its house, its way to the server, and the process that runs at the moment."""

    def __init__(self, folder: Path, name: str, sandbox: Sandbox, cluster: Cluster) -> None:
        folder.mkdir()
        self.name = name
        self.way = Route(cluster.port)
        self.house = House(
            folder,
            sandbox,
            api_timeout=f"{TIMEOUT_S}s",
            polling_max_in_flight="6",
            polling_schedule="fixed",
            polling_max_interval="500ms",
            store_url=f"postgresql://cdpoll@127.0.0.1:{self.way.port}/cdpoll",
            store_daemon=name,
        )
        self.process: forks.Forked | None = None

    def start(self) -> None:
        with self.house.log.open("ab") as log, Path(os.devnull).open("r+b") as null:
            streams = (null.fileno(), null.fileno(), log.fileno())
            line = ("--config", str(self.house.config), "run")
            self.process = forks.start(line, self.house.environment(), streams)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"daemon {self.name} ended: {self.house.log.read_text()[-2000:]}"
        self.process.send_signal(number)

    def killed(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)


def lock_free_after(cluster: Cluster, harm: Callable[[], object]) -> float:
    """How long a writer waits for the lock after ``harm``, in seconds. It is connected before."""
    with cluster.connect() as conn:
        harm()
        began = time.monotonic()
        with conn.transaction():
            conn.execute("SELECT id FROM api WHERE id = 1 FOR UPDATE")
        return time.monotonic() - began


class Recorder:
    """Has discoveries begun and their ids recorded, a few at a time and with one ref, until they are acknowledged."""

    def __init__(self, house: House, sandbox: Sandbox) -> None:
        self._house = house
        self._sandbox = sandbox
        self._due: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def more(self, many: int) -> None:
        self._due.put(many)

    def end(self) -> None:
        self._due.put(0)
        self._thread.join()

    def _work(self) -> None:
        first = ENDLESS
        while many := self._due.get():
            some = begin(self._sandbox, many, "SBX-SECONDS", first=first)
            first += many
            while (ended := self._house.cdpoll("record", *some, "--ref", some[0])).code:
                assert ended.code == 75, ended.err
            self.acknowledged += some


@pytest.fixture
def members(tmp_path: Path) -> Iterator[tuple[list[Member], Cluster, Sandbox]]:
    # What was committed outlives a crash of the server: the leases do. The vendor's tokens outlive the long way.
    with Cluster(tcp=True, synchronous_commit="on") as cluster, Sandbox(Clock(), speed=2) as sandbox:
        two = [Member(tmp_path / name, name, sandbox, cluster) for name in ("a", "b")]
        try:
            yield two, cluster, sandbox
        finally:
            for member in two:
                member.way.close()
                if member.process is not None and member.process.poll() is None:
                    member.process.kill()
                    member.process.wait(10)


def test_nothing_is_lost_and_nothing_is_done_twice(members: tuple[list[Member], Cluster, Sandbox]) -> None:
    two, cluster, sandbox = members
    seed = 2026 if KILLS == 6 else random.SystemRandom().getrandbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    watched = AskedTwice(sandbox)
    endless = begin(sandbox, ENDLESS, "SBX-NEVER")
    for member in two:
        member.house.cdpoll("record", *endless, check=0)
        member.start()
    recorder = Recorder(two[0].house, sandbox)
    waits: dict[str, list[float]] = {"kill": [], "freeze": []}

    def kill(member: Member) -> None:
        waits["kill"].append(lock_free_after(cluster, member.killed))
        member.start()

    def freeze(member: Member) -> None:
        waits["freeze"].append(lock_free_after(cluster, lambda: member.signal(signal.SIGSTOP)))
        time.sleep(LEASE_S + chance.uniform(0.5, 2))
        member.signal(signal.SIGCONT)

    def restart(_: Member) -> None:
        cluster.restart(chance.choice(("fast", "immediate")))

    def terminate(_: Member) -> None:
        cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cdpoll%'")

    def cut(member: Member) -> None:
        member.way.cut()

    often: dict[Callable[[Member], None], int] = {kill: KILLS, freeze: KILLS // 10, restart: KILLS // 8}
    often |= {terminate: KILLS // 6, cut: KILLS // 6}
    harm = [one for one, times in often.items() for _ in range(max(1, times))]
    chance.shuffle(harm)
    began = time.monotonic()
    for one in harm:
        recorder.more(chance.randint(1, 12))
        before = watched.polls
        until(lambda before=before: watched.polls > before + 4, "polls go on", every=0.005)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.3))
        member = chance.choice(two)
        print(f"{time.monotonic() - began:.1f} s: {one.__name__} {member.name}", flush=True)
        one(member)
    recorder.end()
    ids = recorder.acknowledged
    two[0].house.cdpoll("abandon", *endless, check=0)
    until(lambda: not cluster.run("SELECT 1 FROM tasks WHERE state = 'pending' LIMIT 1"), "all is concluded")
    print(f"{KILLS} kills: the lock was free after {max(waits['kill']):.2f} s at the most")
    print(f"{len(waits['freeze'])} freezes: after {max(waits['freeze']):.2f} s at the most")
    for member in two:
        member.signal(signal.SIGTERM)
        assert member.process is not None
        assert member.process.wait(30) == 0
    assert max(waits["kill"]) < 1
    assert max(waits["freeze"]) < 5
    assert watched.twice == []
    states: dict[str, str] = dict(cluster.run("SELECT id, outcome FROM tasks WHERE state = 'concluded'"))
    told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
    assert states == {task_id: told[task_id] for task_id in ids}
    counted = "SELECT count(*), count(DISTINCT task), max(revision) FROM results WHERE revision > 0"
    assert cluster.run(counted) == [(len(ids), len(ids), 1)]
    numbers = "SELECT count(*), count(DISTINCT result), count(DISTINCT last) FROM outbox WHERE reason = 'result'"
    assert cluster.run(numbers) == [(len(ids),) * 3]
    assert cluster.run("SELECT count(*) FROM history WHERE event = 'concluded'") == [(len(ids),)]
    assert cluster.run("SELECT count(*) FROM refs") == [(len(ids),)]


def write_results(place: DatabasePlace, first: int, many: int) -> None:
    """Conclude tasks, each in a transaction of its own."""
    now = Clock().now()
    with open_store(place, timeout=60) as store:
        ids = {f"t{n}" for n in range(first, first + many)}
        record(store, [Recording(one, "id") for one in ids], (), origin="", now=now, schedule=Schedule())
        rows = [row["seq"] for row in store.read("SELECT seq, id FROM tasks") if row["id"] in ids]
        for task in tasks.by_seq(store, rows, 0).values():
            with store.write():
                conclude(store, task._replace(state="concluded"), DONE, "poll", now)


def test_a_cursor_under_eight_writers_misses_none(place: DatabasePlace) -> None:
    """`RESULTS=10000` is the long way."""
    each = int(os.environ.get("RESULTS", "80")) // 8
    # Threads of one process would take turns before they ask the server.
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_results, args=(place, n * each, each)) for n in range(8)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    with open_store(place) as store:
        alive = True
        while alive:
            alive = any(writer.is_alive() for writer in writers)  # before the read that may be the last
            while found := outbox.after(store, seen[-1] if seen else 0, 7):
                seen += [one.number for one in found]
        everything = [row["last"] for row in store.read("SELECT last FROM outbox ORDER BY last")]
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert seen == everything
    assert len(seen) == 8 * each
