"""What a 271 set says of people and of their benefits."""

import re
from decimal import Decimal

import pytest

from tests.support.x12_reading import RECEIVER, SOURCE, answer, holder, said
from tests.support.x12_samples import ACTIVE, Segment
from worker.core.x12 import benefits, codes, people
from worker.core.x12.delimiters import USUAL
from worker.core.x12.issues import HELD, MESSAGES
from worker.core.x12.issues import __doc__ as table


def test_who_is_who() -> None:
    found = answer(ACTIVE)
    assert found.payer is not None
    assert found.provider is not None
    assert found.patient is found.subscriber is not None
    assert (found.payer.name, found.payer.id_qualifier, found.payer.id) == ("PLAN OF PLENTY", "PI", "PLENTY")
    assert (found.provider.name, found.provider.id) == ("CORNER CLINIC", "1999999984")
    assert (found.subscriber.last_name, found.subscriber.first_name, found.subscriber.middle_name) == (
        "HOLDER",
        "ANN",
        "B",
    )
    assert (found.subscriber.birth_date, found.subscriber.gender) == ("1970-02-03", "F")
    assert (found.level, found.hl, found.member_id, found.dependent) == ("subscriber", 3, "M0001", None)
    assert (found.reference, found.created) == ("INQ-1", "20260304")
    assert [(one.ours, one.number, one.originator) for one in found.traces] == [(True, "OURS-1", "9000000001")]


def test_traces_of_both_sides() -> None:
    found = answer(("TRN", "1", "THEIRS-1", "9CLEARING", "UNIT"), ACTIVE)
    assert [(one.ours, one.number, one.extra) for one in found.traces] == [
        (True, "OURS-1", ""),
        (False, "THEIRS-1", "UNIT"),
    ]


def test_address_relationship_group_and_plan() -> None:
    found = answer(
        ("REF", "18", "P77", "GOLDEN PLAN"),
        ("REF", "6P", "G55", "BIG EMPLOYER"),
        ("N3", "1 HIGH ST", "APT 2"),
        ("N4", "TOWN", "TX", "75001"),
        ("INS", "Y", "18"),
        ("EB", "1", "", "30"),
    )
    assert found.subscriber is not None
    assert found.subscriber.address == ("1 HIGH ST", "APT 2", "TOWN", "TX", "75001")
    assert (found.plan, found.group, found.group_name) == ("GOLDEN PLAN", "G55", "BIG EMPLOYER")
    assert found.subscriber.relationship == "18"


@pytest.mark.parametrize(
    ("benefit", "plan"),
    [
        (("EB", "1", "", "30", "C1", "SILVER"), "SILVER"),
        (("EB", "1", "", "30", "SILVER PLAN"), "SILVER PLAN"),
        (("EB", "1", "", "30", "HM"), ""),
        (("EB", "6", "", "30", "C1", "SILVER"), ""),
    ],
)
def test_the_plans_name(benefit: Segment, plan: str) -> None:
    assert answer(benefit).plan == plan


def test_the_member_number_may_stand_in_a_ref() -> None:
    body = [*SOURCE, *RECEIVER, ("HL", "3", "2", "22", "0"), ("NM1", "IL", "1", "HOLDER"), ("REF", "1W", "M7"), ACTIVE]
    assert answer(*body, whole=True).member_id == "M7"


def test_an_nm1_that_lacks_a_separator() -> None:
    body = [
        *SOURCE,
        *RECEIVER,
        ("HL", "3", "2", "22", "0"),
        ("NM1", "IL", "1", "ANN HOLDER", "", "", "", "MI", "M7"),
        ACTIVE,
    ]
    found = answer(*body, whole=True)
    assert (found.member_id, said(found)) == ("M7", ["shifted_nm1"])


@pytest.mark.parametrize("suffix", [("II",), ("II", "MI", "M7"), ("", "MI", "M7")])
def test_a_suffix_is_not_taken_for_a_shift(suffix: tuple[str, ...]) -> None:
    nm1 = ("NM1", "IL", "1", "HOLDER", "ANN", "", "", *suffix)
    found = answer(*SOURCE, *RECEIVER, ("HL", "3", "2", "22", "0"), nm1, ACTIVE, whole=True)
    assert found.subscriber is not None
    assert (found.subscriber.suffix, found.member_id, said(found)) == (suffix[0], "M7" if len(suffix) > 1 else "", [])


# -- benefits ---------------------------------------------------------------------------------------------------------


def test_every_element_of_a_benefit() -> None:
    eb: Segment = (
        "EB",
        "B",
        "IND",
        "98^UC",
        "C1",
        "GOLD",
        "27",
        "25.50",
        ".3",
        "VS",
        "12",
        "Y",
        "N",
        "CJ:99213:25",
        "1:2",
    )
    (found,) = answer(eb).benefits
    assert (found.code, found.text, found.level, found.service_types) == ("B", "co-payment", "IND", ("98", "UC"))
    assert (found.insurance_type, found.plan, found.time_period) == ("C1", "GOLD", "27")
    assert (found.amount, found.percent, found.quantity) == (Decimal("25.50"), Decimal("0.3"), Decimal(12))
    assert (found.quantity_qualifier, found.authorization, found.in_network) == ("VS", "Y", "N")
    assert (found.procedure, found.pointers) == (("CJ", "99213", "25"), ("1", "2"))


def test_a_benefit_may_end_early() -> None:
    (found,) = answer(("EB", "1")).benefits
    assert (found.service_types, found.amount, found.percent, found.procedure) == ((), None, None, ())


@pytest.mark.parametrize("text", ["TWELVE", "1_000", "1,000.00", "NaN", "Infinity", "1" * 30, "1E999999"])
def test_what_is_no_number_is_left_out(text: str) -> None:
    found = answer(("EB", "C", "", "30", "", "", "23", text))
    assert (found.benefits[0].amount, said(found)) == (None, ["bad_number"])
    assert text not in found.issues[0].message


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", "0"), (".3", "0.3"), ("0.2", "0.2"), ("1484", "1484"), ("-5.00", "-5.00"), ("1E5", "100000")],
)
def test_numbers_are_decimal(text: str, number: str) -> None:
    found = answer(("EB", "A", "", "30", "", "", "", text, text)).benefits[0]
    assert (str(found.amount), str(found.percent)) == (number, number)


@pytest.mark.parametrize("code", ["", "9", "ZZ", "1IND"])
def test_a_benefit_of_no_known_code_tells_nothing_and_is_said(code: str) -> None:
    found = answer(("EB", code, "", "30"))
    assert (found.coverage, found.benefits[0].code, said(found)) == ("undetermined", code, ["unknown_code"])


def test_every_code_of_a_benefit_is_known() -> None:
    known = [*"12345678ABCDEFGHIJKLMNOPQRSTUVWXY", "CB", "MC"]
    assert said(answer(*[("EB", code, "", "30") for code in known])) == ["other_payer_unnamed"]


def test_who_is_named_twice_is_the_first_one() -> None:
    body = holder(("DMG", "D8", "19700203"), ("NM1", "1P", "2", "CLINIC"), ("DMG", "D8", "19800203"), children="0")
    found = answer(*SOURCE, *RECEIVER, *body, ACTIVE, whole=True)
    assert found.subscriber is not None
    assert (found.subscriber.last_name, found.subscriber.birth_date, found.member_id) == (
        "HOLDER",
        "1970-02-03",
        "M0001",
    )
    assert [(one.code, one.segment) for one in found.issues] == [("segment_repeated", name) for name in ("NM1", "DMG")]


def test_forty_service_types_in_one_benefit() -> None:
    types = [str(number) for number in range(1, 41)]
    assert answer(("EB", "1", "", "^".join(types))).benefits[0].service_types == tuple(types)


def test_a_hundred_benefits_are_all_kept() -> None:
    found = answer(*[("EB", "C", "IND", "30", "", "", "23", str(number)) for number in range(109)])
    assert [one.amount for one in found.benefits] == [Decimal(number) for number in range(109)]


def test_what_stands_under_a_benefit_belongs_to_it() -> None:
    found = answer(
        ("EB", "C", "", "30"),
        ("HSD", "VS", "12"),
        ("REF", "18", "P77", "PLAN"),
        ("DTP", "292", "RD8", "20260101-20261231"),
        ("AAA", "N", "", "70", "C"),
        *[("MSG", f"NOTE {number}") for number in range(12)],
        ("III", "ZZ", "21"),
        ("EB", "1", "", "30"),
    )
    first, second = found.benefits
    assert first.details == (("HSD", "VS", "12"), ("III", "ZZ", "21"))
    assert [(one.qualifier, one.value, one.text) for one in first.references] == [("18", "P77", "PLAN")]
    assert [(one.qualifier, one.first, one.last) for one in first.dates] == [("292", "2026-01-01", "2026-12-31")]
    assert [(one.loop, one.code) for one in first.rejections] == [("2110C", "70")]
    assert first.messages == tuple(f"NOTE {number}" for number in range(12))
    under = ("dates", "messages", "references", "rejections", "related", "details")
    assert [getattr(second, name) for name in under] == [()] * 6
    assert found.rejections == first.rejections
    assert said(found) == []


RELATED: list[Segment] = [
    ("LS", "2120"),
    ("NM1", "PR", "2", "OTHER MUTUAL", *[""] * 4, "PI", "OM1"),
    ("N3", "2 LOW ST"),
    ("N4", "CITY", "TN", "37203"),
    ("PER", "IC", "", "TE", "5550100", "UR", "WWW.OTHER.EXAMPLE"),
    ("LE", "2120"),
]


@pytest.mark.parametrize("bare", [False, True], ids=["in LS and LE", "without LS and LE"])
def test_a_related_entity_never_becomes_the_payer_or_the_patient(bare: bool) -> None:
    related = RELATED[1:-1] if bare else RELATED
    found = answer(("EB", "R", "", "88", "OT"), ("REF", "18", "S5"), ("REF", "N6", "203", "SCRIPTS"), *related, ACTIVE)
    assert found.payer is not None
    assert found.subscriber is not None
    assert (found.payer.name, found.payer.address, found.subscriber.address) == ("PLAN OF PLENTY", (), ())
    (party,) = found.benefits[0].related
    assert (party.name, party.address) == ("OTHER MUTUAL", ("2 LOW ST", "CITY", "TN", "37203"))
    assert party.contacts == ("5550100", "WWW.OTHER.EXAMPLE")
    (other,) = found.other_payers
    assert (other.code, other.name, other.id, other.entity) == ("R", "OTHER MUTUAL", "OM1", "PR")
    assert (other.insurance_type, other.service_types, other.plan) == ("OT", ("88",), "SCRIPTS")
    assert [(one.qualifier, one.value) for one in other.references] == [("18", "S5"), ("N6", "203")]
    assert found.coverage == "active"
    assert said(found) == (["loop_not_closed"] if bare else [])


def test_another_payer_without_a_name() -> None:
    found = answer(("EB", "R", "", "30"))
    assert [(one.code, one.name) for one in found.other_payers] == [("R", "")]
    assert found.coverage == "undetermined"


def test_a_payer_named_under_an_active_benefit() -> None:
    secondary: Segment = ("NM1", "SEP", "2", "OTHER MUTUAL")
    itself: Segment = ("NM1", "PR", "2", "PLAN OF PLENTY", *[""] * 4, "PI", "PLENTY")
    doctor: Segment = ("NM1", "P3", "1", "DOCTOR")
    found = answer(ACTIVE, ("LS", "2120"), secondary, itself, doctor, ("LE", "2120"))
    assert [(one.code, one.name, one.entity) for one in found.other_payers] == [("1", "OTHER MUTUAL", "SEP")]


def test_an_address_of_nobody_is_said() -> None:
    assert said(answer(ACTIVE, ("N3", "2 LOW ST"), ("PER", "IC", "", "TE", "5550100"))) == ["unknown_segment"] * 2


@pytest.mark.parametrize(("body", "segment"), [(RELATED[:-1], "LS"), (RELATED[1:], "LE")])
def test_an_unclosed_loop_ends_with_its_benefit(body: list[Segment], segment: str) -> None:
    found = answer(("EB", "R", "", "88"), *body, ACTIVE)
    assert [(one.code, one.segment) for one in found.issues if one.segment != "NM1"] == [("loop_not_closed", segment)]
    assert [len(one.related) for one in found.benefits] == [1, 0]


# -- words ------------------------------------------------------------------------------------------------------------


def test_every_code_stands_in_the_table() -> None:
    assert table is not None
    rows = [line.split() for line in re.split(r"\n=[ =]+\n", table)[2].splitlines()]
    assert {row[0] for row in rows} == set(MESSAGES)
    assert {row[0] for row in rows if row[1] == "held"} == HELD


def test_the_rejections_of_every_loop_have_words() -> None:
    listed = "04 41 42 79 80 T4 15 43 44 45 46 47 48 50 51 97 35 49 52 56 57 58 60 61 62 63 71 72 73 74 75 76 78"
    more = "64 65 66 67 68 77 33 53 54 55 69 70 98 AA AE AF AG AO CI E8 IA MA"
    assert set(f"{listed} {more}".split()) <= codes.REJECTIONS.keys()


@pytest.mark.parametrize(
    ("code", "holds", "holds_not"),
    [
        ("53", "type of provider", "qualifier"),
        ("54", "qualifier", "provider"),
        ("55", "product or service code", "age"),
        ("69", "age", "service code"),
        ("79", "participant", "payer"),
        ("34", "coverage", "age "),
        ("80", "no response", "payer"),
        ("T2", "payer", "provider"),
        ("ZY", "code ZY", "authorization"),
    ],
)
def test_a_rejection_in_words_means_what_its_code_means(code: str, holds: str, holds_not: str) -> None:
    """79 and 80 also stand in the provider's loop, where the payer is not meant."""
    found, _ = people.rejection(["AAA", "N", "", code, "C"], "2100B")
    assert holds in found.text
    assert not re.search(rf"\b{holds_not}", found.text)


def test_what_is_remembered_is_bounded_and_right() -> None:
    """A benefit read again after thousands of others is the same, and the number of those kept is bounded."""
    known = benefits.Benefits(USUAL, "2110C")
    chunks = [f"C*IND*30****{number}" for number in range(5000)]
    first = [known[chunk] for chunk in chunks]
    assert [one[0].amount for one in first] == [Decimal(number) for number in range(5000)]
    assert [known[chunk] for chunk in chunks] == first
    assert 0 < len(known) <= 2048
    assert [known[chunk] for chunk in chunks] == first


@pytest.mark.parametrize(
    ("segment", "code", "follow_up", "odd"),
    [
        (("N", "72", "C"), "72", "C", "shifted_aaa"),
        (("N", "72", "", "C"), "72", "C", "shifted_aaa"),
        (("N", "72"), "72", "", "shifted_aaa"),
        (("N", "", "", "72", "C"), "72", "C", "shifted_aaa"),
        (("", "N", "", "72", "C"), "72", "C", "shifted_aaa"),
        (("N", "ZZ", "72", "C"), "72", "C", ""),
        (("N", "ZZ", "", "C"), "", "C", "rejection_without_reason"),
        (("N", "", "C"), "", "C", "rejection_without_reason"),
        (("N", "", "ZY", "C"), "ZY", "C", ""),
        (("N",), "", "", "rejection_without_reason"),
    ],
)
def test_a_reason_beside_its_place_is_read(segment: tuple[str, ...], code: str, follow_up: str, odd: str) -> None:
    found, said = people.rejection(["AAA", *segment], "2100C")
    assert (found.valid, found.code, found.follow_up, said) == ("N", code, follow_up, odd)
