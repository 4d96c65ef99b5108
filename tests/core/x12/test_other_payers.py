"""Who else an answer names: payers to bill, managed care plans to bill, whom to ask."""

import pytest

from tests.support.x12_reading import AAA, EB_INACTIVE, RECEIVER, answer, said
from tests.support.x12_samples import ACTIVE, Segment
from worker.core.x12.answer import Answer

OVER: Segment = ("DTP", "292", "RD8", "20190101-20200101")
RUNNING: Segment = ("DTP", "292", "RD8", "20260101-20261231")


def named(entity: str, name: str, number: str = "", *above: Segment) -> list[Segment]:
    """A benefit's segments, and one that is named under it."""
    return [*above, ("LS", "2120"), ("NM1", entity, "2", name, *[""] * 4, "PI", number), ("LE", "2120")]


def under(eb: str, types: str, *more: Segment) -> tuple[Segment, ...]:
    return ("EB", eb, "", types), *more


def names(found: Answer) -> list[str]:
    return [one.name for one in found.other_payers if not one.ended]


@pytest.mark.parametrize(
    ("segments", "counts"),
    [
        (named("PR", "PLAN OF PLENTY", "OTHER", *under("R", "30")), True),
        (named("PR", "TEETH MUTUAL", "T1", *under("R", "35")), True),
        (named("PR", "THIRD MUTUAL", "T1", *under("U", "30")), True),
        (named("PR", "THIRD MUTUAL", "T1", *under("U", "")), True),
        (named("PR", "THIRD MUTUAL", "T1", *under("W", "30")), True),
        (named("PRP", "THIRD MUTUAL", "T1", *under("1", "30")), True),
        (named("PR", "PLAN OF PLENTY", "OTHER", *under("1", "30")), False),
        (named("PR", "Plan of Plenty, Inc.", "OTHER", *under("1", "30")), False),
        (named("PR", "THIRD MUTUAL", "PLENTY", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY CLAIMS OFFICE", "", *under("W", "30")), False),
        (named("PR", "PLAN OF PLENTY CLAIMS OFFICE", "X", *under("U", "30")), False),
        (named("PR", "PLAN OF PLENTY LIFE", "X", *under("1", "30")), False),
        (named("PRP", "PLAN OF PLENTY LIFE", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY OF OHIO", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY OF OHIO", "X", *under("U", "30")), False),
        (named("PR", "PLAN OF PLENTY OF OHIO", "X", *under("R", "30")), True),
        (named("PRP", "PLAN OF PLENTY OF OHIO", "X", *under("1", "30")), True),
        (named("PR", "PLAN", "X", *under("1", "30")), True),
        (named("PR", "THIRD MUTUAL", "", *under("1", "30")), True),
        (named("PR", "THIRD MUTUAL", "", *under("W", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("CB", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("C", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("D", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("MC", "30")), True),
        (named("PR", "PLAN OF PLENTY - WEST", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY WEST", "X", *under("1", "30")), True),
        (named("PR", "PLANOFPLENTY", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY INSURANCE CO", "X", *under("1", "30")), False),
        (named("PR", "PLAN O'F PLENTY", "X", *under("1", "30")), False),
        (named("PR", "HOSPITAL MUTUAL", "H1", *under("U", "47^48")), True),
        (named("PR", "", "OTHER", *under("W", "30")), False),
        (named("PR", "PILLS", "P1", *under("U", "88")), False),
        (named("PR", "PILLS", "P1", *under("1", "88")), False),
        (named("PR", "EYES AND PILLS", "P1", *under("U", "AL^88")), False),
    ],
)
def test_which_payers_count_as_others(segments: list[Segment], counts: bool) -> None:
    found = answer(EB_INACTIVE, *segments)
    assert bool(names(found)) is counts
    assert found.coverage in ("inactive", "active")
    assert any(one.related for one in found.benefits), "it stays in what was said"


@pytest.mark.parametrize(
    ("eb", "name", "number"),
    [
        ("CB", "THIRD MUTUAL", "T1"),
        ("G", "THIRD MUTUAL", "T1"),
        ("W", "THIRD MUTUAL", ""),
        ("W", "PLAN OF PLENTY UNITED", "T1"),
        ("6", "PLAN OF PLENTY OF OHIO", "T1"),
    ],
)
def test_a_payer_that_has_perhaps_no_coverage_of_its_own_is_to_be_asked(eb: str, name: str, number: str) -> None:
    loop = named("PR", name, number, *under(eb, "30"))
    found = answer(EB_INACTIVE, *loop, *loop)
    assert [one.name for one in found.to_ask] == [name]
    assert not found.other_payers


@pytest.mark.parametrize(("own", "other"), [("UNITED", "UNITED CONCORDIA"), ("MEDICARE", "MEDICARE ADVANTAGE HUMANA")])
def test_a_name_of_one_word_says_little(own: str, other: str) -> None:
    assert names(of_medicaid(EB_INACTIVE, *named("PR", other, "X", *under("6", "30")), payer=own)) == [other]


def test_another_payer_that_has_ended_is_told_as_ended() -> None:
    old, new = named("PR", "OLD", "O", *under("R", "30", OVER)), named("PR", "NEW", "N", *under("R", "30", RUNNING))
    found = answer(EB_INACTIVE, *old, *new)
    assert [(one.name, one.ended, one.begins, one.ends) for one in found.other_payers] == [
        ("OLD", True, "2019-01-01", "2020-01-01"),
        ("NEW", False, "2026-01-01", "2026-12-31"),
    ]
    assert said(found) == ["other_payer_ended"]


@pytest.mark.parametrize("ends", [("DTP", "349", "D8", "20200101"), ("DTP", "347", "D8", "20200101")])
def test_it_ended_by_a_single_date(ends: Segment) -> None:
    (one,) = answer(EB_INACTIVE, *named("PR", "OLD", "O", *under("R", "30", ends))).other_payers
    assert (one.ended, one.ends) == (True, "2020-01-01")


def test_asked_for_an_earlier_day_it_had_not_ended() -> None:
    asked: Segment = ("DTP", "472", "D8", "20191224")
    (one,) = answer(asked, EB_INACTIVE, *named("PR", "OLD", "O", *under("R", "30", OVER))).other_payers
    assert not one.ended


def test_a_payer_without_a_name_is_no_other_one_by_its_name() -> None:
    found = of_medicaid(EB_INACTIVE, *named("PR", "THIRD", "T", *under("W", "30")), payer="")
    assert names(found) == ["THIRD"]


@pytest.mark.parametrize("entity", ["1P", "36", "P3", "IL"])
def test_who_stands_beside_an_unnamed_payer_is_not_that_payer(entity: str) -> None:
    (one,) = answer(EB_INACTIVE, *named(entity, "WELBY", "X", *under("R", "30"))).other_payers
    assert (one.name, one.id) == ("", "")


def test_an_earlier_payer_has_ended() -> None:
    (one,) = answer(EB_INACTIVE, *named("P4", "EARLIER", "X", *under("R", "30"))).other_payers
    assert (one.name, one.ended) == ("EARLIER", True)


def test_the_payer_before_medicaid_is_billed_first() -> None:
    (one,) = of_medicaid(ACTIVE, *named("P4", "MEDICARE ABD", "", *under("R", "30")), payer="NYSDOH").other_payers
    assert (one.name, one.ended) == ("MEDICARE ABD", False)


@pytest.mark.parametrize(
    "segments",
    [under("R", "30", ("REF", "F6", "1XX4XX5XX73")), (("EB", "R", "", "30", "MA"), ("REF", "F6", "1XX4XX5XX73"))],
)
def test_the_number_of_a_beneficiary_names_medicare(segments: tuple[Segment, ...]) -> None:
    (one,) = answer(EB_INACTIVE, *segments).other_payers
    assert (one.name, one.member_id) == ("Medicare", "1XX4XX5XX73")


F6: Segment = ("REF", "F6", "1XX4XX5XX73")


@pytest.mark.parametrize(
    "segments",
    [(F6, EB_INACTIVE), (EB_INACTIVE, F6), (EB_INACTIVE, *under("D", "30", F6)), (F6, ("EB", "I", "", "30"))],
)
def test_medicare_is_asked_about_its_beneficiary_who_has_no_coverage_here(segments: tuple[Segment, ...]) -> None:
    found = answer(*segments)
    assert [(one.name, one.id) for one in found.to_ask] == [("Medicare", "1XX4XX5XX73")]
    assert not found.other_payers


def test_medicare_is_not_asked_where_it_answers_or_is_named_or_there_is_coverage() -> None:
    assert of_medicaid(F6, EB_INACTIVE, payer="MEDICARE").to_ask == ()
    assert answer(F6, EB_INACTIVE, *under("R", "30", F6)).to_ask == ()
    assert answer(F6, ACTIVE).to_ask == ()
    assert answer(F6, AAA).to_ask == ()


def test_of_a_plan_the_description_goes_before_its_number() -> None:
    more: tuple[Segment, ...] = (("REF", "18", "S5"), ("REF", "N6", "203", "SCRIPTS"))
    assert answer(("EB", "1", "", "30"), *more).plan == "SCRIPTS"
    (one,) = answer(EB_INACTIVE, *named("PR", "NEW", "N", *under("R", "30", *more))).other_payers
    assert one.plan == "SCRIPTS"
    assert answer(("EB", "1", "", "30"), ("REF", "N6", "203"), more[0]).plan == "S5"


def test_the_numbers_of_the_other_policy() -> None:
    more: tuple[Segment, ...] = (("REF", "1W", "M77"), ("REF", "6P", "G9"), ("REF", "18", "P1", "PLAN ONE"))
    (one,) = answer(EB_INACTIVE, *named("PR", "NEW", "N", *under("R", "30", *more))).other_payers
    assert (one.member_id, one.group_number, one.plan) == ("M77", "G9", "PLAN ONE")


def of_medicaid(*benefits: Segment, payer: str = "STATE OF NOWHERE MEDICAID") -> Answer:
    source: list[Segment] = [("HL", "1", "", "20", "1"), ("NM1", "PR", "2", payer, *[""] * 4, "PI", "NW")]
    patient: list[Segment] = [("HL", "3", "2", "22", "0"), ("NM1", "IL", "1", "HOLDER", "ANN", *[""] * 3, "MI", "M1")]
    return answer(*source, *RECEIVER, *patient, *benefits, whole=True)


@pytest.mark.parametrize("entity", ["Y2", "P5", "X3"])
@pytest.mark.parametrize("eb", ["U", "3", "MC", "1"])
def test_managed_care_plans_of_medicaid_are_to_be_billed(entity: str, eb: str) -> None:
    found = of_medicaid(EB_INACTIVE, *named(entity, "BEACON", "B1", *under(eb, "30")))
    assert [(one.name, one.id, one.entity) for one in found.managed_care] == [("BEACON", "B1", entity)]
    assert not found.other_payers
    assert not found.to_ask


@pytest.mark.parametrize(
    "segments",
    [
        named("P3", "DOCTOR", "", *under("L", "30")),
        named("Y2", "TEETH", "", *under("U", "35")),
        named("X3", "REVIEW", "", *under("F", "30")),
    ],
)
def test_whom_nobody_bills_in_medicaid(segments: list[Segment]) -> None:
    assert of_medicaid(ACTIVE, *segments).managed_care == ()


def test_where_each_programme_has_a_status_the_one_for_rides_names_nobody_to_bill() -> None:
    medical = named("PR", "PICKED HEALTH", "P1", *under("3", "30^1^48^98"))
    rides = named("PR", "RIDES", "R1", *under("3", "30^60"))
    found = of_medicaid(("EB", "1", "", "30^MH", "MC", "MIND"), *medical, *rides)
    assert [one.name for one in found.other_payers] == ["PICKED HEALTH"]
    assert [one.name for one in of_medicaid(ACTIVE, *rides).other_payers] == ["RIDES"]


def test_a_managed_care_plan_that_has_ended_is_not_to_be_billed() -> None:
    found = of_medicaid(EB_INACTIVE, *named("Y2", "BEACON", "B1", *under("MC", "30", OVER)))
    assert [one.ended for one in found.managed_care] == [True]
    assert "other_payer_ended" in said(found)


@pytest.mark.parametrize("eb", ["U", "1"])
@pytest.mark.parametrize("entity", ["P5", "X3"])
def test_employer_and_reviewer_of_a_commercial_plan_are_not_to_be_billed(entity: str, eb: str) -> None:
    found = answer(ACTIVE, *named(entity, "GADGETS", "", *under(eb, "30")))
    assert not found.managed_care
    assert not found.other_payers
    assert not found.to_ask


@pytest.mark.parametrize("entity", ["P5", "X3"])
def test_a_coordinator_of_managed_care_marks_a_plan_of_a_payer_of_any_name(entity: str) -> None:
    found = answer(ACTIVE, *named(entity, "BEACON", "B1", *under("MC", "30")))
    assert [one.name for one in found.managed_care] == ["BEACON"]


def test_the_plan_may_stand_in_the_benefit_alone() -> None:
    found = of_medicaid(ACTIVE, ("EB", "MC", "", "30", "HM", "BEACON 365"), RUNNING)
    assert [(one.name, one.plan, one.ends) for one in found.managed_care] == [
        ("BEACON 365", "BEACON 365", "2026-12-31")
    ]


@pytest.mark.parametrize(
    "segments",
    [
        named("Y2", "STATE OF NOWHERE MEDICAID", "X", *under("3", "30")),
        [
            *under("3", "30"),
            ("LS", "2120"),
            ("NM1", "Y2", "1", "WELBY", "MARCUS", *[""] * 3, "XX", "1"),
            ("LE", "2120"),
        ],
    ],
    ids=["the payer itself", "a person"],
)
def test_who_is_no_managed_care_plan(segments: list[Segment]) -> None:
    assert of_medicaid(ACTIVE, *segments).managed_care == ()


@pytest.mark.parametrize("name", ["NYSDOH", "MEDI CAL", "DEPT OF SOCIAL SERVICES", "MO HEALTHNET DIVISION"])
def test_medicaid_has_other_names(name: str) -> None:
    found = of_medicaid(ACTIVE, *named("P5", "BEACON", "", *under("U", "30")), payer=name)
    assert [one.name for one in found.managed_care] == ["BEACON"]


def test_another_payer_that_began_again_has_not_ended() -> None:
    dates: list[Segment] = [("DTP", "348", "D8", "20200101"), ("DTP", "349", "D8", "20201231")]
    again: Segment = ("DTP", "348", "D8", "20260101")
    (one,) = answer(EB_INACTIVE, *named("PR", "NEW", "N", *under("R", "30", *dates, again))).other_payers
    assert (one.ended, one.begins) == (False, "2026-01-01")


def test_the_name_may_stand_in_a_message_alone() -> None:
    (one,) = answer(EB_INACTIVE, *under("R", "30", ("MSG", "OTHER PAYER: CORRIGAN VALE"))).other_payers
    assert one.name == "OTHER PAYER: CORRIGAN VALE"


def test_the_name_may_stand_where_the_plan_does() -> None:
    (one,) = answer(EB_INACTIVE, ("EB", "R", "", "30^88", "C1", "CORRIGAN VALE")).other_payers
    assert one.name == "CORRIGAN VALE"


def test_medicaid_is_known_by_the_kind_of_insurance_too() -> None:
    found = of_medicaid(("EB", "1", "", "30", "MC"), *named("X3", "BEACON", "", *under("3", "30")), payer="NOWHERE DHS")
    assert [one.name for one in found.managed_care] == ["BEACON"]


def test_whom_to_ask_is_nobody_to_bill() -> None:
    found = answer(*named("VN", "SIDE VENDOR", "", *under("U", "30")))
    assert [one.name for one in found.to_ask] == ["SIDE VENDOR"]
    assert (found.coverage, found.other_payers, found.managed_care) == ("undetermined", (), ())
