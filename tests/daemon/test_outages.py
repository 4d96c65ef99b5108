"""One outage is one line when it begins and one when it is over, whatever fails because of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.loop_by_hand import ByHand
from tests.support.troubles import PAUSE, TROUBLES, quiet_house, quiet_loop, turn
from worker.core.problems import kind_of
from worker.core.standing import QUIET_MS
from worker.daemon import problem_watch
from worker.store.state import api
from worker.store.views.problems import StatusRules


@pytest.fixture
def house(tmp_path: Path) -> House:
    return quiet_house(tmp_path)


@pytest.fixture
def loop(house: House) -> Iterator[ByHand]:
    with quiet_loop(house) as by_hand:
        yield by_hand


def test_what_fails_because_of_a_pause_is_not_counted_beside_it(house: House, loop: ByHand) -> None:
    house.rows(TROUBLES["failing_http_503"].begin)
    assert list(loop.problems()) == ["failing_http_503"]
    house.rows(TROUBLES["api_unreachable"].begin)
    assert list(loop.problems()) == ["api_unreachable"]


THREE_FAILURES = "UPDATE tasks SET failures = 3, last_error = ?, last_poll_at = ? WHERE seq IN (?, ?, ?)"


def end_the_pause(house: House, loop: ByHand) -> None:
    with loop.store.write():
        api.note_pause(loop.store, api.get(loop.store).breaker, loop.clock.now())
    house.rows(PAUSE[1])


def test_one_outage_is_one_begin_and_one_end(house: House, loop: ByHand) -> None:
    # Four tasks have failed for a while when the pause begins, and are asked again only after its end.
    house.rows(THREE_FAILURES, "http_503", loop.clock.now(), 1, 2, 3)
    house.rows(THREE_FAILURES, "timeout", loop.clock.now(), 4, 4, 4)
    lines = turn(loop)
    house.rows(PAUSE[0].format("unreachable", "http_503"))
    lines += turn(loop) + turn(loop, 120_000)
    end_the_pause(house, loop)
    for _ in range(10):
        lines += turn(loop)
    assert loop.problems() == {}
    assert lines == [("problem begins", "api_unreachable"), ("problem is over", "api_unreachable")]
    house.rows(THREE_FAILURES, "http_503", loop.clock.now(), 1, 2, 2)
    assert loop.problems()["failing_http_503"].startswith("polls of 2 tasks keep failing with HTTP 503: ")
    loop.clock.advance(2 * loop.loop.schedule.max_interval)
    assert set(loop.problems()) == {"failing_http_503", "failing_timeout"}


def test_a_storm_of_429_excuses_no_failure_of_another_kind(house: House, loop: ByHand) -> None:
    house.rows(THREE_FAILURES, "http_503", loop.clock.now(), 1, 2, 3)
    house.rows(PAUSE[0].format("rate_limited", "http_429"))
    end_the_pause(house, loop)
    assert set(loop.problems()) == {"failing_http_503"}


def test_a_storm_of_refusals_is_one_problem_for_as_long_as_they_come(house: House, loop: ByHand) -> None:
    def refused() -> None:
        house.rows("UPDATE api SET pace = 500000, slowed_at = ?", loop.clock.now())

    lines = []
    for _ in range(4):
        refused()
        house.rows(PAUSE[0].format("rate_limited", "http_429"))
        lines += turn(loop)
        house.rows(PAUSE[1])
        for _ in range(3):
            assert "api_rate_limited" in loop.problems()
            lines += turn(loop)
    assert lines == [("problem begins", "api_rate_limited")]
    loop.clock.advance(QUIET_MS)
    assert loop.problems() == {}
    assert turn(loop) + turn(loop, QUIET_MS) == [("problem is over", "api_rate_limited")]
    refused()
    assert loop.problems() == {}, "a slower pace alone is no problem: an outage has it, too"


def test_where_nothing_waits_refusals_are_no_problem_any_more(house: House, loop: ByHand) -> None:
    house.rows("UPDATE api SET pace = 500000, slowed_at = ?", loop.clock.now())
    house.rows(PAUSE[0].format("rate_limited", "http_429"))
    turn(loop)
    house.rows(PAUSE[1])
    assert "api_rate_limited" in loop.problems()
    house.rows("UPDATE tasks SET state = 'concluded', outcome = 'success', concluded_at = 1, due_at = NULL")
    assert "api_rate_limited" not in loop.problems()


def test_a_file_of_the_drop_that_joins_others_in_trouble_is_a_line(house: House, loop: ByHand) -> None:
    row = "INSERT INTO remote_files (name, shown, size, mtime, seen_at, state, error) VALUES (?, ?, 1, 1, 1, 'seen', ?)"
    rules = StatusRules(loop.loop.schedule, every_ms=600_000)
    lines = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(problem_watch, "status_rules_of", lambda _config: rules)
        for name in ("a.x12", "b.x12"):
            house.rows(row, name.encode(), name, "permission")
            lines += turn(loop) + turn(loop)
    assert lines == [("problem begins", "sftp_files"), ("problem has another cause now", "sftp_files")]
    assert "x12" not in str(loop.log.lines), "a name may be that of a patient"


def test_a_new_cause_of_a_problem_that_stands_is_a_line(house: House, loop: ByHand) -> None:
    house.rows(PAUSE[0].format("unreachable", "proxy_http_502"))
    lines = turn(loop)
    for code in ("proxy_http_502", "proxy_connect", "proxy_http_502", "proxy_connect", "timeout"):
        house.rows("UPDATE api SET code = ?", code)
        lines += turn(loop)
    house.rows(PAUSE[1])
    turn(loop)
    lines += turn(loop, QUIET_MS)
    again = ("problem has another cause now", "api_unreachable")
    begin, end = ("problem begins", "api_unreachable"), ("problem is over", "api_unreachable")
    assert lines == [begin, again, again, end]
    hints = [str(fields.get("hint")) for event, fields in loop.log.lines if event == again[0]]
    assert [" ".join(hint.split()[:9]) for hint in hints] == [
        "the vendor does not answer: the connection to the",
        "the vendor does not answer: no answer came in",
    ]
    house.rows(PAUSE[0].format("unreachable", "proxy_connect"))
    assert turn(loop) == [begin]


def test_what_keeps_failing_is_not_overdue_as_well(house: House, loop: ByHand) -> None:
    house.rows("UPDATE tasks SET life_from = life_from - 90000000, failures = 3, last_error = 'http_500' WHERE seq = 1")
    assert list(loop.problems()) == ["failing_http_500"]


def test_abandoning_what_fails_leaves_the_failure_of_the_others_and_its_own_end_is_told(
    house: House, loop: ByHand
) -> None:
    house.rows("UPDATE tasks SET failures = 3, last_error = 'http_503' WHERE seq = 1")
    turn(loop)
    assert turn(loop, kind_of("failing").logged_after_ms) == [("problem begins", "failing_http_503")]
    house.cdpoll("abandon", "t0", check=0)
    assert turn(loop) == [("problem begins", "abandoned")]
    assert turn(loop, QUIET_MS) == [("problem is over", "failing_http_503")]
