"""The text in a result's x12-271 field."""

import json

import pytest

from tests.support.x12_samples import ACTIVE, a_file, a_set, group, interchange, subscriber, wrapped
from worker.core.x12 import embedded
from worker.core.x12.embedded import derive, read_embedded

PLAIN = a_file()
BARE = "~".join("*".join(segment) for segment in a_set()) + "~"


@pytest.mark.parametrize("text", [None, "", " \n", 17, {}, ["ISA"]])
def test_an_absent_text(text: object) -> None:
    assert read_embedded(text) == ("absent", (), (), ())


@pytest.mark.parametrize("text", ["string", " String\n"])
def test_the_placeholder(text: str) -> None:
    assert read_embedded(text) == ("placeholder", (), (), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN, []),
        (PLAIN + "\n", []),
        (PLAIN[:-1], []),
        (wrapped(PLAIN), []),
        (a_file(usage="T", isa={8: "CLINIC      "}), ["isa_width", "test_interchange"]),
        (BARE, ["no_envelope"]),
        (BARE[:-1], ["no_envelope"]),
        (BARE.replace("~", "\n"), ["no_envelope"]),
        (BARE.replace("~", "~\r\n"), ["no_envelope"]),
        (BARE.replace("*", "|").replace("~", "'"), ["no_envelope"]),
        ("\ufeff" + BARE, ["no_envelope"]),
        (a_file(a_set(count="40")), ["se_count"]),
        (PLAIN[: PLAIN.index("SE*")], ["set_cut", "file_cut"]),
        (PLAIN.replace("~SE*12*0001", ""), ["se_missing"]),
    ],
)
def test_a_271(text: str, said: list[str]) -> None:
    found = read_embedded(text)
    (answer,) = found.answers
    assert found.kind == "271"
    assert (answer.coverage, answer.member_id, answer.plan) == ("active", "M0001", "SILVER")
    assert answer.benefits[0].service_types == ("30", "88")
    assert sorted(one.code for one in found.issues) == sorted(said)


def test_a_last_segment_that_was_cut_off_is_not_read() -> None:
    text = a_file(a_set(subscriber(ACTIVE, ("EB", "C", "", "30", "", "", "23", "1484"))))
    (answer,) = read_embedded(text[: text.index("1484") + 2]).answers
    assert [one.code for one in answer.benefits] == ["1"]


def test_several_interchanges() -> None:
    second = a_file(a_set(subscriber(("EB", "6", "", "30"))), control="000000002")
    assert [one.coverage for one in read_embedded(PLAIN + second).answers] == ["active", "inactive"]


@pytest.mark.parametrize(("hole", "wanted"), [("", False), ("\0\0", True)])
def test_zeros_in_a_text_are_an_issue_of_its_answers(hole: str, wanted: bool) -> None:
    path = {"transaction": {"x12-271": PLAIN.replace("~DMG", f"~{hole}DMG")}}
    (row,) = derive(json.dumps({"discoveryPaths": {"successful": [path]}}).encode()).answers
    assert ("nul_bytes" in [one["code"] for one in json.loads(row["said"])["issues"]]) is wanted


def test_one_byte_of_latin_1_costs_no_answer() -> None:
    body = json.dumps({"name": "Default", "realTime": {"transaction": {"x12-271": PLAIN}}}).encode()
    assert len(derive(body.replace(b"Default", b"D\xe9fault")).answers) == 1


def test_a_270_has_no_answers() -> None:
    found = read_embedded(a_file(a_set(code="270")))
    assert (found.kind, found.answers, found.sets) == ("other", (), ())


@pytest.mark.parametrize("text", ["not X12", "ISA*00*", "ST*271", "{}", "<html>", "\ud800" + PLAIN[:30]])
def test_what_cannot_be_read(text: str) -> None:
    found = read_embedded(text)
    assert (found.kind, found.answers) == ("unreadable", ())
    assert found.issues


def test_what_may_be_of_two_patients_tells_no_coverage() -> None:
    two = [*subscriber(("EB", "6", "", "30")), ("NM1", "IL", "1", "ROE", "RICK", "", "", "", "MI", "M777"), ACTIVE]
    (found,) = read_embedded(interchange(group(a_set(two)))).answers
    assert (found.coverage, found.other_payers) == ("undetermined", ())


@pytest.mark.parametrize(("many", "identities"), [(2, 2), (3, 0)])
def test_the_sets_of_a_text_that_was_cut_are_told_by_a_batch(
    many: int, identities: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "MOST_ANSWERS_PER_TEXT", 2)
    sets = [a_set(subscriber(ACTIVE, member=f"M{n}"), control=f"{n:04d}") for n in range(many)]
    body = {"discoveryPaths": {"successful": [{"transaction": {"x12-271": a_file(*sets)}}]}}
    found = derive(json.dumps(body).encode())
    assert (len(found.answers), len(found.texts)) == (2, identities)
