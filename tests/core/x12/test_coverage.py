"""One word for the coverage of a 271, and the dates that it goes by."""

import pytest

from tests.support.x12_reading import AAA, EB_INACTIVE, RECEIVER, SOURCE, answer, holder, said
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber
from worker.core.x12 import codes
from worker.core.x12.embedded import read_embedded

# -- dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text", "first", "last", "issue"),
    [
        ("D8", "20240229", "2024-02-29", "2024-02-29", ""),
        ("RD8", "20260101-20261231", "2026-01-01", "2026-12-31", ""),
        ("RD8", "20260101-20260101", "2026-01-01", "2026-01-01", ""),
        ("RD8", "20260101-99991231", "2026-01-01", "9999-12-31", ""),
        ("D8", "20230229", "", "", "impossible_date"),
        ("D8", "10010101", "", "", "impossible_date"),
        ("D8", "00000000", "", "", "impossible_date"),
        ("D8", "", "", "", "impossible_date"),
        ("D8", "TODAY", "", "", "impossible_date"),
        ("RD8", "20261231-20260101", "", "", "impossible_date"),
        ("RD8", "20260101-", "2026-01-01", "", "date_format"),
        ("RD8", "-20261231", "", "2026-12-31", "date_format"),
        ("RD8", "20260101 - 20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "2026-01-01-2026-12-31", "2026-01-01", "2026-12-31", "date_format"),
        ("D8", "2026/12/31", "2026-12-31", "2026-12-31", "date_format"),
        ("D8", "2026-1231", "", "", "impossible_date"),
        ("D8", "12312026", "", "", "impossible_date"),
        ("RD8", "20260101-20261399", "2026-01-01", "", "impossible_date"),
        ("RD8", "20260101--20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "20260101/20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "2026/01/01/2026/12/31", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "20260101,20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "20260101 to 20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "20260101\N{EN DASH}20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "2026-01-01T00:00:00-2026-12-31T23:59:59", "2026-01-01", "2026-12-31", "date_format"),
        ("D8", "20261231000000", "2026-12-31", "2026-12-31", "date_format"),
        ("D8", "2026-12-31 00:00:00", "2026-12-31", "2026-12-31", "date_format"),
        ("D8", "202612312359", "", "", "impossible_date"),
        ("D8", "-", "", "", "impossible_date"),
        ("D8", "20260101-20261231", "2026-01-01", "2026-12-31", "date_format"),
        ("RD8", "20260101", "2026-01-01", "2026-01-01", "date_format"),
        ("DT", "202601011230", "2026-01-01", "2026-01-01", ""),
    ],
)
def test_dates(form: str, text: str, first: str, last: str, issue: str) -> None:
    found = answer(("DTP", "307", form, text), ("EB", "D", "", "30"))
    (one,) = found.dates
    assert (one.first, one.last, one.text) == (first, last, text if issue else "")
    assert said(found) == ([issue] if issue else [])
    assert not text or text not in str(found.issues)


def test_an_impossible_birth_date_is_kept_as_text() -> None:
    body = [*SOURCE, *RECEIVER, *holder(("DMG", "D8", "10010203"), ACTIVE, children="0")]
    found = answer(*body, whole=True)
    assert found.subscriber is not None
    assert (found.subscriber.birth_date, found.subscriber.birth_date_as_received) == ("", "10010203")
    assert said(found) == ["impossible_date"]


# -- coverage ---------------------------------------------------------------------------------------------------------


def dated(code: str, qualifier: str, text: str, types: str = "30") -> list[Segment]:
    return [("EB", code, "", types), ("DTP", qualifier, "RD8" if "-" in text else "D8", text)]


def status(code: str, coverage: str) -> tuple[str, list[Segment], str]:
    return f"status {code}", [("EB", code, "", "30")], coverage


ASKED: Segment = ("DTP", "472", "D8", "20250601")

SPAN: Segment = ("DTP", "307", "RD8", "20240101-20251231")
YEAR = ("291", "20250101-20251231")
PLAN_YEAR: Segment = ("DTP", "291", "RD8", "20250101-20251231")
PLAN_OVER: Segment = ("DTP", "347", "D8", "20251231")

AGAIN: list[Segment] = [("DTP", "348", "D8", "20210101"), ("DTP", "349", "D8", "20251231")]


def ended(day: str) -> list[Segment]:
    return [("DTP", "349", "D8", day)]


COVERAGE: list[tuple[str, list[Segment], str]] = [
    *[status(code, "active") for code in "12345"],
    *[status(code, "inactive") for code in "678"],
    ("without a service type", [("EB", "1")], "active"),
    ("active on another type only", [("EB", "1", "", "88")], "active"),
    ("active on another type, the plan inactive", [EB_INACTIVE, ("EB", "1", "", "88")], "inactive"),
    ("inactive on another type, the plan active", [("EB", "6", "", "88"), ACTIVE], "active"),
    ("one plan ended, another active", [EB_INACTIVE, ACTIVE], "active"),
    ("not covered beside active", [("EB", "I", "", "41^54"), ("EB", "1", "", "88"), ACTIVE], "active"),
    ("not covered on the plan", [("EB", "I", "", "30")], "not_covered"),
    ("not covered on another type", [("EB", "I", "", "54")], "undetermined"),
    ("a rejection", [AAA], "rejected"),
    ("a rejection beside active", [AAA, ACTIVE], "active"),
    ("a rejection beside not covered", [AAA, ("EB", "I", "", "30")], "rejected"),
    ("another payer", [("EB", "R", "", "30")], "undetermined"),
    ("ask somebody", [("EB", "U", "", "30")], "undetermined"),
    ("cannot process", [("EB", "V", "", "30")], "undetermined"),
    ("amounts only", [("EB", "C", "", "30", "", "", "23", "500")], "undetermined"),
    ("nothing", [], "undetermined"),
    ("in force since", dated("1", "348", "20200101"), "active"),
    ("in force until", dated("1", "349", "20991231"), "active"),
    ("in force between", dated("1", "292", "20260101-20261231"), "active"),
    ("ended", dated("1", "349", "20251231"), "inactive"),
    ("ended range", dated("1", "291", "20240101-20241231"), "inactive"),
    ("not begun", dated("1", "348", "20270101"), "inactive"),
    ("ended, then another in force", [*dated("1", "349", "20251231"), *dated("1", "348", "20260101")], "active"),
    ("ended since, asked for before", [ASKED, *dated("1", "349", "20251231")], "active"),
    ("begun since, asked for before", [ASKED, *dated("1", "348", "20260101")], "inactive"),
    ("the plan ended", [("DTP", "347", "D8", "20251231"), ACTIVE], "inactive"),
    ("the plan ended, asked for before", [ASKED, ("DTP", "347", "D8", "20251231"), ACTIVE], "active"),
    ("plan since, benefit since later", [("DTP", "291", "D8", "20150101"), *dated("1", "348", "20260101")], "active"),
    ("an impossible date excludes nothing", dated("1", "349", "20259999"), "active"),
    ("a range that runs backwards excludes nothing", dated("1", "292", "20281231-20270101"), "active"),
    ("asked for a range that runs backwards", [("DTP", "291", "RD8", "20281231-20270101"), ACTIVE], "active"),
    ("the plan ended, in a range under its begin", [("DTP", "346", "RD8", "20200101-20251231"), ACTIVE], "inactive"),
    (
        "the span of eligibility ended before the day asked",
        [SPAN, ("DTP", "472", "D8", "20260304"), ACTIVE],
        "inactive",
    ),
    ("the span of eligibility had ended", [SPAN, ACTIVE], "inactive"),
    ("the plan's span had ended", [PLAN_YEAR, ACTIVE], "inactive"),
    ("the plan's span had not begun", [("DTP", "291", "RD8", "20270101-20271231"), ACTIVE], "inactive"),
    ("the plan's span had ended, asked for before", [ASKED, PLAN_YEAR, ACTIVE], "active"),
    ("a stay that was asked for", [("DTP", "291", "RD8", "20260110-20260114"), ACTIVE], "active"),
    (
        "a plan since long ago that ended",
        [("DTP", "291", "D8", "20200101"), *dated("1", "349", "20251231")],
        "inactive",
    ),
    (
        "the plan ended, of a benefit that tells its begin alone",
        [PLAN_OVER, *dated("1", "348", "20200101")],
        "inactive",
    ),
    ("the plan ended before the benefit began", [PLAN_OVER, *dated("1", "348", "20260101")], "active"),
    ("the plan year ended, eligible", [PLAN_YEAR, ("DTP", "307", "RD8", "20200101-99991231"), ACTIVE], "active"),
    ("the plan year ended, eligible since", [PLAN_YEAR, ("DTP", "356", "D8", "20200101"), ACTIVE], "active"),
    ("the same of a benefit", [*dated("1", "291", "20250101-20251231"), ("DTP", "307", "D8", "20200101")], "active"),
    (
        "the plan year ended, eligible until then",
        [PLAN_YEAR, ("DTP", "356", "D8", "20200101"), ("DTP", "357", "D8", "20251231"), ACTIVE],
        "inactive",
    ),
    (
        "the plan ended on its day, eligible",
        [PLAN_YEAR, PLAN_OVER, ("DTP", "356", "D8", "20200101"), ACTIVE],
        "inactive",
    ),
    ("the plan year ended, asked for later", [("DTP", "307", "D8", "20260301"), *dated("1", *YEAR)], "inactive"),
    ("a benefit with dates that tell no limits", [PLAN_OVER, ACTIVE, ("DTP", "304", "D8", "20260101")], "inactive"),
    ("not covered, but for a single service", [("EB", "I", "", "30"), ("EB", "1", "", "88")], "not_covered"),
    ("hospital care beside a plan that is not covered", [("EB", "I", "", "30"), ("EB", "1", "", "47^48")], "active"),
    ("medical care beside an inactive plan", [EB_INACTIVE, ("EB", "1", "", "1")], "active"),
    (
        "enrolled again",
        [*dated("1", "348", "20200101"), *ended("20201231"), ("DTP", "348", "D8", "20260101")],
        "active",
    ),
    ("enrolled again, and over again", [*dated("1", "348", "20200101"), *ended("20201231"), *AGAIN], "inactive"),
    ("the end told before the begin", [*dated("1", "349", "20251231"), ("DTP", "348", "D8", "20200101")], "inactive"),
    ("codes padded in front", [("EB", " 6", "", " 30"), ("EB", "1", "", "88")], "inactive"),
    ("codes padded with blanks", [("EB", "6 ", "", "30 "), ("EB", "1", "", "88")], "inactive"),
    ("repeated codes padded with blanks", [("EB", "6", "", "30 ^88 "), ("EB", "1", "", "54")], "inactive"),
]


@pytest.mark.parametrize(("body", "word"), [(b, w) for _, b, w in COVERAGE], ids=[name for name, _, _ in COVERAGE])
def test_coverage(body: list[Segment], word: str) -> None:
    found = answer(*body)
    assert found.coverage == word
    active = any(one.code in codes.ACTIVE for one in found.benefits)
    on_the_plan = any(one.code in codes.INACTIVE for one in found.benefits)
    assert ("not_in_force" in said(found)) == (word == "inactive" and active and not on_the_plan)
    assert ("answer_empty" in said(found)) == (not body)


def test_contradictions_are_warned_of() -> None:
    assert said(answer(EB_INACTIVE, ("EB", "1", "", "1"))) == ["plan_contradicted"]
    began: Segment = ("DTP", "291", "D8", "20250701")
    assert said(answer(began, *dated("1", "349", "20251231"))) == ["ended_since"]
    assert said(answer(began, *dated("1", "349", "20261231"))) == []


@pytest.mark.parametrize("qualifier", ["291", "307"])
def test_a_single_date_of_the_patient_may_be_the_day_when_it_began(qualifier: str) -> None:
    began: Segment = ("DTP", qualifier, "D8", "20251001")
    found = answer(began, *dated("1", "348", "20260101"), *ended("20261231"))
    assert (found.coverage, found.begins, said(found)) == ("active", "2026-01-01", [])
    assert said(answer(began, *dated("1", "349", "20251231"))) == ["ended_since"]


@pytest.mark.parametrize(
    ("qualifier", "text", "told"),
    [
        ("346", "20260101-20260101", ("active", "2026-01-01", "")),
        ("347", "20261231-20261231", ("active", "", "2026-12-31")),
        ("347", "20251231-20251231", ("inactive", "", "2025-12-31")),
    ],
)
def test_a_begin_or_an_end_may_be_written_as_a_range_of_one_day(
    qualifier: str, text: str, told: tuple[str, str, str]
) -> None:
    found = answer(*dated("1", qualifier, text))
    assert (found.coverage, found.begins, found.ends) == told


def test_a_code_in_small_letters_means_the_same() -> None:
    found = answer(("EB", "i", "", "30"))
    assert (found.coverage, said(found), found.benefits[0].text) == ("not_covered", ["lower_case"], "not covered")


@pytest.mark.parametrize(
    ("text", "word", "codes"),
    [
        ("20270101-20271231", "inactive", ["not_in_force", "begins_later"]),
        ("20260410-20260414", "active", ["begins_later"]),
        ("20260401-20260401", "active", []),
        ("20260101-20261231", "active", []),
        ("20260110-20260114", "active", ["ended_since"]),
        ("20250101-20251231", "inactive", ["not_in_force"]),
    ],
)
def test_a_span_beside_the_day_of_the_answer_is_warned_of(text: str, word: str, codes: list[str]) -> None:
    found = answer(("DTP", "291", "RD8", text), ("EB", "1", "", "30"))
    assert (found.coverage, said(found)) == (word, codes)


@pytest.mark.parametrize(
    ("limit", "codes"),
    [
        (("349", "20260131"), ["ended_since"]),
        (("348", "20261201"), ["begins_later"]),
        (("348", "20260201"), []),
        (("349", "20260304"), []),
    ],
)
def test_a_year_of_eligibility_around_the_day_of_the_answer_hides_no_end(
    limit: tuple[str, str], codes: list[str]
) -> None:
    year: Segment = ("DTP", "307", "RD8", "20260101-20261231")
    for body in ([year, *dated("1", *limit)], [year, ("DTP", limit[0], "D8", limit[1]), ("EB", "1", "", "30")]):
        found = answer(*body)
        assert (found.coverage, said(found)) == ("active", codes)


def test_a_benefit_that_begins_later_is_warned_of() -> None:
    found = answer(*dated("1", "348", "20260501"))
    assert (found.coverage, found.begins, said(found)) == ("inactive", "2026-05-01", ["not_in_force", "begins_later"])
    assert said(answer(*dated("1", "348", "20260501"), EB_INACTIVE)) == ["not_in_force"]


def test_eligibility_goes_on_after_a_plan_year() -> None:
    found = answer(PLAN_YEAR, ("DTP", "307", "RD8", "20200101-99991231"), ACTIVE)
    assert (found.begins, found.ends, said(found)) == ("2020-01-01", "9999-12-31", ["ended_since"])


@pytest.mark.parametrize(
    "anew", [("346", "D8", "20260101"), ("356", "D8", "20260101"), ("307", "RD8", "20260101-20261231")]
)
def test_what_began_after_a_plan_year_counts(anew: tuple[str, str, str]) -> None:
    for found in (answer(PLAN_YEAR, ("DTP", *anew), ACTIVE), answer(ACTIVE, PLAN_YEAR, ("DTP", *anew))):
        assert (found.coverage, found.begins, said(found)) == ("active", "2026-01-01", [])
    later = answer(PLAN_YEAR, ("DTP", "346", "D8", "20260601"), ACTIVE)
    assert later.coverage == "inactive"


def test_an_end_before_the_benefit_began_is_not_its_end() -> None:
    found = answer(PLAN_OVER, *dated("1", "348", "20260101"))
    assert (found.begins, found.ends) == ("2026-01-01", "")


def test_begin_and_end_are_those_of_the_span_that_was_asked_for() -> None:
    found = answer(*dated("1", "348", "20200101"), *ended("20201231"), ("DTP", "348", "D8", "20260101"))
    assert (found.begins, found.ends) == ("2026-01-01", "")
    found = answer(("DTP", "472", "D8", "20200601"), *dated("1", "348", "20200101"), *ended("20201231"), *AGAIN)
    assert (found.coverage, found.begins, found.ends) == ("active", "2020-01-01", "2020-12-31")


@pytest.mark.parametrize("created", ["", "260304"])
def test_without_a_date_of_the_answer_that_of_its_envelope_counts(created: str) -> None:
    text = a_file(a_set(subscriber(*dated("1", "349", "20251231")))).replace("*INQ-1*20260304*", f"*INQ-1*{created}*")
    (found,) = read_embedded(text).answers
    assert (found.coverage, found.created) == ("inactive", created)


@pytest.mark.parametrize("types", ["30^", "^30", "30^^1", "30 ^ 1", "30^mh", "30, 88", "30 1"])
@pytest.mark.parametrize("repetition", ["U", " ", "^"])
def test_service_types_are_told_apart_by_what_stands_between(types: str, repetition: str) -> None:
    text = a_file(a_set(subscriber(("EB", "6", "", types), ("EB", "1", "", "88"))), isa={11: repetition})
    (found,) = read_embedded(text).answers
    assert found.coverage == "inactive"
    assert "30" in found.benefits[0].service_types


@pytest.mark.parametrize("types", ["3088", "030", "30^1234"])
def test_a_service_type_that_is_none_is_warned_of(types: str) -> None:
    assert said(answer(("EB", "6", "", types))) == ["odd_service_type"]


def test_medical_care_that_ended_without_naming_the_plan_is_warned_of_too() -> None:
    medical: Segment = ("EB", "6", "", "1^48^98")
    assert said(answer(medical, ("EB", "3", "", "30^60"))) == ["medical_inactive"]
    assert said(answer(("EB", "3", "", "30"), medical)) == []


@pytest.mark.parametrize(
    ("types", "codes"), [("30^88", ["medical_inactive"]), ("30", []), ("30^60", ["medical_inactive"]), ("30^1", [])]
)
def test_a_pharmacy_with_the_code_of_the_plan_beside_a_plan_that_is_not_covered(types: str, codes: list[str]) -> None:
    found = answer(("EB", "I", "", "30"), ("EB", "1", "", types))
    assert (found.coverage, said(found)) == ("active", codes)


def test_medical_care_that_ended_by_its_dates_is_warned_of_too() -> None:
    over: Segment = ("DTP", "307", "RD8", "20240101-20241231")
    assert said(answer(("EB", "1", "", "30^1^47"), over, ("EB", "1", "", "30^88"))) == ["medical_inactive"]


def test_the_end_of_the_span_that_was_asked_for_is_not_that_of_the_coverage() -> None:
    found = answer(("DTP", "307", "RD8", "20260301-20260304"), ("EB", "1", "", "30"), ("DTP", "307", "D8", "19901101"))
    assert (found.begins, found.ends) == ("1990-11-01", "")
