"""A reload of ``cdpoll deliver`` while an attempt lasts longer than a thread is waited for."""

import threading
from pathlib import Path

import pytest

from tests.config.test_files import BASE, ini
from tests.support.cdpoll_process import until
from tests.support.kept_log import KeptLog
from tests.support.scripted_way import RULES, ScriptedWay, results
from worker.clock import Clock
from worker.config import Config, load
from worker.core.delivery import Delivered, Letter, Sent
from worker.daemon import deliver_loop
from worker.daemon.deliver_lane import WayOut
from worker.daemon.lane_thread import LaneThread
from worker.gateways.signals import Signals
from worker.store.opening import open_store


def test_no_way_is_served_twice_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(ini(tmp_path / "cdpoll.ini", f"{BASE}[store]\npath = {tmp_path / 'cdpoll.db'}\n"), {})
    begun, go_on = threading.Event(), threading.Event()
    waited: list[float] = []
    opened: list[bool] = []

    def lasts(_: Letter) -> Sent:
        begun.set()
        go_on.wait(30)
        return Delivered()

    def opens(_: object) -> ScriptedWay:
        opened.append(go_on.is_set())
        return ScriptedWay(lasts)

    def joined(thread: LaneThread, patience_s: float = 0) -> None:
        """Not patient enough for the attempt under way, which ends when it is waited for the second time."""
        waited.append(patience_s)
        if len(waited) > 1:
            go_on.set()
            until(lambda: thread.ended, "the end of the lane")

    monkeypatch.setattr(LaneThread, "join", joined)

    def ways(_: Config) -> list[WayOut]:
        return [WayOut(RULES, opens, 60_000)]

    signals = Signals()
    with open_store(config.store.path, create=True) as store:
        results(store, ["a"])

    def run() -> None:
        with open_store(config.store.path) as store:
            loop = deliver_loop.DeliverLoop(config, ways(config), Clock(), signals, store, KeptLog())
            loop.run(ways, lambda: config, once=False)

    process = threading.Thread(target=run)
    process.start()
    try:
        until(begun.is_set, "the attempt")
        signals.reload.set()
        signals.wake.set()
        until(lambda: len(opened) > 1, "the new lane")
    finally:
        go_on.set()
        signals.stop.set()
        signals.wake.set()
        process.join()
    assert opened == [False, True], "the new lane begins when the old one has ended"
