"""A task waits days for its slowest path, while another one found coverage at once: a person sees it at once."""

import json
from pathlib import Path
from typing import Any

from tests.support.cdpoll_process import House
from tests.support.loopback import answer
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.scripted_vendor import ScriptedVendor

SEARCHING: dict[str, Any] = {"pending": [{"name": "CoverageInsight"}]}


def lines(house: House) -> list[tuple[Any, ...]]:
    told = house.cdpoll("found", "--json", check=0).json["found"]
    return [tuple(one[key] for key in ("seq", "ref", "payer", "path", "provisional")) for one in told]


def test_coverage_is_seen_while_the_vendor_still_searches(tmp_path: Path, scripted: ScriptedVendor) -> None:
    house = House(tmp_path, **scripted.keys())
    house.cdpoll("record", "a", "--ref", "ACCT-1", check=0)
    unknown = a_path(None, "patient_unknown", "Medicaid")
    inactive = a_path(says(INACTIVE, member="M3"), "ineligible", "HMO")
    other = a_path(says(*ANOTHER_PAYER, member="M2"), "ineligible", "Commercial")

    def poll(content: Any) -> None:
        scripted.say = lambda asked, peer: answer(200, json.dumps(content).encode())
        house.rows("UPDATE tasks SET due_at = 1")
        house.cdpoll("run", "--once", check=0)

    poll(a_body(status="pending", unsuccessful=[unknown, inactive], **SEARCHING))
    assert lines(house) == []
    poll(a_body(status="pending", successful=[a_path(says())], unsuccessful=[unknown, inactive, other], **SEARCHING))
    medicare, commercial = ("PLAN OF PLENTY", "Medicare"), ("OVERDALE MUTUAL", "Commercial")
    assert lines(house) == [(None, "ACCT-1", *medicare, True), (None, "ACCT-1", *commercial, True)]
    status = house.status()
    assert (status["tasks"]["pending"], status["outcomes"]) == (1, {"success": 0, "failure": 0})
    assert house.cdpoll("show", "a", "--json", check=0).json["outcome"] is None
    poll(a_body(successful=[a_path(says())], unsuccessful=[unknown, inactive]))
    assert lines(house) == [(1, "ACCT-1", *medicare, False)]
