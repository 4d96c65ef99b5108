"""What looks leave behind: in one statement or one by one the same, and never over what somebody else did."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.database import DONE, NOW, SCHEDULE, conclude, concluded, elsewhere, record
from worker.core.reply import Pending, Unreachable
from worker.core.task import Task, after
from worker.store import story, tasks
from worker.store.db import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def test_what_a_look_changed_is_there_with_its_history(store: Store) -> None:
    record(store, "a")
    states: list[Task] = []
    looks: list[Any] = [Unreachable("timeout"), Unreachable("timeout"), Pending("Default", NOW), concluded(DONE)]
    for n, reply in enumerate(looks):
        with store.write():
            old = tasks.get(store, 1, 0)
            assert old is not None
            new = after(old, reply, NOW + n, SCHEDULE)
            assert tasks.save(store, old, new, NOW + n, concluded_by="poll")
        kept = tasks.get(store, 1, 0)
        assert kept == new
        states.append(new)
    assert [s.failures for s in states] == [1, 2, 0, 0]
    told = story.show(store, "a")
    assert told is not None
    assert [h["event"] for h in told["history"]] == ["recorded", "failing", "recovered", "seen", "concluded"]
    assert (told["state"], told["outcome"], told["concluded_by"]) == ("concluded", "success", "poll")


def test_a_concluded_task_is_never_changed(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
    conclude(store, DONE)
    before = elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")
    late: list[Any] = [Pending("Other"), Unreachable("timeout"), concluded({**DONE, "status": "failure"})]
    for reply in late:
        with store.write():
            assert not tasks.save(store, old, after(old, reply, NOW * 2, SCHEDULE), NOW * 2, concluded_by="callback")
    assert (elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")) == before


def test_a_late_result_concludes_an_abandoned_task(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
        tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
    assert elsewhere(path, "SELECT abandoned_at FROM tasks") == [(NOW,)]
    assert conclude(store, DONE) == "first"
    assert elsewhere(path, "SELECT state, outcome, abandoned_at FROM tasks") == [("concluded", "success", None)]
