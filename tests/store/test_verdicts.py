"""The three verdicts of `cdpoll status`, and the line of a problem, each from a picture of its own."""

from typing import Any

import pytest

from worker.core.instant import iso
from worker.store.views.verdicts import Installation, Verdict, problem_line, verdicts

NOW = 1_780_000_000_000
HERE = Installation(api=True, daemon=True)


def a_picture(**more: Any) -> dict[str, Any]:
    """Of a daemon that lives, with 24 tasks of which 21 are due; ``more`` goes over the keys of the picture."""
    found: dict[str, Any] = {
        "daemon": {"alive": True, "beat_age_ms": 200, "beat_age_s": 0},
        "tasks": {"pending": 24, "due": 21, "concluded": 0, "abandoned": 0},
        "api": {"paused": False, "reason": None, "resumes_at": None, "pace": 1.0, "full_pace_in_s": None},
        "polling": {"daily_budget": None, "requests_today": 1, "configured_per_second": 6, "requests_per_second": 6},
        "oldest_due_age_s": 3,
        "failing": [],
        "drop": None,
        "problems": [],
    }
    for key, value in more.items():
        found[key] = {**(found[key] or {}), **value} if isinstance(value, dict) else value
    return found


def work(**more: Any) -> Verdict:
    return verdicts(a_picture(**more), HERE, NOW)["work"]


def picture_of(here: Installation = HERE, **daemon: Any) -> Verdict:
    return verdicts(a_picture(daemon=daemon), here, NOW)["picture"]


def test_work_flows_where_tasks_are_polled() -> None:
    assert work() == ("flowing", "24 tasks pending, 21 due now, the longest for 3 s", "good")


@pytest.mark.parametrize(
    ("codes", "age_ms", "state"),
    [
        (["database_unwritable"], 100, "HELD BACK"),
        (["disk_read_only"], 100, "HELD BACK"),
        (["disk_full"], 60_000, "HELD BACK"),
        (["disk_full"], 100, "flowing"),
        (["disk_low"], 100, "flowing"),
    ],
)
def test_nothing_flows_where_nothing_can_be_saved(codes: list[str], age_ms: int, state: str) -> None:
    found = work(problems=[{"code": code, "severity": "critical"} for code in codes], daemon={"beat_age_ms": age_ms})
    assert found.state == state
    assert found.words.startswith("the database cannot be written") == (state == "HELD BACK")


def test_nothing_flows_where_each_poll_is_in_vain() -> None:
    failing = [{"code": "not_found", "count": 20}, {"code": "http_503", "count": 4}]
    found = work(failing=failing)
    assert found.state == "IN VAIN"
    assert found.words.startswith("no poll brings anything usable: the vendor does not know the id (404); 24 tasks")
    assert work(failing=failing[:1]).state == "flowing"  # four were answered, or were never polled
    assert work(tasks={"pending": 0, "due": 0}).state == "idle"
    assert work(failing=[{"code": "http_429", "count": 24}]).state == "flowing", "the pace tells of refusals"


def test_nothing_flows_where_the_ids_belong_to_another_environment() -> None:
    wrong = [{"code": "wrong_environment", "severity": "critical", "count": 20}]
    found = work(problems=wrong, failing=[{"code": "not_found", "count": 20}])
    assert found.state == "IN VAIN"
    assert found.words.startswith("hardly any poll brings anything usable: the vendor does not know the id (404)")
    every = work(problems=wrong, failing=[{"code": "not_found", "count": 24}])
    assert every.words.startswith("no poll brings anything usable: the vendor does not know the id (404)")


def test_what_refusals_hold_back_is_not_said_to_flow() -> None:
    slow = {"api": {"pace": 0.03, "full_pace_in_s": 1190}, "polling": {"requests_per_second": 0.19}}
    words = "slowed from 6/s to 0.19/s by refusals, full again in about 20 min if none follow"
    assert work(**slow) == ("SLOWED", f"{words}; 24 tasks pending, 21 due now, the longest for 3 s", "warning")
    soon = work(**slow | {"api": {"pace": 0.9, "full_pace_in_s": 0}})
    assert "full again in about 1 s if none follow" in soon.words
    rest = {"pending": 24, "due": 0}
    assert work(**slow, tasks=rest, oldest_due_age_s=None) == (
        "flowing",
        f"24 tasks pending, none due now; {words}",
        "good",
    )
    behind = work(**slow, oldest_due_age_s=400)
    assert (behind.state, words in behind.words) == ("BEHIND", True)


@pytest.mark.parametrize(
    ("in_ms", "said"), [(5000, "next probe in 5 s"), (400, "next probe now"), (-9, "next probe now")]
)
def test_a_pause_tells_when_the_next_probe_is(in_ms: int, said: str) -> None:
    found = work(api={"paused": True, "reason": "unreachable (timeout)", "resumes_at": iso(NOW + in_ms)})
    assert found.words.startswith(f"the vendor does not answer; {said}; 24 tasks pending")


def test_the_picture_is_not_old_in_the_moment_in_which_the_daemon_ends() -> None:
    assert picture_of(alive=False, beat_age_ms=900) == ("fresh", "the daemon was last seen 0 s ago", "good")
    batches = Installation(api=False, daemon=True)
    assert "polled" not in picture_of(batches, alive=False, beat_age_ms=None).words
    old = picture_of(alive=False, beat_age_ms=21_000)
    assert (old.state, old.level) == ("OLD", "warning")


def test_a_count_stands_once_in_the_line_of_a_problem() -> None:
    one = {"code": "unreadable", "count": 73, "severity": "warning", "since": iso(NOW - 5000), "hint": "73 texts"}
    assert problem_line(one, NOW) == ("warning", "warning  unreadable, for 5 s: 73 texts")
    one |= {"hint": "most ids are unknown; see 173", "severity": "critical", "since": None}
    assert problem_line(one, NOW) == ("CRITICAL", "CRITICAL unreadable (73): most ids are unknown; see 173")


def test_who_refuses_our_login_is_named() -> None:
    def paused(code: str) -> str:
        return work(api={"paused": True, "reason": f"credentials ({code})", "resumes_at": None}).words

    assert paused("token_http_401").startswith("the vendor refuses our credentials")
    assert paused("proxy_auth").startswith("the proxy refuses our login")


def test_a_drop_that_cannot_be_read_holds_no_polls_back() -> None:
    drop = {"failure": "drop_missing", "waiting": 0}
    assert work(drop=drop)[:2] == (
        "flowing",
        "24 tasks pending, 21 due now, the longest for 3 s; the drop cannot be read",
    )
    assert work(drop=drop, tasks={"pending": 0, "due": 0})[:2] == ("HELD BACK", "the drop cannot be read")
