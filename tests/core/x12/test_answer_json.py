"""The JSON of an answer: everything that the reader found is in it, and it is JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.x12_samples import a_set, group, interchange, subscriber
from worker.core.x12 import answer_json as module
from worker.core.x12.answer import Answer
from worker.core.x12.answer_columns import answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.embedded import read_embedded

FULL = (
    ("EB", "C", "FAM", "30^88", "HM", "GOLD", "23", "250.50", ".2", "VS", "12", "Y", "N", "HC:99213:25", "1:2"),
    ("HSD", "VS", "30", "", "", "22"),
    ("REF", "18", "P1", "PLAN ONE"),
    ("DTP", "292", "RD8", "20260101-20261231"),
    ("DTP", "348", "D8", "20261399"),
    ("AAA", "N", "", "70", "C"),
    ("MSG", "FIRST"),
    ("MSG", "SECOND"),
    ("LS", "2120"),
    ("NM1", "PR", "2", "OTHER PLAN", "", "", "", "", "PI", "OTHER"),
    ("PER", "IC", "", "TE", "5550100"),
    ("LE", "2120"),
    ("EB", "R", "", "30"),
)


def answer_of(*benefits: tuple[str, ...]) -> Answer:
    (answer,) = read_embedded(interchange(group(a_set(subscriber(*benefits))))).answers
    return answer


def test_a_benefit_with_everything() -> None:
    said: dict[str, Any] = json.loads(answer_json(answer_of(*FULL)))
    assert said["benefits"][0] == {
        "code": "C",
        "text": "deductible",
        "level": "FAM",
        "service_types": ["30", "88"],
        "insurance_type": "HM",
        "plan": "GOLD",
        "time_period": "23",
        "amount": "250.50",
        "percent": "0.2",
        "quantity_qualifier": "VS",
        "quantity": "12",
        "authorization": "Y",
        "in_network": "N",
        "procedure": ["HC", "99213", "25"],
        "pointers": ["1", "2"],
        "dates": [
            {"qualifier": "292", "first": "2026-01-01", "last": "2026-12-31", "ranged": True},
            {"qualifier": "348", "text": "20261399"},
        ],
        "messages": ["FIRST", "SECOND"],
        "references": [{"qualifier": "18", "value": "P1", "text": "PLAN ONE"}],
        "rejections": [said["rejections"][0]],
        "related": [
            {"entity": "PR", "name": "OTHER PLAN", "id_qualifier": "PI", "id": "OTHER", "contacts": ["5550100"]}
        ],
        "details": [["HSD", "VS", "30", "", "", "22"]],
    }
    assert (said["rejections"][0]["code"], said["rejections"][0]["retryable"]) == ("70", False)
    assert [one.get("name", "") for one in said["other_payers"]] == [""]
    assert [one["name"] for one in said["to_ask"]] == ["OTHER PLAN"]
    assert "impossible_date" in {one["code"] for one in said["issues"]}


@pytest.mark.parametrize("turns", [1, 3])
def test_what_is_remembered_is_what_was_said(turns: int) -> None:
    texts = {answer_json(answer) for answer in [answer_of(*FULL)] * turns}
    assert texts == {answer_json(answer_of(*FULL))}


def test_more_benefits_than_are_remembered() -> None:
    benefits = [("EB", "C", "IND", "30", "", "", "23", str(n)) for n in range(5000)]
    said = json.loads(answer_json(answer_of(*benefits)))
    assert [one["amount"] for one in said["benefits"]] == [str(n) for n in range(5000)]


def test_the_flat_form_takes_the_trace_that_is_ours() -> None:
    text = interchange(group(a_set(subscriber())))
    (answer,) = read_embedded(text.replace("TRN*2*", "TRN*1*THEIRS*1~TRN*2*")).answers
    assert (answer_columns(answer).trace_number, answer_columns(answer).originator_id) == ("OURS-1", "9000000001")


def test_a_payer_that_refuses_without_naming_anybody() -> None:
    body = [("BHT", "0022", "11", "", "20260304", "0930"), ("HL", "1", "", "20", "0"), ("AAA", "N", "", "79", "N")]
    (answer,) = read_embedded(interchange(group(a_set(body)))).answers
    said = json.loads(answer_json(answer))
    assert (said["level"], said["coverage"], said["subscriber"], said["payer"]) == ("payer", "rejected", None, None)
    assert answer_columns(answer).rejections == "79"


def test_the_module_says_which_keys_there_are() -> None:
    said = json.loads(answer_json(answer_of(*FULL)))
    assert all(f"``{key}``" in Path(module.__file__).read_text() for key in said)


def test_numbers_stand_as_they_came_though_others_are_equal_to_them() -> None:
    for amount, percent in (("20.5", ".1"), ("20.50", ".10"), ("020.5", "0.1"), ("", "0"), ("0", "")):
        said = json.loads(answer_json(answer_of(("EB", "B", "IND", "98", "C1", "", "27", amount, percent))))
        (benefit,) = said["benefits"]
        assert benefit.get("amount") == {"": None, "020.5": "20.5"}.get(amount, amount)
        assert benefit.get("percent") == {"": None, ".1": "0.1", ".10": "0.10"}.get(percent, percent)


def test_another_payer_is_told_anew_in_every_set_that_names_it() -> None:
    for number, name in (("P1", "ONE"), ("P2", "ONE"), ("P2", "TWO"), ("P1", "ONE")):
        named = (("EB", "R", "", "30"), ("REF", "18", number), ("LS", "2120"), ("NM1", "PR", "2", name), ("LE", "2120"))
        said = json.loads(answer_json(answer_of(*named)))
        (benefit,), (other,) = said["benefits"], said["other_payers"]
        assert benefit["references"] == other["references"] == [{"qualifier": "18", "value": number}]
        assert (benefit["related"], other["name"]) == ([{"entity": "PR", "name": name}], name)
