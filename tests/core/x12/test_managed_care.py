"""The managed care plans that an answer of Medicaid names: they are to be billed."""

import pytest

from tests.support.x12_reading import EB_INACTIVE, OVER, RUNNING, answer, named, of_medicaid, said, under
from tests.support.x12_samples import ACTIVE, Segment
from worker.core.x12.answer_columns import answer_columns


@pytest.mark.parametrize("entity", ["Y2", "P5", "X3"])
@pytest.mark.parametrize("eb", ["U", "3", "MC", "1", "L"])
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


@pytest.mark.parametrize("eb", ["U", "1", "3"])
@pytest.mark.parametrize("entity", ["P5", "X3"])
def test_employer_and_reviewer_of_a_commercial_plan_are_not_to_be_billed(entity: str, eb: str) -> None:
    found = answer(ACTIVE, *named(entity, "GADGETS", "", *under(eb, "30")))
    assert not found.managed_care
    assert not found.other_payers
    assert not found.to_ask


@pytest.mark.parametrize("entity", ["P5", "X3"])
def test_a_coordinator_of_managed_care_marks_a_plan_of_a_payer_of_any_name(entity: str) -> None:
    found = answer(("EB", "1", "", "30"), *named(entity, "BEACON", "B1", *under("MC", "30")))
    assert [one.name for one in found.managed_care] == ["BEACON"]


@pytest.mark.parametrize("kind", ["C1", "PR", "GP"])
@pytest.mark.parametrize("entity", ["P5", "X3"])
def test_but_not_of_a_commercial_plan(entity: str, kind: str) -> None:
    benefits = [("EB", "1", "", "30", kind), *named(entity, "BEACON", "B1", *under("MC", "30"))]
    assert not answer(*benefits).managed_care
    assert of_medicaid(*benefits).managed_care


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


@pytest.mark.parametrize(
    "segments",
    [
        named("PR", "BEACON", "", *under("MC", "96")),
        named("Y2", "BEACON", "B1", *under("MC", "98^50")),
        named("1P", "BEACON", "", *under("MC", "96")),
        named("VN", "BEACON", "B1", *under("MC", "30")),
        [("EB", "MC", "", "30", "HM", "BEACON"), *named("P3", "DOCTOR", "")],
        [("EB", "U", "", "30", "HM", "BEACON")],
        named("P5", "BEACON", "", *under("R", "30")),
    ],
    ids=["of physicians", "of offices", "as a provider", "as a vendor", "beside a doctor", "under U", "under R"],
)
def test_medicaid_names_the_plan_to_bill_in_other_ways_too(segments: list[Segment]) -> None:
    found = of_medicaid(("EB", "1", "", "30", "MC", "STATE"), *segments)
    assert [one.name for one in found.managed_care + found.other_payers] == ["BEACON"]


@pytest.mark.parametrize(
    "segments",
    [
        named("1P", "CLINIC", "X", *under("MC", "30")),
        named("1P", "CLINIC", "", *under("L", "30")),
        named("VN", "TEETH", "", *under("MC", "35")),
        [("EB", "U", "", "30", "HM", "STATE")],
        [("EB", "U", "", "88", "HM", "PILLS")],
    ],
    ids=["a clinic with its number", "a clinic", "of teeth", "the programme itself", "of pills"],
)
def test_what_names_no_plan_to_bill_in_medicaid(segments: list[Segment]) -> None:
    found = of_medicaid(("EB", "1", "", "30", "MC", "STATE"), *segments)
    assert found.managed_care + found.other_payers == ()


@pytest.mark.parametrize(("number", "plans"), [("B7", [("", "B7")]), ("NW", []), ("", [])])
def test_a_managed_care_organisation_without_a_name_is_known_by_its_id(
    number: str, plans: list[tuple[str, str]]
) -> None:
    found = of_medicaid(ACTIVE, ("EB", "U", "", "30", "MC"), *named("Y2", "", number))
    assert [(one.name, one.id) for one in found.managed_care] == plans
    assert answer_columns(found).managed_care == ("B7" if plans else "")


@pytest.mark.parametrize("state", ["STATE OF NOWHERE", "NOWHERE MEDICAID"])
def test_a_plan_of_medicaid_that_answers_itself_does_not_bill_the_state(state: str) -> None:
    found = of_medicaid(("EB", "1", "", "30", "MC"), *named("P5", state, "", *under("1", "30")), payer="BEACON HEALTH")
    assert found.managed_care + found.other_payers == ()


def test_whom_a_commercial_plan_has_as_coordinator_is_not_to_be_billed() -> None:
    assert answer(ACTIVE, *named("1P", "CLINIC", "", *under("MC", "30"))).managed_care == ()
    assert answer(ACTIVE, ("EB", "U", "", "30", "", "CORRIGAN")).managed_care == ()


@pytest.mark.parametrize(
    "name", ["NYSDOH", "MEDI CAL", "DEPT OF SOCIAL SERVICES", "MO HEALTHNET DIVISION", "CT MCD", "WV_MMIS_4X", "SCDHHS"]
)
def test_medicaid_has_other_names(name: str) -> None:
    found = of_medicaid(ACTIVE, *named("P5", "BEACON", "", *under("U", "30")), payer=name)
    assert [one.name for one in found.managed_care] == ["BEACON"]


def test_medicaid_is_known_by_its_id_too() -> None:
    found = of_medicaid(ACTIVE, *named("X3", "BEACON", "", *under("1", "30")), payer="UTAH PRISM", payer_id="UTMCD")
    assert [one.name for one in found.managed_care] == ["BEACON"]


def test_medicaid_is_known_by_the_kind_of_insurance_too() -> None:
    found = of_medicaid(("EB", "1", "", "30", "MC"), *named("X3", "BEACON", "", *under("3", "30")), payer="NOWHERE DHS")
    assert [one.name for one in found.managed_care] == ["BEACON"]
