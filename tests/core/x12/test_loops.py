"""Whose an answer is: rejections, dependents, families and the tree of HL, however it is broken."""

import io

import pytest
from msgspec.structs import replace

from tests.support.x12_reading import AAA, BHT, EB_INACTIVE, RECEIVER, SOURCE, answer, child, holder, reading
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set
from worker.core.x12.answer import parse_271
from worker.core.x12.batch import judged
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import holds
from worker.core.x12.stream import transaction_sets

# -- rejections -------------------------------------------------------------------------------------------------------


def test_a_rejection_in_words() -> None:
    found = answer(AAA)
    (one,) = found.rejections
    assert (one.loop, one.valid, one.code, one.text) == ("2100C", "N", "75", "subscriber not found")
    assert (one.follow_up, one.follow_up_text) == ("C", "correct and send again")
    assert not found.retryable


@pytest.mark.parametrize(
    ("aaa", "retryable"),
    [(("42", ""), True), (("80", "N"), True), (("75", "R"), True), (("72", "P"), True), (("72", "C"), False)],
)
def test_what_may_be_asked_again(aaa: tuple[str, str], retryable: bool) -> None:
    assert answer(("AAA", "Y", "", *aaa)).retryable is retryable


def test_an_unknown_reason_is_kept_and_shown() -> None:
    (one,) = answer(("AAA", "N", "", "Q9", "Z")).rejections
    assert (one.code, one.text, one.follow_up_text) == ("Q9", "code Q9", "code Z")


def test_a_payer_that_rejects_everything() -> None:
    found = answer(
        ("HL", "1", "", "20", "0"), ("AAA", "Y", "", "42", "P"), *SOURCE[1:], ("AAA", "Y", "", "80"), whole=True
    )
    assert (found.level, found.coverage, found.patient, found.retryable) == ("payer", "rejected", None, True)
    assert [one.loop for one in found.rejections] == ["2000A", "2100A"]


def test_a_provider_that_is_rejected() -> None:
    found = answer(*SOURCE, *RECEIVER, ("AAA", "N", "", "51", "C"), whole=True)
    assert (found.level, [one.loop for one in found.rejections]) == ("payer", ["2100B"])
    assert found.provider is not None


def test_rejections_above_reach_the_patient() -> None:
    body = [*SOURCE, ("AAA", "Y", "", "42"), *RECEIVER, ("AAA", "N", "", "51"), *holder(AAA), *child("BOB", AAA)]
    (found,) = reading(*body, whole=True).answers()
    assert [one.loop for one in found.rejections] == ["2100A", "2100B", "2100C", "2100D"]


def test_nobody_and_nothing() -> None:
    found = reading(*SOURCE, *RECEIVER, whole=True)
    assert list(found.answers()) == []
    assert [one.code for one in found.issues] == ["no_patient"]


# -- loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "codes"),
    [
        ([], ["bht_missing"]),
        ([("BHT",)], []),
        ([("ZZ", "X"), BHT], ["unknown_segment"]),
        ([BHT, EB_INACTIVE, ("EB", "1")], ["unknown_segment"] * 2),
        ([EB_INACTIVE], ["bht_missing", "unknown_segment"]),
    ],
)
def test_what_stands_before_the_first_hl_says_nothing_of_anybody(head: list[Segment], codes: list[str]) -> None:
    text = a_file(a_set([*head, *SOURCE, *RECEIVER, *holder(ACTIVE, children="0")]))
    found = parse_271(next(transaction_sets(io.BytesIO(text.encode()))))  # type: ignore[arg-type]
    assert [one.code for one in found.issues] == codes
    assert [one.coverage for one in found.answers()] == ["active"]


TRACE: Segment = ("TRN", "2", "OURS-2", "9000000001")


def test_a_dependent_is_the_patient() -> None:
    body = [
        *SOURCE,
        *RECEIVER,
        *holder(("REF", "6P", "G55")),
        *child("BOB", TRACE, ("DMG", "D8", "20150101", "M"), ACTIVE),
    ]
    found = answer(*body, whole=True)
    assert found.dependent is found.patient is not None
    assert found.subscriber is not None
    assert found.dependent is not None
    assert (found.level, found.hl, found.member_id, found.group) == ("dependent", 4, "M0001", "G55")
    assert (found.subscriber.first_name, found.dependent.first_name) == ("ANN", "BOB")
    assert (found.dependent.birth_date, found.traces[0].number) == ("2015-01-01", "OURS-2")
    assert found.coverage == "active"


def test_a_dependent_may_take_the_trace_from_above() -> None:
    found = answer(*SOURCE, *RECEIVER, *holder(TRACE), *child("BOB", ACTIVE), whole=True)
    assert (found.level, found.traces[0].number) == ("dependent", "OURS-2")


@pytest.mark.parametrize("above", ["1", "2"])
def test_announced_dependents_below_the_provider_are_the_subscribers(above: str) -> None:
    kids = [*child("BOB", ACTIVE, above=above), *child("EVE", ACTIVE, hl="5", above=above)]
    found = reading(*SOURCE, *RECEIVER, *holder(), *kids, whole=True)
    told = [(one.level, one.member_id, one.patient.first_name) for one in found.answers() if one.patient]
    assert told == [("dependent", "M0001", "BOB"), ("dependent", "M0001", "EVE")]
    assert {one.code for one in found.issues} == {"hl_parent"}


_NEXT_PAYER: list[Segment] = [("HL", "4", "", "20", "1"), ("NM1", "PR"), ("HL", "5", "4", "21", "1"), ("NM1", "1P")]


@pytest.mark.parametrize(
    "family",
    [
        [*holder(ACTIVE, children="0"), *child("BOB", ACTIVE, above="2")],
        [*holder(), *child("EVE", ACTIVE), *child("BOB", ACTIVE, hl="5", above="2")],
        [*holder(ACTIVE), *_NEXT_PAYER, *child("BOB", ACTIVE, hl="6", above="5")],
    ],
    ids=["none was announced", "the announced one came", "of another payer"],
)
def test_another_dependent_below_the_provider_stands_alone(family: list[Segment]) -> None:
    found = reading(*SOURCE, *RECEIVER, *family, whole=True)
    assert [one.member_id for one in found.answers()] == ["M0001", ""]
    assert found.issues == ()


@pytest.mark.parametrize("kids", [1, 2])
def test_a_subscriber_with_nothing_of_its_own_holds_the_policy_of_dependents_below_the_provider(kids: int) -> None:
    family = [one for hl in range(4, 4 + kids) for one in child(f"KID{hl}", TRACE, ACTIVE, hl=str(hl), above="2")]
    found = reading(*SOURCE, *RECEIVER, *holder(children="0"), *family, whole=True)
    assert [(one.level, one.member_id, one.coverage) for one in found.answers()] == [
        ("dependent", "M0001", "active")
    ] * kids
    assert {one.code for one in found.issues} == {"hl_parent"}


def test_our_trace_of_the_subscriber_counts_beside_one_of_theirs_of_the_dependent() -> None:
    found = answer(*SOURCE, *RECEIVER, *holder(TRACE), *child("BOB", ("TRN", "1", "THEIRS"), ACTIVE), whole=True)
    assert [one.number for one in found.traces] == ["THEIRS", "OURS-2"]


def test_only_the_subscriber_has_a_trace() -> None:
    found = answer(*SOURCE, *RECEIVER, *holder(TRACE, ACTIVE), *child("BOB"), whole=True)
    assert (found.level, found.coverage) == ("subscriber", "active")


def test_benefits_belong_to_the_level_they_stand_under() -> None:
    body = [*SOURCE, *RECEIVER, *holder(TRACE, EB_INACTIVE), *child("BOB", TRACE, ACTIVE)]
    found = list(reading(*body, whole=True).answers())
    assert [(one.level, one.coverage) for one in found] == [("subscriber", "inactive"), ("dependent", "active")]


def test_several_families_in_one_set() -> None:
    body = [
        *SOURCE,
        *RECEIVER,
        *holder(),
        *child("BOB", ACTIVE),
        *child("CAT", EB_INACTIVE, hl="5"),
        *holder(ACTIVE, hl="6", children="0"),
        *holder(AAA, hl="7", children="0"),
    ]
    found = reading(*body, whole=True)
    answers = list(found.answers())
    assert [(one.hl, one.level, one.coverage) for one in answers] == [
        (4, "dependent", "active"),
        (5, "dependent", "inactive"),
        (6, "subscriber", "active"),
        (7, "subscriber", "rejected"),
    ]
    assert (found.subscribers, found.issues) == (3, ())


def test_the_tree_is_in_the_numbers_and_not_in_the_order() -> None:
    body = [*child("BOB", TRACE, ACTIVE), *holder(), *RECEIVER, *SOURCE]
    found = answer(*body, whole=True)
    assert found.payer is not None
    assert found.provider is not None
    assert (found.level, found.member_id, found.payer.id) == ("dependent", "M0001", "PLENTY")


def test_two_payers_each_with_its_own_patients() -> None:
    other: list[Segment] = [("HL", "4", "", "20", "1"), ("NM1", "PR", "2", "SECOND PLAN"), ("HL", "5", "4", "21", "1")]
    body = [*SOURCE, *RECEIVER, *holder(ACTIVE, children="0"), *other, *holder(ACTIVE, hl="6", above="5", children="0")]
    found = list(reading(*body, whole=True).answers())
    assert [one.payer.name for one in found if one.payer] == ["PLAN OF PLENTY", "SECOND PLAN"]


@pytest.mark.parametrize(
    ("hl", "code"),
    [
        (("HL", "3", "9", "22", "0"), "hl_orphan"),
        (("HL", "3", "3", "22", "0"), "hl_orphan"),
        (("HL", "3", "", "22", "0"), "hl_parent"),
        (("HL", "2", "2", "22", "0"), "hl_duplicate"),
        (("HL", "3", "2", "99", "0"), "hl_level"),
        (("HL", "3"), "hl_level"),
    ],
)
def test_a_broken_hl(hl: Segment, code: str) -> None:
    found = reading(*SOURCE, *RECEIVER, hl, *holder(ACTIVE)[1:], whole=True)
    assert code in [one.code for one in found.issues]
    assert [one.payer.id for one in found.answers() if one.payer] == ([] if code == "hl_level" else ["PLENTY"])


_TWO_LOOPS: list[Segment] = [("EB", "C", "", "30"), ("LS", "2120"), ("NM1", "P3"), ("LE", "2120"), ACTIVE]


@pytest.mark.parametrize(
    "spliced",
    [
        [*holder(ACTIVE), ("TRN", "2", "OURS-9", "9000000001"), ("NM1", "IL", "1", "OTHER"), EB_INACTIVE],
        [*holder(ACTIVE), ("NM1", "IL", "1", "OTHER"), ("DMG", "D8", "19800101", "F"), EB_INACTIVE],
        [*holder(ACTIVE), ("NM1", "IL", "1", "OTHER"), ("INS", "Y", "18"), EB_INACTIVE],
        [*holder(), ("NM1", "IL", "1", "OTHER"), ACTIVE],
        [("HL", "3", "2", "22", "0"), ("TRN", "2", "1"), *holder()[1:], *holder()[1:], AAA],
        [*holder(), *child("BOB", ACTIVE), ("NM1", "03", "1", "HOLDER", "EVE"), ("DMG", "D8", "20150101", "F"), ACTIVE],
        [*holder(ACTIVE), ("NM1", "IL", "1", "OTHER"), EB_INACTIVE],
        [*holder(), *child("BOB", ACTIVE), ("NM1", "03", "1", "HOLDER", "EVE"), EB_INACTIVE],
        [*holder(ACTIVE), ("LS", "2120"), ("NM1", "PR"), ("LE", "2120"), ("NM1", "IL", "1", "OTHER"), EB_INACTIVE],
        [*holder(EB_INACTIVE), ("LS", "2120"), ("NM1", "PR"), ("NM1", "IL", "1", "OTHER"), ACTIVE],
        [*holder(EB_INACTIVE), ("LS", "2120"), ("NM1", "IL", "1", "OTHER"), ACTIVE, ("LE", "2120")],
        [*holder(EB_INACTIVE), ("LS", "2120"), ("NM1", "IL", "1", "OTHER"), *_TWO_LOOPS],
        [("NM1", "IL", "1", "OTHER"), EB_INACTIVE, *holder(ACTIVE)],
        [("NM1", "IL", "1", "OTHER"), *child("BOB", ACTIVE), *holder(ACTIVE)],
        [EB_INACTIVE, *holder(ACTIVE)],
        [*holder(), ("LS", "2120"), ("NM1", "PR"), ("LE", "2120"), ("NM1", "IL", "1", "OTHER"), ACTIVE],
        [*holder(EB_INACTIVE), ("LS", "2120"), ("NM1", "PR"), ("LE", "2120"), ("DMG", "D8", "19800101"), ACTIVE],
        [*holder(ACTIVE, children="0"), ("HL", "4", "1", "21", "0"), ("NM1", "IL", "1", "OTHER"), AAA],
    ],
)
def test_two_patients_under_one_hl_are_held(spliced: list[Segment]) -> None:
    found = reading(*SOURCE, *RECEIVER, *spliced, whole=True)
    assert [one.code for one in found.issues] == ["hl_lost"]
    assert holds(found.issues)


@pytest.mark.parametrize("joined", [[*SOURCE, BHT], [*SOURCE, BHT, *SOURCE], [BHT, *SOURCE]])
def test_a_set_joined_of_two_at_a_bht_is_held(joined: list[Segment]) -> None:
    found = reading(*joined, *RECEIVER, *holder(ACTIVE), whole=True)
    assert "bht_repeated" in [one.code for one in found.issues]
    assert holds(found.issues)


@pytest.mark.parametrize(("count", "codes"), [(None, ["hl_gap"]), ("40", ["hl_gap", "set_spliced"])])
def test_one_patient_with_the_end_of_another_is_held_where_both_counts_say_so(
    count: str | None, codes: list[str]
) -> None:
    """The first has the third one's benefits, as the fourth follows: HL01 leaps, and SE01 announces more."""
    patients = [*holder(ACTIVE, children="0"), *holder(ACTIVE, hl="6", children="0")]
    body = [BHT, *SOURCE, *RECEIVER, *patients]
    tset = next(transaction_sets(io.BytesIO(a_file(a_set(body, **({"count": count} if count else {}))).encode())))
    assert isinstance(tset, TransactionSet)
    found = judged(tset)
    assert [one.code for one in found.issues if one.code != "se_count"] == codes
    assert found.verdict == ("hold" if count else "warn")


@pytest.mark.parametrize("own", [[ACTIVE], [("NM1", "IL", "1", "OTHER"), AAA]])
def test_a_patient_under_a_level_that_is_not_read_is_lost(own: list[Segment]) -> None:
    found = reading(*SOURCE, *RECEIVER, ("HL", "3", "2", "24", "0"), *own, whole=True)
    assert "hl_lost" in [one.code for one in found.issues]


def test_who_is_named_between_ls_and_le_before_the_benefits_is_kept_and_is_nobody() -> None:
    entity: list[Segment] = [("LS", "2120"), ("NM1", "PR", "2", "OTHER MUTUAL"), ("N3", "BOX 1"), ("LE", "2120")]
    found = answer(*SOURCE, *RECEIVER, *holder(*entity, ACTIVE, children="0"), whole=True)
    assert found.subscriber is not None
    assert (found.coverage, found.member_id, found.subscriber.address) == ("active", "M0001", ())
    assert ("NM1", "PR", "2", "OTHER MUTUAL") in found.subscriber.details
    assert [one.code for one in found.issues] == ["unknown_segment"]


def test_an_insurer_named_behind_the_patient_is_no_patient_and_is_kept() -> None:
    insurer: Segment = ("NM1", "IN", "2", "OTHER MUTUAL", *[""] * 4, "PI", "OM1")
    found = answer(*SOURCE, *RECEIVER, *holder(insurer, ACTIVE, children="0"), whole=True)
    assert found.subscriber is not None
    assert (found.coverage, found.member_id) == ("active", "M0001")
    assert insurer in found.subscriber.details
    assert [one.code for one in found.issues] == ["segment_repeated"]


def test_the_holder_of_the_other_policy_may_have_a_date_of_birth() -> None:
    other: list[Segment] = [("LS", "2120"), ("NM1", "IL", "1", "OTHER"), ("DMG", "D8", "19500101"), ("LE", "2120")]
    found = reading(*SOURCE, *RECEIVER, *holder(EB_INACTIVE, ("EB", "R", "", "30"), *other), whole=True)
    assert found.issues == ()


def test_what_is_named_under_a_benefit_is_no_lost_patient() -> None:
    entity: list[Segment] = [("LS", "2120"), ("NM1", "PR"), ("NM1", "IL", "1", "OTHER"), ("LE", "2120"), ("NM1", "PR")]
    born: Segment = ("DMG", "D8", "20150101", "M")
    family = [*SOURCE, *RECEIVER, *holder(ACTIVE, *entity), *child("BOB", TRACE, born, ACTIVE)]
    assert reading(*family, whole=True).issues == ()


def test_an_unclosed_loop_with_no_status_behind_it_names_nobody_else() -> None:
    entity: list[Segment] = [("LS", "2120"), ("NM1", "PR"), ("NM1", "IL", "1", "OTHER"), ("EB", "C", "", "30")]
    found = reading(*SOURCE, *RECEIVER, *holder(ACTIVE, *entity), whole=True)
    assert found.issues == ()


def test_a_set_that_breaks_the_reader_is_held_and_raises_nothing() -> None:
    tset = next(transaction_sets(io.BytesIO(a_file().encode())))
    assert isinstance(tset, TransactionSet)
    marks = tset.interchange.delimiters._replace(element="")
    object.__setattr__(tset.interchange, "delimiters", marks)
    assert [one.code for one in parse_271(tset).issues] == ["set_unreadable"]


def test_an_answer_that_breaks_the_reader_says_so() -> None:
    body: Segment = ("EB", "1", "", "30", *[""] * 9, "CJ:99213")
    found = reading(body)
    (one,) = replace(found, delimiters=found.delimiters._replace(component="")).answers()
    assert (one.coverage, [each.code for each in one.issues]) == ("undetermined", ["answer_unreadable"])
