"""What `status` and the problems tell of the ways out, and the list of deliveries."""

from dataclasses import replace

import pytest

from tests.support.database import MACHINE, NOW
from tests.support.scripted_way import DOWN, REFUSED, Delivering, ScriptedWay, answering, results
from worker.core.delivery import ReceiverGone
from worker.core.instant import iso
from worker.core.problems import Problem
from worker.core.status_rules import ConfiguredWay, StatusRules
from worker.store.db.store import Store
from worker.store.retention.purging import remove_tasks
from worker.store.retention.undelivered import Limit
from worker.store.state import daemon, delivering
from worker.store.state.delivering import DeliverBeat
from worker.store.views import deliveries as view
from worker.store.views.problems import found

WAYS = (ConfiguredWay("mirth", "directory"),)
RULES = StatusRules(ways=WAYS)
AT = NOW + 120_000
MINUTE_MS = 60_000


def problems(store: Store, now: int, rules: StatusRules = RULES) -> dict[str, Problem]:
    """Those of deliveries."""
    return {one.code: one for one in found(store, now, rules, MACHINE, alive=True) if one.code.startswith("deliver")}


def beat(store: Store, at: int, stopped_at: int | None = None) -> None:
    with store.write():
        delivering.put(store, DeliverBeat(1, "1.0", at, at, stopped_at))


def test_a_way_that_was_never_used_is_behind_by_all_there_is(store: Store) -> None:
    results(store, ["a", "b"])
    assert view.picture(store, AT, WAYS) == [
        {
            "name": "mirth",
            "kind": "directory",
            "position": 0,
            "behind": 2,
            "failed": 0,
            "dead": 0,
            "delivered": 0,
            "resting_until": None,
            "stopped": False,
            "reason": None,
            "last_at": None,
        }
    ]
    (new,) = view.picture(store, AT, (ConfiguredWay("mirth", "directory", "new"),))
    assert new["behind"] == 0


def test_a_new_way_is_not_behind_by_what_was_purged(store: Store) -> None:
    results(store, ["a", "b"])
    assert remove_tasks(store, [1, 2], Limit(AT + MINUTE_MS), AT).tasks == 2
    (told,) = view.picture(store, AT, WAYS)
    assert (told["behind"], problems(store, AT + 10 * MINUTE_MS)) == (0, {})


def test_the_picture_tells_what_was_delivered_what_waits_and_why_a_way_rests(store: Store) -> None:
    results(store, ["a", "b", "c", "d"])
    by = Delivering(store, ScriptedWay(answering({2: REFUSED, 3: DOWN})), AT)
    by.until_idle()
    (told,) = view.picture(store, AT, WAYS)
    assert (told["behind"], told["failed"], told["delivered"]) == (1, 2, 1)
    assert (told["last_at"], told["resting_until"]) == (iso(AT), iso(AT + 2_000))
    assert told["reason"] == "timeout: no answer within 20 s"


def test_the_list_shows_each_with_its_reason_and_is_chosen_from(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED, 2: DOWN})), AT)
    by.until_idle()
    (page,) = view.pages(store, None, None)
    assert [(one["seq"], one["id"], one["state"], one["error"]) for one in page] == [
        (1, "a", "failed", "http_500"),
        (2, "b", "failed", "timeout"),
        (3, "c", "waiting", None),
    ]
    assert page[0]["next_at"] == iso(AT + 5_000)
    assert [one["seq"] for page in view.pages(store, "mirth", "waiting") for one in page] == [3]
    assert list(view.pages(store, "other", None)) == []


def test_a_long_list_comes_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "PAGE_ROWS", 2)
    results(store, ["a", "b", "c"])
    Delivering(store, ScriptedWay(lambda _: DOWN), AT).until_idle()
    assert [len(page) for page in view.pages(store, None, None)] == [2, 1]


def test_without_a_way_nothing_is_told(store: Store) -> None:
    results(store, ["a"])
    assert problems(store, AT + 3_600_000, StatusRules()) == {}


def test_what_waits_for_five_minutes_without_a_process_is_a_problem(store: Store) -> None:
    assert problems(store, AT + 60 * MINUTE_MS) == {}, "nothing waits"
    results(store, ["a"])  # at NOW + 60 s
    assert problems(store, NOW + 5 * MINUTE_MS) == {}
    assert problems(store, NOW + 6 * MINUTE_MS)["deliver_not_running"].count == 1
    beat(store, NOW + 5 * MINUTE_MS, stopped_at=NOW + 5 * MINUTE_MS)
    assert problems(store, NOW + 9 * MINUTE_MS) == {}, "it ran a moment ago: a restart takes a while"
    told = problems(store, NOW + 10 * MINUTE_MS)["deliver_not_running"]
    assert told.since == NOW + 5 * MINUTE_MS
    assert "1 result to be delivered" in told.hint
    assert problems(store, NOW + 10 * MINUTE_MS, RULES._replace(runs="once")) == {}


def test_without_a_process_the_command_of_alerts_is_not_started(store: Store) -> None:
    rules = StatusRules(hook=True)
    with store.write():
        daemon.beat(store, pid=1, version="1.0", started_at=NOW, now=NOW, token_expires_at=None)
    assert problems(store, NOW + 4 * MINUTE_MS, rules) == {}, "both have just been started"
    told = problems(store, NOW + 5 * MINUTE_MS, rules)["deliver_not_running"]
    assert told.hint.startswith("[alert] command is to be told of problems, and no `cdpoll deliver` runs: start it")
    beat(store, NOW + 5 * MINUTE_MS)
    assert problems(store, NOW + 5 * MINUTE_MS, rules) == {}
    results(store, ["a"])
    told = problems(store, NOW + 60 * MINUTE_MS, RULES._replace(hook=True))["deliver_not_running"]
    assert "1 result to be delivered, and [alert] command is to be told of problems, and no" in told.hint


def test_a_process_that_lives_is_no_problem(store: Store) -> None:
    results(store, ["a"])
    beat(store, NOW + 60 * MINUTE_MS)
    assert problems(store, NOW + 61 * MINUTE_MS) == {}


def test_a_way_that_delivers_nothing_for_fifteen_minutes_is_a_problem(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(lambda _: DOWN), AT)
    by.until_idle()
    beat(store, AT + 14 * MINUTE_MS)
    assert problems(store, AT + 14 * MINUTE_MS) == {}
    beat(store, AT + 15 * MINUTE_MS)
    told = problems(store, AT + 15 * MINUTE_MS)["delivery_failing"]
    assert "by way of mirth: timeout: no answer within 20 s" in told.hint
    beat(store, AT, stopped_at=AT)
    assert set(problems(store, AT + 15 * MINUTE_MS, RULES._replace(runs="once"))) == {"delivery_failing"}, "by a timer"
    assert set(problems(store, AT + 15 * MINUTE_MS)) == {"deliver_not_running"}
    by.now += 15 * MINUTE_MS
    by.way.answer = answering({})
    by.until_idle()
    assert problems(store, by.now) == {}


def test_a_stopped_way_and_dead_letters_are_problems(store: Store) -> None:
    results(store, ["a", "b"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED, 2: ReceiverGone("http_410", "no more")})), AT)
    by.rules = replace(by.rules, schedule_ms=())
    by.begin()
    by.until_idle()
    beat(store, by.now)
    told = problems(store, by.now)
    assert set(told) == {"delivery_stopped", "delivery_dead"}
    assert told["delivery_dead"].hint.startswith("1 letter given up, by way of mirth; the last for http_500")
    assert told["delivery_stopped"].causes == {"mirth"}


def test_a_damaged_row_of_the_process_counts_as_none(store: Store) -> None:
    with store.write():
        store.execute("INSERT INTO meta (key, value) VALUES ('deliver', '{\"pid\": 1}')")
    assert delivering.get(store) is None
