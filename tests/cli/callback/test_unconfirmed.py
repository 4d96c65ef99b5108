"""What a person does with tasks that the vendor does not confirm."""

import json

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import DONE, conclude
from worker.clock import Clock
from worker.store.opening import open_store


@pytest.fixture
def unconfirmed(house: House) -> House:
    """Tasks ``a`` and ``b``; the vendor says something else of ``a`` than its callback did."""
    house.write(callback_listen="127.0.0.1:9272", store_runs="once")
    house.record("a", "b")
    with open_store(house.database) as store:
        conclude(store, DONE, seq=1)
        conclude(store, DONE | {"id": "b"}, seq=2)
    house.rows("UPDATE tasks SET callback_at = 1, verified = 'differs' WHERE id = 'a'")
    return house


def test_they_are_listed_and_told(unconfirmed: House) -> None:
    assert [one["id"] for one in unconfirmed.cdpoll("tasks", "--unconfirmed", "--json").json["tasks"]] == ["a"]
    (problem,) = unconfirmed.status()["problems"]
    assert (problem["code"], problem["count"], problem["severity"]) == ("callback_mismatch", 1, "critical")
    assert "1 NOT CONFIRMED by the vendor" in unconfirmed.cdpoll("status").text
    assert "the vendor says something else" in unconfirmed.cdpoll("show", "a").text
    assert unconfirmed.cdpoll("tasks", "--unconfirmed", "--state", "pending").code == 2


def test_one_that_the_vendor_does_not_know_yet_is_no_problem(unconfirmed: House) -> None:
    unconfirmed.rows("UPDATE tasks SET verified = NULL, verify_at = 9e12, failures = 4, last_error = 'not_found'")
    assert unconfirmed.status()["problems"] == []
    unconfirmed.rows("UPDATE tasks SET last_error = 'http_422' WHERE id = 'a'")
    assert unconfirmed.problems().keys() == {"callback_unconfirmed"}


def test_what_callbacks_conclude_counts_as_concluded(unconfirmed: House) -> None:
    unconfirmed.rows("UPDATE results SET source = 'callback', received_at = ?", Clock().now())
    assert unconfirmed.status()["traffic"]["hour"]["concluded"] == 2


def test_a_person_asks_once_more(unconfirmed: House) -> None:
    ended = unconfirmed.cdpoll("poll", "a", "b", "--json")
    assert "b is concluded" in json.dumps(ended.json["refused"]) or ended.json["refused"][0]["id"] == "b"
    assert unconfirmed.value("SELECT verify_at IS NOT NULL AND polls = 2 FROM tasks WHERE id = 'a'"), "none answers"
    assert unconfirmed.status()["callbacks"]["to_confirm"] == 1


def test_a_person_accepts_them_as_they_are(unconfirmed: House) -> None:
    assert unconfirmed.cdpoll("problems", "ack", "callback_mismatch", check=0).text == "accepted as they are: a\n"
    assert unconfirmed.status()["problems"] == []
    assert "callback_accepted: by " in unconfirmed.cdpoll("show", "a").text
    assert unconfirmed.value("SELECT act FROM acts WHERE object = 'callback_mismatch'") == "acknowledged"
    assert "has confirmed each" in unconfirmed.cdpoll("tasks", "--unconfirmed").err
