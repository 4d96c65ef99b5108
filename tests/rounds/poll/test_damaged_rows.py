"""A row with a damaged number, or one that breaks our own code, holds up no other task."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.damaged_rows import damage
from tests.support.poll_world import HOUR, NOW, Make, breaking_at, concludes, worlds
from worker.core.vendor.reply import Pending, Reply
from worker.gateways.http.pool import Job
from worker.store.tasks import mending

pytestmark = pytest.mark.sqlite

TASKS = ("good-1", "bad", "good-2")
INSTANTS = (
    "recorded_at", "started_at", "life_from", "due_at", "leased_until", "not_found_since", "last_poll_at", "pending_at"
)  # fmt: skip
NUMBERS = (*INSTANTS, "paused_base", "polls", "failures", "last_status", "delay_per_request_ms")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


def pending_first(job: Job, n: int) -> Reply:
    return Pending() if n < 3 else concludes(job, n)


@pytest.mark.parametrize("delay_per_request_ms", [None, 20_000])
@pytest.mark.parametrize("value", ["x\x01", b"A"])
@pytest.mark.parametrize("column", NUMBERS)
def test_a_number_of_a_wrong_type_is_set_anew(
    world: Make, column: str, value: object, delay_per_request_ms: int | None
) -> None:
    w = world(pending_first, delay_per_request_ms=delay_per_request_ms)
    w.record(*TASKS)
    w.until(NOW + 25_000)
    damage(w.path, "bad", column, value)
    w.until(NOW + HOUR)
    assert [w.task(task_id)["state"] for task_id in TASKS] == ["concluded"] * 3
    assert w.count("SELECT count(*) FROM history WHERE event = 'mended'") == 1
    assert [fields for event, fields in w.log.lines if event == mending.MENDED] == [{"tasks": 1}]


@pytest.mark.parametrize("polls", [2**63 - 1, -3])
def test_a_count_that_was_never_reached_by_counting_is_set_anew(world: Make, polls: int) -> None:
    w = world(pending_first)
    w.record(*TASKS)
    damage(w.path, "bad", "polls", polls)
    w.until(NOW + HOUR)
    assert [w.task(task_id)["state"] for task_id in TASKS] == ["concluded"] * 3
    assert len([job for job in w.asked if job.task_id == "bad"]) == 3


@pytest.mark.parametrize("due_at", [-5, 0])
def test_a_task_that_was_due_before_1970_is_asked(world: Make, due_at: int) -> None:
    w = world(concludes)
    w.record(*TASKS)
    damage(w.path, "bad", "due_at", due_at)
    w.until(NOW + HOUR)
    assert sorted(job.task_id for job in w.asked) == sorted(TASKS)


def test_nothing_is_touched_where_nothing_is_damaged(world: Make) -> None:
    w = world(pending_first)
    w.record(*TASKS)
    w.until(NOW + 25_000)
    before = [w.task(task_id) for task_id in TASKS]
    assert mending.mend(w.store, w.now) == 0
    assert [w.task(task_id) for task_id in TASKS] == before


def test_a_task_that_breaks_our_code_with_any_reply_is_put_off(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(concludes)
    breaking_at(monkeypatch, w, "observe", "bad")
    w.record(*TASKS)
    w.until(NOW + 5 * HOUR)
    assert [w.task(task_id)["state"] for task_id in TASKS] == ["concluded", "pending", "concluded"]
    bad = w.task("bad")
    assert (bad["last_error"], bad["reason"], bad["leased_until"]) == ("internal", "backoff", None)
    assert bad["failures"] == bad["polls"] == len([job for job in w.asked if job.task_id == "bad"]) == 5
    assert w.count("SELECT count(*) FROM history WHERE event = 'failing' AND detail = 'internal'") == 1
    assert w.count("SELECT n FROM tallies WHERE name = 'failing' AND key = 'internal'") == 1
