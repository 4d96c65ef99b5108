"""Which number is the member's, which plans are told, and what is kept of a patient beside."""

import pytest

from tests.support.x12_reading import EB_INACTIVE, RECEIVER, SOURCE, answer, said
from tests.support.x12_samples import ACTIVE, Segment
from worker.core.x12.answer import Answer

NPI = "1999999984"  # of the provider


def patient(nm1: Segment, *more: Segment, eb: Segment = ACTIVE) -> Answer:
    return answer(*SOURCE, *RECEIVER, ("HL", "3", "2", "22", "0"), nm1, *more, eb, whole=True)


PATIENT: list[Segment] = [("HL", "3", "2", "22", "0"), ("NM1", "IL", "1", "HOLDER", "ANN", "", "", "", "MI", "M1")]


def holder(*elements: str) -> Segment:
    return ("NM1", "IL", "1", "HOLDER", "ANN", *elements)


@pytest.mark.parametrize(
    ("nm1", "member", "code"),
    [
        (holder("", "", "", "MI", "M1"), "M1", ""),
        (holder("", "", "MI", "M1"), "M1", "shifted_nm1"),
        (holder("", "MI", "M1"), "M1", "shifted_nm1"),
        (holder("", "", "", "M12345"), "M12345", "shifted_nm1"),
        (holder(*[""] * 8, "MI", "M1"), "M1", "late_nm1"),
        (holder("", "", "", "", "MI", "M1"), "M1", "late_nm1"),
        (holder("", "", "", "", "", "MI", "M1"), "M1", "late_nm1"),
        (("NM1", "IL", "1", "HOL", "DER", "ANN", "", "", "", "MI", "M1"), "M1", "late_nm1"),
        (holder("", "", "", "MI", "SV"), "", "id_suspect"),
        (holder("", "", "", "MI", NPI), "", "id_suspect"),
        (holder("", "", "", "XX", "1571190862"), "", "id_suspect"),
        (holder("", "", "", "SV", "1571190862"), "", "id_suspect"),
        (holder("", "", "", "", "MI", "m12"), "m12", "late_nm1"),
        (holder("", "", "", "", "mi", "m12"), "m12", "late_nm1"),
        (holder("", "", "", "", "", "M12345"), "M12345", "late_nm1"),
        (holder("", "", "", "MI", "", "M12345"), "M12345", "late_nm1"),
        (holder("", "", "", "MI", "MI", "M12345"), "M12345", "late_nm1"),
        (holder("", "", "", "", "", "", ""), "", ""),
        (holder("", "", "", "MI", "mi"), "", "id_suspect"),
        (holder("", "", "", "MI", "000000000"), "", "id_suspect"),
        (holder("", "", "", "MI", "Unknown"), "", "id_suspect"),
    ],
)
def test_a_qualifier_or_the_number_of_a_provider_is_no_member_id(nm1: Segment, member: str, code: str) -> None:
    found = patient(nm1)
    assert (found.member_id, said(found)) == (member, [code] if code else [])


@pytest.mark.parametrize("qualifier", ["1W", "0F", "NQ", "F6"])
def test_the_number_may_stand_in_a_ref_only(qualifier: str) -> None:
    assert patient(holder(), ("REF", "EJ", "ACC"), ("REF", qualifier, "R7")).member_id == "R7"
    assert patient(holder(), ("REF", qualifier, "", "R7")).member_id == "R7"
    assert patient(holder("", "", "", "MI", "M1"), ("REF", qualifier, "R7")).member_id == "M1"


def test_a_social_security_number_is_the_members_where_there_is_no_other() -> None:
    assert patient(holder("", "", "", "34", "123456789"), ("REF", "1W", "R7")).member_id == "R7"
    assert patient(holder("", "", "", "34", "123456789")).member_id == "123456789"


def test_the_account_may_stand_under_a_benefit() -> None:
    under = [("EB", "6", "", "30"), ("REF", "EJ", "ACC9")]
    assert patient(holder("", "", "", "MI", "M1"), *under).account == "ACC9"
    assert patient(holder("", "", "", "MI", "M1"), ("REF", "EJ", "ACC"), *under).account == "ACC"


@pytest.mark.parametrize(("born", "codes"), [("20270101", ["impossible_date"]), ("20260301", [])])
def test_a_birth_in_a_year_after_the_answer_is_warned_of(born: str, codes: list[str]) -> None:
    assert said(patient(holder("", "", "", "MI", "M1"), ("DMG", "D8", born))) == codes


@pytest.mark.parametrize("entity", ["85", "77"])
def test_a_provider_may_be_named_as_in_a_claim(entity: str) -> None:
    levels: list[Segment] = [
        *SOURCE,
        ("HL", "2", "1", "22", "1"),
        ("NM1", entity, "2", "CLINIC", *[""] * 4, "XX", NPI),
        ("HL", "3", "2", "23", "0"),
        ("NM1", "IL", "1", "HOLDER", "ANN", "", "", "", "MI", "M1"),
        ACTIVE,
    ]
    found = answer(*levels, whole=True)
    assert (found.member_id, found.subscriber, said(found)) == ("M1", None, [])


def test_the_provider_under_a_patients_level_is_read_as_one() -> None:
    levels: list[Segment] = [
        *SOURCE,
        ("HL", "2", "1", "22", "1"),
        ("NM1", "1P", "2", "CLINIC", *[""] * 4, "XX", NPI),
        ("HL", "3", "2", "23", "0"),
        ("NM1", "IL", "1", "HOLDER", "ANN", "", "", "", "MI", "M1"),
        ACTIVE,
    ]
    found = answer(*levels, whole=True)
    assert found.provider is not None
    assert (found.provider.name, found.member_id, found.subscriber) == ("CLINIC", "M1", None)
    deeper = [("HL", one[1], one[2], str(int(one[3]) + 1), one[4]) if one[0] == "HL" else one for one in levels[:2]]
    found = answer(*deeper, *levels[2:], whole=True)
    assert found.payer is not None
    assert (found.payer.name, found.member_id) == ("PLAN OF PLENTY", "M1")


def test_all_plans_are_told_and_that_of_medical_care_first() -> None:
    ebs: list[Segment] = [("EB", "1", "", types, "MC", name) for types, name in PROGRAMMES]
    assert answer(*ebs).plan == "MEDICAL; MIND; TEETH"


PROGRAMMES = [("30^MH", "MIND"), ("30^1^48^98", "MEDICAL"), ("30^35", "TEETH"), ("88", "PILLS")]


def test_a_plan_that_is_over_is_not_told_beside_one_in_force() -> None:
    over: Segment = ("DTP", "349", "D8", "20251231")
    assert answer(("EB", "1", "", "30", "", "OLD"), over, ("EB", "1", "", "30", "", "NEW")).plan == "NEW"
    assert answer(("EB", "1", "", "30", "", "OLD"), over).plan == "OLD"


def test_medical_care_that_ended_beside_another_programme_is_warned_of() -> None:
    rides: Segment = ("EB", "3", "", "30^56", "HM", "RIDES")
    assert said(answer(("EB", "6", "", "30^1^48"), rides)) == ["medical_inactive"]
    assert said(answer(EB_INACTIVE, rides)) == []
    assert said(answer(("EB", "6", "", "30^1^48"), ("EB", "1", "", "30^1"))) == []


@pytest.mark.parametrize(
    "segment", [("DTP", "442", "D8", "20260114"), ("INS", "Y", "18", *[""] * 8, "D8", "2026-01-14")], ids=["DTP", "INS"]
)
def test_a_date_of_death_is_warned_of(segment: Segment) -> None:
    found = patient(holder("", "", "", "MI", "M1"), segment)
    assert (found.coverage, said(found)) == ("active", ["deceased"])


@pytest.mark.parametrize("died", [("DTP", "442", "D8", "20260114"), ("INS", "Y", "18", *[""] * 8, "D8", "20260114")])
def test_the_death_of_the_policy_holder_is_not_told_of_the_dependent(died: Segment) -> None:
    insured: Segment = ("NM1", "IL", "1", "HOLDER", "ANN", "", "", "", "MI", "M1")
    child: Segment = ("NM1", "03", "1", "HOLDER", "KID")
    levels: list[Segment] = [("HL", "3", "2", "22", "1"), insured, died, ("HL", "4", "3", "23", "0"), child]
    found = answer(*SOURCE, *RECEIVER, *levels, ACTIVE, whole=True)
    assert (found.level, said(found), found.dates) == ("dependent", [], ())


def test_a_death_is_told_of_the_answer_that_it_stands_in() -> None:
    found = patient(holder("", "", "", "MI", "M1"), eb=ACTIVE)
    assert said(found) == []
    died: Segment = ("DTP", "442", "D8", "20260114")
    assert said(answer(*SOURCE, *RECEIVER, *PATIENT, ACTIVE, died, whole=True)) == ["deceased"]


def test_what_else_stands_with_a_patient_is_kept() -> None:
    more: list[Segment] = [
        ("MSG", "MOVED", "IN MAY"),
        ("PER", "IC", "", "TE", "5550100"),
        ("HI", "BK:8901"),
        ("MPI", "C", "A", "O"),
        ("PRV", "PE"),
        ("N2", "MORE"),
    ]
    found = patient(holder("", "", "", "MI", "M1"), *more)
    assert found.subscriber is not None
    assert (found.subscriber.messages, found.subscriber.contacts) == (("MOVED*IN MAY",), ("5550100",))
    assert found.subscriber.details == (("HI", "BK:8901"), ("MPI", "C", "A", "O"), ("PRV", "PE"), ("N2", "MORE"))
    assert said(found) == []


def test_rejections_before_the_first_level_concern_every_patient() -> None:
    found = answer(("AAA", "N", "", "42", "R"), *SOURCE, *RECEIVER, *LEVEL, whole=True)
    assert [(one.loop, one.code, one.retryable) for one in found.rejections] == [("ST", "42", True)]
    assert (found.coverage, found.retryable) == ("rejected", True)


LEVEL: list[Segment] = [("HL", "3", "2", "22", "0"), ("NM1", "IL", "1", "HOLDER", "ANN")]
