"""Log lines on edges: one when a trouble begins, silence, one when it has been over for a while."""

from itertools import pairwise

from worker.core.pacing.breaker import Lane, pause, resume
from worker.core.task import Task
from worker.rounds.log_edges import QUIET, Pauses, Troubles

NOW = 1_800_000_000_000
FINE = Task(seq=1, id="t", state="pending", recorded_at=NOW, life_from=NOW, due_at=NOW)


def failing(code: str) -> Task:
    return FINE._replace(last_error=code, failures=1)


def test_a_thousand_tasks_with_one_trouble_are_two_lines() -> None:
    troubles = Troubles((), NOW)
    begun = [line for n in range(1000) for line in troubles.saw(FINE, failing("timeout"), NOW + n)]
    assert [(line.level, line.fields) for line in begun] == [("warning", {"code": "timeout", "task": "t"})]
    for n in range(1000):
        assert troubles.saw(failing("timeout"), FINE, NOW + 60_000 + n) == []
    assert troubles.settled(NOW + 60_999 + QUIET - 1) == []
    (line,) = troubles.settled(NOW + 60_999 + QUIET)
    assert (line.level, line.fields) == ("info", {"code": "timeout", "times": 1000, "lasted": "1 min"})
    assert troubles.settled(NOW + 10 * QUIET) == []


def test_a_trouble_that_comes_back_soon_is_the_same_one() -> None:
    troubles = Troubles((), NOW)
    assert troubles.saw(FINE, failing("cut"), NOW)
    troubles.saw(failing("cut"), FINE, NOW + 1)
    assert troubles.saw(FINE, failing("cut"), NOW + QUIET // 2) == []
    assert troubles.settled(NOW + 2 * QUIET) == [], "somebody still has it"


def test_each_code_is_a_trouble_of_its_own_and_a_change_of_code_moves_the_task() -> None:
    troubles = Troubles((), NOW)
    assert len(troubles.saw(FINE, failing("cut"), NOW)) == 1
    assert len(troubles.saw(failing("cut"), failing("html"), NOW + 1)) == 1
    assert [line.fields["code"] for line in troubles.settled(NOW + 1 + QUIET)] == ["cut"]


def test_what_the_database_knows_is_not_said_again_after_a_restart() -> None:
    troubles = Troubles([("timeout", 2)], NOW)
    assert troubles.saw(FINE, failing("timeout"), NOW) == []
    for _ in range(3):
        troubles.saw(failing("timeout"), FINE, NOW + 1)
    assert len(troubles.settled(NOW + 1 + QUIET)) == 1


def test_the_same_error_again_says_nothing() -> None:
    assert Troubles((), NOW).saw(failing("cut"), failing("cut")._replace(failures=2), NOW) == []


def test_a_pause_is_said_when_it_begins_changes_and_ends() -> None:
    limited = pause(Lane(), "rate_limited", "http_429", NOW, 1000)
    refused = pause(limited, "credentials", "http_403", NOW + 1000, 60_000)
    again = pause(refused, "credentials", "http_403", NOW + 61_000, 120_000)
    steps = [Lane(), limited, refused, again, resume(again, NOW + 200_000)]
    pauses = Pauses()
    said = [line.event for a, b in pairwise(steps) for line in pauses.lines(a, b, NOW)]
    assert said == ["api paused", "api still paused, for another reason", "api answers again"]


def test_a_storm_of_short_pauses_is_three_lines() -> None:
    pauses, now, said = Pauses(), NOW, []
    for _ in range(50):
        paused = pause(Lane(), "rate_limited", "http_429", now, 1000)
        said += pauses.lines(Lane(), paused, now)
        now += 2000
        said += pauses.lines(paused, resume(paused, now), now)
        now += 3000
        said += pauses.lines(Lane(), Lane(), now)
    said += pauses.lines(Lane(), Lane(), now + QUIET)
    assert [line.event for line in said] == ["api paused", "api answers again", "api has kept answering"]
    assert said[-1].fields == {"was": "rate_limited", "pauses": 50}
    assert pauses.lines(Lane(), Lane(), now + 9 * QUIET) == []
