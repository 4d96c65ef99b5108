"""The lane: a purge a day, a rewriting in its window of the week, and the size of each day."""

import threading
from pathlib import Path

import pytest

from tests.config.test_files import BASE, ini
from tests.support.cdpoll_process import House
from tests.support.database import conclude, record
from tests.support.kept_log import KeptLog
from tests.support.planted import LONG_AGO, MARKERS, plant
from tests.support.polled_bodies import a_body, a_path, says
from worker.clock import Clock
from worker.config import Config, load
from worker.core.errors import TryLater
from worker.core.weekly import Weekly
from worker.daemon.lane import Surroundings
from worker.daemon.retention_lane import DAY_MS, WINDOW_MS, RetentionLane
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.retention import growth, noted

SUNDAY = Weekly(6, 180)
# Years after what is old here, within the window, and at a time outside of it.
IN_WINDOW = SUNDAY.latest(LONG_AGO + 800 * DAY_MS)
OUTSIDE = IN_WINDOW + WINDOW_MS


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(ini(tmp_path / "cdpoll.ini", BASE + "[retention]\nkeep = 30d\n"), {})


def lane_of(store: Store, config: Config) -> RetentionLane:
    return RetentionLane(config, store, Surroundings(Clock(), KeptLog(), threading.Event(), once=False))


def until_idle(lane: RetentionLane, now: int) -> None:
    for _ in range(100):
        lane.run(now)
        if lane.idle:
            return
    raise AssertionError("it never ends")


def old_task(store: Store) -> None:
    record(store, "a", now=LONG_AGO)
    conclude(store, a_body(successful=[a_path(says())]), now=LONG_AGO)


def test_it_purges_once_a_day_and_rewrites_in_the_window_alone(store: Store, config: Config) -> None:
    old_task(store)
    lane = lane_of(store, config)
    until_idle(lane, OUTSIDE)
    assert noted.get(store)["purged_at"] == OUTSIDE
    assert noted.get(store)["rows"] > 0
    record(store, "b", now=LONG_AGO)
    with store.write():
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = 1 WHERE id = 'b'")
    until_idle(lane, OUTSIDE + DAY_MS - 1)
    assert noted.get(store)["purged_at"] == OUTSIDE
    until_idle(lane, OUTSIDE + DAY_MS)
    assert noted.get(store)["purged_at"] == OUTSIDE + DAY_MS
    assert store.read("SELECT 1 FROM tasks WHERE purged_at IS NULL") == []
    assert "rewritten_at" not in noted.get(store)
    until_idle(lane, IN_WINDOW + 7 * DAY_MS + WINDOW_MS - 1)
    assert noted.get(store)["rewritten_at"] == IN_WINDOW + 7 * DAY_MS + WINDOW_MS - 1
    assert noted.get(store)["rows"] == 0


def test_the_step_that_rewrites_has_a_bound_of_its_own(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_task(store)
    lane = lane_of(store, config)
    bounds: list[int] = []
    before = 0
    monkeypatch.setattr(SqliteStore, "file_bytes", lambda _store: (1_000_000_000, 0))
    monkeypatch.setattr(SqliteStore, "rewrite", lambda _store: bounds.append(before))
    for _ in range(100):
        before = lane.bound_ms
        lane.run(IN_WINDOW)
        if lane.idle:
            break
    assert bounds == [360_000], "a GB: six minutes"
    assert lane.bound_ms == 60_000


def test_a_failure_is_noted_and_not_tried_again_in_this_window(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_task(store)
    tries: list[int] = []

    def busy(_store: Store) -> None:
        tries.append(1)
        raise TryLater("a reader keeps the WAL", "end it")

    monkeypatch.setattr(SqliteStore, "rewrite", busy)
    lane = lane_of(store, config)
    until_idle(lane, IN_WINDOW)
    until_idle(lane, IN_WINDOW + 60_000)
    assert (len(tries), noted.get(store)["hindrance"]) == (1, "a reader keeps the WAL")
    until_idle(lane, IN_WINDOW + 7 * DAY_MS)
    assert len(tries) == 2


def test_without_keep_what_a_person_purged_is_rewritten_all_the_same(store: Store, tmp_path: Path) -> None:
    with store.write():
        noted.removed(store, 7, OUTSIDE)
    until_idle(lane_of(store, load(ini(tmp_path / "cdpoll.ini", BASE), {})), IN_WINDOW)
    assert (noted.get(store)["rows"], noted.get(store)["rewritten_at"]) == (0, IN_WINDOW)


def test_without_keep_nothing_is_purged(store: Store, tmp_path: Path) -> None:
    old_task(store)
    lane = lane_of(store, load(ini(tmp_path / "cdpoll.ini", BASE), {}))
    until_idle(lane, IN_WINDOW)
    assert store.read("SELECT 1 FROM tasks WHERE purged_at IS NOT NULL") == []
    assert noted.get(store) == {}


def test_how_long_the_disk_lasts_is_told_from_the_days_that_were_measured(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([1_000_000, 1_500_000, 2_000_000])
    now = {"used": next(sizes)}
    monkeypatch.setattr(SqliteStore, "file_bytes", lambda _store: (now["used"] + 500_000, 500_000))
    lane = lane_of(store, config)
    until_idle(lane, OUTSIDE)
    assert growth.growth(store, OUTSIDE + DAY_MS // 4).bytes_per_day is None, "too early to tell"
    for day in (1, 2):
        now["used"] = next(sizes)
        until_idle(lane, OUTSIDE + day * DAY_MS)
    found = growth.growth(store, OUTSIDE + 2 * DAY_MS)
    assert (found.bytes_per_day, found.days) == (500_000, 2.0)
    assert found.lasts_days(9_500_000) == 20, "with the pages of the file that hold nothing"
    now["used"] = 1_000_000
    assert growth.growth(store, OUTSIDE + 2 * DAY_MS).lasts_days(9_500_000) is None


def test_a_run_purges_what_the_configuration_says(house: House, tmp_path: Path) -> None:
    house.database.parent.mkdir(exist_ok=True)
    with open_store(house.database, create=True) as store:
        plant(store, tmp_path)
    # On a Sunday morning the same run would rewrite the file, too.
    ended = house.cdpoll("run", "--once", CDPOLL_RETENTION_KEEP="30d", CDPOLL_RETENTION_VACUUM="never")
    assert house.value("SELECT count(*) FROM tasks WHERE purged_at IS NOT NULL") == 2
    (said,) = [line for line in ended.err.splitlines() if '"event": "purged"' in line]
    assert '"tasks": 2' in said
    assert found_in_text(said) == []
    assert house.status()["retention"]["not_rewritten"]["rows"] > 0


def found_in_text(text: str) -> list[str]:
    return [marker for marker in MARKERS if marker in text]
