"""What a poll pass logs beside conclusions: revisions and abandoned tasks, and no failure of a single poll."""

from worker.core.task import Task
from worker.rounds.log_lines import Change, lines

NOW = 1_800_000_000_000
FINE = Task(seq=1, id="t", state="pending", recorded_at=NOW, life_from=NOW, due_at=NOW)


def test_a_failed_poll_is_no_line() -> None:
    assert lines([Change(FINE, FINE._replace(last_error="http_503", failures=9))]) == []


def test_a_revision_and_an_abandoned_task_are_a_line_each() -> None:
    found = lines(
        [Change(FINE, FINE._replace(state="concluded"), revision=True), Change(FINE, FINE._replace(state="abandoned"))]
    )
    assert [(line.level, line.event.split(":")[0], line.fields) for line in found] == [
        ("warning", "a differing body for a concluded task is kept as a revision", {"task": "t"}),
        ("warning", "abandoned", {"task": "t"}),
    ]
