"""What `status` and `show` say of the schedule: the delay per request, what it brings, and why a poll is when it is."""

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin


def why(house: House, task: str) -> str:
    return str(house.cdpoll("show", task, "--json", check=0).json["why"])


def test_the_delay_per_request_and_what_it_brings(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 2))
    polling = house.status()["polling"]
    assert polling == {
        "schedule": "learned",
        "delay_per_request_s": 20.0,
        "results": 0,
        "polls_per_result": None,
        "delay_s": None,
        "configured_per_second": 1000.0,
        "requests_per_second": 1000.0,
        "requests_today": 0,
        "daily_budget": None,
    }
    house.cdpoll("run", "--until-idle", check=0)
    after = house.status()["polling"]
    assert (after["results"], after["polls_per_result"]) == (2, 1.0)
    assert after["requests_today"] == 3, "two polls and a token"
    house.rows("UPDATE results SET ended_at = received_at - 7000")
    house.rows("UPDATE tasks SET recorded_at = recorded_at - 60000, life_from = recorded_at - 60000, polls = 3")
    house.rows("UPDATE api SET delay_per_request_ms = 90000")
    text = house.cdpoll("status", check=0).text
    assert "learned schedule; delay per request 90 s" in text
    assert "last 2 results: 3 polls each, picked up 7 s after the vendor finished" in text
    assert "3 today; at most 1000/s" in text


def test_a_budget_that_is_spent_is_a_problem(house: House, sandbox: Sandbox) -> None:
    house.write(polling_daily_budget="4")
    house.record(*begin(sandbox, 2))
    house.cdpoll("run", "--until-idle", check=0)
    assert "3 of 4 today" in house.cdpoll("status", check=0).text
    assert [p["code"] for p in house.status()["problems"]] == ["daemon_down"]
    house.write(polling_daily_budget="3")
    (problem,) = [p for p in house.status()["problems"] if p["code"] == "budget_spent"]
    assert (problem["count"], problem["severity"]) == (1, "warning")
    assert "midnight UTC" in problem["hint"]
    assert house.status()["polling"]["daily_budget"] == 3


def test_with_the_fixed_schedule_there_is_no_delay_per_request(house: House, sandbox: Sandbox) -> None:
    (task,) = begin(sandbox, 1, "SBX-NEVER")
    house.record(task)
    house.cdpoll("run", "--once", check=0)
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=0)
    assert "chance" in why(house, task)
    house.write(polling_schedule="fixed")
    assert (house.status()["polling"]["schedule"], house.status()["polling"]["delay_per_request_s"]) == ("fixed", None)
    assert "fixed schedule; delay" not in house.cdpoll("status", check=0).text
    assert "chance" not in why(house, task), "what was planned by it is not explained by it any more"
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=0)
    assert why(house, task).startswith("it was still pending: as the cadence says for its age, ")


def test_show_of_first_polls_and_after_a_fresh_start(house: House, sandbox: Sandbox) -> None:
    (task,) = begin(sandbox, 1, "SBX-NEVER")
    house.record(task)
    shown = house.cdpoll("show", task, "--json", check=0).json
    assert (shown["class"], shown["why"]) == ("unseen", "the first poll")
    house.cdpoll("run", "--once", check=0)
    house.record("later")
    assert why(house, "later").startswith("not polled yet, class unseen: ")
    house.rows("UPDATE tasks SET due_at = 1 WHERE id <> 'later'")
    house.cdpoll("run", "--once", check=0)
    assert house.cdpoll("show", task, "--json", check=0).json["class"].startswith("quick")
    assert "why then" in house.cdpoll("show", task, check=0).text
    house.cdpoll("retry", task, check=0)
    assert why(house, task) == "a fresh start by hand"
    house.cdpoll("poll", task, check=0)
    assert why(house, task).startswith("still pending at ")
    house.cdpoll("abandon", task, check=0)
    assert house.cdpoll("show", task, "--json", check=0).json["why"] is None
