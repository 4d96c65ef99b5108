"""Lines of ``cdpoll show`` about the life of a task: what is to come, and how its polls went."""

from typing import Any

import pytest

from cli.task_report import lines
from tests.cli.test_show import shown
from tests.support.cdpoll_process import House
from worker.core.instant import iso
from worker.core.lifecycle import after
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.reply import Rejected, Unknown
from worker.store.opening import open_store
from worker.store.tasks import polling
from worker.store.views.life import polls_in_words

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("polls", "failures", "said"),
    [
        (0, 0, "none yet"),
        (1, 0, "1, it was answered"),
        (6, 0, "6, the last one answered"),
        (1, 1, "1, it failed"),
        (6, 1, "6, the last one failed"),
        (6, 2, "6, the last 2 failed"),
        (6, 6, "6, all failed"),
    ],
)
def test_how_the_polls_went(polls: int, failures: int, said: str) -> None:
    assert polls_in_words(polls, failures) == said


@pytest.mark.parametrize(
    ("due_at", "said"),
    [
        (NOW + 180_000, f"in 3 min, at {iso(NOW + 180_000)}"),
        (NOW, "due now, since 0 ms"),
        (NOW - 180_000, "due now, since 3 min"),
    ],
)
def test_what_is_to_come_is_not_told_as_a_time_in_the_past(due_at: int, said: str) -> None:
    told = [line for line in lines(a_task(due_at=iso(due_at)), NOW) if line.startswith("next poll")]
    assert told == [f"next poll       {said}"]
    assert not [line for line in lines(a_task(due_at=None), NOW) if line.startswith("next poll")]


def test_a_failure_is_told_in_words_beside_its_code() -> None:
    told = [line for line in lines(a_task(last_error="tls_expired"), NOW) if line.startswith("last error")]
    assert told == ["last error      tls_expired: the vendor's certificate has expired"]


def a_task(**fields: Any) -> dict[str, Any]:
    lists = ("patients", "refs", "found", "not_searched", "paths", "answers", "batch_answers", "history")
    empty: dict[str, Any] = {name: [] for name in lists}
    none = [*("name", "outcome", "concluded_at", "purged_at", "correlation_id", "trace_id", "due_at", "why")]
    none += ["last_error", "real_time"]
    plain = {"headline": "pending", "id": "a", "state": "pending", "recorded_at": iso(NOW), "polls": 0, "failures": 0}
    return {**empty, **dict.fromkeys(none), **plain, **fields}


def test_a_task_that_only_ever_got_404_is_not_said_to_have_been_pending(house: House) -> None:
    house.write(polling_schedule="fixed")
    house.record("a")
    schedule = Schedule()
    with open_store(house.database) as store:
        (task,) = polling.by_seq(store, [1], 0).values()
        now = task.recorded_at
        for reply, begins in (
            (Unknown(), "did not know the id yet (404)"),
            (Unknown(), "did not know the id (404): as"),
        ):
            seen = after(task, reply, now, schedule)
            with store.write():
                polling.save(store, task, seen, now)
            (why,) = [line for line in shown(house) if line.startswith("why then")]
            assert begins in why
            assert "pending" not in why
            task, now = seen, now + schedule.not_found_grace
        with store.write():
            polling.save(store, task, after(task, Rejected("http_422"), now, schedule), now)
    (why,) = [line for line in shown(house) if line.startswith("why then")]
    assert "the last poll failed" in why
