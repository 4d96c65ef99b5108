"""Which coverages are one, of the lines that tell of them."""

from typing import Any

import pytest

from worker.core.vendor.findings import distinct, each_once


def a_line(**told: Any) -> dict[str, Any]:
    """A line of ``cdpoll found``."""
    line = {"seq": 1, "id": "a", "ref": None, "kind": "active", "provisional": False, "warnings": []}
    line |= {"payer": "PLAN OF PLENTY", "payer_id": "PAY", "member_id": "M1", "plan": "GOLD", "group_number": None}
    line |= {"begins": None, "ends": None, "list": "successful", "path": "Medicare", "source": "poll", "file": None}
    line["patient"] = {"last_name": "HOLDER", "first_name": "ANN", "birth_date": None}
    return line | told


TWIN = {"last_name": "HOLDER", "first_name": "BEA", "birth_date": None}


@pytest.mark.parametrize(
    ("other", "many"),
    [
        ({"list": "realTime", "payer_id": "12345"}, 1),
        ({"path": "HMO", "payer_id": None}, 1),
        ({"payer_id": "12345", "kind": "other_payer"}, 2),
        ({"payer": "THIRD"}, 2),
        ({"member_id": "M2"}, 2),
        ({"plan": "SILVER"}, 2),
        ({"begins": "2026-01-01"}, 2),
        ({"provisional": True}, 2),
        ({"patient": TWIN}, 2),
    ],
)
def test_what_is_one_coverage(other: dict[str, Any], many: int) -> None:
    found = [a_line(), a_line(**other)]
    assert (len(each_once(found)), len(distinct(found))) == (many, many)


@pytest.mark.parametrize("unknown", ["payer", "member_id"])
def test_without_a_name_or_a_number_the_ids_of_payers_count(unknown: str) -> None:
    assert len(each_once([a_line(**{unknown: None}), a_line(**{unknown: None}, payer_id="12345")])) == 2


def test_paths_without_an_answer_are_told_apart_by_their_names() -> None:
    silent: dict[str, Any] = {"kind": "path", "payer": None, "payer_id": None, "member_id": None}
    found = [a_line(**silent), a_line(**silent, path="HMO"), a_line(**silent)]
    assert [one["path"] for one in distinct(found)] == ["Medicare", "HMO"]


def test_lines_of_several_refs_and_numbers_stay_and_are_one_coverage_of_the_task() -> None:
    found = [a_line(), a_line(ref="mine"), a_line(seq=2)]
    assert (len(each_once(found)), len(distinct(found))) == (3, 1)


def test_the_one_has_the_warnings_of_all_and_says_who_tells_it() -> None:
    found = [a_line(list="realTime", warnings=["a"]), a_line(warnings=["b", "a"]), a_line(path="HMO")]
    (one,) = distinct(found)
    assert (one["list"], one["warnings"]) == ("successful", ["b", "a"])
    assert one["told_by"] == ["Medicare's answer", "HMO's answer", "the real-time check's answer"]
    (line,) = each_once(found)
    assert (line["warnings"], "told_by" in line) == (["a", "b"], False)
