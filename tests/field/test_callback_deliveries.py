"""Deliveries while the receiver is killed, and while polls and replays bring the same results.

``IDS`` and ``RACES`` in the environment make them larger, by hand.
"""

import json
import os
import random
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.support.callback_world import basic
from tests.support.cdpoll_process import DEADLINE, House
from tests.support.database import NOW, ORIGIN, SCHEDULE, record
from tests.support.polled_bodies import a_body, a_path, says
from tests.support.served import handed, killed
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.core.vendor.callback import CallbackRules, Delivery
from worker.core.vendor.document import Document, read_document
from worker.rounds.callback.receive import receive
from worker.store.conclude import conclude
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks

IDS = int(os.environ.get("IDS", "40"))
RACES = int(os.environ.get("RACES", "1"))
RACING_IDS = int(os.environ.get("RACING_IDS", "40"))
EACH, CONNECTIONS, KILLS = 4, 8, 3

RULES = CallbackRules(None, "unknown", ORIGIN, SCHEDULE, 0)


def body(task: str, trace: str) -> bytes:
    found = a_body(task, "success", successful=[a_path(says())])
    return json.dumps(found | {"traceId": trace}).encode()


class MortalReceiver:
    """`cdpoll serve callback` on a socket that outlives it, as systemd keeps it; killed again and again."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        line = self._house.line("serve", "callback")
        return handed(self._listener, line, self._house.environment(), self._house.folder / "served.log")

    def kill(self) -> None:
        killed(self.process)
        self.process = self._started()

    def close(self) -> None:
        killed(self.process)
        self._listener.close()


class Vendor:
    """Delivers until each delivery was answered 204, each time with a token."""

    def __init__(self, port: int, deliveries: list[str], accepted: Callable[[str], None]) -> None:
        self._port, self._deliveries, self._accepted = port, deliveries, accepted
        self.token = ""

    def run(self) -> None:
        connection = self._connected()
        for task in self._deliveries:
            while True:
                try:
                    if self._delivered(connection, task):
                        break
                except (OSError, HTTPException):
                    connection.close()
                    connection = self._connected()
            self._accepted(task)
        connection.close()

    def _connected(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)

    def _delivered(self, connection: HTTPConnection, task: str) -> bool:
        if not self.token:
            proof = basic("vendor", "hush-hush")
            answer = post(connection, TOKEN_PATH, b"grant_type=client_credentials", proof, FORM)
            self.token = json.loads(answer[1])["access_token"]
        told = body(task, str(random.random()))
        status, _ = post(connection, CALLBACK_PATH, told, f"Bearer {self.token}", "application/json")
        return status == 204


FORM = "application/x-www-form-urlencoded"


def post(connection: HTTPConnection, path: str, data: bytes, proof: str, kind: str) -> tuple[int, bytes]:
    connection.request("POST", path, data, {"Authorization": proof, "Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.config.write_text(
        f"[store]\npath = {found.database}\n[callback]\nclient_id = vendor\nclient_secret = hush-hush\n"
    )
    found.config.chmod(0o600)
    return found


def test_what_was_answered_204_outlives_each_kill_and_is_one_result(house: House) -> None:
    house.cdpoll("record", "task-0", "task-1", check=0)
    receiver = MortalReceiver(house)
    deliveries = [f"task-{n}" for n in range(IDS)] * EACH
    random.Random(7).shuffle(deliveries)
    counted, lock = Counter[str](), threading.Lock()
    kill_at = [len(deliveries) * n // (KILLS + 1) for n in range(1, KILLS + 1)]

    def accepted(task: str) -> None:
        with lock:
            counted[task] += 1
            if counted.total() in kill_at:
                receiver.kill()

    vendors = [Vendor(receiver.port, deliveries[n::CONNECTIONS], accepted) for n in range(CONNECTIONS)]
    threads = [threading.Thread(target=vendor.run) for vendor in vendors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receiver.close()
    rows = house.rows(
        "SELECT tasks.id, tasks.state, count(results.seq) AS results, count(outbox.result) AS numbers FROM tasks"
        " LEFT JOIN results ON results.task = tasks.seq LEFT JOIN outbox ON outbox.result = results.seq"
        " GROUP BY tasks.id"
    )
    assert {tuple(row) for row in rows} == {(f"task-{n}", "concluded", 1, 1) for n in range(IDS)}


@pytest.mark.parametrize("race", range(RACES))
def test_polls_callbacks_and_replays_race_for_one_result_each(tmp_path: Path, race: int) -> None:
    path = tmp_path / "x.db"
    ids = [f"task-{n}" for n in range(RACING_IDS)]
    with open_store(path, create=True) as store:
        for one in ids:
            record(store, one)
    begin = threading.Barrier(3)

    def poll() -> None:
        with open_store(path) as store:
            begin.wait()
            for one in in_some_order("poll"):
                with store.write():
                    (row,) = store.read("SELECT seq FROM tasks WHERE id = :id", {"id": one})
                    document = read_document(body(one, "poll"), one)
                    assert isinstance(document, Document)
                    conclude(store, tasks.by_seq(store, [row["seq"]], 0)[row["seq"]], document, "poll", NOW)

    def deliver(name: str) -> None:
        with open_store(path) as store:
            begin.wait()
            for one in in_some_order(name):
                receive(store, Delivery(body(one, name)), RULES, NOW)

    def in_some_order(name: str) -> list[str]:
        return random.Random(f"{race} {name}").sample(ids, len(ids))

    works: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(poll, ()), (deliver, ("once",)), (deliver, ("again",))]
    threads = [threading.Thread(target=work, args=args) for work, args in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_store(path) as store:
        kept = store.read("SELECT task, count(*) AS n, max(revision) AS revision FROM results GROUP BY task")
        assert [(row["n"], row["revision"]) for row in kept] == [(1, 1)] * len(ids)
        assert store.read("SELECT count(*) AS n FROM outbox")[0]["n"] == len(ids)
        assert store.read("SELECT count(*) AS n FROM tasks WHERE state = 'concluded'")[0]["n"] == len(ids)
