"""Which requests are refused, and in which words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import examples
from sandbox.requests import ELIGIBILITY, Invalid, Rows, Text, check_discovery, check_eligibility, json_object


def wrong(body: dict[str, Any]) -> list[str]:
    """The mistakes of an eligibility request, without their common beginning."""
    lines: tuple[str, ...] = ()
    try:
        check_eligibility(body)
    except Invalid as why:
        lines = why.lines
    assert all(line.startswith("Failed Precondition - ") for line in lines)
    return [line.removeprefix("Failed Precondition - ") for line in lines]


def changed(*path: str, to: object) -> dict[str, Any]:
    """A valid request with one field changed."""
    body = examples.real_time_request(1)
    record = body
    for name in path[:-1]:
        record = record.setdefault(name, {})
    record[path[-1]] = to
    return body


@given(st.integers(0, 10**6), st.integers(0, 9))
def test_the_examples_are_valid(n: int, seed: int) -> None:
    assert wrong(examples.real_time_request(n, seed, "TWO-MINUTES")) == []


def test_all_mistakes_are_told_at_once() -> None:
    assert wrong({"subscriber": {"gender": "X"}, "controlNumber": "12", "dependents": []}) == [
        "Field 'encounter' is required",
        "Field 'controlNumber' must be exactly nine digits, and positive",
        "Field 'subscriber.gender' is not one of the allowed values",
        "Field 'dependents' has too few items",
    ]
    assert wrong({"encounter": {}}) == [
        "Field 'subscriber' is required",
        "Field 'encounter.dateOfService' is required",
    ]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["controlNumber"], "000000000", "nine digits"),
        (["controlNumber"], "12345678x", "nine digits"),
        (["controlNumber"], "1234567890", "longer than 9"),
        (["controlNumber"], 123456789, "must be a string"),
        (["subscriber"], "x", "must be an object"),
        (["subscriber", "memberId"], "A B", "letters, digits and hyphens"),
        (["subscriber", "memberId"], "", "letters, digits and hyphens"),
        (["subscriber", "memberId"], "A" * 81, "longer than 80"),
        (["subscriber", "dateOfBirth"], "1950-01-31", "YYYYMMDD"),
        (["subscriber", "dateOfBirth"], "19500230", "not a day of the calendar"),
        (["subscriber", "providerCode"], "SB", "allowed values"),
        (["subscriber", "address", "state"], "TEX", "longer than 2"),
        (["encounter", "dateOfService"], "", "YYYYMMDD"),
        (["encounter", "dateOfService"], "20261301", "not a day of the calendar"),
        (["encounter", "serviceTypeCodes"], ["30", "29"], r"serviceTypeCodes\[1\]' is not one"),
        (["encounter", "serviceTypeCodes"], ["30"] * 100, "too many"),
        (["encounter", "serviceTypeCodes"], "30", "must be an array"),
        (["encounter", "industryCode"], "27", "allowed values"),
        (["provider", "providerCode"], "XX", "allowed values"),
        (["provider", "providerType"], "doctor", "allowed values"),
        (["dependents"], [{"memberId": "1"}], "shorter than 2"),
        (["dependents"], [{}, {"individualRelationshipCode": "18"}], r"dependents\[1\]"),
    ],
)
def test_a_wrong_field(path: list[str], value: object, words: str) -> None:
    (line,) = wrong(changed(*path, to=value))
    assert ".".join(path) in line
    with pytest.raises(Invalid, match=words):
        check_eligibility(changed(*path, to=value))
    # what people sent is never repeated in an error
    assert not (isinstance(value, str) and len(value) > 2 and value in line)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["subscriber", "dateOfBirth"], "18800102"),
        (["subscriber", "dateOfBirth"], "20240229"),
        (["subscriber", "unheardOf"], {"anything": 1}),
        (["encounter", "serviceTypeCodes"], []),
        (["encounter", "serviceTypeCodes"], ["UC", "A0", "99", "1"]),
        (["provider", "providerCode"], "SB"),
        (["subscriber", "firstName"], "É" * 35),
        (["controlNumber"], "000000001"),
    ],
)
def test_a_right_field(path: list[str], value: object) -> None:
    assert wrong(changed(*path, to=value)) == []


def fields(rule: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every field of the table that is no array."""
    if isinstance(rule, Text | Rows):
        return [(path, rule)] if isinstance(rule, Text) else []
    return [found for name, inner in rule.items() for found in fields(inner, (*path, name))]


@pytest.mark.parametrize(("path", "rule"), fields(ELIGIBILITY), ids=lambda value: str(value)[:40])
def test_every_field_has_its_bounds(path: tuple[str, ...], rule: Text) -> None:
    assert wrong(changed(*path, to=7)) == [f"Field '{'.'.join(path)}' must be a string"]
    if rule.longest:
        assert wrong(changed(*path, to="1" * (rule.longest + 1))) == [
            f"Field '{'.'.join(path)}' is "
            + ("not one of the allowed values" if rule.words else f"longer than {rule.longest} characters")
        ]
        assert wrong(changed(*path, to="1" * rule.longest)) == []


@given(st.binary())
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="Bad Request"):
        json_object(b"[" + body)


def test_a_deeply_nested_body_is_refused() -> None:
    with pytest.raises(Invalid, match="not JSON"):
        json_object(b"[" * 100_000)


@pytest.mark.parametrize(
    "body",
    [
        {"dryRun": "yes"},
        {"callbackUrl": "ftp://example.invalid/"},
        {"callbackUrl": 7},
        {"canonicalEligibilityResponse": []},
        {"canonicalEligibilityResponse": {"status": {"value": "eligibile"}}},
        {"canonicalEligibilityResponse": {"metadata": {"clearinghouse": "XXX"}}},
        {"canonicalEligibilityResponse": {"x12-271": 1}},
    ],
)
def test_a_wrong_direct_discovery(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=next(iter(body))):
        check_discovery(body)


def test_a_right_direct_discovery() -> None:
    answer = {"status": {"value": "ineligible"}, "metadata": {"clearinghouse": "IMN"}, "x12-271": "ISA"}
    url = "https://example.invalid/x"
    check_discovery({"dryRun": True, "callbackUrl": url, "canonicalEligibilityResponse": answer})
