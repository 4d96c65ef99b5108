"""A log line for each conclusion, and one line a second where there are many."""

from worker.core.task import Task
from worker.rounds.conclusions import MOST_LINES, Conclusions

NOW = 1_800_000_000_000


def ended(count: int, outcome: str = "success", first: int = 0) -> list[Task]:
    made = Task(seq=1, id="", state="concluded", recorded_at=NOW - 90_000, life_from=NOW - 90_000, outcome=outcome)  # type: ignore[arg-type]
    return [made._replace(id=f"t{n}") for n in range(first, first + count)]


def said(conclusions: Conclusions, tasks: list[Task], now: int, *, last: bool = False) -> list[dict[str, object]]:
    lines = conclusions.lines(tasks, now, last=last)
    assert {line.level for line in lines} <= {"info"}
    return [line.fields for line in lines]


def test_a_conclusion_is_a_line_with_id_outcome_and_age() -> None:
    conclusions = Conclusions()
    assert said(conclusions, ended(1), NOW) == [{"task": "t0", "outcome": "success", "age": "1 min 30 s"}]
    assert said(conclusions, [], NOW + 60_000, last=True) == []
    assert conclusions.tells_at is None


def test_more_than_ten_in_a_second_are_counted() -> None:
    conclusions = Conclusions()
    first = said(conclusions, ended(MOST_LINES + 2), NOW)
    assert [line["task"] for line in first] == [f"t{n}" for n in range(MOST_LINES)]
    assert said(conclusions, ended(1, "failure"), NOW + 999) == []
    assert conclusions.tells_at == NOW + 1000
    assert said(conclusions, [], NOW + 1000) == [{"tasks": 3, "failure": 1, "success": 2}]


def test_while_there_are_many_there_is_one_line_a_second() -> None:
    conclusions = Conclusions()
    said(conclusions, ended(MOST_LINES + 1), NOW)
    for second in (1, 2, 3):
        lines = said(conclusions, ended(50), NOW + second * 1000)
        assert lines == [{"tasks": 1 if second == 1 else 50, "success": 1 if second == 1 else 50}]
    assert said(conclusions, ended(1), NOW + 4000) == [{"tasks": 50, "success": 50}]
    named = said(conclusions, ended(1, first=7), NOW + 5000)
    assert named == [{"tasks": 1, "success": 1}, {"task": "t7", "outcome": "success", "age": "1 min 35 s"}]


def test_what_is_held_back_is_told_at_the_end_and_when_the_clock_is_set_back() -> None:
    conclusions = Conclusions()
    said(conclusions, ended(MOST_LINES + 1), NOW)
    assert said(conclusions, [], NOW, last=True) == [{"tasks": 1, "success": 1}]
    said(conclusions, ended(1), NOW)
    assert said(conclusions, [], NOW - 3_600_000) == [{"tasks": 1, "success": 1}]
