"""What a person can do, from the words and codes that vendor and payer send."""

import pytest

from worker.core.vendor.advice import path_advice, rejection_advice, skip_advice


@pytest.mark.parametrize(
    "reason",
    [
        "request does not meet path conditions",
        "parent path (Commercial) conditions not met",
        "the request does not meet the conditions of this path",
        "coverage was already found by an earlier path",
        "Another path found coverage",
        "not required: another path found coverage, no failover",
    ],
)
def test_a_path_that_was_skipped_as_configured_needs_no_person(reason: str) -> None:
    assert skip_advice(reason) is None


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("an equal request was submitted within the last 72 hours", "within 72 hours"),
        ("request cache hit", "within 72 hours"),
        ("the same was asked 72h ago", "within 72 hours"),
        ("subscriber rejected, AAA 72", "correct what the reason names"),
        ("conditions not met: date of birth is missing", "correct what the reason names"),
        ("error building request: subscriber date of birth is required", "correct what the reason names"),
        ("Missing member id", "correct what the reason names"),
        ("see ticket", "read the reason"),
        ("", "ask the vendor"),
        (None, "ask the vendor"),
    ],
)
def test_any_other_reason_says_what_to_do(reason: str | None, told: str) -> None:
    assert told in str(skip_advice(reason))


@pytest.mark.parametrize("status", ["payer_unavailable", " Processing_Error", "payer_not_in_system"])
def test_a_path_that_was_not_searched(status: str) -> None:
    assert path_advice(status)


@pytest.mark.parametrize("status", ["eligible", "ineligible", "patient_unknown", "new_word", "", None])
def test_a_path_that_was_searched(status: str | None) -> None:
    assert path_advice(status) is None


@pytest.mark.parametrize(
    ("code", "follow_up", "told"),
    [
        ("72", "C", "check the member id; correct what is wrong and send the inquiry again, or ask the payer"),
        ("72", "", "check the member id; correct what is wrong and send the inquiry again, or ask the payer"),
        ("71", "N", "check the date of birth; ask the payer, which takes no second inquiry"),
        ("42", "R", "send the inquiry again later, or ask the payer"),
        ("80", "", "send the inquiry again later, or ask the payer"),
        ("42", "W", "wait thirty days, then send the inquiry again"),
        ("72", "S", "do not send it again: the payer passes the inquiry on to another one"),
        ("Q9", "C", "correct what the reason names, and send the inquiry again"),
        ("Q9", "P", "send the inquiry again later, or ask the payer"),
        ("Q9", "N", "ask the payer"),
        ("", "", "ask the payer"),
    ],
)
def test_a_rejection(code: str, follow_up: str, told: str) -> None:
    assert rejection_advice(code, follow_up) == told
