"""Hints with the daemon and the sandbox: no list changes a result, and one that is off gets another chance."""

import signal
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from sandbox.times import parse
from tests.support.cdpoll_process import House, begin, until
from tests.support.hint_desk import QUICK
from worker.clock import Clock
from worker.rounds.poll.hints import NOTICE

LIES = [
    "",
    "list_wrong_status",
    "list_foreign,list_invented,list_missing:50,list_skips,list_repeats,list_unsorted",
    "list_stale:5m,list_any_time,list_over_limit",
    "list_bare,list_odd_id,list_many:2000",
    "forbidden@list",
    "html@list",
]


@pytest.mark.parametrize("faults", LIES)
def test_no_list_ever_changes_a_result(tmp_path: Path, faults: str) -> None:
    with Sandbox(Clock(), speed=400, faults=faults) as sandbox:
        ids = begin(sandbox, 40, "SBX-MINUTES")
        house = House(
            tmp_path,
            sandbox,
            polling_list_hints="yes",
            polling_page_cost="1",
            polling_price_floor="1s",
            polling_cadence="2s x1.4 3s 10%",
        )
        house.record(*ids)
        house.rows("UPDATE schedule SET spared = 1000")
        house.rows("INSERT INTO curves (kind, curve) VALUES ('unseen', ?)", QUICK)
        asked: list[str] = []
        answer = sandbox.vendor.answer
        sandbox.vendor.answer = lambda request, now: asked.append(request.path) or answer(request, now)  # type: ignore[func-returns-value,method-assign,assignment]
        with house.start("--until-idle") as daemon:
            assert daemon.end() == 0
        assert any(path.endswith("/coverage-discovery") for path in asked), "no page was asked for"
        told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        assert dict(house.rows("SELECT id, outcome FROM tasks")) == told
        assert house.value("SELECT count(*) FROM results") == len(ids)
        assert house.value("SELECT spared FROM schedule") < 1000 + 10 * len(ids)


def test_results_come_before_the_first_look_of_the_schedule(tmp_path: Path) -> None:
    with Sandbox(Clock(), times=parse("quick=3s-4s")) as sandbox:
        house = House(
            tmp_path,
            sandbox,
            polling_list_hints="yes",
            polling_page_cost="1",
            polling_price_floor="1s",
            polling_cadence="30s x1.4 60s 10%",
            polling_min_interval="100ms",
        )
        ids = begin(sandbox, 30, "SBX-SECONDS")
        house.record(*ids)
        house.rows("UPDATE schedule SET spared = 1000")
        house.rows("INSERT INTO curves (kind, curve) VALUES ('unseen', ?)", QUICK)
        with house.start() as daemon:
            daemon.ready()
            until(lambda: house.status()["tasks"]["concluded"] == len(ids), "results before any look was due")
            assert daemon.stopped() == 0
        assert house.rows("SELECT DISTINCT polls FROM tasks") == [(1,)]


def test_a_reload_and_a_restart_give_the_list_another_chance(tmp_path: Path) -> None:
    with Sandbox(Clock(), faults="404@list") as sandbox:
        keys = {"polling_list_hints": "yes", "polling_page_cost": "1", "polling_price_floor": "1s"}
        house = House(tmp_path, sandbox, **keys, polling_cadence="30s x1.4 60s 10%")
        house.record(*begin(sandbox, 20, "SBX-NEVER"))
        house.rows("UPDATE schedule SET spared = 1000")
        house.rows("INSERT INTO curves (kind, curve) VALUES ('unseen', ?)", QUICK)

        def off() -> bool:
            return NOTICE in [problem["code"] for problem in house.status()["problems"]]

        asked: list[str] = []
        answer = sandbox.vendor.answer
        sandbox.vendor.answer = lambda request, now: asked.append(request.path) or answer(request, now)  # type: ignore[func-returns-value,method-assign,assignment]

        def shown() -> bool:
            return any(path.endswith("/coverage-discovery") for path in asked)

        with house.start() as daemon:
            daemon.ready()
            until(off, "the problem")
            asked.clear()
            sandbox.set_faults("")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.hear("RELOADING=1")
            daemon.hear("READY=1")
            until(shown, "a page after the reload")
            assert not off()
            assert daemon.stopped() == 0
        house.rows("INSERT INTO notices (code, at, detail) VALUES (?, 1, 'of the last run')", NOTICE)
        house.write(polling_list_hints="no")
        assert off()
        house.cdpoll("run", "--once", check=0)
        assert not off()
