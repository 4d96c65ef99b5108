"""The sweep over the vendor's list: what was not recorded is found, and every page is asked for once."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_client import DAY, HOUR, MINUTE, SECOND
from tests.support.sweep_rig import SweepRig
from worker.core.pacing.breaker import pause
from worker.store.state import api


def test_what_was_not_recorded_is_found_and_polled_like_any_other(tmp_path: Path) -> None:
    with SweepRig(tmp_path) as rig:
        ids = rig.begin(230)
        rig.sweep()
        assert rig.recorded == dict.fromkeys(ids, "backfill")
        assert (set(rig.asked.values()), len(rig.asked)) == ({1}, 5)
        row = rig.store.read("SELECT state, name, started_at, recorded_at, due_at FROM tasks ORDER BY seq")[0]
        task = rig.sandbox.tasks[0]
        assert (row["state"], row["name"], row["started_at"]) == ("pending", task.name, task.start)
        assert row["due_at"] < row["recorded_at"] + SECOND
        assert (rig.row.begins_at, rig.row.received, rig.row.recorded) == (None, 230, 230)
        assert rig.row.next_at == (rig.row.through_at or 0) + HOUR
        [(event, fields)] = rig.log.lines
        assert (event.startswith("a sweep over"), fields["recorded"]) == (True, 230)


def test_all_of_them_are_found_while_new_ones_arrive(tmp_path: Path) -> None:
    """5,000 with ``BACKFILL=5000``, as `make test-long` has it."""
    wanted = int(os.environ.get("BACKFILL", "600"))
    with SweepRig(tmp_path) as rig:
        ids = rig.begin(wanted // 2, every=SECOND) + rig.begin(wanted // 2, every=2)
        ended = None
        while ended is None:
            rig.step()
            ended = rig.row.ended_at
            late = rig.begin(7, every=1)
        assert set(ids) <= rig.recorded.keys()
        assert max(rig.asked.values()) == 1
        rig.clock.at = rig.row.next_at or 0
        rig.sweep()
        assert set(late) <= rig.recorded.keys()
        assert max(rig.asked.values()) == 1
        assert rig.row.recorded < wanted // 2, "the first sweep had the others"


def test_a_sweep_goes_on_where_a_daemon_was_killed(tmp_path: Path) -> None:
    with SweepRig(tmp_path) as rig:
        ids = rig.begin(150) + rig.begin(350, every=1)
        for steps in range(1, 40):
            rig.step()
            if rig.row.ended_at is not None:
                break
            if steps % 3 == 0:
                rig.lane.close()
                rig.lane = rig.open_lane()
        assert rig.recorded.keys() == set(ids)
        assert max(rig.asked.values()) <= 2


def test_each_sweep_reaches_back_behind_the_one_before(tmp_path: Path) -> None:
    with SweepRig(tmp_path, backfill_overlap="2h") as rig:
        rig.clock.advance(DAY)
        rig.sweep()
        begin = rig.clock.at // SECOND * SECOND
        assert rig.row.through_at is not None
        assert abs(rig.row.through_at - begin) <= 2 * SECOND
        first = rig.queries()[0]
        rig.clock.advance(10 * DAY)  # no daemon ran
        rig.sweep()
        second = rig.queries()[-1]
        assert first["endDateTime"][:13] == "2026-01-02T00"
        assert (first["startDateTime"][:13], second["startDateTime"][:13]) == ("2026-01-01T22", "2026-01-01T22")
        assert second["endDateTime"][:10] == "2026-01-12"


def test_the_rows_of_others_are_counted_and_never_stored(tmp_path: Path) -> None:
    said: dict[str, Any] = {}
    with SweepRig(
        tmp_path, backfill_tenant_names="Sandbox Customer; Another of Ours", api_subtenant_id="clinic-7"
    ) as rig:
        ids = rig.begin(6)
        said |= {
            ids[0]: {"tenantName": "Someone Else"},
            ids[1]: {"tenantName": None},
            ids[2]: {"subtenant": "clinic-8"},
        }
        said |= {ids[3]: {"subtenantId": "clinic-7"}, ids[4]: {"tenantName": "Another of Ours"}}
        rig.say_of_rows(said)
        rig.sweep()
        assert rig.recorded.keys() == set(ids[3:])
        assert (rig.row.received, rig.row.recorded, rig.row.foreign_rows) == (6, 3, 3)
        tags = {row["id"]: row["subtenant"] for row in rig.store.read("SELECT id, subtenant FROM tasks")}
        assert tags == {ids[3]: "clinic-7", ids[4]: None, ids[5]: None}


def test_another_tenant_stores_nothing_and_is_told_of(tmp_path: Path) -> None:
    with SweepRig(tmp_path, "wrong_tenant@list", api_tenant_id="11111111-1111-4111-8111-111111111111") as rig:
        rig.begin(3)
        rig.step()
        assert (rig.recorded, rig.row.last_error) == ({}, "other_tenant")


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        ({"backfill_names": "Medicare*"}, {0, 1}),
        ({"backfill_names": "Medicare + Commercial + RTCOB + CoverageInsight; Nothing"}, {0, 1}),
        ({"backfill_names": "Nothing"}, set()),
        ({"backfill_correlation_ids": "clinic-7-*"}, {1}),
        ({"backfill_correlation_ids": "clinic-7-a"}, {1}),
        ({"backfill_correlation_ids": "clinic-8-?"}, set()),
    ],
)
def test_it_is_narrowed_by_name_and_correlation_id(tmp_path: Path, keys: dict[str, str], taken: set[int]) -> None:
    with SweepRig(tmp_path, **keys) as rig:
        ids = rig.begin(1) + rig.begin(1, correlation_id="clinic-7-a")
        rig.sweep()
        assert rig.recorded.keys() == {ids[n] for n in taken}
        asked = {query.get("correlationId") for query in rig.queries()}
        assert asked == ({"clinic-7-a"} if keys.get("backfill_correlation_ids") == "clinic-7-a" else {None})


def test_what_is_recorded_already_costs_no_statement_and_is_completed(tmp_path: Path) -> None:
    with SweepRig(tmp_path) as rig:
        ids = rig.begin(2, correlation_id="c-1")
        rig.house.record(*ids)
        rig.sweep()
        assert set(rig.recorded.values()) == {"id"}
        assert rig.row.recorded == 0
        told = rig.store.read("SELECT correlation_id, name FROM tasks")
        assert [row["correlation_id"] for row in told] == ["c-1", "c-1"]
        assert rig.log.lines == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("forbidden", "http_403"),
        ("500", "http_500"),
        ("429:30", "http_429"),
        ("html", "html"),
        ("not_object", "no_list"),
        ("cut", "cut"),
        ("expired=2x", "http_401_access_token_expired"),
    ],
)
def test_a_failure_is_tried_again_with_backoff_and_pauses_no_poll(tmp_path: Path, fault: str, code: str) -> None:
    with SweepRig(tmp_path, f"{fault}@list") as rig:
        ids = rig.begin(3)
        start = rig.clock.at
        rig.step()
        assert (rig.row.failures, rig.row.last_error, rig.row.next_at is not None and rig.row.next_at > start) == (
            1, code, True,
        )  # fmt: skip
        assert not api.get(rig.store).breaker.paused
        assert (api.get(rig.store).limiter.pace < 1_000_000) is (fault == "429:30")
        assert rig.lane.run(start) > start, "it rests"
        assert len(rig.asked) == 1
        rig.sandbox.set_faults("")
        rig.sweep()
        assert rig.recorded.keys() == set(ids)
        assert (rig.row.failures, rig.row.last_error) == (0, None)


def test_tasks_that_are_too_large_for_a_page_are_asked_for_in_smaller_pages(tmp_path: Path) -> None:
    with SweepRig(tmp_path, "oversized:9@list=1x") as rig:
        ids = rig.begin(40)
        rig.sweep()
        assert rig.recorded.keys() == set(ids)
        assert [query["limit"] for query in rig.queries()][:2] == ["100", "25"]


def test_it_waits_while_the_api_is_paused_or_the_budget_is_spent(tmp_path: Path) -> None:
    with SweepRig(tmp_path, polling_daily_budget="2") as rig:
        rig.begin(3)
        with rig.store.write():
            shared = api.get(rig.store)
            paused = pause(shared.breaker, "credentials", "http_401", rig.clock.at, MINUTE)
            api.put(rig.store, shared._replace(breaker=paused))
        assert rig.lane.run(rig.clock.at) > rig.clock.at + MINUTE
        assert not rig.asked
        with rig.store.write():
            api.put(rig.store, shared)
        rig.step()  # a token and a page
        assert len(rig.asked) == 1
        assert rig.lane.run(rig.clock.at) == DAY * (rig.clock.at // DAY + 1)
        assert (len(rig.asked), rig.row.failures) == (1, 0)


def test_every_request_takes_a_slot(tmp_path: Path) -> None:
    with SweepRig(tmp_path, polling_requests_per_second="2", polling_burst="1") as rig:
        rig.begin(350)
        start = rig.clock.at
        while rig.row.ended_at is None:
            rig.step()
        requests = len(rig.asked) + 1
        assert rig.clock.at - start >= (requests - 1) * 500
        limiter = api.get(rig.store).limiter
        assert limiter.spent == requests


def test_a_list_that_never_ends_is_left_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.rounds.backfill.sweeping.MOST_PAGES", 2)
    with SweepRig(tmp_path) as rig:
        rig.begin(350)
        rig.sweep()
        assert (rig.row.last_error, rig.row.pages, len(rig.recorded)) == ("page_cap", 2, 199)
        assert rig.row.through_at is not None
        assert rig.log.lines[-1][0] == "a sweep over the vendor's list is not sure"
        assert rig.row.through_at < rig.clock.at


@pytest.mark.parametrize(
    "faults",
    [
        "list_pages",
        "list_pages,list_repeats",
        "list_short",
        "list_unsorted",
        "list_unsorted,list_pages",
        "list_leaves_out:5",
        "list_no_start",
        "slow:10m=50%@list",
    ],
)
def test_every_one_is_found_in_a_list_that_is_odd(tmp_path: Path, faults: str) -> None:
    with SweepRig(tmp_path, faults) as rig:
        ids = rig.begin(40, every=30 * SECOND) + rig.begin(150, every=1)
        rig.sweep()
        assert rig.recorded.keys() == set(ids)
        assert set(rig.asked.values()) == {1}
        assert rig.row.last_error is None


def test_a_list_that_ignores_the_window_brings_nothing_from_outside_it(tmp_path: Path) -> None:
    with SweepRig(tmp_path, "list_unbounded", backfill_overlap="1h") as rig:
        rig.begin(30)
        rig.clock.advance(DAY)
        ids = rig.begin(120)
        rig.sweep()
        assert rig.recorded.keys() == set(ids)
        assert (rig.row.last_error, rig.row.received) == ("outside_window", 150)


def test_the_rows_of_another_customer_are_never_stored(tmp_path: Path) -> None:
    with SweepRig(tmp_path, "list_foreign", backfill_tenant_names="Sandbox Customer") as rig:
        ids = rig.begin(60)
        rig.sweep()
        assert 0 < len(rig.recorded) < 60
        assert rig.recorded.keys() < set(ids)
        assert rig.row.foreign_rows == 60 - len(rig.recorded)
