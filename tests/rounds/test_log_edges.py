"""Log lines on edges: one when a trouble begins, silence, one when it has been over for a while."""

from worker.core.task import Task
from worker.rounds.log_edges import QUIET_MS, LogEdges

NOW = 1_800_000_000_000
FINE = Task(seq=1, id="t", state="pending", recorded_at=NOW, life_from=NOW, due_at=NOW)


def failing(code: str) -> Task:
    return FINE._replace(last_error=code, failures=1)


def test_a_thousand_tasks_with_one_trouble_are_two_lines() -> None:
    edges = LogEdges((), NOW)
    begun = [line for n in range(1000) for line in edges.saw(FINE, failing("timeout"), NOW + n)]
    assert [(line.level, line.fields) for line in begun] == [("warning", {"code": "timeout", "task": "t"})]
    for n in range(1000):
        assert edges.saw(failing("timeout"), FINE, NOW + 60_000 + n) == []
    assert edges.settled(NOW + 60_999 + QUIET_MS - 1) == []
    (line,) = edges.settled(NOW + 60_999 + QUIET_MS)
    assert (line.level, line.fields) == ("info", {"code": "timeout", "times": 1000, "lasted": "1 min"})
    assert edges.settled(NOW + 10 * QUIET_MS) == []


def test_a_trouble_that_comes_back_soon_is_the_same_one() -> None:
    edges = LogEdges((), NOW)
    assert edges.saw(FINE, failing("cut"), NOW)
    edges.saw(failing("cut"), FINE, NOW + 1)
    assert edges.saw(FINE, failing("cut"), NOW + QUIET_MS // 2) == []
    assert edges.settled(NOW + 2 * QUIET_MS) == [], "somebody still has it"


def test_each_code_is_a_trouble_of_its_own_and_a_change_of_code_moves_the_task() -> None:
    edges = LogEdges((), NOW)
    assert len(edges.saw(FINE, failing("cut"), NOW)) == 1
    assert len(edges.saw(failing("cut"), failing("html"), NOW + 1)) == 1
    assert [line.fields["code"] for line in edges.settled(NOW + 1 + QUIET_MS)] == ["cut"]


def test_what_the_database_knows_is_not_said_again_after_a_restart() -> None:
    edges = LogEdges([("timeout", 2)], NOW)
    assert edges.saw(FINE, failing("timeout"), NOW) == []
    for _ in range(3):
        edges.saw(failing("timeout"), FINE, NOW + 1)
    assert len(edges.settled(NOW + 1 + QUIET_MS)) == 1


def test_the_same_error_again_says_nothing() -> None:
    assert LogEdges((), NOW).saw(failing("cut"), failing("cut")._replace(failures=2), NOW) == []
