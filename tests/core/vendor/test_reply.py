"""From an answer to a reply: what each status says, how long to wait, and whose body it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vendor_replies import DONE, ID, NOW, PATHS, body, read
from worker.core.vendor.reply import (
    RETRY_AFTER_CAP_MS,
    Concluded,
    Garbled,
    HttpAnswer,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
    read_reply,
    retry_after,
)

# The statuses that are no 200.


@pytest.mark.parametrize(
    "said", [b"", DONE, b'["sorry"]', b"<html>", b"\xff"], ids=["empty", "done", "array", "html", "?"]
)
@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (404, Unknown()),
        (422, Rejected("http_422")),
        (400, Rejected("http_400")),
        (405, Rejected("http_405")),
        (410, Rejected("http_410")),
        (499, Rejected("http_499")),
        (408, Unreachable("http_408")),
        (500, Unreachable("http_500")),
        (502, Unreachable("http_502")),
        (503, Unreachable("http_503")),
        (504, Unreachable("http_504")),
        (599, Unreachable("http_599")),
        (429, RateLimited("http_429")),
        (403, Refused("http_403")),
        (401, Refused("http_401")),
        (201, Garbled("http_201")),
        (202, Garbled("http_202")),
        (204, Garbled("http_204")),
        (206, Garbled("http_206")),
        (301, Garbled("redirect")),
        (304, Garbled("redirect")),
        (308, Garbled("redirect")),
        (101, Garbled("http_101")),
    ],
)
def test_no_status_but_200_concludes_whatever_its_body(status: int, reply: Reply, said: bytes) -> None:
    if said.startswith(b"<") and isinstance(reply, Refused):
        reply = Refused(f"{reply.code}_html")  # a machine in between may have said it
    assert read(said, status) == reply


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_trouble_is_about_us_only_with_retry_after(status: int) -> None:
    assert read(b"", status, retry_after="5") == RateLimited(f"http_{status}", 5000)
    assert read(b"", status, retry_after="soon") == RateLimited(f"http_{status}", None)
    assert read(b"", status) == Unreachable(f"http_{status}")
    assert read(b"", 500, retry_after="5") == Unreachable("http_500")


def test_a_407_is_the_proxys_whoever_relays_it() -> None:
    assert read(b"", 407) == Refused("proxy_auth", "proxy")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b'{"error": "invalid_product", "error_description": "Jane Roe", "traceId": "x"}', "http_401_invalid_product"),
        (b'{"error": "access_token_expired"}', "http_401_access_token_expired"),
        (b'{"error": " Invalid_Token\\n"}', "http_401_invalid_token"),
        (b'{"error": "Jane Roe"}', "http_401"),
        (b'{"error": "jane_roe"}', "http_401"),
        (b'{"error": "client_s3cret"}', "http_401"),
        (b'{"error": null}', "http_401"),
        (b'{"error": {"code": "invalid_token"}}', "http_401"),
        (b'{"errors": ["invalid_token"]}', "http_401"),
        (b'{"error": ["invalid_product"]}', "http_401"),
        (b'{"error": "' + b"a" * 41 + b'"}', "http_401"),
        (b'["invalid_product"]', "http_401"),
        (b"[" * 9_999, "http_401"),
        (b'{"error":' * 1_100, "http_401"),
        (b'{"error": "invalid_product"}' + b" " * 10_000, "http_401"),
    ],
)
def test_the_word_of_a_refusal_is_kept_only_where_it_is_a_known_one(said: bytes, code: str) -> None:
    assert read(said, 401) == Refused(code)


# Retry-After.


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0),
        ("5", 5_000),
        (" 5 ", 5_000),
        ("2.5", 2_500),
        ("3600", RETRY_AFTER_CAP_MS),
        ("3601", RETRY_AFTER_CAP_MS),
        ("999999999999", RETRY_AFTER_CAP_MS),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("fri, 15 jan 2027 08:00:30 gmt", 30_000),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30_000),
        ("Fri Jan 15 08:00:30 2027", 30_000),
        ("Sat, 16 Jan 2027 08:00:00 GMT", RETRY_AFTER_CAP_MS),
        ("Fri, 15 Jan 2027 07:59:59 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_CAP_MS),
        ("-5", None),
        ("+5", 5_000),
        ("5.", 5_000),
        ("0.004", 4),
        ("1e3", None),
        ("5 s", 5_000),
        ("30 seconds", 30_000),
        ("5 m", None),
        ("5, 5", 5_000),
        ("5, 120, 7", 120_000),
        ("5, soon", 5_000),
        ("Fri, 15 Jan 2027 08:00:30 GMT, Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("Fri, 15 Jan 2027 08:00:30 GMT, 60", 60_000),
        ("0x10", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Fri, 30 Feb 2027 08:00:30 GMT", None),
        ("Fri, 15 Jan 2027 08:00:30 +0100", None),
        ("Fri, 15 Jan 2027 08:00:30 UTC", 30_000),
        ("15 Jan 2027 08:00:30 +0000", 30_000),
        ("2027-01-15T08:00:30Z", 30_000),
        ("9" * 500, RETRY_AFTER_CAP_MS),
        (None, None),
    ],
)
def test_retry_after_in_both_forms_and_capped(value: str | None, wait: int | None) -> None:
    assert retry_after(value, NOW) == wait
    assert read(b"", 429, retry_after=value) == RateLimited("http_429", wait)


@pytest.mark.parametrize(
    ("date", "value", "wait"),
    [
        ("Fri, 15 Jan 2027 09:00:00 GMT", "Fri, 15 Jan 2027 09:00:30 GMT", 30_000),  # their clock is an hour ahead
        ("Fri, 15 Jan 2027 07:00:00 GMT", "Fri, 15 Jan 2027 07:00:30 GMT", 30_000),
        # A gateway has added its own, a second later.
        ("Fri, 15 Jan 2027 07:00:00 GMT, Fri, 15 Jan 2027 07:00:01 GMT", "Fri, 15 Jan 2027 07:00:30 GMT", 30_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", "30", 30_000),
        ("Fri, 15 Jan 2027 09:00:00 GMT", "Fri, 15 Jan 2027 08:59:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 15 Jan 2027 08:00:30 GMT", RETRY_AFTER_CAP_MS),
        ("yesterday", "Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("", "Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
    ],
)
def test_a_date_is_measured_against_the_answers_own_clock(date: str, value: str, wait: int) -> None:
    assert read(b"", 429, retry_after=value, date=date) == RateLimited("http_429", wait)


@given(st.text() | st.from_regex(r"[0-9]{1,14}(\.[0-9]*)?", fullmatch=True))
def test_no_retry_after_is_longer_than_the_cap_or_in_the_past(value: str) -> None:
    wait = retry_after(value, NOW)
    assert wait is None or 0 <= wait <= RETRY_AFTER_CAP_MS


# Whose body is it?


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"id": ID.upper()}, Garbled("wrong_id")),
        ({"id": ID.lower()}, Garbled("wrong_id")),
        ({"id": ID + " "}, Garbled("wrong_id")),
        ({"id": "another"}, Garbled("wrong_id")),
        ({"id": "another", "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": 17, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": True, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": [ID], "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": {"id": ID}, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": None}, Garbled("no_task")),
        ({"id": ""}, Garbled("no_task")),
        ({"id": None, "discoveryPaths": []}, Garbled("no_task")),
        ({"id": None, "discoveryPaths": None}, Garbled("no_task")),
    ],
    ids=str,
)
def test_another_tasks_body_is_never_taken_for_this_ones(fields: dict[str, object], reply: Reply) -> None:
    assert read(body(**({"status": "success"} | fields))) == reply


@pytest.mark.parametrize("missing", [None, ""])
def test_a_body_without_an_id_is_this_tasks_if_it_looks_like_a_task(missing: str | None) -> None:
    # The vendor marks nothing as required, not even the id.
    assert isinstance(read(body(id=missing, status="success", discoveryPaths=PATHS)), Concluded)
    assert isinstance(read(json.dumps({"status": "failure", "discoveryPaths": {}}).encode()), Concluded)
    assert read(b'{"status": "success"}') == Garbled("no_task")


def test_a_number_is_an_id_where_it_is_the_one_that_was_asked_for() -> None:
    assert isinstance(read_reply(HttpAnswer(200, b'{"id": 17, "status": "success"}'), "17", None, NOW), Concluded)
    assert read_reply(HttpAnswer(200, b'{"id": 18, "status": "success"}'), "17", None, NOW) == Garbled("wrong_id")


def test_another_tenants_body_is_not_stored() -> None:
    assert read(DONE, tenant="T1", tenant_id="T2") == Garbled("other_tenant")
    assert read(DONE, tenant="T1", tenant_id="t1") == Garbled("other_tenant")
    for several in ("T1, T2", "T2, T1", "T2, T2"):
        assert read(DONE, tenant="T1", tenant_id=several) == Garbled("other_tenant")
    # No header, or none configured: nothing to compare.
    for echoed in ("T1", "T1, T1", "T1,", "", None):
        assert isinstance(read(DONE, tenant="T1", tenant_id=echoed), Concluded)
    assert isinstance(read(DONE, tenant_id="T2"), Concluded)
