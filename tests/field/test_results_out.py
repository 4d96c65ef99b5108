"""Results through ways out at once, while the process is killed at each of its statements: every one out, in order.

A receiver notes what it was sent, in order. Of each task the first copies must have come in the order of the numbers.
"""

import base64
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_kill import begun
from tests.support.cdpoll_process import DEADLINE, House, small_files
from tests.support.database import DONE, conclude, record
from tests.support.loopback import Asked, Loopback, Peer, answer
from tests.support.mortal import KILLED, Moment
from tests.support.mounts import may_mount
from worker.store.opening import open_store

# Each has two refs, and so two numbers. `make test-long` sends thousands.
TASKS = int(os.environ.get("RESULTS", "80")) // 4
SECRET = f"whsec_{base64.b64encode(b'7' * 32).decode()}"

# Every statement at which something of a delivery may be on the disk, and the moments around it.
MOMENTS = (
    Moment("INSERT INTO ways"),
    Moment("INSERT INTO ways", where="after"),
    Moment("UPDATE ways SET position"),
    Moment("UPDATE ways SET position", where="after"),
    *(Moment("INSERT INTO deliveries", n, "after") for n in (1, 2)),
    Moment("DELETE FROM deliveries"),
    Moment("DELETE FROM deliveries", where="after"),
    Moment("UPDATE ways SET failures"),
    Moment("UPDATE ways SET failures", where="after"),
    *(Moment("COMMIT", n, where) for n in (1, 4) for where in ("before", "within", "after")),
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.database.parent.mkdir()
    open_store(found.database, create=True).close()
    (tmp_path / "out").mkdir()
    program = tmp_path / "take"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path / 'taken'} && echo >> {tmp_path / 'taken'}\n")
    program.chmod(0o700)
    found.ways = {
        "folder": {"kind": "directory", "path": str(tmp_path / "out"), "name": "{seq}"},
        "program": {"kind": "command", "command": str(program)},
    }
    found.write(log_format="json")
    return found


@pytest.fixture
def hook(house: House) -> Iterator[Loopback]:
    """A receiver that fails now and then, in one way or another."""
    turn = count()

    def sore(_: Asked, peer: Peer) -> bytes:
        match next(turn) % max(7, TASKS):
            case 2:
                return answer(500)
            case 4:
                return answer(429, b"", "retry-after: 0")
            case 6:
                peer.reset()
        return answer(204)

    with Loopback(sore) as server:
        schedule = " ".join(["1ms"] * 30)
        house.ways["hook"] = {"kind": "webhook", "url": server.url, "secret": SECRET, "schedule": schedule}
        house.write()
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of one megabyte."""
    if not may_mount():
        pytest.skip("nothing can be mounted here")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def publish(house: House, first: int, many: int) -> None:
    """Results, each for two refs."""
    with open_store(house.database) as store:
        for n in range(first, first + many):
            for ref in ("x", "y"):
                record(store, f"t{n}", ref=ref)
            conclude(store, {**DONE, "id": f"t{n}"}, n)


def files(house: House) -> list[int]:
    """The numbers of what lies in the folder. Each file is whole."""
    found = sorted(Path(house.ways["folder"]["path"]).iterdir())
    assert all(file.suffix == ".json" for file in found)
    return [json.loads(file.read_bytes())["seq"] for file in found]


def taken(house: House) -> list[dict[str, Any]]:
    """What the program was given, in order."""
    lines = (house.folder / "taken").read_text().splitlines()
    return [json.loads(line) for line in lines if line]


def posted(hook: Loopback) -> list[dict[str, Any]]:
    """What the webhook was sent, in order, whatever it has answered; not what a kill has cut."""
    whole = [one for one in hook.asked if len(one.body) == int(dict(one.headers)["content-length"])]
    return [json.loads(one.body)["data"] for one in whole]


def in_order(told: list[dict[str, Any]]) -> bool:
    """Whether of each task the first copies came in the order of their numbers."""
    firsts: dict[str, list[int]] = {}
    for one in told:
        seen = firsts.setdefault(one["id"], [])
        if one["seq"] not in seen:
            seen.append(one["seq"])
    return all(seen == sorted(seen) for seen in firsts.values())


def until_all_is_out(house: House) -> int:
    """Deliver until nothing waits; the last number."""
    for _ in range(200):
        if begun(house, "deliver", "--once").wait(20 * DEADLINE) == 0:
            break
    assert house.value("SELECT count(*) FROM deliveries") == 0
    last: int = house.value("SELECT value FROM counters WHERE name = 'outbox'")
    assert house.rows("SELECT DISTINCT position FROM ways") == [(last,)]
    return last


def test_a_kill_at_any_statement_loses_nothing(house: House, hook: Loopback) -> None:
    chance = random.Random(2026)
    tasks = killed = 0
    for moment in MOMENTS:
        many = chance.randint(1, 2)
        publish(house, tasks + 1, many)
        tasks += many
        code = begun(house, "deliver", "--once", last=moment).wait(DEADLINE)
        killed += code in KILLED
        files(house)
    assert killed > len(MOMENTS) // 2
    last = until_all_is_out(house)
    assert last == 2 * tasks
    wanted = list(range(1, last + 1))
    assert files(house) == wanted
    for told in (taken(house), posted(hook)):
        assert sorted({one["seq"] for one in told}) == wanted
        assert in_order(told)
    assert house.value("PRAGMA integrity_check") == "ok"


def test_a_database_that_can_take_nothing_stops_the_ways_and_loses_nothing(house: House) -> None:
    publish(house, 1, 5)
    house.cdpoll("db", "path", check=0)  # what Python compiles is compiled
    with small_files(2048):
        code = house.cdpoll("deliver", "--once").code
    assert code == 74
    until_all_is_out(house)
    assert files(house) == list(range(1, 11))


def test_many_results_go_out_by_each_way_at_once(house: House, hook: Loopback) -> None:
    publish(house, 1, TASKS)
    wanted = list(range(1, until_all_is_out(house) + 1))
    assert len(wanted) == 2 * TASKS
    assert files(house) == wanted
    for told in (taken(house), posted(hook)):
        assert sorted({one["seq"] for one in told}) == wanted
        assert in_order(told)


def test_a_full_folder_and_a_receiver_that_wants_nothing_more_hold_up_no_other_way(
    house: House, hook: Loopback, small_disk: Path
) -> None:
    (small_disk / "out").mkdir()
    house.ways["folder"]["path"] = str(small_disk / "out")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((1 << 20) - 5 * 4096))  # a few results have room

    turn, wants = count(), threading.Event()
    with Loopback(lambda asked, peer: answer(204 if next(turn) < 3 or wants.is_set() else 410)) as second:
        house.ways["second"] = {"kind": "webhook", "url": second.url, "secret": SECRET}
        house.write()
        publish(house, 1, TASKS)
        assert begun(house, "deliver", "--once", last=Moment("DELETE FROM deliveries")).wait(DEADLINE) in KILLED
        for _ in range(200):
            assert begun(house, "deliver", "--once").wait(20 * DEADLINE) == 69
            ways = {one["name"]: one for one in house.status()["deliveries"]["ways"]}
            if ways["hook"]["behind"] + ways["hook"]["failed"] == 0:
                break
        wanted = list(range(1, 2 * TASKS + 1))
        for told in (taken(house), posted(hook)):
            assert sorted({one["seq"] for one in told}) == wanted
        assert files(house) != wanted
        assert ways["folder"]["reason"].startswith("full: ")
        assert "delivery_stopped" in house.problems()
        assert len(second.asked) <= 5, "one 410 may have been lost by the kill"

        ballast.unlink()
        wants.set()
        house.cdpoll("deliveries", "retry", "--all", "--way", "second", check=0)
        until_all_is_out(house)
        assert files(house) == wanted
        assert sorted({one["seq"] for one in posted(second)}) == wanted
        for told in (taken(house), posted(hook), posted(second)):
            assert in_order(told)
        assert not house.problems()
