"""Callbacks in quarantine, by the commands."""

import json
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.polled_bodies import a_body
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.callback import CallbackRules, Delivery
from worker.rounds.callback.receive import receive
from worker.store.opening import open_store

NOW = 1_800_000_000_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two callbacks in quarantine: one for another tenant as it seemed, and one that is broken."""
    found = House(tmp_path)
    found.config.write_text(f"[store]\npath = {found.database}\n[callback]\ntenant_id = ours\n")
    rules = CallbackRules("mistyped", "unknown", "", Schedule(), 0)
    with open_store(found.database, create=True) as store:
        receive(store, Delivery(json.dumps(a_body("a", "failure")).encode(), "ours"), rules, NOW)
        receive(store, Delivery(b'{"patient": "MARKER"'), rules, NOW)
    return found


def test_they_are_listed_shown_read_again_and_dropped(house: House) -> None:
    told = house.cdpoll("quarantine", "list", "--json", check=0).json["callbacks"]
    assert [(one["number"], one["reason"], one["tenant"]) for one in told] == [
        ("c1", "other_tenant", "ours"),
        ("c2", "not_json", None),
    ]
    text = house.cdpoll("quarantine", "list", check=0).text
    assert "its header names another tenant" in text
    assert "MARKER" not in text
    assert house.cdpoll("quarantine", "show", "c2", "--json", check=0).json["size"] == 20
    assert "MARKER" in house.cdpoll("quarantine", "show", "c2", "--bytes", check=0).text
    assert {"code": "callback_quarantined", "count": 2} in [
        {key: one[key] for key in ("code", "count")} for one in house.status()["problems"]
    ]
    answer = house.cdpoll("quarantine", "retry", "c1", "c2", "--json", check=1).json
    assert answer == {"done": ["c1"], "refused": [{"number": "c2", "reason": "Still here: it is not JSON"}]}
    assert house.cdpoll("show", "a", "--json", check=0).json["state"] == "concluded"
    assert house.cdpoll("quarantine", "drop", "c2", "--json", check=0).json["done"] == ["c2"]
    house.cdpoll("quarantine", "show", "c2", check=65)
    assert "callback_quarantined" not in [one["code"] for one in house.status()["problems"]]
    acts = [(one["act"], one["object"]) for one in house.cdpoll("problems", "acts", "--json", check=0).json["acts"]]
    assert {("retried in quarantine", "c1"), ("dropped from quarantine", "c2")} <= set(acts)
