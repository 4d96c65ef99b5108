"""``cdpoll show`` as a report: what came of a task on the first line, who is covered by whom below."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.cdpoll_process import House
from tests.support.database import conclude, pending, record
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.x12_samples import Segment, a_file, a_set, subscriber
from worker.store.db.store import Store
from worker.store.opening import open_store


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def store(house: House) -> Iterator[Store]:
    house.database.parent.mkdir()
    with open_store(house.database, create=True) as opened:
        yield opened


def shown(house: House, *args: str) -> list[str]:
    return house.cdpoll("show", *(args or ("a",)), check=0).text.splitlines()


def section(lines: list[str], title: str) -> list[str]:
    """The lines below a title."""
    if title not in lines:
        return []
    below = lines[lines.index(title) + 1 :]
    return below[: below.index("")] if "" in below else below


def test_a_result_with_everything(house: House, store: Store) -> None:
    record(store, "a", ref="ACCT-1")
    skipped = {"id": "", "name": "Medicaid", "reason": "parent path (Commercial) conditions not met"}
    conclude(
        store,
        a_body(
            successful=[a_path(says(("EB", "1", "", "30", "C1", "GOLD"), ("DTP", "346", "D8", "20260101")))],
            unsuccessful=[
                a_path(says(*ANOTHER_PAYER, control="2"), "ineligible", "Commercial", "60054"),
                a_path(says(("AAA", "N", "", "72", "C"), control="3"), "patient_unknown", "HMO", "87726"),
                a_path(None, "payer_unavailable", "RTCOB", "RT"),
            ],
            skipped=[skipped],
        ),
    )
    lines = shown(house)
    assert lines[0].startswith("coverage found: PLAN OF PLENTY (PAY), member M0001")
    assert lines[1:4] == ["patient         HOLDER, ANN, born 1970-02-03", "refs            ACCT-1", "task            a"]
    assert lines[4].startswith("how it came     by poll at 2027-01-15T08:01:00Z")
    first, source, other, other_source = section(lines, "covered by")
    assert first.startswith("  PLAN OF PLENTY (PAY) · member M0001 · plan GOLD · ")
    assert source == "      told by Medicare's answer (trace OURS-1)"
    assert other.startswith("  OVERDALE MUTUAL (OVER1) · plan GOLD · ")
    assert other.endswith(" · another payer, to be billed")
    assert other_source == "      told by Commercial's answer (trace OURS-1)"
    assert section(lines, "searched") == [
        "  Medicare · eligible · payer PAY",
        "      PLAN OF PLENTY says active (GOLD)",
        "  Commercial · not eligible · payer 60054",
        "      PLAN OF PLENTY says inactive",
        "  HMO · the payer does not know the patient · payer 87726",
        "      PLAN OF PLENTY rejects the inquiry",
        "      rejected: member identification of the subscriber invalid or missing (72); correct and send again",
    ]
    assert section(lines, "not searched") == ["  RTCOB · the payer gave no answer · payer RT"]
    assert section(lines, "skipped") == ["  Medicaid · parent path (Commercial) conditions not met"]
    assert section(lines, "batch files say") == []
    assert "state           concluded: success" in lines
    assert [line.split()[1].rstrip(":") for line in section(lines, "history")] == ["recorded", "concluded"]


def test_the_real_time_check_is_a_place_that_was_searched(house: House, store: Store) -> None:
    record(store, "a")
    silent = a_path(says(INACTIVE, control="2"), "ineligible", "HMO")
    conclude(store, a_body(status="failure", real_time=says(), unsuccessful=[silent]))
    lines = shown(house)
    assert lines[0] == "no further coverage; the real-time check said eligible (PLENTY)"
    assert section(lines, "covered by")[1] == "      told by the real-time check's answer (trace OURS-1)"
    assert section(lines, "searched")[2:] == [
        "  real-time check · eligible",
        "      PLAN OF PLENTY says active (SILVER)",
    ]


def test_a_success_without_a_path_says_so(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body())
    lines = shown(house)
    assert lines[0] == "the vendor says success and names no path that found coverage"
    assert section(lines, "covered by") == []
    assert "state           concluded: success" in lines


def test_what_batches_say_and_the_body_says_too_stands_once(house: House, store: Store) -> None:
    about: dict[str, Any] = {"trace_number": "OURS-1", "originator_id": "9000000001", "member_id": "M0001"}
    record(store, "a", **about)
    read(store, says(), "one.x12")
    read(store, says(INACTIVE, control="7"), "two.x12")
    before = section(shown(house), "batch files say")
    assert [re.sub(r" · 20\S+", "", line) for line in before] == [
        "  PLAN OF PLENTY says active (SILVER) · one.x12",
        "  PLAN OF PLENTY says inactive · two.x12",
    ]
    conclude(store, a_body(successful=[a_path(says())]))
    lines = shown(house)
    assert [re.sub(r" · 20\S+", "", line) for line in section(lines, "batch files say")] == [
        "  PLAN OF PLENTY says inactive · two.x12"
    ]
    assert len(section(lines, "covered by")) == 2


def test_early_coverage_is_marked(house: House, store: Store) -> None:
    record(store, "a")
    pending(store, a_body(successful=[a_path(says())]))
    lines = shown(house)
    assert lines[0].startswith("still searching; early (provisional) coverage: PLAN OF PLENTY (PAY)")
    assert section(lines, "covered by")[0].endswith(" · EARLY (provisional): the vendor still searches")
    assert not [line for line in lines if line.startswith("how it came")]


def test_what_is_odd_stands_once_beside_the_coverage(house: House, store: Store) -> None:
    record(store, "a")
    odd = ("XYZ", "1")
    path, other = says(("EB", "1", "", "30"), odd), says(INACTIVE, odd, control="2")
    conclude(store, a_body(successful=[a_path(path)], unsuccessful=[a_path(other, "ineligible", "HMO")]))
    lines = shown(house)
    note = "      note: The segment has a name that the 271 does not use, or not there."
    assert section(lines, "covered by")[2:] == [note]
    searched = section(lines, "searched")
    assert searched.count(note) == 1
    assert searched.index(note) > searched.index("  HMO · not eligible · payer PAY")


def test_a_path_that_never_finished_was_not_searched(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(status="failure", pending=[{"name": "RTCOB", "transaction": {}}]))
    assert section(shown(house), "not searched") == ["  RTCOB · not finished when the vendor ended the task"]


def test_a_coverage_of_two_refs_stands_once(house: House, store: Store) -> None:
    record(store, "a", ref="r1")
    record(store, "a", ref="r2")
    conclude(store, a_body(successful=[a_path(says())]))
    assert len(section(shown(house), "covered by")) == 2
    assert [one["ref"] for one in house.cdpoll("show", "a", "--json", check=0).json["found"]] == ["r1", "r2"]


def test_each_line_says_what_a_doubtful_path_lacks(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(None)]))
    first, _, note = section(shown(house), "covered by")
    assert first == "  Medicare (PAY) · no dates given · the vendor says eligible"
    assert note.startswith("      note: The vendor lists the path as successful and gives no 271")


def test_an_answer_names_what_has_ended_and_whom_to_ask(house: House, store: Store) -> None:
    record(store, "a")
    others = (
        ("EB", "6", "", "30"),
        ("DTP", "347", "D8", "20251231"),
        ("EB", "R", "", "30"),
        ("DTP", "349", "D8", "20240630"),
        ("LS", "2120"),
        ("NM1", "PR", "2", "OVERDALE MUTUAL", "", "", "", "", "PI", "OVER1"),
        ("LE", "2120"),
        ("EB", "U", "", "30"),
        ("LS", "2120"),
        ("NM1", "VN", "2", "CALL CENTRE"),
        ("LE", "2120"),
    )
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(*others), "ineligible", "HMO")]))
    lines = shown(house)
    assert lines[0] == "no coverage found"
    assert section(lines, "searched")[1:4] == [
        "      PLAN OF PLENTY says inactive, to 2025-12-31",
        "      it names OVERDALE MUTUAL (OVER1), whose coverage has ended (to 2024-06-30)",
        "      to be asked, not billed: CALL CENTRE",
    ]


def test_an_answer_names_what_begins_later(house: House, store: Store) -> None:
    record(store, "a")
    later = (
        ("EB", "R", "", "30"),
        ("DTP", "348", "D8", "20991231"),
        ("LS", "2120"),
        ("NM1", "PR", "2", "OVERDALE MUTUAL", "", "", "", "", "PI", "OVER1"),
        ("LE", "2120"),
    )
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE, *later), "ineligible", "HMO")]))
    lines = shown(house)
    assert lines[0] == "no coverage found"
    assert "      it names OVERDALE MUTUAL (OVER1), whose coverage begins later (from 2099-12-31)" in section(
        lines, "searched"
    )


def test_an_earlier_payer_may_have_no_dates(house: House, store: Store) -> None:
    record(store, "a")
    earlier = (
        ("EB", "R", "", "30"),
        ("LS", "2120"),
        ("NM1", "P4", "2", "EARLIER", *[""] * 4, "PI", "E1"),
        ("LE", "2120"),
    )
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE, *earlier), "ineligible")]))
    assert "      it names EARLIER (E1), whose coverage has ended" in section(shown(house), "searched")


def test_a_later_body_that_differs_is_what_is_told(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE), "ineligible")]))
    conclude(store, a_body(successful=[a_path(says())]))
    lines = shown(house)
    assert lines[0].startswith("coverage found: ")
    (came,) = [line for line in lines if line.startswith("how it came")]
    assert "a differing body came by poll" in came
    assert "it says success" in came


def test_where_answers_speak_of_several_patients_each_coverage_has_a_name(house: House, store: Store) -> None:
    record(store, "a")
    family = [*subscriber(INACTIVE), *a_child("KID", "4")]
    conclude(store, a_body(successful=[a_path(a_file(a_set(family)))]))
    lines = shown(house)
    assert lines[0].startswith("coverage found: PLAN OF PLENTY (PAY) for HOLDER, KID, member M0001")
    assert section(lines, "covered by")[0].startswith("  HOLDER, KID: PLAN OF PLENTY (PAY)")
    searched = section(lines, "searched")
    assert "      PLAN OF PLENTY says inactive of HOLDER, ANN" in searched
    assert any("says active of HOLDER, KID" in line for line in searched)


def test_twins_are_two_lines(house: House, store: Store) -> None:
    record(store, "a")
    twins = [*subscriber(), *a_child("ONE", "4"), *a_child("TWO", "5")]
    conclude(store, a_body(successful=[a_path(a_file(a_set(twins)))]))
    covered = [line for line in section(shown(house), "covered by") if line.startswith("  HOLDER")]
    assert [line.split(":")[0].strip() for line in covered] == ["HOLDER, ONE", "HOLDER, TWO"]


def a_child(name: str, hl: str) -> list[Segment]:
    return [("HL", hl, "3", "23", "0"), ("NM1", "03", "1", "HOLDER", name), ("EB", "1", "", "30")]


BENEFITS: list[Segment] = [
    ("EB", "B", "IND", "98^88", "HM", "GOLD", "27", "25", "", "", "", "N", "Y"),
    ("DTP", "292", "RD8", "20260101-20261231"),
    ("REF", "1L", "G7"),
    ("MSG", "SEE THE HANDBOOK"),
    ("LS", "2120"),
    ("NM1", "P3", "1", "WELBY", "MARCUS"),
    ("PER", "IC", "", "TE", "5550100"),
    ("LE", "2120"),
]


def test_benefits_are_told_in_words(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says(*BENEFITS))]))
    lines = shown(house, "a", "--benefits")
    full = lines[lines.index("Medicare in full: HOLDER, ANN") :]
    benefit = next(line for line in full if line.startswith("  co-payment"))
    for word in (
        "physician",
        "pharmacy",
        "individual",
        "GOLD",
        "25",
        "visit",
        "in network",
        "no authorization required",
    ):
        assert word in benefit, word
    below = [line.strip() for line in full[full.index(benefit) + 1 :]]
    assert below[0].endswith("2026-01-01 to 2026-12-31")
    assert below[1].endswith("G7")
    assert below[2] == "message: SEE THE HANDBOOK"
    assert below[3].endswith("WELBY, MARCUS · 5550100")
    (one,) = house.cdpoll("show", "a", "--benefits", "--json", check=0).json["answers_in_full"]
    assert (one["told_by"], one["said"]["benefits"][0]["code"]) == ("Medicare", "B")


def test_a_batch_that_says_the_same_is_not_told_in_full_again(house: House, store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())], real_time=says(INACTIVE, control="9")))
    read(store, says())
    told = house.cdpoll("show", "a", "--benefits", "--json", check=0).json["answers_in_full"]
    assert [one["told_by"] for one in told] == ["Medicare", "the real-time check"]
