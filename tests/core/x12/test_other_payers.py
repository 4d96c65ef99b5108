"""Who else an answer names: payers to bill, managed care plans to bill, whom to ask."""

import pytest

from tests.support.x12_reading import AAA, EB_INACTIVE, OVER, RUNNING, answer, named, of_medicaid, said, under
from tests.support.x12_samples import ACTIVE, Segment
from worker.core.x12.answer import Answer
from worker.core.x12.answer_columns import answer_columns


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
        (named("PR", "PLAN", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY CLAIMS PROCESSING CENTER", "X", *under("6", "30")), False),
        (named("PR", "PLAN OF PLENTY BENEFIT DESK", "", *under("U", "30")), False),
        (named("PRP", "PLAN OF PLENTY WEST", "X", *under("1", "30")), True),
        (named("PR", "THIRD MUTUAL", "", *under("1", "30")), True),
        (named("PR", "THIRD MUTUAL", "", *under("W", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("CB", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("C", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("D", "30")), False),
        (named("PR", "THIRD MUTUAL", "T1", *under("MC", "30")), True),
        (named("PR", "PLAN OF PLENTY - WEST", "X", *under("1", "30")), False),
        (named("PR", "PLAN OF PLENTY WEST", "X", *under("1", "30")), False),
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
        ("6", "PLAN OF PLENTY WEST", "T1"),
        ("6", "PLAN", "T1"),
        ("U", "PLAN OF PLENTY BENEFIT DESK", "T1"),
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
    unsure = of_medicaid(EB_INACTIVE, *named("PR", other, "", *under("6", "30")), payer=own)
    assert (names(unsure), [one.name for one in unsure.to_ask]) == ([], [other])


def test_medicare_is_no_short_form_of_the_name_of_an_advantage_plan() -> None:
    original = named("PR", "MEDICARE", "X", *under("U", "30"))
    found = of_medicaid(EB_INACTIVE, *original, payer="MEDICARE ADVANTAGE HUMANA")
    assert names(found) == ["MEDICARE"]


def test_a_name_of_one_word_with_a_region_is_perhaps_the_payer_itself() -> None:
    found = of_medicaid(EB_INACTIVE, *named("PR", "FALLOWAY OF UTAH", "X", *under("6", "30")), payer="FALLOWAY INC")
    assert (names(found), [one.name for one in found.to_ask]) == ([], ["FALLOWAY OF UTAH"])


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


def test_the_number_of_a_recipient_names_medicaid() -> None:
    (one,) = answer(EB_INACTIVE, *under("R", "30", ("REF", "NQ", "900800700"))).other_payers
    assert (one.name, one.member_id) == ("Medicaid", "900800700")


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


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ([("348", "20260501")], (False, True)),
        ([("348", "20260304")], (False, False)),
        ([("356", "20270101"), ("357", "20271231")], (False, True)),
        ([("348", "20200101"), ("349", "20201231"), ("348", "20260501")], (False, True)),
        ([("349", "20201231"), ("356", "20260501")], (True, False)),
        ([("292", "20260501-20270430")], (False, True)),
    ],
)
def test_another_payer_that_begins_later_is_told_and_not_found(
    dates: list[tuple[str, str]], told: tuple[bool, bool]
) -> None:
    segments: list[Segment] = [("DTP", name, "RD8" if "-" in day else "D8", day) for name, day in dates]
    found = answer(EB_INACTIVE, *named("PR", "NEW", "N", *under("R", "30", *segments)))
    (one,) = found.other_payers
    assert (one.ended, one.begins_later) == told
    assert said(found) == [
        code for code, of_it in zip(("other_payer_ended", "other_payer_begins_later"), told, strict=True) if of_it
    ]
    assert answer_columns(found).other_payers == ("" if True in told else "NEW")


def test_a_day_asked_for_before_another_payer_began() -> None:
    asked: Segment = ("DTP", "472", "D8", "20251224")
    (one,) = answer(asked, EB_INACTIVE, *named("PR", "NEW", "N", *under("R", "30", RUNNING))).other_payers
    assert one.begins_later


@pytest.mark.parametrize(
    ("kind", "more", "name", "warned"),
    [
        ("MA", [], "Medicare", True),
        ("MB", [], "Medicare", True),
        ("MP", [], "Medicare", True),
        ("MC", [], "Medicaid", True),
        ("HN", [], "", True),
        ("OT", [("MSG", "CORRIGAN VALE")], "CORRIGAN VALE", True),
        ("MA", named("PR", "CORRIGAN VALE"), "CORRIGAN VALE", False),
        ("MA", named("PR", "", "C1"), "Medicare", False),
        ("MA", named("PR", "", ""), "Medicare", True),
    ],
)
def test_another_payer_without_name_and_id_is_told_by_its_kind_with_a_warning(
    kind: str, more: list[Segment], name: str, warned: bool
) -> None:
    found = answer(EB_INACTIVE, ("EB", "R", "", "30", kind), *more)
    assert [one.name for one in found.other_payers] == [name]
    assert answer_columns(found).other_payers
    assert said(found) == (["other_payer_unnamed"] if warned else [])


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


@pytest.mark.parametrize("eb", ["U", "W"])
def test_whom_to_ask_is_nobody_to_bill(eb: str) -> None:
    found = answer(*named("VN", "SIDE VENDOR", "", *under(eb, "30")))
    assert [one.name for one in found.to_ask] == ["SIDE VENDOR"]
    assert (found.coverage, found.other_payers, found.managed_care) == ("undetermined", (), ())
