"""The X12 that the sandbox writes: right widths, right counts, and an answer that fits the question."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import examples
from sandbox.inquiry import Inquiry, NotX12, from_json, from_x12, npi_check_digit, valid_npi
from sandbox.timetable import family
from sandbox.transactions import Transaction
from sandbox.x12text import PLANS, write_270, write_271
from tests.support.sandbox_client import START

STATUSES = ["eligible", "ineligible", "patient_unknown", "payer_not_in_system"]
ISA_WIDTHS = [3, 2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1]


def check_interchange(text: str, kind: str) -> list[list[str]]:
    """Counts and control numbers, read without the code under test; the segments from ST to SE."""
    assert text.endswith("~")
    assert len(text.split("~")[0]) == 105
    rows = [row.split("*") for row in text[:-1].split("~")]
    assert [len(element) for element in rows[0]] == ISA_WIDTHS
    assert [row[0] for row in rows[:3]] == ["ISA", "GS", "ST"]
    assert [row[0] for row in rows[-3:]] == ["SE", "GE", "IEA"]
    isa, gs, start, end, ge, iea = rows[0], rows[1], rows[2], rows[-3], rows[-2], rows[-1]
    assert (gs[1], start[1], start[3], gs[8]) == ("HS" if kind == "270" else "HB", kind, gs[8], "005010X279A1")
    assert end[1:] == [str(len(rows) - 4), start[2]]
    assert ge[1:] == ["1", gs[6]]
    assert iea[1:] == ["1", isa[13]]
    loops = [row for row in rows if row[0] == "HL"]
    assert [row[1] for row in loops] == [str(n + 1) for n in range(len(loops))]
    for row in loops:
        assert row[4] == ("1" if any(child[2] == row[1] for child in loops) else "0")
    return rows[2:-2]


ASK = examples.patient(1)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", list(PLANS))
def test_an_answer(kind: str, status: str) -> None:
    text = write_271(ASK, status, kind, ("SBXP", "A PAYER"), START, 4711)
    assert text is not None
    rows = check_interchange(text, "271")
    assert ["NM1", "PR", "2", "A PAYER", "", "", "", "", "PI", "SBXP"] in rows
    if status == "payer_not_in_system":
        assert ["AAA", "N", "", "79", "N"] in rows
        return
    assert ["NM1", "IL", "1", ASK.last_name, ASK.first_name, "", "", "", "MI", ASK.member_id] in rows
    assert ["TRN", "2", ASK.trace_number, ASK.originator_id] in rows
    assert ["DMG", "D8", ASK.birth_date, ASK.gender] in rows
    codes = {row[1] for row in rows if row[0] == "EB"}
    assert (["AAA", "N", "", "75", "C"] in rows) == (status == "patient_unknown")
    assert codes == {"eligible": {"1", "A", "B", "C"}, "ineligible": {"6"}, "patient_unknown": set()}[status]


@pytest.mark.parametrize("status", ["processing_error", "payer_unavailable"])
def test_no_answer(status: str) -> None:
    assert write_271(ASK, status, "Medicare", ("SBXP", "A PAYER"), START, 4711) is None


@given(
    st.builds(
        Inquiry,
        *([st.text(st.characters(codec="latin-1"), max_size=20)] * 3),
        birth_date=st.just("19500102"),
        payer_name=st.text(max_size=20),
        reference=st.text(max_size=20),
    ),
    st.sampled_from(STATUSES),
    st.integers(1, 999_999_999),
)
def test_no_name_breaks_an_answer(ask: Inquiry, status: str, control: int) -> None:
    text = write_271(ask, status, "RTCOB", ("A", ask.payer_name), START, control)
    assert text is not None
    check_interchange(text, "271")


@given(st.integers(0, 10_000), st.integers(0, 5))
def test_a_question_reads_back(n: int, seed: int) -> None:
    ask = examples.patient(n, seed)
    text = examples.real_time_x12_request(n, seed)["x12"]
    check_interchange(text, "270")
    assert from_x12(text) == ask
    as_json = from_json(examples.real_time_request(n, seed))
    assert as_json.key == ask.key
    assert as_json.account_number == ask.account_number


def test_a_question_with_other_delimiters_and_line_breaks() -> None:
    text = write_270(ASK, START, 1)
    assert from_x12("\n " + text.replace("*", "|").replace("~", "'\r\n")) == from_x12(text)
    short = re.sub(r"\*CDPOLLSANDBOX {2}\*", "*CDPOLLSANDBOX*", text)
    assert short != text
    assert from_x12(short) == from_x12(text)


def test_a_dependent_is_the_patient() -> None:
    text = write_270(ASK, START, 1).replace("~EQ*", "~NM1*03*1*INVENTEDCHILD*TESTCHILD~DMG*D8*20150301*F~EQ*")
    found = from_x12(text)
    assert (found.last_name, found.birth_date, found.member_id) == ("INVENTEDCHILD", "20150301", ASK.member_id)
    body = examples.real_time_request(1) | {"dependents": [{"lastName": "CHILD", "dateOfBirth": "20150301"}]}
    found = from_json(body)
    assert (found.last_name, found.birth_date, found.member_id) == ("CHILD", "20150301", ASK.member_id)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with an ISA"),
        ("string", "does not begin with an ISA"),
        ("ISA*00*too short for an interchange~", "16 elements"),
        (write_270(ASK, START, 1)[:105] + "XGS*HS", "terminator"),
        (write_270(ASK, START, 1).replace("ST*270", "ST*271"), "holds no 270"),
        (write_270(ASK, START, 1).partition("~SE*")[0], "no end"),
        (re.sub(r"~NM1\*IL[^~]*", "", write_270(ASK, START, 1)), "no subscriber"),
    ],
)
def test_what_is_no_question(text: str, why: str) -> None:
    with pytest.raises(NotX12, match=why):
        from_x12(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(NotX12):
        from_x12("ISA" + text)


@given(st.integers(10**8, 3 * 10**8 - 1))
def test_exactly_one_check_digit_is_right(nine: int) -> None:
    right = [digit for digit in range(10) if valid_npi(f"{nine}{digit}")]
    assert [str(digit) for digit in right] == [npi_check_digit(str(nine))]


def test_known_npis() -> None:
    assert valid_npi("1234567893")
    assert not valid_npi("1234567890")
    assert not valid_npi("0234567897")
    assert not valid_npi("123456789٣")


def test_examples_are_distinct_people() -> None:
    people = [examples.patient(n) for n in range(500)]
    assert len({p.member_id for p in people}) == len({p.key for p in people}) == 500
    assert examples.patient(3) == examples.patient(3) != examples.patient(3, 2)
    assert all("INVENTED" in p.last_name and valid_npi(p.npi) for p in people)


def test_families() -> None:
    assert family("Search - Name, birth date, and state") == "SearchOptions"
    assert {family(name) for name in PLANS} == set(PLANS)


def test_a_transaction_without_much_to_go_by() -> None:
    made = Transaction("id", START, Inquiry(last_name="X"), "eligible", "HMO", ("P", "P"), 7, "")
    assert made.body()["subscriber"] == {"lastName": "X"}
    check_interchange(made.x12() or "", "271")
